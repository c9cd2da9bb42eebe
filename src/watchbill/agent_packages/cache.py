"""Packages in a folder of this machine, for who brings them to devices: fetched from the database once, checked before each use."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import agents
from watchbill.agent_packages import publishing
from watchbill.agent_packages.store import Package
from watchbill.kit import log
from watchbill.kit.settings import Settings
from watchbill_wire import WireError, base64url, package_signing_bytes, parse_manifest

#: So many files stay, and longer only those that were used within the hour: somebody may be sending one.
MOST_FILES: Final = 8
_IN_USE_SECONDS: Final = 3600
#: Opens a transaction of the process that uses the cache: `db.begin`.
Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
_logger = log.get("agent_packages")


class DamagedPackageError(Exception):
    """What the database holds is not what was signed; the text is for people."""


@dataclass(frozen=True, slots=True)
class CachedPackage:
    """A package as a file whose hash and signature are right. `signing_key`: the raw Ed25519 key in base64url."""

    version: str
    platform: str
    arch: str
    path: Path
    sha256: str
    size: int
    manifest: bytes
    signature: bytes
    signing_key: str
    glibc: str | None = None


@dataclass
class PackageCache:
    """One for a process; several processes of a machine may share the folder."""

    folder: Path
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "PackageCache":
        return cls(settings.data_dir / "cache" / "agent-packages")

    async def get(self, transaction: Transaction, branch: str, platform: str, arch: str) -> CachedPackage:
        """The newest of a branch for such a machine. NoPackageError where there is none, DamagedPackageError where it is not right."""
        async with transaction() as tx:
            package = await publishing.newest(tx, branch, platform, arch)
            keys = dict(await agents.public_keys(tx))
        key = keys.get(package.key_id)
        if key is None:
            raise DamagedPackageError(
                f"The package of version {package.version} was signed with a key that is retired: publish it again."
            )
        _check_signature(package, key)
        async with self._locks.setdefault(package.sha256, asyncio.Lock()):
            path = await self._file(transaction, package)
        return _cached(package, path, base64url(key))

    async def _file(self, transaction: Transaction, package: Package) -> Path:
        path = self.folder / package.sha256
        if not await asyncio.to_thread(_is_right, path, package.sha256):
            await self._fetch(transaction, package, path)
            await asyncio.to_thread(_sweep, self.folder, path)
        await asyncio.to_thread(os.utime, path)
        return path

    async def _fetch(self, transaction: Transaction, package: Package, path: Path) -> None:
        with _part(self.folder) as file:
            for position in range(publishing.chunks_of(package)):
                async with transaction() as tx:
                    data = await publishing.read_chunk(tx, package, position)
                await asyncio.to_thread(file.write, data)
            await asyncio.to_thread(_settle, file, path, package)
        _logger.info("agent_package.cached", version=package.version, sha256=package.sha256, bytes=package.size)


def _check_signature(package: Package, key: bytes) -> None:
    """Also that what was signed is what the row says."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(package.signature, package_signing_bytes(package.manifest))
        said = parse_manifest(package.manifest.decode())
    except (InvalidSignature, WireError, ValueError):
        raise DamagedPackageError(
            f"The signature of the package of version {package.version} is not right: publish it again."
        ) from None
    names = ("version", "platform", "arch", "sha256", "size", "glibc")
    if any(getattr(said, name) != getattr(package, name) for name in names):
        raise DamagedPackageError(
            f"The package of version {package.version} is not the one that was signed: publish it again."
        )


def _cached(package: Package, path: Path, key: str) -> CachedPackage:
    names = ("version", "platform", "arch", "sha256", "size", "manifest", "signature", "glibc")
    return CachedPackage(**{name: getattr(package, name) for name in names}, path=path, signing_key=key)


@contextmanager
def _part(folder: Path) -> Iterator[IO[bytes]]:
    """A file that is not there afterwards, unless it was given its name."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(suffix=".part", dir=folder, delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def _settle(file: IO[bytes], path: Path, package: Package) -> None:
    file.flush()
    if not _is_right(Path(file.name), package.sha256):
        raise DamagedPackageError(
            f"The package of version {package.version} is damaged in the database: publish it again."
        )
    Path(file.name).replace(path)


def _is_right(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _sweep(folder: Path, fresh: Path) -> None:
    """By age, which is when each was last used. What a process that was killed had begun goes the same way."""
    newest = fresh.stat().st_mtime
    for path, used in _by_use(folder)[MOST_FILES:]:
        if path != fresh and newest - used > _IN_USE_SECONDS:
            path.unlink(missing_ok=True)


def _by_use(folder: Path) -> Sequence[tuple[Path, float]]:
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append((path, path.stat().st_mtime))
    return sorted(found, key=lambda one: -one[1])

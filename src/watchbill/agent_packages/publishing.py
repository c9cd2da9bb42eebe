"""The verbs of the agent's packages: published on a branch with a manifest that the Engine signs, found, promoted and withdrawn.

They are signed with the key that signs orders, under a context of their own: what an agent obeys as root it may as well become,
and it knows that key already. Who can write the database alone can make neither.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.agent_packages import store
from watchbill.agent_packages.archive import Inspected
from watchbill.agent_packages.store import CHUNK_BYTES, Package
from watchbill.agents import Signer
from watchbill.core.filter_version import version_key
from watchbill.core.problems import Problem
from watchbill.identity import EVERY_SITE, Actor, Permission, audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill_wire import PackageManifest, package_signing_bytes

STABLE: Final = "stable"
#: As the agent takes them.
BRANCH: Final = r"[a-z][a-z0-9._-]{0,39}"


@dataclass(frozen=True, slots=True)
class Published:
    """`is_new` False: it was there already, exactly so."""

    package: Package
    is_new: bool


class NoPackageError(NotFoundError):
    """The branch has none for such a machine; the text says which ones there are."""

    code = "no_agent_package"


def branch_problems(branch: str, field: str = "branch") -> list[Problem]:
    if re.fullmatch(BRANCH, branch):
        return []
    message = "must be 1 to 40 lowercase letters, digits, dots, hyphens and underscores, a letter first"
    return [Problem(field, "bad_branch", message)]


def require(actor: Actor) -> None:
    """What runs on every device is for those who see every site."""
    actor.require(Permission.PACKAGES_WRITE)
    if actor.scope != EVERY_SITE:
        raise ForbiddenError("Packages of the agent are for the devices of all sites: this needs every site in sight.")


async def publish(
    tx: AsyncConnection, actor: Actor, file: Path, found: Inspected, *, branch: str, signer: Signer, now: datetime
) -> Published:
    """Keep the package and sign what it is. The same again changes nothing; a version that is there with another content is refused."""
    _check(actor, branch)
    sha256, size = await asyncio.to_thread(_digest, file)
    await store.hold(tx)
    before = await store.find_version(tx, branch, found.platform, found.arch, found.version)
    if before is not None and before.withdrawn_at is None:
        return _as_it_is(before, sha256)
    await _put_content(tx, file, sha256)
    manifest = PackageManifest(found.version, found.platform, found.arch, sha256, size, found.built_at, found.glibc)
    text = manifest.to_text().encode()
    signature = signer.sign(package_signing_bytes(text))
    values = {**_told(manifest), "manifest": text, "signature": signature, "key_id": signer.key_id}
    return await _put(tx, actor, branch, values, before, now)


def _check(actor: Actor, branch: str) -> None:
    require(actor)
    if wrong := branch_problems(branch):
        raise InvalidError.of(wrong, what="The branch")


def _as_it_is(there: Package, sha256: str) -> Published:
    if there.sha256 == sha256:
        return Published(there, is_new=False)
    raise ConflictError(
        f"Version {there.version} for {there.platform} {there.arch} is on the branch {there.branch} already, with another content:"
        " give what you built a version of its own, or withdraw the one that is there.",
        code="version_is_there",
    )


def _told(manifest: PackageManifest) -> dict[str, object]:
    names = ("version", "platform", "arch", "sha256", "size", "built_at", "glibc")
    return {name: getattr(manifest, name) for name in names}


async def _put(
    tx: AsyncConnection,
    actor: Actor,
    branch: str,
    values: Mapping[str, object],
    before: Package | None,
    now: datetime,
) -> Published:
    """`before`: what has this place, withdrawn."""
    if before is not None:
        await store.forget(tx, before.id)
        await store.drop_unused(tx, before.sha256)
    key = version_key(str(values["version"]))
    row = {**values, "branch": branch, "version_key": key, "published_at": now, "published_by": actor.name}
    package_id = await store.put(tx, row)
    detail = {name: values[name] for name in ("version", "platform", "arch", "sha256", "size")}
    await audit.record(
        tx, actor, "agent_package.published", "agent_package", package_id, now=now, detail={**detail, "branch": branch}
    )
    return Published(await get(tx, package_id), is_new=True)


async def _put_content(tx: AsyncConnection, file: Path, sha256: str) -> None:
    position = 0
    with file.open("rb") as source:
        while data := await asyncio.to_thread(source.read, CHUNK_BYTES):
            await store.put_chunk(tx, sha256, position, data)
            position += 1


def _digest(file: Path) -> tuple[str, int]:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest(), file.stat().st_size


async def get(tx: AsyncConnection, package_id: int) -> Package:
    found = await store.find(tx, package_id)
    if found is None:
        raise NotFoundError("There is no such package.")
    return found


async def list_packages(
    tx: AsyncConnection, actor: Actor, *, branch: str | None = None, limit: int, cursor: str | None = None
) -> Page[Package]:
    """The last published first, withdrawn ones too."""
    actor.require(Permission.READ)
    before = int(decode_cursor(cursor, (int,))[0] or 0) if cursor is not None else None
    rows = await store.page(tx, branch, before, limit + 1)
    return page_of(rows, limit, lambda one: (one.id,))


async def newest(tx: AsyncConnection, branch: str, platform: str, arch: str) -> Package:
    """The highest version that can be had. NoPackageError says what there is instead."""
    found = await store.newest(tx, branch, platform, arch)
    if found is None:
        raise NoPackageError(_instead(await store.offered(tx), branch, platform, arch))
    return found


def _instead(offered: Sequence[tuple[str, str, str]], branch: str, platform: str, arch: str) -> str:
    lacking = f"There is no package of the agent for {platform} {arch} on the branch {branch}"
    if not offered:
        return f"{lacking}, nor any other: `watchbill agent-packages build --publish` makes one."
    of_branch = [f"{one} {other}" for name, one, other in offered if name == branch]
    if of_branch:
        return f"{lacking}. It has {', '.join(of_branch)}."
    return f"{lacking}. There are the branches {', '.join(sorted({name for name, _, _ in offered}))}."


async def branches(tx: AsyncConnection) -> list[str]:
    """Those that something can be had of; `stable` is the first."""
    found = {name for name, _, _ in await store.offered(tx)}
    return sorted(found, key=lambda name: (name != STABLE, name))


async def promote(tx: AsyncConnection, actor: Actor, package_id: int, *, branch: str, now: datetime) -> Published:
    """The same package, with the same signature, on another branch too."""
    _check(actor, branch)
    await store.hold(tx)
    package = await get(tx, package_id)
    if package.withdrawn_at is not None:
        raise ConflictError("A package that was withdrawn is not promoted: publish it again.", code="withdrawn")
    before = await store.find_version(tx, branch, package.platform, package.arch, package.version)
    if before is not None and before.withdrawn_at is None:
        return _as_it_is(before, package.sha256)
    names = ("version", "platform", "arch", "sha256", "size", "built_at", "glibc", "manifest", "signature", "key_id")
    return await _put(tx, actor, branch, {name: getattr(package, name) for name in names}, before, now)


async def withdraw(tx: AsyncConnection, actor: Actor, package_id: int, *, now: datetime) -> Package:
    """Nobody gets it from this branch any more. Where it is installed it stays."""
    require(actor)
    await store.hold(tx)
    package = await get(tx, package_id)
    if package.withdrawn_at is not None:
        return package
    await store.withdraw(tx, package_id, actor.name, now)
    await store.drop_unused(tx, package.sha256)
    detail = {"branch": package.branch, "version": package.version, "platform": package.platform, "arch": package.arch}
    await audit.record(tx, actor, "agent_package.withdrawn", "agent_package", package_id, now=now, detail=detail)
    return replace(package, withdrawn_at=now, withdrawn_by=actor.name)


async def read_chunk(tx: AsyncConnection, package: Package, position: int) -> bytes:
    """The chunk at a position, from 0 on. NoPackageError when it has been withdrawn meanwhile."""
    found = await store.chunk(tx, package.sha256, position)
    if found is None:
        raise NoPackageError(
            f"Version {package.version} for {package.platform} {package.arch} was withdrawn meanwhile."
        )
    return found


def chunks_of(package: Package) -> int:
    return -(-package.size // CHUNK_BYTES)

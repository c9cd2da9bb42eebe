"""Files that orders name, on this disk: contents by their SHA-256, unfinished ones, and copies that are ready for a script.

Private to the agent, and bounded: what was used longest ago goes first. Nothing that lies here is trusted: each copy for a script is
checked while it is made. Talks to nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from watchbill_wire import FileOf

DEFAULT_LIMIT_BYTES = 1024 * 1024 * 1024
_CHUNK = 1024 * 1024
_PART = ".part"


class DroppedError(Exception):
    """Nobody wants the copy any more."""


class FileCache:
    def __init__(self, root: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._contents = root / "contents"
        self._staged = root / "staged"
        self._limit = limit_bytes
        for folder in (root, self._contents, self._staged):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)

    # -- contents ----------------------------------------------------------------------------------------------------

    def has(self, file: FileOf) -> bool:
        """By its name and size; what is in it shows when it is copied."""
        path = self._contents / file.sha256
        try:
            if path.stat().st_size != file.size:
                return False
            os.utime(path)
        except OSError:
            return False
        return True

    def reached(self, file: FileOf) -> int:
        """How much of an unfinished content is here."""
        size = _size(self._part(file.sha256))
        return size if size <= file.size else 0

    def append(self, file: FileOf, offset: int, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if offset == 0 else 0)
        descriptor = os.open(self._part(file.sha256), flags, 0o600)
        with os.fdopen(descriptor, "wb") as part:
            part.seek(offset)
            part.write(data)

    def complete(self, file: FileOf) -> None:
        self._part(file.sha256).replace(self._contents / file.sha256)

    def drop(self, file: FileOf) -> None:
        for path in (self._contents / file.sha256, self._part(file.sha256)):
            with contextlib.suppress(OSError):
                path.unlink()

    def make_room(self, bytes_wanted: int, *, kept: Iterable[str] = ()) -> None:
        """Remove what was used longest ago until that much more fits within the limit; contents named in `kept` stay."""
        stays = {name for digest in kept for name in (digest, digest + _PART)}
        found = sorted(((path.stat().st_mtime, path) for path in self._contents.iterdir()), key=lambda one: one[0])
        total = sum(_size(path) for _, path in found) + bytes_wanted
        for _, path in found:
            if total <= self._limit:
                return
            if path.name not in stays:
                total -= _size(path)
                path.unlink()

    def _part(self, sha256: str) -> Path:
        return self._contents / (sha256 + _PART)

    # -- copies for scripts ------------------------------------------------------------------------------------------

    def stage(self, execution_id: str, file: FileOf, is_wanted: Callable[[], bool]) -> bool:
        """Copy a content for a script. False when it is not what was signed: then it has been removed, copy and content."""
        folder = self._staged / execution_id
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / file.name
        try:
            is_good = _copy(self._contents / file.sha256, target, file, is_wanted)
        except FileNotFoundError:
            is_good = False
        if not is_good:
            self.drop(file)
            with contextlib.suppress(OSError):
                target.unlink()
        return is_good

    def staged(self, execution_id: str) -> Path:
        """Where the copies for an execution are."""
        return self._staged / execution_id

    def unstage(self, execution_id: str) -> None:
        shutil.rmtree(self._staged / execution_id, ignore_errors=True)

    def sweep(self) -> None:
        """At the start of an agent: copies are made anew, since the one before may have died in the middle of one."""
        for folder in self._staged.iterdir():
            self.unstage(folder.name)
        self.make_room(0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _copy(source: Path, target: Path, file: FileOf, is_wanted: Callable[[], bool]) -> bool:
    """What was hashed is what was written: the content is read once."""
    digest, size = hashlib.sha256(), 0
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(reading, "rb", buffering=0) as content:
        # Executable: a file may be the tool that the script calls. Nobody but its owner gets at it.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, 0o700), "wb", buffering=0) as copy:
            while data := content.read(_CHUNK):
                if not is_wanted():
                    raise DroppedError
                digest.update(data)
                size += len(data)
                copy.write(data)
    return size == file.size and digest.hexdigest() == file.sha256

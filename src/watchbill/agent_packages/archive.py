"""What a package file is, as it lies in itself: for which machines, which version, and whether it is made as installers need it.

Nothing of it is run and nothing is unpacked to a disk. It blocks: to be called in a thread.
"""

import gzip
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final

from watchbill.core.elf import MAGIC, Elf, Version
from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError

MAX_UNPACKED_BYTES: Final = 1024**3
MAX_MEMBERS: Final = 20_000
_MAX_ELF_BYTES: Final = 256 * 1024 * 1024
_BEGIN_BYTES: Final = 4096
_PIECE: Final = 1024 * 1024
_TOP: Final = re.compile(r"watchbill-agent-([0-9][0-9A-Za-z.+-]{0,39})")
_PE_MACHINES: Final = {0x8664: "x86_64", 0xAA64: "aarch64"}
_WHAT: Final = "The package"


@dataclass(frozen=True, slots=True)
class Inspected:
    """`glibc`: the least one that everything in it can be loaded with; None where nothing needs one."""

    version: str
    platform: str
    arch: str
    glibc: str | None
    built_at: datetime


@dataclass(frozen=True, slots=True)
class _Member:
    """A file of an archive. `elf`: what it asks for, where it is a program or library of Linux; `begin`: its first bytes."""

    path: PurePosixPath
    is_executable: bool
    modified_at: float
    begin: bytes = b""
    elf: tuple[str | None, Version | None] | None = None


def inspect(path: Path) -> Inspected:
    """Raises InvalidError that says what is wrong."""
    try:
        with path.open("rb") as file:
            begin = file.read(4)
        if begin[:2] == b"\x1f\x8b":
            return _of_linux(list(_tar_members(path)))
        if begin[:2] == b"PK":
            return _of_windows(list(_zip_members(path)))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise _wrong("damaged", f"cannot be read: {error}") from None
    raise _wrong(
        "not_a_package",
        "must be a .tar.gz for Linux or a .zip for Windows, as `watchbill agent-packages build` makes it",
    )


def _wrong(code: str, message: str) -> InvalidError:
    return InvalidError.of([Problem("package", code, message)], what=_WHAT)


def _of_linux(members: list[_Member]) -> Inspected:
    version, program = _program(members, "watchbill-agent")
    if not program.is_executable:
        raise _wrong("not_executable", f"{program.path} must be executable")
    elves = [one.elf for one in members if one.elf]
    arch = program.elf[0] if program.elf else None
    if arch is None or {one for one, _ in elves} != {arch}:
        raise _wrong("unknown_arch", "its programs and libraries must all be for x86_64, or all for aarch64")
    needed = max((version for _, version in elves if version), default=None)
    glibc = f"{needed[0]}.{needed[1]}" if needed else None
    return Inspected(version, "linux", arch, glibc, datetime.fromtimestamp(program.modified_at, UTC))


def _of_windows(members: list[_Member]) -> Inspected:
    version, program = _program(members, "watchbill-agent.exe")
    place = int.from_bytes(program.begin[0x3C:0x40], "little")
    is_pe = program.begin[:2] == b"MZ" and program.begin[place : place + 4] == b"PE\0\0"
    arch = _PE_MACHINES.get(int.from_bytes(program.begin[place + 4 : place + 6], "little")) if is_pe else None
    if arch is None:
        raise _wrong("unknown_arch", f"{program.path} must be a program for x86_64 or aarch64")
    return Inspected(version, "windows", arch, None, datetime.fromtimestamp(program.modified_at, UTC))


def _program(members: list[_Member], name: str) -> tuple[str, _Member]:
    """The version, which the one folder at the top says, and the agent's program in it."""
    tops = {one.path.parts[0] for one in members}
    found = _TOP.fullmatch(tops.pop()) if len(tops) == 1 else None
    if found is None:
        raise _wrong("top_folder", "must have one folder at its top, watchbill-agent-VERSION, and everything in it")
    wanted = PurePosixPath(found[0], name)
    program = next((one for one in members if one.path == wanted), None)
    if program is None:
        raise _wrong("no_program", f"must have the agent's program at {wanted}")
    return found[1], program


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise _wrong("unsafe_path", f"holds {name!r}, which would lie outside of its folder")
    return path


def _tar_members(path: Path) -> Iterator[_Member]:
    total = 0
    with gzip.open(path) as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
        for number, info in enumerate(archive):
            total += info.size
            _check_size(number, total)
            name = _checked(info.name)
            if info.issym():
                _check_link(name, info.linkname)
            elif info.isfile():
                with closing(archive.extractfile(info) or _nothing()) as file:
                    yield _Member(name, bool(info.mode & 0o111), info.mtime, elf=_elf(file, info.size))
            elif not info.isdir():
                raise _wrong(
                    "odd_member", f"holds {info.name!r}, which is neither a file, a folder nor a symbolic link"
                )
        # To the end, where a checksum says whether all of it has come.
        while left := raw.read(_PIECE):
            total += len(left)
            _check_size(0, total)


def _nothing() -> IO[bytes]:
    raise ValueError("a member has no content")


def _check_link(name: PurePosixPath, target: str) -> None:
    """Inside of the one folder at the top, from wherever the link lies in it."""
    depth = len(name.parts) - 2
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            raise _wrong("unsafe_link", f"holds the link {name} to {target!r}, which leads out of its folder")


def _elf(file: IO[bytes], size: int) -> tuple[str | None, Version | None] | None:
    begin = file.read(4)
    if begin != MAGIC:
        return None
    if size > _MAX_ELF_BYTES:
        raise _wrong("too_large", f"holds a program of {size} bytes")
    found = Elf(begin + file.read())
    return found.arch, found.needed_glibc()


def _check_size(number: int, total: int) -> None:
    if number >= MAX_MEMBERS or total > MAX_UNPACKED_BYTES:
        raise _wrong("too_large", f"must hold at most {MAX_MEMBERS} files of together at most 1 GiB")


def _zip_members(path: Path) -> Iterator[_Member]:
    total = 0
    with zipfile.ZipFile(path) as archive:
        for number, info in enumerate(archive.infolist()):
            total += info.file_size
            _check_size(number, total)
            if not info.is_dir():
                moment = datetime(*info.date_time, tzinfo=UTC).timestamp()
                with archive.open(info) as file:
                    yield _Member(
                        _checked(info.filename), info.filename.endswith(".exe"), moment, file.read(_BEGIN_BYTES)
                    )

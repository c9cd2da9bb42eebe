"""A playbook as one zip archive: read with nothing trusted that it says, and written. Knows no store.

The tree is as it lies in a repository; `watchbill.yml` beside the playbook, which may be missing, holds the rest of the assembly.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final, Self

from watchbill.core.fields import shown
from watchbill.core.playbook_rules import MAIN, MAX_TREE_BYTES, MAX_TREE_FILE_BYTES, MAX_TREE_FILES, path_problem
from watchbill.core.problems import Problem
from watchbill.kit import yaml_file
from watchbill.kit.errors import InvalidError

#: What describes the assembly: everything but its playbook and its files.
ABOUT: Final = "watchbill.yml"
MAX_ZIP_BYTES: Final = 32 * 1024 * 1024
PIECE_BYTES: Final = 1024 * 1024
#: Folders have entries of their own.
_MAX_ENTRIES: Final = 4 * MAX_TREE_FILES
# An archive's list of contents is read into memory as a whole, before anything can be said of it.
_MAX_DIRECTORY_BYTES: Final = 1024 * 1024
_END: Final = struct.Struct("<4s4H2LH")
_OTHER_MAINS: Final = ("playbook.yaml", "site.yml", "site.yaml", "main.yml", "main.yaml")
_PLAIN: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Every file manager of some system adds these.
_LITTER: Final = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_ENCRYPTED: Final = 0x1
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
)


@dataclass(slots=True)
class Tree:
    """What an archive holds: the playbook, the rest of the assembly, and its other files by their paths."""

    content: str
    about: Mapping[str, Any]
    _zip: zipfile.ZipFile
    _files: Mapping[str, zipfile.ZipInfo] = field(default_factory=dict)

    @property
    def paths(self) -> Sequence[str]:
        return list(self._files)

    def pieces(self, path: str) -> Iterator[bytes]:
        """The content of one file; a damaged one raises InvalidError."""
        yield from _pieces(self._zip, self._files[path])

    def close(self) -> None:
        self._zip.close()


def read(file: IO[bytes], main: str | None) -> Tree:
    """Read an archive; InvalidError names everything in it that is refused. `main`: where in it the playbook is."""
    archive = _opened(file)
    try:
        return _tree(archive, main)
    except BaseException:
        archive.close()
        raise


def _tree(archive: zipfile.ZipFile, main: str | None) -> Tree:
    entries = _sound(archive)
    top = _common_folder(entries, main)
    files = {name.removeprefix(top): info for name, info in entries.items()}
    found = _main(files, main)
    content, about = _text(archive, files.pop(found)), files.pop(ABOUT, None)
    problems = [
        Problem(f"file.{name}", *fault) for name in files if name != ABOUT and (fault := path_problem(name)) is not None
    ]
    if problems:
        raise _refused(problems)
    return Tree(content, _about(_text(archive, about)) if about is not None else {}, archive, files)


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    fault = Problem("file", "not_a_zip", "is no zip archive, or a damaged one")
    if (size := _directory_bytes(file)) is None:
        raise _refused([fault])
    if size > _MAX_DIRECTORY_BYTES:
        raise _refused([Problem("file", "too_many", f"holds too many files: at most {MAX_TREE_FILES}")])
    try:
        return zipfile.ZipFile(file)
    except _DAMAGED:
        raise _refused([fault]) from None


def _directory_bytes(file: IO[bytes]) -> int | None:
    """How large its list of contents says it is, found in the way in which `zipfile` finds it; None where there is none."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_536 - _END.size))
    tail = file.read()
    start = len(tail) - _END.size
    if start < 0 or tail[start : start + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        start = tail.rfind(b"PK\5\6")
    if start < 0 or len(tail) - start < _END.size:
        return None
    if tail[max(0, start - 20) :].startswith(b"PK\6\7"):  # sizes beyond 4 GiB
        return _MAX_DIRECTORY_BYTES + 1
    return int(_END.unpack_from(tail, start)[5])


def _sound(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by the names they have there, if each may be what it is."""
    infos = [one for one in archive.infolist() if not one.is_dir() and not _is_litter(one.filename)]
    if len(infos) > MAX_TREE_FILES + 2 or len(archive.infolist()) > _MAX_ENTRIES:
        raise _refused([Problem("file", "too_many", f"holds {len(infos)} files: at most {MAX_TREE_FILES}")])
    problems = [Problem(f"file.{_named(one)}", *fault) for one in infos if (fault := _fault(one)) is not None]
    names = [one.filename for one in infos]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems += [Problem(f"file.{shown(name)[1:-1]}", "duplicate", "is in the archive twice") for name in repeated]
    if (total := sum(one.file_size for one in infos)) > MAX_TREE_BYTES:
        problems.append(Problem("file", "too_large", f"unpacks to {total} bytes: at most {MAX_TREE_BYTES}"))
    if problems:
        raise _refused(problems)
    return {one.filename: one for one in infos}


def _is_litter(name: str) -> bool:
    return name.startswith(_LITTER[0]) or name.rpartition("/")[2] in _LITTER[1:]


def _named(info: zipfile.ZipInfo) -> str:
    return shown(info.filename)[1:-1]


def _fault(info: zipfile.ZipInfo) -> tuple[str, str] | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & _ENCRYPTED:
        return "encrypted", "is encrypted"
    if kind not in (0, stat.S_IFREG):
        return "not_a_file", "is a symbolic link or something else that is no plain file"
    if info.compress_type not in _PLAIN:
        return "compression", "is packed in a way that is not taken: only stored and deflated are"
    if info.file_size > MAX_TREE_FILE_BYTES:
        return "too_large", f"unpacks to {info.file_size} bytes: at most {MAX_TREE_FILE_BYTES} for one file"
    # What Python makes of a name ends it at a NUL and turns the system's separators; the name itself is judged.
    if info.orig_filename != info.filename or "\\" in info.orig_filename:
        return "invalid_name", "must have a plain name with its folders apart by /"
    return _outside(info.filename)


def _outside(name: str) -> tuple[str, str] | None:
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
        return "invalid_name", "must lie below the archive's own folder: no path from the root, and no .."
    return None


def _common_folder(entries: Mapping[str, zipfile.ZipInfo], main: str | None) -> str:
    """The one folder in which everything lies, as in archives that repositories make of themselves."""
    if not entries or (main is not None and main in entries):
        return ""
    top = next(iter(entries)).partition("/")[0] + "/"
    return top if all(name.startswith(top) for name in entries) else ""


def _main(files: Mapping[str, zipfile.ZipInfo], main: str | None) -> str:
    candidates = [main] if main is not None else [MAIN, *_OTHER_MAINS]
    found = next((one for one in candidates if one in files), None)
    if found is None:
        wanted = shown(main) if main is not None else f"{MAIN}, {', '.join(_OTHER_MAINS)}"
        raise _refused(
            [Problem("main", "not_found", f"the archive has no playbook: {wanted}; say where it is by main")]
        )
    if "/" in found:
        raise _refused(
            [Problem("main", "not_allowed", "must lie beside its roles, in the first folder of the archive")]
        )
    return found


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.file_size > yaml_file.MAX_BYTES:
        raise _refused([Problem(f"file.{_named(info)}", "too_large", f"must be at most {yaml_file.MAX_BYTES} bytes")])
    try:
        return b"".join(_pieces(archive, info)).decode()
    except UnicodeDecodeError:
        raise _refused([Problem(f"file.{_named(info)}", "not_utf8", "must be text in UTF-8")]) from None


def _about(text: str) -> Mapping[str, Any]:
    value = yaml_file.read(text).value
    if not isinstance(value, Mapping) or {"content", "files"} & set(value):
        message = (
            "must be an object with the assembly's name, variables, collections and so on, without content and files"
        )
        raise _refused([Problem(f"file.{ABOUT}", "wrong_type", message)])
    return value


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as unpacked:
            while data := unpacked.read(PIECE_BYTES):
                yield data
    except _DAMAGED:
        raise _refused([Problem(f"file.{_named(info)}", "damaged", "is damaged")]) from None


def _refused(problems: Sequence[Problem]) -> InvalidError:
    return InvalidError.of(problems, what="The archive")


class Writer:
    """Writes an archive that `read` reads, which is whole at the end of the block; the same tree gives the same bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)

    def add(self, path: str, pieces: Iterator[bytes]) -> None:
        info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        with self._zip.open(info, "w") as packed:
            for data in pieces:
                packed.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

"""Which files an assembly may carry: their names, their number and their sizes. Pure: knows no store.

A name must do on every system that an agent may run on, so that an assembly does not fail on the first Windows machine.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from watchbill.core.fields import Fields, join, text_fault
from watchbill.core.problems import Problem

#: Bytes of one file, unless the installation allows fewer; bytes and number of the files of one revision.
MAX_FILE_BYTES: Final = 512 * 1024 * 1024
MAX_FILES_BYTES: Final = 1024 * 1024 * 1024
MAX_FILES: Final = 50
#: What file systems count is bytes, not characters.
MAX_NAME_BYTES: Final = 255

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NOT_ON_WINDOWS: Final = re.compile('[<>:"|?*]')
# Windows takes them for devices in every folder, whatever ends their name has.
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a revision: what it is called beside the script, its size in bytes, and the SHA-256 of its content in hex."""

    name: str
    sha256: str
    size: int

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "sha256": self.sha256, "size": self.size}


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a kind of assembly allows of its files: how many, how large each and together, and what they may be called."""

    most: int
    file_bytes: int
    bytes: int
    name_problem: Callable[[str], tuple[str, str] | None]


def name_problem(name: str) -> tuple[str, str] | None:
    """Why a file cannot have this name, as a code and a sentence; None when it can."""
    if not name or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        return "length", f"must have 1 to {MAX_NAME_BYTES} bytes in UTF-8"
    if fault := text_fault(name, is_one_line=True):
        return "invalid_text", fault
    if "/" in name or "\\" in name:
        return "invalid_name", "must be the name of a file, without a path"
    if name in (".", "..") or name.endswith((".", " ")) or name.startswith(" "):
        return "invalid_name", "must not begin with a blank nor end with a blank or a dot"
    if found := _NOT_ON_WINDOWS.search(name):
        return "invalid_name", f"must not hold {found[0]}, which Windows does not take"
    if _DEVICES.fullmatch(name):
        return "reserved_name", f"{name} is the name of a device on Windows"
    return None


#: The files beside a script.
BESIDE: Final = FileRules(MAX_FILES, MAX_FILE_BYTES, MAX_FILES_BYTES, name_problem)


def is_digest(text: object) -> bool:
    """Whether it is a SHA-256 in lowercase hex."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def read_files(fields: Fields, rules: FileRules = BESIDE) -> tuple[File, ...]:
    """The field `files` of an assembly. The size may be left out, and is 0 then, for whoever knows the contents to fill in."""
    read: list[File] = []
    taken: set[str] = set()
    for position, item in enumerate(fields.items("files", most=rules.most)):
        inner = Fields.of(item, fields.problems, join(fields.path, f"files.{position}"))
        file = _file(inner, rules)
        if file.name and file.name.casefold() in taken:
            inner.refuse("name", "duplicate", f"{file.name} is there twice (case does not count)")
        taken.add(file.name.casefold())
        read.append(file)
    return tuple(read)


def _file(fields: Fields, rules: FileRules) -> File:
    name = fields.text("name", most=MAX_NAME_BYTES, least=1)
    if name and (fault := rules.name_problem(name)):
        fields.refuse("name", *fault)
    digest = fields.take("sha256")
    if not is_digest(digest):
        fields.refuse("sha256", "wrong_type", "must be the SHA-256 of a stored file: 64 lowercase hex digits")
    size = fields.integer("size", 0, rules.file_bytes, default=0)
    fields.refuse_unknown("a file")
    return File(name, str(digest), size)


def same_name(files: Sequence[File], name: str) -> File | None:
    """The one that would lie in the same place on a system that knows no case."""
    return next((one for one in files if one.name.casefold() == name.casefold()), None)


def size_problems(files: Sequence[File], rules: FileRules = BESIDE) -> list[Problem]:
    """What is too large of these files, each by itself and all together."""
    message = "has {} bytes; one file may have at most {}"
    found = [
        Problem(f"files.{place}.size", "too_large", message.format(one.size, rules.file_bytes))
        for place, one in enumerate(files)
        if one.size > rules.file_bytes
    ]
    total = sum(one.size for one in files)
    if total > rules.bytes:
        message = f"have {total} bytes together; an assembly may carry at most {rules.bytes} bytes"
        found.append(Problem("files", "too_large", message))
    return found

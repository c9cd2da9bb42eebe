"""What a playbook may be made of: where its files lie, which collections it names, what its variables are called. Pure.

A playbook runs inside the Engine, on behalf of whoever wrote it: what Ansible would load from the tree as its own code is refused here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from watchbill.core.collection_versions import bounds_of
from watchbill.core.fields import Fields, join, text_fault
from watchbill.core.file_rules import MAX_NAME_BYTES, File, FileRules
from watchbill.core.file_rules import name_problem as file_name_problem

#: Where the playbook itself lies in its tree.
MAIN: Final = "playbook.yml"
MAX_TREE_FILES: Final = 500
MAX_TREE_BYTES: Final = 64 * 1024 * 1024
MAX_TREE_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 12
MAX_COLLECTIONS: Final = 50

_COLLECTION: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}\.[a-z_][a-z0-9_]{0,63}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# Folders from which Ansible loads code into itself, beside a playbook and in each role.
_CODE: Final = re.compile(r"(.+_plugins|plugin_utils|cliconf|httpapi|netconf|doc_fragments)", re.IGNORECASE)
_CODE_MESSAGE: Final = (
    "would be loaded into the Engine as code of Ansible; install a collection that has it, and declare that"
)
# What Ansible itself sets or calls, and the words of Python, which it refuses.
_RESERVED: Final = frozenset((
    "hostvars", "groups", "group_names", "inventory_hostname", "inventory_hostname_short", "inventory_dir", "inventory_file",
    "playbook_dir", "play_hosts", "role_path", "role_name", "role_names", "omit", "vars", "environment", "lookup", "query", "q",
    "now", "undef", "finalize", "item", "loop", "range", "dict", "lipsum", "cycler", "joiner", "namespace", "none", "true", "false",
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise",
    "return", "try", "while", "with", "yield",
))  # fmt: skip
_RESERVED_PREFIXES: Final = ("ansible_", "watchbill_")


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that a playbook takes modules and roles from, and which versions of it will do."""

    name: str
    version: str = "*"

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "version": self.version}


def path_problem(path: str) -> tuple[str, str] | None:
    """Why a file cannot lie there in the tree of a playbook, as a code and a sentence; None when it can."""
    if not path or len(path.encode(errors="replace")) > MAX_NAME_BYTES:
        return "length", f"must have 1 to {MAX_NAME_BYTES} bytes in UTF-8"
    if fault := text_fault(path, is_one_line=True):
        return "invalid_text", fault
    if "\\" in path:
        return "invalid_name", "must have its folders apart by /, not by \\"
    parts = path.split("/")
    if not all(parts) or ".." in parts or "." in parts:
        return (
            "invalid_name",
            "must be a path below the playbook such as roles/web/tasks/main.yml: without .. and not from the root",
        )
    if len(parts) > MAX_DEPTH:
        return "too_deep", f"must not lie deeper than {MAX_DEPTH - 1} folders"
    return _parts_problem(parts)


def _parts_problem(parts: Sequence[str]) -> tuple[str, str] | None:
    for one in parts:
        if fault := file_name_problem(one):
            return fault
    if parts[0].casefold() == MAIN and len(parts) == 1:
        return "reserved_name", f"{MAIN} is the playbook itself: it is the content of the assembly"
    if parts[0].casefold() in ("ansible.cfg", "collections"):
        return "not_allowed", f"{parts[0]} is the Engine's: it says how Ansible runs, and where collections come from"
    if found := next((one for one in parts[:-1] if _CODE.fullmatch(one)), None):
        return "not_allowed", f"{found} {_CODE_MESSAGE}"
    return None


def clashes(paths: Sequence[str]) -> list[tuple[int, str]]:
    """Paths, by their places, that lie under what another path says is a file."""
    files = {path.casefold() for path in paths} | {MAIN}
    return [(place, found) for place, path in enumerate(paths) if (found := _file_above(path, files)) is not None]


def _file_above(path: str, files: set[str]) -> str | None:
    parts = path.casefold().split("/")
    above = ("/".join(parts[:number]) for number in range(1, len(parts)))
    return next((one for one in above if one in files), None)


#: The files of a playbook, where a script has some beside it.
TREE: Final = FileRules(MAX_TREE_FILES, MAX_TREE_FILE_BYTES, MAX_TREE_BYTES, path_problem)


def refuse_clashes(fields: Fields, files: Sequence[File]) -> None:
    for place, above in clashes([one.name for one in files]):
        fields.refuse(f"files.{place}.name", "clash", f"lies under {above}, which is a file")


def variable_name_problem(name: str) -> tuple[str, str] | None:
    """Why a variable of a playbook cannot have this name, as a code and a sentence; None when it can."""
    if not _VARIABLE.fullmatch(name):
        return "invalid_name", "must be 1 to 64 letters, digits and underscores, and not begin with a digit"
    if name in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
        return "reserved_name", f"{name} is reserved: Ansible or the Engine sets it"
    return None


def read_collections(fields: Fields) -> tuple[Collection, ...]:
    """The field `collections` of a playbook."""
    read: list[Collection] = []
    for position, item in enumerate(fields.items("collections", most=MAX_COLLECTIONS)):
        inner = Fields.of(item, fields.problems, join(fields.path, f"collections.{position}"))
        one = _collection(inner)
        if one.name and any(one.name == other.name for other in read):
            inner.refuse("name", "duplicate", f"{one.name} is declared twice")
        read.append(one)
    return tuple(read)


def _collection(fields: Fields) -> Collection:
    name = fields.text("name", most=129, least=1)
    if name and not _COLLECTION.fullmatch(name):
        fields.refuse("name", "invalid_name", "must be a namespace and a name such as ansible.posix")
    elif name == "ansible.builtin":
        fields.refuse("name", "not_allowed", "ansible.builtin is a part of Ansible: it is always there")
    version = fields.text("version", most=200, default="*") or "*"
    if bounds_of(version) is None:
        message = "must be * or versions such as 1.5.4, ==1.5.4 or >=1.5,<2, apart by commas"
        fields.refuse("version", "invalid_version", message)
    fields.refuse_unknown("a collection")
    return Collection(name, version)

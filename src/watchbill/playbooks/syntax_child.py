"""The program that looks at the syntax of one playbook: `ansible-playbook --syntax-check` with guards, in a process of its own.

Started by `syntax` as `syntax_child.py WORK [COLLECTIONS]`; writes WORK/verdict.json. Ansible evaluates some templates while it reads (the hosts
of a play, names of what is imported): so no lookup runs here, and no file is read but those of the tree and of collections.
Imports nothing of the Engine: it is Ansible's process, not ours.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from ansible import constants
from ansible._internal._datatag._tags import Origin
from ansible.cli.playbook import PlaybookCLI
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

NO_LOOKUP = "the lookup {!r} would run in the Engine while the playbook is read, and does not: look it up in a task, or declare a variable"
NO_FILE = "a file outside of the playbook's own tree is not read: {}"


def main(work: Path, *collections: str) -> None:
    """Write the verdict of WORK/tree/playbook.yml."""
    tree = Path(os.path.realpath(work / "tree"))
    _guard(tree, [str(work / "variables.json"), *collections])
    os.chdir(tree)
    (work / "verdict.json").write_text(json.dumps({"problems": _problems(work, tree)}))


def _guard(tree: Path, others: list[str]) -> None:
    allowed = [os.path.realpath(one) for one in (tree, *others, *constants.COLLECTIONS_PATHS)]
    read = DataLoader._get_file_contents  # noqa: SLF001 - the one place through which Ansible reads YAML

    def get_file_contents(self: Any, file_name: str) -> Any:
        path = os.path.realpath(self.path_dwim(file_name))
        if not any(path == one or path.startswith(one + os.sep) for one in allowed):
            raise AnsibleError(NO_FILE.format(file_name))
        return read(self, file_name)

    def get_lookup(name: str, *_: Any, **__: Any) -> Any:
        raise AnsibleError(NO_LOOKUP.format(str(name)))

    DataLoader._get_file_contents = get_file_contents  # noqa: SLF001 - as above
    lookup_loader.get = get_lookup


def _problems(work: Path, tree: Path) -> list[dict[str, Any]]:
    argv = ["--syntax-check", "-i", "localhost,", "-e", f"@{work / 'variables.json'}", "playbook.yml"]
    try:
        PlaybookCLI(["ansible-playbook", *argv]).run()
    except AnsibleError as error:
        return [_problem(error, tree)]
    except (RecursionError, MemoryError) as error:
        return [{"message": f"is too much for Ansible: {type(error).__name__}"}]
    return []


def _problem(error: AnsibleError, tree: Path) -> dict[str, Any]:
    """The message, and where its cause is; what lies outside of the tree has no place that could be shown."""
    said = str(error).replace(f"{tree}{os.sep}", "").replace(str(tree), "the playbook's folder")
    found: dict[str, Any] = {"message": " ".join(said.split())[:1000]}
    origin = _origin(error)
    if origin is not None and origin.path and origin.path.startswith(f"{tree}{os.sep}"):
        found |= {"path": str(Path(origin.path).relative_to(tree)), "line": origin.line_num, "column": origin.col_num}
    return found


def _origin(error: BaseException | None) -> Any:
    """The place that the innermost cause tells."""
    found = None
    while error is not None:
        found = Origin.get_tag(getattr(error, "obj", None)) or found
        error = error.__cause__
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

"""What playbooks have and scripts have not: a tree that is laid out in a directory, and a syntax that was looked at before a save.

How it is looked at is known above, since it takes a process and seconds; a save is told what was found, by the digest of what was looked at.
In the same way it is told of a workflow whether what it names can be used.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.assemblies import store
from watchbill.assemblies.files import read_part
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.file_rules import File
from watchbill.core.playbook_rules import MAIN, path_problem
from watchbill.core.playbook_yaml import playbook_problems
from watchbill.core.problems import Problem
from watchbill.kit.errors import ConflictError, NotFoundError

#: What was found at playbooks and workflows, by `tree_digest`: nothing is a sound syntax, and every reference good.
Verdicts = Mapping[str, Sequence[Problem]]
NO_VERDICTS: Final[Verdicts] = MappingProxyType({})


class SyntaxUnknownError(ConflictError):
    """A playbook is right as far as can be seen without Ansible, which has not looked at it yet."""

    def __init__(self, draft: AssemblyDraft) -> None:
        super().__init__("The syntax of the playbook has not been checked: nothing was changed.", code="syntax_unknown")
        self.draft = draft


def tree_digest(draft: AssemblyDraft) -> str:
    """What decides over the syntax of a playbook, or over the references of a workflow, as a SHA-256 in hex."""
    parts = (
        draft.substance,
        sorted((one.name, one.sha256) for one in draft.files),
        [one.to_json() for one in draft.collections],
        [one.to_json() for one in draft.variables],
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def syntax_problems(
    draft: AssemblyDraft, before: AssemblyDraft | None, others: Sequence[Problem], verdicts: Verdicts
) -> Sequence[Problem]:
    """What is wrong with the syntax of a playbook. Raises SyntaxUnknownError when only Ansible can tell, and has not yet."""
    if not draft.is_playbook or (before is not None and tree_digest(before) == tree_digest(draft)):
        return ()
    found = verdicts.get(tree_digest(draft))
    if found is not None:
        return found
    form = playbook_problems(draft.content)
    if not form and not others:
        raise SyntaxUnknownError(draft)
    return form


def reference_problems(draft: AssemblyDraft, others: Sequence[Problem], verdicts: Verdicts) -> Sequence[Problem]:
    """What is wrong with what a workflow names. Raises ConflictError where nobody has looked: such a one is never saved."""
    if draft.workflow is None:
        return ()
    found = verdicts.get(tree_digest(draft))
    if found is None and others:
        return ()
    if found is None:
        message = "What the workflow names has not been looked at: nothing was changed."
        raise ConflictError(message, code="references_unknown")
    return found


async def write_tree(tx: AsyncConnection, assembly_id: UUID, revision: int, directory: Path) -> Path:
    """Lay a revision out in a directory that is there and empty; where its playbook lies."""
    found = await store.load_revisions(tx, [(assembly_id, revision)])
    if not found:
        raise NotFoundError("There is no such revision.", code="revision_not_found")
    return await write_draft(tx, found[0].draft, directory)


async def write_draft(tx: AsyncConnection, draft: AssemblyDraft, directory: Path) -> Path:
    """The same of a playbook that is not saved yet."""
    main = directory / MAIN
    await asyncio.to_thread(_append, main, draft.content.encode())
    for file in draft.files:
        await _write_file(tx, file, directory)
    return main


async def _write_file(tx: AsyncConnection, file: File, directory: Path) -> None:
    if path_problem(file.name) is not None:
        raise ConflictError(f"{file.name} cannot lie in the tree of a playbook.", code="path_not_allowed")
    path, offset = directory / file.name, 0
    await asyncio.to_thread(_append, path, b"")
    while offset < file.size:
        part = await read_part(tx, file.sha256, offset)
        await asyncio.to_thread(_append, path, part)
        offset += len(part)


def _append(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("ab") as file:
        file.write(data)

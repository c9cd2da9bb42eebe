"""The verbs of files: storing a content, reading it, attaching it to an assembly, and removing what nothing refers to any more.

A content is stored once, however often and under whatever name it is attached. It comes in pieces, each in a transaction of its own: who
sends slowly holds none.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.assemblies import file_store
from watchbill.assemblies.file_store import PIECE_BYTES, Part
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.file_rules import File, is_digest, same_name, size_problems
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import ConflictError, InvalidError, NotFoundError

#: A content that nothing refers to stays this long: whoever has stored it has not attached it yet, or goes back on a change.
UNUSED_FOR: Final = timedelta(days=7)
_SWEEP_BATCH: Final = 20


@dataclass
class Upload:
    """A content on its way; `add` and `finish_upload` take it further."""

    id: int
    size: int = 0
    _pieces: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    async def add(self, tx: AsyncConnection, data: bytes) -> None:
        """The next piece: PIECE_BYTES, only the last one may have fewer."""
        if not await file_store.append(tx, self.id, self._pieces, data):
            raise _interrupted()
        self._hash.update(data)
        self._pieces += 1
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return str(self._hash.hexdigest())


async def begin_upload(tx: AsyncConnection, actor: Actor, now: datetime) -> Upload:
    """Begin to store a content. One that is not finished goes by itself."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    return Upload(await file_store.open_content(tx, actor.operator_id, now))


async def finish_upload(tx: AsyncConnection, actor: Actor, upload: Upload, now: datetime) -> None:
    """From now on it can be attached by its SHA-256."""
    if not await file_store.seal(tx, upload.id, upload.sha256, upload.size, now):
        raise _interrupted()
    detail = {"sha256": upload.sha256, "size": upload.size}
    await audit.record(tx, actor, "file.store", "file", upload.sha256, now=now, detail=detail)


async def drop_upload(tx: AsyncConnection, upload: Upload) -> None:
    await file_store.discard(tx, upload.id)


def _interrupted() -> ConflictError:
    return ConflictError("The upload took so long that it was given up; begin it again.", code="upload_given_up")


async def settled(tx: AsyncConnection, draft: AssemblyDraft) -> tuple[AssemblyDraft, list[Problem]]:
    """The draft with the sizes of its files as they are stored, and what is wrong with these files."""
    sizes = await file_store.refer(tx, {one.sha256 for one in draft.files if is_digest(one.sha256)})
    problems = [
        problem
        for place, one in enumerate(draft.files)
        if (problem := _unlike(one, sizes, f"files.{place}")) is not None
    ]
    files = tuple(replace(one, size=sizes.get(one.sha256, one.size)) for one in draft.files)
    problems += size_problems(files, draft.file_rules)
    return replace(draft, files=files), problems


def _unlike(file: File, sizes: Mapping[str, int], path: str) -> Problem | None:
    if not is_digest(file.sha256):
        return None  # said already
    size = sizes.get(file.sha256)
    if size is None:
        message = "there is no stored file with this SHA-256: store it first"
        return Problem(f"{path}.sha256", "file_not_found", message)
    if file.size not in (0, size):
        return Problem(f"{path}.size", "not_allowed", f"must be {size}, as it is stored, or left out")
    return None


async def with_file(tx: AsyncConnection, draft: AssemblyDraft, name: str, sha256: str) -> dict[str, object]:
    """The definition of an assembly with one file more, or another content for the one of that name."""
    problems = [Problem("name", *fault)] if (fault := draft.file_rules.name_problem(name)) else []
    if not is_digest(sha256) or not await file_store.stored(tx, [sha256]):
        message = "must be the SHA-256 of a stored file in 64 lowercase hex digits: store it first"
        problems.append(Problem("sha256", "file_not_found", message))
    if problems:
        raise InvalidError.of(problems, what="The file")
    files = [one for one in draft.files if one is not same_name(draft.files, name)]
    return _with_files(draft, [*files, File(name, sha256, 0)])


def without_file(draft: AssemblyDraft, name: str) -> dict[str, object]:
    """The definition of an assembly without one of its files. Raises NotFoundError."""
    gone = find(draft, name)
    return _with_files(draft, [one for one in draft.files if one is not gone])


def _with_files(draft: AssemblyDraft, files: Sequence[File]) -> dict[str, object]:
    ordered = sorted(files, key=lambda one: one.name.casefold())
    return {**draft.to_json(), "files": [one.to_json() for one in ordered]}


def find(draft: AssemblyDraft, name: str) -> File:
    """The file of that name. Raises NotFoundError."""
    found = same_name(draft.files, name)
    if found is None:
        raise NotFoundError("The assembly has no such file.", code="file_not_found")
    return found


async def kept(tx: AsyncConnection, files: Sequence[File]) -> set[str]:
    """Which of these contents are still stored."""
    return set(await file_store.stored(tx, {one.sha256 for one in files}))


async def read_part(tx: AsyncConnection, sha256: str, offset: int) -> bytes:
    """What follows at `offset`, up to the end of a stored piece. Raises NotFoundError when it is not there."""
    parts = await file_store.read(tx, [(sha256, offset)], PIECE_BYTES)
    if not parts or (not parts[0].data and offset < parts[0].size):
        raise NotFoundError("The content of this file is not kept any more.", code="file_not_kept")
    return parts[0].data


async def read_parts(tx: AsyncConnection, places: Sequence[tuple[str, int]], most: int) -> list[Part]:
    """Parts of several contents by (SHA-256, offset), each of at most `most` bytes. For the Engine's own use."""
    return await file_store.read(tx, places, most) if places else []


async def hold_files(tx: AsyncConnection, revisions: Sequence[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """For a caller who is about to use earlier revisions: their files stay; returns those of which one has gone already."""
    if not revisions:
        return set()
    await file_store.refer(tx, await file_store.digests_of(tx, revisions))
    return await file_store.incomplete(tx, revisions)


async def earlier_revisions(tx: AsyncConnection) -> list[tuple[UUID, int]]:
    """Revisions with stored files that are not the latest of their assembly: whether they are used is known above."""
    return await file_store.earlier_revisions(tx)


async def remove_unused(tx: AsyncConnection, in_use: Sequence[tuple[UUID, int]], now: datetime) -> Sequence[int]:
    """One step of the duty: note what nothing refers to, and remove some of what nothing has for long; the sizes of these.

    `in_use`: the earlier revisions that jobs or runs use. The latest ones always count.
    """
    await file_store.mark(tx, in_use, now)
    return await file_store.sweep(tx, in_use, now - UNUSED_FOR, _SWEEP_BATCH)

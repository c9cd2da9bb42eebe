"""The verbs of the catalogue: save, archive, import and export assemblies. Every save that changes something is a new revision.

Whether a job still uses an assembly is known above; `archive` is told.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.assemblies import file_store, files, store
from watchbill.assemblies.store import Assembly, AssemblyBrief, AssemblyFilter, NewRevision, Revision
from watchbill.core.assembly_rules import AssemblyDraft, check
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, audit
from watchbill.kit import yaml_file
from watchbill.kit.errors import ConflictError, InvalidError, NotFoundError
from watchbill.kit.paging import Page


@dataclass(frozen=True, slots=True)
class Saved:
    """An assembly after a save, and whether the save made it or changed it."""

    assembly: Assembly
    is_new: bool
    is_changed: bool


async def get(tx: AsyncConnection, actor: Actor, assembly_id: UUID) -> Assembly:
    actor.require(Permission.READ)
    return _there(await store.find(tx, assembly_id))


async def list_assemblies(
    tx: AsyncConnection, actor: Actor, wanted: AssemblyFilter, *, limit: int, cursor: str | None
) -> Page[AssemblyBrief]:
    actor.require(Permission.READ)
    return await store.list_page(tx, wanted, limit=limit, cursor=cursor)


async def list_revisions(
    tx: AsyncConnection, actor: Actor, assembly_id: UUID, *, limit: int, cursor: str | None
) -> Page[Revision]:
    await get(tx, actor, assembly_id)
    return await store.list_revisions(tx, assembly_id, limit=limit, cursor=cursor)


async def get_revision(tx: AsyncConnection, actor: Actor, assembly_id: UUID, revision: int) -> Revision:
    await get(tx, actor, assembly_id)
    found = await store.load_revisions(tx, [(assembly_id, revision)]) if 0 < revision < 2**31 else []
    if not found:
        raise NotFoundError("There is no such revision.", code="revision_not_found")
    return found[0]


async def load_revisions(tx: AsyncConnection, wanted: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], Revision]:
    """The revisions that exist of those wanted. For the Engine's own use: it asks no permission."""
    return {(one.assembly_id, one.revision): one for one in await store.load_revisions(tx, wanted)}


async def create(tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime) -> Assembly:
    """Save a new assembly; InvalidError lists everything that is wrong with it."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    checked = check(definition)
    draft, wrong_files = await files.settled(tx, checked.draft)
    problems = [*checked.problems, *wrong_files, *await _name_problems(tx, draft.name, None)]
    if problems:
        raise InvalidError.of(problems, what="The assembly")
    return await _create(tx, actor, draft, now)


async def lock(tx: AsyncConnection, actor: Actor, assembly_id: UUID) -> Assembly:
    """The assembly, held until the transaction ends, for a caller who is about to change it."""
    found = _there(await store.find(tx, assembly_id, for_update=True))
    actor.require(Permission.ASSEMBLIES_WRITE)
    return found


async def update(tx: AsyncConnection, actor: Actor, before: Assembly, definition: object, *, now: datetime) -> Assembly:
    """Save a locked assembly anew. What changes nothing makes no revision; files that it does not speak of stay."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    if before.archived_at is not None:
        raise ConflictError("An archived assembly cannot be changed; bring it back first.", code="assembly_archived")
    checked = check(_with_old_files(definition, before))
    draft, wrong_files = await files.settled(tx, checked.draft)
    problems = [*checked.problems, *wrong_files, *await _name_problems(tx, draft.name, before.id)]
    if problems:
        raise InvalidError.of(problems, what="The assembly")
    return await _update(tx, actor, before, draft, now)


def _with_old_files(definition: object, before: Assembly) -> object:
    """Who sends a script from a file of his own knows nothing of what else is attached, and detaches nothing by it."""
    if isinstance(definition, Mapping) and "files" not in definition:
        return {**definition, "files": [one.to_json() for one in before.draft.files]}
    return definition


async def archive(
    tx: AsyncConnection, actor: Actor, before: Assembly, *, used_by: Sequence[str], now: datetime
) -> Assembly:
    """Take a locked assembly out of use; refused while jobs use it, which `used_by` names."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    if used_by:
        named = ", ".join(used_by)
        raise ConflictError(f"The assembly is in use by: {named}.", code="assembly_in_use")
    if before.archived_at is not None:
        return before
    await store.set_archived(tx, before.id, now, operator_id=actor.operator_id, now=now)
    await audit.record(tx, actor, "assembly.archive", "assembly", before.id, now=now)
    return _there(await store.find(tx, before.id))


async def restore(tx: AsyncConnection, actor: Actor, before: Assembly, *, now: datetime) -> Assembly:
    """Bring a locked, archived assembly back into use."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    if before.archived_at is None:
        return before
    problems = await _name_problems(tx, before.draft.name, before.id)
    if problems:
        raise ConflictError("Another assembly has this name meanwhile.", code="name_taken", problems=problems)
    await store.set_archived(tx, before.id, None, operator_id=actor.operator_id, now=now)
    await audit.record(tx, actor, "assembly.restore", "assembly", before.id, now=now)
    return _there(await store.find(tx, before.id))


async def import_file(tx: AsyncConnection, actor: Actor, text: str, *, now: datetime) -> Saved:
    """Save the assembly that a YAML file holds: a new one, or a new revision of the one with that name."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    document = yaml_file.read(text)
    checked = check(document.value)
    draft, wrong_files = await files.settled(tx, checked.draft)
    if problems := [*checked.problems, *wrong_files]:
        raise InvalidError.of(document.placed(problems), what="The file")
    await store.hold_name(tx, draft.name)
    there = await store.find_named(tx, [draft.name])
    if not there:
        return Saved(await _create(tx, actor, draft, now), is_new=True, is_changed=True)
    before = _there(await store.find(tx, there[0].id, for_update=True))
    if isinstance(document.value, Mapping) and "files" not in document.value:
        draft = replace(draft, files=before.draft.files)
    after = await _update(tx, actor, before, draft, now)
    return Saved(after, is_new=False, is_changed=after.revision != before.revision)


def export_file(assembly: Assembly) -> str:
    """The assembly as one YAML file that `import_file` reads."""
    return yaml_file.write(assembly.draft.to_json())


def _there(assembly: Assembly | None) -> Assembly:
    if assembly is None:
        raise NotFoundError("There is no such assembly.", code="assembly_not_found")
    return assembly


async def _name_problems(tx: AsyncConnection, name: str, own_id: UUID | None) -> list[Problem]:
    if not name:
        return []
    await store.hold_name(tx, name)
    others = [one for one in await store.find_named(tx, [name]) if one.id != own_id]
    return [Problem("name", "name_taken", "another assembly has this name (case does not count)")] if others else []


async def _create(tx: AsyncConnection, actor: Actor, draft: AssemblyDraft, now: datetime) -> Assembly:
    assembly_id = uuid4()
    await store.insert_assembly(tx, assembly_id, draft, operator_id=actor.operator_id, now=now)
    await _insert(tx, _revision(actor, assembly_id, 1, draft, now))
    await audit.record(
        tx, actor, "assembly.create", "assembly", assembly_id, now=now, detail={"name": draft.name, "revision": 1}
    )
    return _there(await store.find(tx, assembly_id))


async def _update(tx: AsyncConnection, actor: Actor, before: Assembly, draft: AssemblyDraft, now: datetime) -> Assembly:
    if draft == before.draft:
        return before
    revision = _revision(actor, before.id, before.revision + 1, draft, now)
    await _insert(tx, revision)
    await store.point_to(tx, revision)
    detail = {"name": draft.name, "revision": revision.revision}
    await audit.record(tx, actor, "assembly.update", "assembly", before.id, now=now, detail=detail)
    return _there(await store.find(tx, before.id))


async def _insert(tx: AsyncConnection, new: NewRevision) -> None:
    await store.insert_revision(tx, new)
    await file_store.insert_references(tx, new.assembly_id, new.revision, {one.sha256 for one in new.draft.files})


def _revision(actor: Actor, assembly_id: UUID, number: int, draft: AssemblyDraft, now: datetime) -> NewRevision:
    digest = hashlib.sha256(draft.content.encode()).hexdigest()
    return NewRevision(assembly_id, number, draft, digest, actor.operator_id, now)

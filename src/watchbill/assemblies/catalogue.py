"""The verbs of the catalogue: save, archive, import and export assemblies. Every save that changes something is a new revision.

Whether a job or a workflow still uses an assembly, `archive` is told.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.assemblies import file_store, files, store
from watchbill.assemblies.playbooks import NO_VERDICTS, Verdicts, reference_problems, syntax_problems
from watchbill.assemblies.store import Assembly, AssemblyBrief, AssemblyFilter, NewRevision, Revision, WorkflowUse
from watchbill.core.assembly_check import check
from watchbill.core.assembly_rules import AssemblyDraft
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


async def judge(
    tx: AsyncConnection, actor: Actor, definition: object, before: Assembly | None, verdicts: Verdicts = NO_VERDICTS
) -> tuple[AssemblyDraft, list[Problem]]:
    """Everything that a save would check, and nothing saved. `before`: the assembly that is to be changed, None for a new one."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    checked = check(_with_old_files(definition, before) if before is not None else definition)
    draft, wrong_files = await files.settled(tx, checked.draft)
    own_id = before.id if before is not None else None
    problems = [*checked.problems, *wrong_files, *await _name_problems(tx, draft.name, own_id)]
    return draft, _judged(draft, before, problems, verdicts)


def _judged(
    draft: AssemblyDraft, before: Assembly | None, problems: list[Problem], verdicts: Verdicts
) -> list[Problem]:
    if before is not None and before.draft.kind is not draft.kind:
        message = f"must stay {before.draft.kind}: jobs have it as what it is; save another assembly"
        problems.append(Problem("kind", "not_allowed", message))
    problems += syntax_problems(draft, before.draft if before is not None else None, problems, verdicts)
    problems += reference_problems(draft, problems, verdicts)
    return problems


async def create(
    tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime, verdicts: Verdicts = NO_VERDICTS
) -> Assembly:
    """Save a new assembly; InvalidError lists everything that is wrong with it. A playbook needs a verdict on its syntax,
    a workflow one on what it names.
    """
    draft, problems = await judge(tx, actor, definition, None, verdicts)
    if problems:
        raise InvalidError.of(problems, what="The assembly")
    return await _create(tx, actor, draft, now)


async def lock(tx: AsyncConnection, actor: Actor, assembly_id: UUID) -> Assembly:
    """The assembly, held until the transaction ends, for a caller who is about to change it."""
    found = _there(await store.find(tx, assembly_id, for_update=True))
    actor.require(Permission.ASSEMBLIES_WRITE)
    return found


async def update(
    tx: AsyncConnection,
    actor: Actor,
    before: Assembly,
    definition: object,
    *,
    now: datetime,
    verdicts: Verdicts = NO_VERDICTS,
) -> Assembly:
    """Save a locked assembly anew. What changes nothing makes no revision; files that it does not speak of stay."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    if before.archived_at is not None:
        raise ConflictError("An archived assembly cannot be changed; bring it back first.", code="assembly_archived")
    draft, problems = await judge(tx, actor, definition, before, verdicts)
    if problems:
        raise InvalidError.of(problems, what="The assembly")
    return await _update(tx, actor, before, draft, now)


def _with_old_files(definition: object, before: Assembly) -> object:
    """Who sends a script from a file of his own knows nothing of what else is attached, and detaches nothing by it."""
    if isinstance(definition, Mapping) and "files" not in definition:
        return {**definition, "files": [one.to_json() for one in before.draft.files]}
    return definition


async def using_assembly(tx: AsyncConnection, actor: Actor, assembly_id: UUID) -> list[WorkflowUse]:
    """The workflows in use, as they stand, that have an assembly as a node: archiving it would break them."""
    actor.require(Permission.READ)
    return await store.using_assembly(tx, assembly_id)


async def count_users(tx: AsyncConnection, assembly_ids: Collection[UUID]) -> dict[UUID, int]:
    """In how many workflows each of these assemblies is a node; those of none are left out."""
    return await store.count_users(tx, assembly_ids) if assembly_ids else {}


async def archive(
    tx: AsyncConnection, actor: Actor, before: Assembly, *, used_by: Sequence[str], now: datetime
) -> Assembly:
    """Take a locked assembly out of use; refused while jobs or workflows use it, which `used_by` names."""
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


async def import_file(
    tx: AsyncConnection, actor: Actor, text: str, *, now: datetime, verdicts: Verdicts = NO_VERDICTS
) -> Saved:
    """Save the assembly that a YAML file holds: a new one, or a new revision of the one with that name."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    document = yaml_file.read(text)
    name = check(document.value).draft.name
    before = await _find_to_change(tx, name)
    draft, problems = await judge(tx, actor, document.value, before, verdicts)
    if problems:
        raise InvalidError.of(document.placed(problems), what="The file")
    return await _save(tx, actor, before, draft, now)


async def save_named(
    tx: AsyncConnection,
    actor: Actor,
    definition: Mapping[str, object],
    *,
    now: datetime,
    verdicts: Verdicts = NO_VERDICTS,
) -> Saved:
    """Save what came from outside: a new assembly, or a new revision of the one with its name."""
    actor.require(Permission.ASSEMBLIES_WRITE)
    before = await _find_to_change(tx, check(definition).draft.name)
    draft, problems = await judge(tx, actor, definition, before, verdicts)
    if problems:
        raise InvalidError.of(problems, what="The assembly")
    return await _save(tx, actor, before, draft, now)


async def _find_to_change(tx: AsyncConnection, name: str) -> Assembly | None:
    """The assembly in use with this name, locked."""
    if not name:
        return None
    await store.hold_name(tx, name)
    there = await store.find_named(tx, [name])
    return _there(await store.find(tx, there[0].id, for_update=True)) if there else None


async def _save(
    tx: AsyncConnection, actor: Actor, before: Assembly | None, draft: AssemblyDraft, now: datetime
) -> Saved:
    if before is None:
        return Saved(await _create(tx, actor, draft, now), is_new=True, is_changed=True)
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
    digest = hashlib.sha256(draft.substance.encode()).hexdigest()
    return NewRevision(assembly_id, number, draft, digest, actor.operator_id, now)

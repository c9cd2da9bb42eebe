"""Custom fields: what every device may have a value for. Made by those who look after all sites; read by everybody."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.custom_field_rules import MAX_FIELDS, FieldType, ScriptField
from watchbill.core.problems import Problem
from watchbill.devices import store
from watchbill.devices.tables import custom_fields, device_custom_values
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

#: Held while a field is made: two at once must not both find room.
_HOLD = text("SELECT pg_advisory_xact_lock(hashtext('watchbill_custom_fields'))")


@dataclass(frozen=True, slots=True)
class FieldDraft:
    """A field as somebody saves it. `name` and `type` stay as they were made: scripts, filters and stored values stand on them."""

    name: str
    label: str
    type: FieldType
    description: str
    settable_by_scripts: bool


@dataclass(frozen=True, slots=True)
class CustomField(FieldDraft):
    id: int
    revision: int
    created_at: datetime
    updated_at: datetime


def _field(row: Mapping[str, Any]) -> CustomField:
    return CustomField(**{**row, "type": FieldType(row["type"])})


async def list_fields(tx: AsyncConnection, actor: Actor) -> list[CustomField]:
    """All of them, by name."""
    actor.require(Permission.READ)
    return await all_fields(tx)


async def all_fields(tx: AsyncConnection) -> list[CustomField]:
    rows = (await tx.execute(select(custom_fields).order_by(custom_fields.c.name))).mappings()
    return [_field({**row}) for row in rows]


async def get_field(tx: AsyncConnection, actor: Actor, field_id: int) -> CustomField:
    actor.require(Permission.READ)
    return await _found(tx, field_id)


async def _found(tx: AsyncConnection, field_id: int, *, for_update: bool = False) -> CustomField:
    query = select(custom_fields).where(custom_fields.c.id == field_id)
    row = (await tx.execute(query.with_for_update() if for_update else query)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no such custom field.")
    return _field({**row})


def _require(actor: Actor) -> None:
    actor.require(Permission.CUSTOM_FIELDS_WRITE)
    if actor.scope.site_ids is not None:
        raise ForbiddenError("Custom fields belong to every site; this is for those who see all of them.")


async def create_field(tx: AsyncConnection, actor: Actor, draft: FieldDraft, *, now: datetime) -> CustomField:
    _require(actor)
    await tx.execute(_HOLD)
    there = await all_fields(tx)
    if any(one.name == draft.name for one in there):
        taken = Problem("name", "name_taken", "another custom field has this name")
        raise InvalidError.of([taken], what="The custom field")
    if len(there) >= MAX_FIELDS:
        raise ConflictError(f"There are {MAX_FIELDS} custom fields already; delete one first.", code="too_many")
    values = {**asdict(draft), "type": draft.type.value, "revision": 1, "created_at": now, "updated_at": now}
    made = _field(
        {**(await tx.execute(insert(custom_fields).values(values).returning(custom_fields))).mappings().one()}
    )
    await _note(tx, actor, "created", made, {"type": made.type.value}, now)
    return made


async def lock_field(tx: AsyncConnection, actor: Actor, field_id: int) -> CustomField:
    """The field, held until the transaction ends, for a caller who may change it."""
    actor.require(Permission.READ)
    before = await _found(tx, field_id, for_update=True)
    _require(actor)
    return before


async def update_field(
    tx: AsyncConnection, actor: Actor, before: CustomField, draft: FieldDraft, *, now: datetime
) -> CustomField:
    """Save a field anew. What changes nothing makes no revision."""
    problems = [
        Problem(name, "cannot_change", f"stays {getattr(before, name)}: scripts, filters and stored values stand on it")
        for name in ("name", "type")
        if getattr(draft, name) != getattr(before, name)
    ]
    if problems:
        raise InvalidError.of(problems, what="The custom field")
    names = ("label", "description", "settable_by_scripts")
    changed = {name: getattr(draft, name) for name in names if getattr(draft, name) != getattr(before, name)}
    if not changed:
        return before
    values = {**changed, "revision": before.revision + 1, "updated_at": now}
    await tx.execute(update(custom_fields).where(custom_fields.c.id == before.id).values(values))
    detail = {name: [getattr(before, name), value] for name, value in changed.items()}
    await _note(tx, actor, "updated", before, detail, now)
    return await _found(tx, before.id)


async def delete_field(
    tx: AsyncConnection, actor: Actor, before: CustomField, *, used_by: Sequence[str], now: datetime
) -> int:
    """Delete a field with its values on all devices; how many devices had one. `used_by`: the filters that ask about it."""
    if used_by:
        message = f"The custom field is asked about by the filters: {', '.join(used_by)}."
        raise ConflictError(message, code="custom_field_in_use")
    values = device_custom_values
    # The field is held: nobody can give it a value any more. Fields are locked before devices, everywhere.
    had = (await tx.execute(select(values.c.device_id).where(values.c.field_id == before.id))).scalars().all()
    await store.lock(tx, had)
    await tx.execute(delete(custom_fields).where(custom_fields.c.id == before.id))
    await store.grow_revisions(tx, had, now)
    await _note(tx, actor, "deleted", before, {"devices": len(had)}, now)
    return len(had)


async def count_values(tx: AsyncConnection, actor: Actor, field_id: int) -> int:
    """On how many devices that the caller sees it has a value."""
    actor.require(Permission.READ)
    return await store.count_with_value(tx, field_id, actor.scope)


async def settable(tx: AsyncConnection) -> dict[str, ScriptField]:
    """Every field by name; none at all when no field is for scripts to set, as there is nothing to look for then."""
    found = {one.name: ScriptField(one.id, one.type, one.settable_by_scripts) for one in await all_fields(tx)}
    return found if any(one.settable_by_scripts for one in found.values()) else {}


async def hold(tx: AsyncConnection, field_ids: Sequence[int]) -> set[int]:
    """Keep these fields from being deleted until the transaction ends; those that are there."""
    query = select(custom_fields.c.id).where(custom_fields.c.id.in_(sorted(field_ids))).order_by(custom_fields.c.id)
    return set((await tx.execute(query.with_for_update(key_share=True, read=True))).scalars())


async def hold_named(tx: AsyncConnection, names: Collection[str]) -> None:
    """The same by name."""
    query = select(custom_fields.c.id).where(custom_fields.c.name.in_(sorted(names))).order_by(custom_fields.c.id)
    await tx.execute(query.with_for_update(key_share=True, read=True))


async def _note(
    tx: AsyncConnection, actor: Actor, verb: str, one: CustomField, detail: Mapping[str, object], now: datetime
) -> None:
    said = {"name": one.name, **detail}
    await audit.record(tx, actor, f"custom_field.{verb}", "custom_field", one.id, now=now, detail=said)

"""The verbs of values: set, change, remove, look. A secret goes in and never comes out here."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices, sites
from watchbill.core.assembly_rules import Value, as_text
from watchbill.core.problems import Problem
from watchbill.core.variable_rules import MAX_VALUES, Draft, Place, Scope, read
from watchbill.identity import Actor, Permission, SiteScope, audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.kit.secrets import KeyRing
from watchbill.variables import store
from watchbill.variables.sealed import context
from watchbill.variables.store import Listed, VariableValue

_WHAT = "The value"


async def get(tx: AsyncConnection, actor: Actor, variable_id: int) -> VariableValue:
    actor.require(Permission.READ)
    found = await store.find(tx, actor.scope, variable_id)
    if found is None:
        raise NotFoundError("There is no such value.", code="variable_not_found")
    return found


async def list_values(
    tx: AsyncConnection, actor: Actor, wanted: Listed, *, limit: int, cursor: str | None
) -> Page[VariableValue]:
    """By name."""
    actor.require(Permission.READ)
    after = _after(cursor) if cursor else None
    rows = await store.list_page(tx, actor.scope, wanted, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda one: (one.name, one.variable_id))


def _after(cursor: str) -> tuple[str, int] | None:
    name, variable_id = decode_cursor(cursor, (str, int))
    return (name, variable_id) if isinstance(name, str) and isinstance(variable_id, int) else None


async def lock(tx: AsyncConnection, actor: Actor, variable_id: int) -> VariableValue:
    """The value, held until the transaction ends, for a caller who may change it."""
    actor.require(Permission.READ)
    await store.hold(tx, variable_id)
    found = await get(tx, actor, variable_id)
    _require(actor, found.place)
    return found


def _require(actor: Actor, place: Place) -> None:
    actor.require(Permission.VARIABLES_WRITE)
    if place.scope is Scope.EVERYTHING and actor.scope.site_ids is not None:
        raise ForbiddenError("Values for everything reach every site; this is for those who see all of them.")


async def create(
    tx: AsyncConnection, actor: Actor, definition: object, *, keys: KeyRing, now: datetime
) -> VariableValue:
    """Set a value where there was none of this name; InvalidError lists every problem."""
    actor.require(Permission.VARIABLES_WRITE)
    draft, problems = read(definition)
    site_id, problem = await _site_of(tx, actor, draft.place)
    if draft.value is None and not any(one.field == "value" for one in problems):
        problems.append(Problem("value", "required", "is required: a text, a number, or true or false"))
    if problems or problem:
        raise InvalidError.of([*problems, *([problem] if problem else [])], what=_WHAT)
    _require(actor, draft.place)
    if await store.hold_place(tx, draft.place) >= MAX_VALUES:
        raise ConflictError(f"There are {MAX_VALUES} values there already; remove one first.", code="too_many")
    variable_id = await store.next_id(tx)
    await _write(tx, actor, variable_id, 1, draft, keys, now)
    await _note(tx, actor, "created", variable_id, draft, site_id, now)
    return await get(tx, actor, variable_id)


async def _site_of(tx: AsyncConnection, actor: Actor, place: Place) -> tuple[int | None, Problem | None]:
    if place.site_id is not None:
        is_there = bool(await sites.existing(tx, [place.site_id], actor.scope))
        return place.site_id, None if is_there else Problem("site_id", "unknown_site", "there is no such site")
    if place.device_id is None:
        return None, None
    try:
        device = await devices.get_device(tx, actor, place.device_id)
    except NotFoundError:
        return None, Problem("device_id", "unknown_device", "there is no such device")
    return device.site_id, None


async def update(
    tx: AsyncConnection, actor: Actor, before: VariableValue, definition: object, *, keys: KeyRing, now: datetime
) -> VariableValue:
    """Set a locked value anew; InvalidError lists every problem. What changes nothing makes no revision."""
    draft, problems = read(definition)
    problems += [*_fixed(before, draft), *_kept(before, draft)]
    if problems:
        raise InvalidError.of(problems, what=_WHAT)
    if draft.value is None:
        draft = replace(draft, value=await _stored(tx, before, keys))
    elif not before.is_secret and not draft.is_secret and _is_same(before, draft):
        return before
    await store.end_current(tx, before.variable_id, now)
    await _write(tx, actor, before.variable_id, before.revision + 1, draft, keys, now)
    await _note(tx, actor, "updated", before.variable_id, draft, before.of_site, now)
    return await get(tx, actor, before.variable_id)


def _is_same(before: VariableValue, draft: Draft) -> bool:
    is_same_value = type(before.value) is type(draft.value) and before.value == draft.value
    return is_same_value and before.description == draft.description


def _fixed(before: VariableValue, draft: Draft) -> list[Problem]:
    pairs = {
        "name": (before.name, draft.name),
        "site_id": (before.place.site_id, draft.place.site_id),
        "device_id": (before.place.device_id, draft.place.device_id),
    }
    message = "stays as it was made: remove this value and set another one"
    return [Problem(name, "cannot_change", message) for name, (old, new) in pairs.items() if old != new]


def _kept(before: VariableValue, draft: Draft) -> list[Problem]:
    """A stored value may stay as it is, but a secret may never become readable."""
    if draft.value is None and before.is_secret and not draft.is_secret:
        return [Problem("value", "required", "is required: a stored secret is not shown, so it cannot become plain")]
    return []


async def _stored(tx: AsyncConnection, before: VariableValue, keys: KeyRing) -> Value | None:
    if not before.is_secret:
        return before.value
    kept = {row_id: envelope for row_id, _, envelope in await store.sealed(tx, before.variable_id)}
    return keys.open_text(kept[before.id], context(before.variable_id)).reveal()


async def _write(
    tx: AsyncConnection, actor: Actor, variable_id: int, revision: int, draft: Draft, keys: KeyRing, now: datetime
) -> None:
    values: dict[str, Any] = {
        "variable_id": variable_id,
        "revision": revision,
        "site_id": draft.place.site_id,
        "device_id": draft.place.device_id,
        "name": draft.name,
        "description": draft.description,
        "is_secret": draft.is_secret,
        "value": None if draft.is_secret else draft.value,
        "sealed": _sealed(draft, variable_id, keys),
        "set_by": actor.operator_id,
        "set_at": now,
    }
    await store.insert_revision(tx, values)


def _sealed(draft: Draft, variable_id: int, keys: KeyRing) -> str | None:
    if not draft.is_secret or draft.value is None:
        return None
    return keys.seal_text(as_text(draft.value), context(variable_id))


async def remove(tx: AsyncConnection, actor: Actor, before: VariableValue, *, now: datetime) -> None:
    """Take a locked value away; what ran with it stays told, but for secrets."""
    await store.end_current(tx, before.variable_id, now)
    draft = Draft(before.name, before.place, before.is_secret, None, "")
    await _note(tx, actor, "removed", before.variable_id, draft, before.of_site, now)


async def _note(
    tx: AsyncConnection, actor: Actor, verb: str, variable_id: int, draft: Draft, site_id: int | None, now: datetime
) -> None:
    """Who did it to which variable; never the value."""
    device_id = str(draft.place.device_id) if draft.place.device_id else None
    said = {"name": draft.name, "scope": draft.place.scope.value, "device_id": device_id, "is_secret": draft.is_secret}
    await audit.record(tx, actor, f"variable.{verb}", "variable", variable_id, now=now, site_id=site_id, detail=said)


async def names_with_values(tx: AsyncConnection, scope: SiteScope, names: Collection[str]) -> set[str]:
    """Those of these names that have a value anywhere in the scope: a job need not give them itself."""
    return await store.names_among(tx, scope, names) if names else set()

"""The verbs of device filters: create, update, clone, archive, delete, look. What one may say is decided in `core.device_filter_rules`.

A filter reaches no further than the sites of whoever saved it last, whoever uses it. What uses it is known above: `archive` and
`delete` are told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import sites
from watchbill.core.device_filter_rules import Aim, FilterDraft, is_beyond, read, site_problems
from watchbill.core.filter_expr import CustomKind, Expression, FilterProblems, explain, fields_used, parse
from watchbill.core.filter_fields import CUSTOM_PREFIX
from watchbill.core.problems import Problem
from watchbill.devices import custom_fields
from watchbill.filters import store
from watchbill.filters.compile import COMPILER, compiled
from watchbill.filters.values import Action, FilterQuery, FilterRevision, Saved, SavedFilter, Use
from watchbill.identity import Actor, Permission, audit
from watchbill.identity.actor import SiteScope
from watchbill.kit import events, log
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.events import Event
from watchbill.kit.paging import Page

_SPANS: Final = "This filter reaches, or names, sites that you do not see."
_ARCHIVED: Final = "It is archived; bring it back first."
_MOST_CHARACTERS: Final = 200
_ACTIONS: Final = ("update", "archive", "unarchive", "delete")

_logger = log.get("filters")


async def kinds(tx: AsyncConnection) -> dict[str, CustomKind]:
    """The custom fields that criteria may ask about, with their types."""
    return {one.name: CustomKind(one.type.value) for one in await custom_fields.all_fields(tx)}


async def get(tx: AsyncConnection, actor: Actor, filter_id: int) -> SavedFilter:
    actor.require(Permission.READ)
    return _seen(_there(await store.find(tx, actor.scope, filter_id)), actor.scope, await kinds(tx))


async def list_filters(
    tx: AsyncConnection, actor: Actor, wanted: FilterQuery, *, limit: int, cursor: str | None
) -> Page[SavedFilter]:
    actor.require(Permission.READ)
    known = await kinds(tx)
    page = await store.list_page(tx, actor.scope, wanted, limit=limit, cursor=cursor)
    return page.map(lambda row: _seen(row, actor.scope, known))


async def list_revisions(
    tx: AsyncConnection, actor: Actor, filter_id: int, *, limit: int, cursor: str | None
) -> Page[FilterRevision]:
    """Newest first; of the sites they name, only the reader's are shown."""
    await get(tx, actor, filter_id)
    page = await store.list_revisions(tx, filter_id, limit=limit, cursor=cursor)
    return page.map(lambda one: _revision(one, actor.scope))


def _revision(one: FilterRevision, scope: SiteScope) -> FilterRevision:
    site_ids = _visible(one.definition["site_ids"], scope)
    return FilterRevision(one.revision, {**one.definition, "site_ids": site_ids}, one.changed_by, one.changed_at)


async def lock(tx: AsyncConnection, actor: Actor, filter_id: int) -> SavedFilter:
    """The filter, held until the transaction ends, for a caller who may change it."""
    row = _there(await store.find(tx, actor.scope, filter_id, for_update=True))
    actor.require(Permission.FILTERS_WRITE)
    found = _seen(row, actor.scope, await kinds(tx))
    if found.spans_other_sites:
        raise ForbiddenError(_SPANS, code="filter_spans_other_sites")
    return found


def allowed_actions(actor: Actor, one: SavedFilter) -> list[Action]:
    """What this reader may do to the filter, and why not; the writes themselves ask the same."""
    return [_action(actor, one, name) for name in _ACTIONS]


def _action(actor: Actor, one: SavedFilter, name: str) -> Action:
    reason = None
    if not actor.may(Permission.FILTERS_WRITE):
        reason = f"This needs the permission `{Permission.FILTERS_WRITE}`."
    elif one.spans_other_sites:
        reason = _SPANS
    elif name in ("update", "archive") and one.archived_at is not None:
        reason = _ARCHIVED
    elif name == "unarchive" and one.archived_at is None:
        reason = "It is not archived."
    return Action(name, allowed=reason is None, reason=reason)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A filter that may be saved."""

    draft: FilterDraft
    criteria: Expression


async def _judge(tx: AsyncConnection, actor: Actor, definition: object, before: SavedFilter | None = None) -> _Judged:
    """Every problem at once, or a filter that may be saved."""
    draft, problems = read(definition, await kinds(tx))
    if draft.aim.criteria is not None:
        problems += await _held(tx, definition, draft.aim.criteria)
    problems += await sites_of(tx, actor, draft.aim)
    problems += await _name_problems(tx, actor, draft.name, before)
    if problems or draft.aim.criteria is None:
        raise InvalidError.of(problems, what="The filter")
    return _Judged(draft, draft.aim.criteria)


async def _held(tx: AsyncConnection, definition: object, criteria: Expression) -> list[Problem]:
    """Keep the custom fields that the criteria ask about from being deleted; what is wrong when one just was."""
    names = [name.removeprefix(CUSTOM_PREFIX) for name in fields_used(criteria) if name.startswith(CUSTOM_PREFIX)]
    if not names:
        return []
    await custom_fields.hold_named(tx, names)
    return read(definition, await kinds(tx))[1]


async def sites_of(tx: AsyncConnection, actor: Actor, aim: Aim) -> list[Problem]:
    """What is wrong with the sites that are named: only those that the writer sees exist."""
    if not aim.site_ids:
        return []
    return site_problems(aim.site_ids, await sites.existing(tx, aim.site_ids, actor.scope))


async def _name_problems(tx: AsyncConnection, actor: Actor, name: str, before: SavedFilter | None) -> list[Problem]:
    """Names are told apart only among the filters that the writer sees: of others not even that is told."""
    if not name or (before is not None and before.archived_at is None and name.lower() == before.name.lower()):
        return []
    await store.hold_names(tx)
    if await store.is_named(tx, actor.scope, name, other_than=before.id if before else None):
        return [Problem("name", "name_taken", "another filter has this name (case does not count)")]
    return []


async def create(tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime) -> SavedFilter:
    """Save a new filter; InvalidError lists every problem."""
    actor.require(Permission.FILTERS_WRITE)
    judged = await _judge(tx, actor, definition)
    first = {"revision": 1, "created_by": actor.operator_id, "created_at": now}
    filter_id = await store.insert_filter(tx, {**_columns(actor, judged, now), **first})
    await _record(tx, actor, filter_id, "create", judged.draft, revision=1, now=now)
    await _changed(tx, filter_id, "created", frozenset(), now)
    return await get(tx, actor, filter_id)


async def update(tx: AsyncConnection, actor: Actor, before: SavedFilter, definition: object, *, now: datetime) -> Saved:
    """Save a locked filter anew. What changes nothing makes no revision."""
    actor.require(Permission.FILTERS_WRITE)
    if before.archived_at is not None:
        raise ConflictError("An archived filter cannot be changed; bring it back first.", code="filter_archived")
    judged = await _judge(tx, actor, definition, before)
    if judged.draft.to_json() == before.definition:
        return Saved(before, is_changed=False)
    reached = await store.sites_reached(tx, before.id)
    revision = before.revision + 1
    await store.update_filter(tx, before.id, {**_columns(actor, judged, now), "revision": revision})
    await _record(tx, actor, before.id, "update", judged.draft, revision=revision, now=now)
    await _changed(tx, before.id, "updated", reached, now)
    return Saved(await get(tx, actor, before.id), is_changed=True)


async def clone(tx: AsyncConnection, actor: Actor, filter_id: int, name: object, *, now: datetime) -> SavedFilter:
    """Save a copy under another name, for the sites of whoever makes it. Of sites that they do not see it knows nothing."""
    origin = await get(tx, actor, filter_id)
    actor.require(Permission.FILTERS_WRITE)
    definition = {**origin.definition, "name": _copy_of(origin.name) if name is None else name}
    if origin.site_mode == "except" and not origin.site_ids:
        # All that it leaves out lies where the copy does not reach.
        definition["site_mode"] = "all"
    return await create(tx, actor, definition, now=now)


def _copy_of(name: str) -> str:
    return f"Copy of {name}"[:_MOST_CHARACTERS].rstrip()


async def archive(
    tx: AsyncConnection, actor: Actor, before: SavedFilter, *, used_by: Sequence[str], now: datetime
) -> SavedFilter:
    """Take a locked filter out of use; refused while jobs or windows use it, which `used_by` names."""
    actor.require(Permission.FILTERS_WRITE)
    _refuse_in_use(used_by)
    if before.archived_at is not None:
        return before
    await _set_state(tx, actor, before, "archive", {"archived_at": now}, now)
    return await get(tx, actor, before.id)


async def unarchive(tx: AsyncConnection, actor: Actor, before: SavedFilter, *, now: datetime) -> SavedFilter:
    """Bring a locked filter back into use, as it was; refused when meanwhile it could not be saved any more."""
    actor.require(Permission.FILTERS_WRITE)
    if before.archived_at is None:
        return before
    judged = await _judge(tx, actor, before.definition, before)
    back = {
        **_compiled(judged.criteria),
        "compiler": COMPILER,
        "archived_at": None,
        "allowed_site_ids": actor.scope.as_list(),
    }
    await _set_state(tx, actor, before, "unarchive", back, now)
    return await get(tx, actor, before.id)


async def delete(
    tx: AsyncConnection, actor: Actor, before: SavedFilter, *, used_by: Sequence[str], now: datetime
) -> None:
    """Take a locked filter away for good; refused while it is used."""
    actor.require(Permission.FILTERS_WRITE)
    _refuse_in_use(used_by)
    gone = {"archived_at": before.archived_at or now, "deleted_at": now}
    await _set_state(tx, actor, before, "delete", gone, now)


async def using_field(tx: AsyncConnection, actor: Actor, name: str) -> list[str]:
    """The filters that ask about a custom field: without it they mean nothing. Those of other sites are counted, not named."""
    return used_by(await store.using_field(tx, actor.scope, CUSTOM_PREFIX + name))


def used_by(uses: Sequence[Use]) -> list[str]:
    """What uses a filter, as a refusal says it. What its reader does not see is counted, not named."""
    named = [one.name for one in uses if one.is_visible]
    hidden = len(uses) - len(named)
    return [*named, f"{hidden} of sites that you do not see"] if hidden else named


async def compile_anew(tx: AsyncConnection, *, after: int = 0, limit: int = 100) -> int | None:
    """Compile some filters anew that an older compiler wrote; the last of them, None when there are no more."""
    found = await store.stale(tx, COMPILER, after=after, limit=limit)
    known = await kinds(tx) if found else {}
    rows = []
    for filter_id, criteria in found:
        try:
            rows.append({"id": filter_id, **_compiled(parse(criteria, known))})
        except FilterProblems as refused:
            _logger.warning("filter.not_compiled", filter=filter_id, error=str(refused))
    await store.set_compiled(tx, COMPILER, rows)
    return found[-1][0] if found else None


def _refuse_in_use(used_by: Sequence[str]) -> None:
    if used_by:
        raise ConflictError(f"The filter is in use by: {', '.join(used_by)}.", code="filter_in_use")


async def _set_state(
    tx: AsyncConnection, actor: Actor, before: SavedFilter, verb: str, values: Mapping[str, Any], now: datetime
) -> None:
    """Written without a revision: what it says stays the same."""
    reached = await store.sites_reached(tx, before.id)
    edited = {"updated_by": actor.operator_id, "updated_at": now}
    await store.update_filter(tx, before.id, {**values, **edited})
    await audit.record(tx, actor, f"filter.{verb}", "filter", before.id, now=now, detail={"name": before.name})
    await _changed(tx, before.id, f"{verb}d", reached, now)


def _there(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFoundError("There is no such filter.", code="filter_not_found")
    return row


def _seen(row: Row[Any], scope: SiteScope, known: Mapping[str, CustomKind]) -> SavedFilter:
    same = ("id", "name", "description", "criteria", "site_mode", "revision", "allowed_site_ids", "archived_at")
    who = ("created_by", "updated_by", "created_at", "updated_at")
    return SavedFilter(
        **{name: getattr(row, name) for name in (*same, *who)},
        site_ids=_visible(row.site_ids, scope),
        spans_other_sites=is_beyond(row.site_mode, row.site_ids, row.allowed_site_ids, scope.site_ids),
        in_words=_in_words(row.criteria, known),
    )


def _visible(site_ids: Sequence[int], scope: SiteScope) -> list[int]:
    return [one for one in site_ids if scope.allows(one)]


def _in_words(criteria: object, known: Mapping[str, CustomKind]) -> str | None:
    try:
        return explain(parse(criteria, known))
    except FilterProblems:
        return None


def _compiled(criteria: Expression) -> dict[str, Any]:
    sql = compiled(criteria)
    return {"condition": sql.condition, "parameters": sql.parameters}


def _columns(actor: Actor, judged: _Judged, now: datetime) -> dict[str, Any]:
    return {
        **judged.draft.to_json(),
        **_compiled(judged.criteria),
        "compiler": COMPILER,
        "allowed_site_ids": actor.scope.as_list(),
        "updated_by": actor.operator_id,
        "updated_at": now,
    }


async def _record(
    tx: AsyncConnection, actor: Actor, filter_id: int, verb: str, draft: FilterDraft, *, revision: int, now: datetime
) -> None:
    await store.insert_revision(tx, filter_id, revision, draft.to_json(), by=actor.operator_id, now=now)
    detail = {"name": draft.name, "revision": revision, "criteria": draft.to_json()["criteria"]}
    await audit.record(tx, actor, f"filter.{verb}", "filter", filter_id, now=now, detail=detail)


async def _changed(
    tx: AsyncConnection, filter_id: int, change: str, reached_before: frozenset[int], now: datetime
) -> None:
    """Tell live views of every site that it reaches, or did."""
    told: list[int | None] = [*sorted(reached_before | await store.sites_reached(tx, filter_id))]
    payload = {"filter_id": filter_id, "change": change}
    await events.publish(tx, [Event("filter.changed", payload, site_id) for site_id in told or [None]], now)

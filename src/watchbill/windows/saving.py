"""The verbs of windows: create, update, delete, look. What a window may say is decided in `core.window_rules`.

A change counts from its commit on: schedulers and gateways are told, and ask anew for whatever has not started.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import filters, jobs, sites
from watchbill.core.problems import Problem
from watchbill.core.window_rules import Facts, WindowDraft, read, settle
from watchbill.filters import Use
from watchbill.identity import Actor, Permission, audit
from watchbill.kit import events
from watchbill.kit.budget import Budget, OverBudgetError
from watchbill.kit.db import notify
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.events import Event
from watchbill.kit.paging import Page
from watchbill.windows import store
from watchbill.windows.values import Action, Saved, SavedWindow, WindowFilter

P = ParamSpec("P")
T = TypeVar("T")

#: Processor time that the spans of one window may take to be checked.
EVALUATION_SECONDS: Final = 2.0
#: All of them are read at each tick of the scheduler: those of people who see every site, and those of any sites by themselves,
#: so that nobody can use up what others need.
MAX_WINDOWS: Final = 500
MAX_WINDOWS_OF_SITES: Final = 100
#: The spans of all these windows bound what it takes to find out whether work may start.
MAX_SPANS: Final = 10_000
MAX_SPANS_OF_SITES: Final = 2_000
#: Where all gateways listen; the feature that runs work knows it by the same name, and a test holds them together.
GATEWAYS: Final = "watchbill_gateways"
_SPANS: Final = "This window covers more than your sites."


@dataclass(frozen=True, slots=True)
class Judged:
    """A window that may be saved, or every reason why not."""

    draft: WindowDraft
    spans: list[dict[str, Any]]
    problems: list[Problem]


async def get(tx: AsyncConnection, actor: Actor, window_id: int) -> SavedWindow:
    actor.require(Permission.READ)
    return _there(await store.find(tx, actor.scope, window_id))


async def list_windows(
    tx: AsyncConnection, actor: Actor, wanted: WindowFilter, *, limit: int, cursor: str | None
) -> Page[SavedWindow]:
    """Those that reach the caller's sites, by name."""
    actor.require(Permission.READ)
    return await store.list_page(tx, actor.scope, wanted, limit=limit, cursor=cursor)


async def lock(tx: AsyncConnection, actor: Actor, window_id: int) -> SavedWindow:
    """The window, held until the transaction ends, for a caller who may change it."""
    window = _there(await store.find(tx, actor.scope, window_id, for_update=True))
    actor.require(Permission.WINDOWS_WRITE)
    if window.spans_other_sites:
        raise ForbiddenError(_SPANS, code="window_spans_other_sites")
    return window


def allowed_actions(actor: Actor, window: SavedWindow) -> list[Action]:
    """What this reader may do to the window, and why not; the writes themselves ask the same."""
    reason = _SPANS if window.spans_other_sites else None
    if not actor.may(Permission.WINDOWS_WRITE):
        reason = f"This needs the permission `{Permission.WINDOWS_WRITE}`."
    return [Action(name, allowed=reason is None, reason=reason) for name in ("update", "delete")]


async def judge(
    tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime, before: SavedWindow | None = None
) -> Judged:
    """Everything that a save would check, and nothing saved."""
    reading = within_budget(read, definition)
    facts = await _facts(tx, actor, reading.draft, now, before)
    settled = within_budget(settle, reading.draft, facts)
    problems = [*reading.problems, *settled.problems]
    await store.hold_saving(tx)
    if await _is_name_taken(tx, actor, reading.draft.name, before):
        problems.append(Problem("name", "name_taken", "another window has this name (case does not count)"))
    return Judged(reading.draft, settled.spans, problems)


async def _is_name_taken(tx: AsyncConnection, actor: Actor, name: str | None, before: SavedWindow | None) -> bool:
    """Names are told apart only among the windows that the writer sees: of others not even that is told."""
    if not name or (before is not None and name.lower() == before.name.lower()):
        return False
    return await store.is_named(tx, actor.scope, name, other_than=before.id if before else None)


async def _check_room(tx: AsyncConnection, actor: Actor, judged: Judged, before: SavedWindow | None = None) -> None:
    """Refuse one window too many, or more spans than all may have together. What shrinks may always be saved."""
    is_whole = actor.scope.site_ids is None
    most_windows, most_spans = (MAX_WINDOWS, MAX_SPANS) if is_whole else (MAX_WINDOWS_OF_SITES, MAX_SPANS_OF_SITES)
    whose = "for every site" if is_whole else "for your sites"
    number, spans = await store.count_saved(tx, actor.scope, other_than=before.id if before else None)
    if before is None and number >= most_windows:
        raise ConflictError(f"There are {number} windows {whose}, which is the most.", code="too_many_windows")
    is_more = before is None or len(judged.spans) > len(before.spans)
    if is_more and spans + len(judged.spans) > most_spans:
        message = f"All windows {whose} may have {most_spans} spans together, and the others have {spans}."
        raise ConflictError(message, code="too_many_spans")


def within_budget(compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of evaluating somebody's spans; refused when that takes too long, as schedulers would have to do it too."""
    try:
        with Budget(EVALUATION_SECONDS) as budget:
            return budget.run(compute, *args, **kwargs)
    except OverBudgetError:
        message = f"take more than {EVALUATION_SECONDS:.0f} seconds to evaluate: use fewer spans, or plainer rules"
        raise InvalidError.of([Problem("spans", "too_slow", message)], what="The window") from None


async def create(tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime) -> SavedWindow:
    """Save a new window; InvalidError lists every problem."""
    actor.require(Permission.WINDOWS_WRITE)
    judged = await judge(tx, actor, definition, now=now)
    if judged.problems:
        raise InvalidError.of(judged.problems, what="The window")
    return await insert(tx, actor, judged, now=now)


async def insert(tx: AsyncConnection, actor: Actor, judged: Judged, *, now: datetime) -> SavedWindow:
    """Save a window that was judged in this transaction and has no problems."""
    actor.require(Permission.WINDOWS_WRITE)
    await _check_room(tx, actor, judged)
    enabled = judged.draft.enabled is not False
    values = _columns(actor, judged, enabled=enabled, now=now)
    first = {"revision": 1, "created_by": actor.operator_id, "created_at": now}
    window_id = await store.insert_window(tx, {**values, **first})
    await store.replace_attachments(tx, window_id, judged.draft.attachments)
    await _record(tx, actor, window_id, "create", judged, revision=1, now=now)
    await _changed(tx, window_id, "created", await store.sites_reached(tx, window_id), now)
    return await get(tx, actor, window_id)


async def update(tx: AsyncConnection, actor: Actor, before: SavedWindow, definition: object, *, now: datetime) -> Saved:
    """Save a locked window anew. What changes nothing makes no revision."""
    actor.require(Permission.WINDOWS_WRITE)
    judged = await judge(tx, actor, definition, now=now, before=before)
    if judged.problems:
        raise InvalidError.of(judged.problems, what="The window")
    enabled = before.enabled if judged.draft.enabled is None else judged.draft.enabled
    if _definition(judged, enabled=enabled) == before.definition:
        return Saved(before, is_changed=False)
    await _check_room(tx, actor, judged, before)
    reached = await store.sites_reached(tx, before.id)
    revision = before.revision + 1
    values = _columns(actor, judged, enabled=enabled, now=now)
    await store.update_window(tx, before.id, {**values, "revision": revision})
    await store.replace_attachments(tx, before.id, judged.draft.attachments)
    await _record(tx, actor, before.id, "update", judged, revision=revision, now=now)
    await _changed(tx, before.id, "updated", reached | await store.sites_reached(tx, before.id), now)
    return Saved(await get(tx, actor, before.id), is_changed=True)


async def delete(tx: AsyncConnection, actor: Actor, before: SavedWindow, *, now: datetime) -> None:
    """Take a locked window away; what it covered is free of it at once."""
    actor.require(Permission.WINDOWS_WRITE)
    reached = await store.sites_reached(tx, before.id)
    gone = {"deleted_at": now, "updated_by": actor.operator_id, "updated_at": now}
    await store.update_window(tx, before.id, gone)
    await store.replace_attachments(tx, before.id, ())
    await audit.record(tx, actor, "window.delete", "window", before.id, now=now, detail={"name": before.name})
    await _changed(tx, before.id, "deleted", reached, now)


async def using_filter(tx: AsyncConnection, actor: Actor, filter_id: int) -> list[Use]:
    """The windows that are attached to a filter, also those that the caller does not see."""
    return await store.using_filter(tx, actor.scope, filter_id)


async def filter_changed(tx: AsyncConnection, actor: Actor, filter_id: int) -> None:
    """A filter finds other devices from now on: what windows on it put off is looked at anew, and no device waits in vain."""
    if await store.using_filter(tx, actor.scope, filter_id):
        await notify(tx, jobs.CHANNEL)
        await notify(tx, GATEWAYS)


def _there(window: SavedWindow | None) -> SavedWindow:
    if window is None:
        raise NotFoundError("There is no such window.", code="window_not_found")
    return window


async def _facts(
    tx: AsyncConnection, actor: Actor, draft: WindowDraft, now: datetime, before: SavedWindow | None
) -> Facts:
    wanted = draft.attachments
    devices = {one.id for one in wanted if isinstance(one.id, UUID)}
    numbers = {
        kind: {one.id for one in wanted if one.kind == kind and isinstance(one.id, int)}
        for kind in ("site", "job", "filter")
    }
    return Facts(
        now=now,
        sites=frozenset(await sites.existing(tx, numbers["site"], actor.scope)) if numbers["site"] else frozenset(),
        devices=await store.usable_devices(tx, actor.scope, devices) if devices else frozenset(),
        jobs=await store.usable_jobs(tx, actor.scope, numbers["job"]) if numbers["job"] else {},
        filters=await filters.facts_of(tx, actor.scope, numbers["filter"]),
        has_every_site=actor.scope.site_ids is None,
        stored_spans=before.spans if before else None,
    )


def _columns(actor: Actor, judged: Judged, *, enabled: bool, now: datetime) -> dict[str, Any]:
    draft = judged.draft
    same = ("name", "description", "kind", "zone_source", "when_closed", "cutoff_seconds", "stop_at_end")
    return {
        **{name: getattr(draft, name) for name in same},
        "spans": judged.spans,
        "enabled": enabled,
        "allowed_site_ids": actor.scope.as_list(),
        "updated_by": actor.operator_id,
        "updated_at": now,
    }


def _definition(judged: Judged, *, enabled: bool) -> Mapping[str, Any]:
    """In the form of `SavedWindow.definition`."""
    draft = judged.draft
    same = ("name", "description", "kind", "zone_source", "when_closed", "cutoff_seconds", "stop_at_end")
    return {
        **{name: getattr(draft, name) for name in same},
        "enabled": enabled,
        "spans": judged.spans,
        "attachments": [one.to_json() for one in draft.attachments],
    }


async def _record(
    tx: AsyncConnection, actor: Actor, window_id: int, verb: str, judged: Judged, *, revision: int, now: datetime
) -> None:
    attached = [one.to_json() for one in judged.draft.attachments]
    detail = {"name": judged.draft.name, "kind": judged.draft.kind, "revision": revision, "attachments": attached}
    await audit.record(tx, actor, f"window.{verb}", "window", window_id, now=now, detail=detail)


async def _changed(
    tx: AsyncConnection, window_id: int, change: str, reached: frozenset[int | None], now: datetime
) -> None:
    """Tell live views of every site that is reached, and whoever waits for windows."""
    told = sorted(reached or {None}, key=lambda site_id: site_id or 0)
    payload = {"window_id": window_id, "change": change}
    await events.publish(tx, [Event("window.changed", payload, site_id) for site_id in told], now)
    await notify(tx, jobs.CHANNEL)
    await notify(tx, GATEWAYS)

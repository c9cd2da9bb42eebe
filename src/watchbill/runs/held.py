"""Held occurrences: letting them go, and skipping them. Their targets are frozen when they are let go, from the job as it is then.

A held occurrence never stays for want of its job: where that is gone, or can no longer be read, it is skipped and says so.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, windows
from watchbill.core.occurrence import ON_TIME
from watchbill.core.states import OccurrenceReason
from watchbill.identity import Actor
from watchbill.jobs import DueJob
from watchbill.kit.budget import EVALUATION_SECONDS, Budget, Fault
from watchbill.kit.clock import rfc3339
from watchbill.runs import closed
from watchbill.runs.membership import surprising
from watchbill.runs.not_run import Held, Skipped, publish_to_sites
from watchbill.runs.opening import open_occurrences
from watchbill.runs.planning import Around, blocked_by_window, expiry, opening
from watchbill.runs.to_open import Opening

_FIND = text("SELECT id, job_id FROM occurrences WHERE id = ANY(:ids) AND state = 'held'")
_DUE = text(
    "SELECT id FROM occurrences WHERE state = 'held' AND held_until_at <= :now ORDER BY held_until_at, id LIMIT :limit"
)
_NEXT = text("SELECT min(held_until_at) FROM occurrences WHERE state = 'held'")
# After the jobs, whose rows decide who is first; what another release has let go meanwhile is not held any more.
_LOCK = text("""
SELECT o.id, o.job_id, o.scheduled_for_at, o.reason, o.held_until_at, j.enabled
FROM occurrences o JOIN jobs j ON j.id = o.job_id
WHERE o.id = ANY(:ids) AND o.state = 'held' ORDER BY o.id FOR UPDATE OF o
""")
_SKIP = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[]), CAST(:details AS text[])) AS g(id, reason, detail)
), locked AS (
  SELECT o.id FROM occurrences o WHERE o.id = ANY(:ids) AND o.state = 'held' ORDER BY o.id FOR UPDATE
)
UPDATE occurrences o SET state = 'skipped', reason = g.reason, detail = coalesce(g.detail, o.detail), closed_at = :now,
  cancelled_by = :by
FROM given g JOIN locked l ON l.id = g.id WHERE o.id = g.id AND o.state = 'held'
RETURNING o.id, o.job_id
""")
_TO_GUARD = text("""
UPDATE occurrences SET reason = 'storm_guard', detail = :detail, is_late = true, held_until_at = NULL WHERE id = ANY(:ids) AND state = 'held'
""")
_TO_A_PERSON = text("""
UPDATE occurrences o SET reason = 'targets_changed', detail = g.detail, held_until_at = NULL
FROM unnest(CAST(:ids AS uuid[]), CAST(:details AS text[])) AS g(id, detail) WHERE o.id = g.id AND o.state = 'held'
""")
_HOLD_UNTIL = text("""
WITH locked AS (
  SELECT o.id FROM occurrences o WHERE o.id = ANY(:ids) AND o.state = 'held' ORDER BY o.id FOR UPDATE
)
UPDATE occurrences o SET held_until_at = g.until, detail = g.detail
FROM unnest(CAST(:ids AS uuid[]), CAST(:until AS timestamptz[]), CAST(:details AS text[])) AS g(id, until, detail)
JOIN locked l ON l.id = g.id
WHERE o.id = g.id AND o.state = 'held'
""")


#: Why one is skipped after all, and the sentence behind it.
_Why = tuple[OccurrenceReason, str | None]


async def release_held(
    tx: AsyncConnection,
    occurrence_ids: Sequence[uuid.UUID],
    now: datetime,
    *,
    actor: Actor | None = None,
    reason: str | None = None,
) -> set[uuid.UUID]:
    """Let held occurrences go; returns those for which this call did it.

    Without an actor it is the Engine's own doing: a paused job's are skipped. A person lets them go all the same; where a window
    still holds one, that needs a reason and the permission for it.
    """
    return await _release(tx, occurrence_ids, now, actor=actor, reason=reason)


async def open_due_held(
    tx: AsyncConnection, now: datetime, limit: int = 500, *, guard_until: datetime | None = None
) -> set[uuid.UUID]:
    """Let go what was held until now. Where the window has been moved meanwhile, it is held on, or is skipped beyond its expiry.

    What should have gone by `guard_until` and could not is left to the storm guard. What may go earlier now: `runs.reviewing`.
    """
    due = (await tx.execute(_DUE, {"now": now, "limit": limit})).scalars().all()
    return await _release(tx, due, now, actor=None, reason=None, guard_until=guard_until) if due else set()


async def next_held(tx: AsyncConnection) -> datetime | None:
    """When the next held occurrence goes by itself; it may be past, when another scheduler is at it."""
    found: datetime | None = (await tx.execute(_NEXT)).scalar_one()
    return found


async def skip_held(
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime, *, by: int | None, detail: str | None
) -> set[uuid.UUID]:
    """A person decides that held occurrences shall not run; returns those for which this call did it."""
    return await _skip(tx, dict.fromkeys(occurrence_ids, (OccurrenceReason.BY_OPERATOR, detail)), now, by=by)


async def _release(
    tx: AsyncConnection,
    occurrence_ids: Sequence[uuid.UUID],
    now: datetime,
    *,
    actor: Actor | None,
    reason: str | None,
    guard_until: datetime | None = None,
) -> set[uuid.UUID]:
    there = (await tx.execute(_FIND, {"ids": list(occurrence_ids)})).all()
    settings = await jobs.due_settings_of(tx, {row.job_id for row in there})
    rows = (await tx.execute(_LOCK, {"ids": [row.id for row in there]})).all()
    held = await _guarded(tx, rows, now, guard_until) if actor is None else rows
    openings, impossible = _openings(held, settings, now, actor=actor, reason=reason)
    await _skip(tx, impossible, now, by=None)
    by_window = {row.id for row in held if _is_by_window(row)}
    allowed = await _past_windows(tx, openings, by_window, settings, now, actor=actor, reason=reason)
    return await open_occurrences(tx, allowed if actor else await _unsurprising(tx, allowed, now), now)


async def _unsurprising(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> list[Opening]:
    """What goes by itself; where the devices differ too much from those of the time before, a person looks first."""
    surprises = await surprising(tx, openings, now)
    if surprises:
        await tx.execute(_TO_A_PERSON, {"ids": list(surprises), "details": list(surprises.values())})
    return [one for one in openings if one.id not in surprises]


async def _guarded(
    tx: AsyncConnection, rows: Sequence[Row[Any]], now: datetime, guard_until: datetime | None
) -> list[Row[Any]]:
    """All but those that a window held until some time in an outage which the storm guard is up for: they wait on, for it."""
    caught = {
        row.id for row in rows if guard_until is not None and _is_overdue(row, now) and row.held_until_at <= guard_until
    }
    if caught:
        why = "The window that held it opened during an outage, and the storm guard holds what is late until it is let go."
        await tx.execute(_TO_GUARD, {"ids": list(caught), "detail": why})
    return [row for row in rows if row.id not in caught]


def _is_by_window(row: Row[Any]) -> bool:
    return bool(row.reason == OccurrenceReason.HELD_BY_WINDOW)


def _is_overdue(row: Row[Any], now: datetime) -> bool:
    """Whether it should have gone by itself before now, and nobody was there to see to it."""
    return _is_by_window(row) and row.held_until_at is not None and row.held_until_at < now - ON_TIME


def _openings(
    held: Sequence[Row[Any]], settings: Mapping[int, DueJob], now: datetime, *, actor: Actor | None, reason: str | None
) -> tuple[list[Opening], dict[uuid.UUID, _Why]]:
    """What goes, oldest first, and what can no longer run. A job that cannot be evaluated takes no other with it."""
    openings: list[Opening] = []
    impossible: dict[uuid.UUID, _Why] = {}
    with Budget(EVALUATION_SECONDS) as budget:
        for row in sorted(held, key=lambda row: row.scheduled_for_at):
            job = settings.get(row.job_id)
            found: Opening | _Why | Fault | None = _impossible(row, job, actor)
            if found is None and job is not None:
                found = budget.attempt(_opening, row, job, now, actor=actor, reason=reason)
            if isinstance(found, Opening):
                openings.append(found)
            elif found is not None:
                impossible[row.id] = _gone(found) if isinstance(found, Fault) else found
    return openings, impossible


def _gone(fault: Fault) -> _Why:
    return OccurrenceReason.JOB_GONE, fault.why


def _impossible(row: Row[Any], job: DueJob | None, actor: Actor | None) -> _Why | None:
    """Why a held occurrence can no longer run: its reason and the sentence behind it."""
    if job is None:
        return OccurrenceReason.JOB_GONE, "The job was deleted while this occurrence was held."
    if job.schedule is None:
        return OccurrenceReason.JOB_GONE, f"The job can no longer be read: {job.error}"
    if actor is None and not row.enabled:
        return OccurrenceReason.PAUSED, "The job was paused when this occurrence was to be let go."
    return None


def _opening(row: Row[Any], job: DueJob, now: datetime, *, actor: Actor | None, reason: str | None) -> Opening | _Why:
    """It begins now, for every device: the starts by zone or splay that it once had are past.

    What a window held does not go by itself once its own time is over.
    """
    ended = row.scheduled_for_at + expiry(job, row.scheduled_for_at)
    if actor is None and _is_overdue(row, now) and now > ended:
        return OccurrenceReason.BLACKOUT, f"A window held it until its time was over, at {rfc3339(ended)}."
    fresh = opening(job, "schedule", row.scheduled_for_at, now=now, is_late=True)
    return replace(
        fresh,
        id=row.id,
        is_late=not _is_by_window(row) or _is_overdue(row, now),
        waves=(),
        starts_from=now,
        started_by=actor.operator_id if actor else None,
        start_reason=reason,
        is_release=True,
    )


async def _past_windows(
    tx: AsyncConnection,
    openings: Sequence[Opening],
    by_window: set[uuid.UUID],
    settings: Mapping[int, DueJob],
    now: datetime,
    *,
    actor: Actor | None,
    reason: str | None,
) -> list[Opening]:
    """Those that may go as far as the windows of whole jobs are concerned."""
    waiting = [one for one in openings if one.id in by_window]
    around = Around(
        windows=await windows.load(tx) if waiting else windows.WindowSet(),
        covering=await windows.covering_jobs(tx, {one.job_id for one in waiting}) if waiting else {},
    )
    blocked, faults = _judged(waiting, settings, now, around)
    await _skip(tx, faults, now, by=None)
    openings = [one for one in openings if one.id not in faults]
    if not blocked:
        return openings
    if actor is None:
        await _hold_until(
            tx, [(one, why.held_until_at, why.detail) for one, why in blocked.items() if isinstance(why, Held)]
        )
        gone = {
            one: (OccurrenceReason(why.reason), why.detail) for one, why in blocked.items() if isinstance(why, Skipped)
        }
        await _skip(tx, gone, now, by=None)
        return [one for one in openings if one.id not in blocked]
    if not closed.may_override(actor, reason):
        raise closed.refusal([why.detail or why.reason for why in blocked.values()])
    return [replace(one, ignores_windows=one.id in blocked) for one in openings]


def _judged(
    waiting: Sequence[Opening], settings: Mapping[int, DueJob], now: datetime, around: Around
) -> tuple[dict[uuid.UUID, Held | Skipped], dict[uuid.UUID, _Why]]:
    """What closed windows make of these, and which of them could not be judged."""
    blocked: dict[uuid.UUID, Held | Skipped] = {}
    faults = {}
    with Budget(EVALUATION_SECONDS) as budget:
        for one in waiting:
            why = budget.attempt(_blocked, settings[one.job_id], one, now, around)
            if isinstance(why, Fault):
                faults[one.id] = _gone(why)
            elif why is not None:
                blocked[one.id] = why
    return blocked, faults


def _blocked(job: DueJob, one: Opening, now: datetime, around: Around) -> Held | Skipped | None:
    """However often it is held on: it waits no longer than its own instant allows."""
    ends = one.scheduled_for + expiry(job, one.scheduled_for)
    return blocked_by_window(job, replace(one, is_late=True, expires_at=ends), now, around)


async def _hold_until(tx: AsyncConnection, rows: Sequence[tuple[uuid.UUID, datetime | None, str | None]]) -> None:
    if rows:
        columns = {
            "ids": [one for one, _, _ in rows],
            "until": [until for _, until, _ in rows],
            "details": [why for _, _, why in rows],
        }
        await tx.execute(_HOLD_UNTIL, columns)


async def _skip(tx: AsyncConnection, why: Mapping[uuid.UUID, _Why], now: datetime, *, by: int | None) -> set[uuid.UUID]:
    if not why:
        return set()
    columns = {
        "ids": list(why),
        "reasons": [str(reason) for reason, _ in why.values()],
        "details": [detail for _, detail in why.values()],
    }
    rows = (await tx.execute(_SKIP, {**columns, "by": by, "now": now})).all()
    await publish_to_sites(tx, {row.id: row.job_id for row in rows}, now)
    return {row.id for row in rows}

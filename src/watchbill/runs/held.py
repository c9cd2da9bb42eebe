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
from watchbill.core.states import OccurrenceReason
from watchbill.identity import Actor
from watchbill.jobs import DueJob
from watchbill.kit.errors import NotFoundError
from watchbill.runs import closed
from watchbill.runs.not_run import Held, Skipped, publish_to_sites
from watchbill.runs.opening import open_occurrences
from watchbill.runs.planning import Around, blocked_by_window, expiry, opening
from watchbill.runs.to_open import Opening

_FIND = text("SELECT id, job_id FROM occurrences WHERE id = ANY(:ids) AND state = 'held'")
_DUE = text(
    "SELECT id FROM occurrences WHERE state = 'held' AND held_until_at <= :now ORDER BY held_until_at, id LIMIT :limit"
)
# Held before windows were last changed: they may open earlier now.
_HELD_BEFORE_CHANGE = text("""
SELECT o.id, o.job_id, o.held_until_at, o.detail FROM occurrences o
WHERE o.state = 'held' AND o.reason = 'held_by_window' AND o.held_until_at > :now
  AND o.created_at < (SELECT max(greatest(w.updated_at, w.deleted_at)) FROM windows w)
ORDER BY o.id
""")
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


async def open_due_held(tx: AsyncConnection, now: datetime, limit: int = 500) -> set[uuid.UUID]:
    """Let go what was held until now. Where the window has been moved meanwhile, it goes earlier, is held on, or is skipped beyond
    its expiry.
    """
    await _look_again(tx, now)
    due = (await tx.execute(_DUE, {"now": now, "limit": limit})).scalars().all()
    return await _release(tx, due, now, actor=None, reason=None) if due else set()


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
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime, *, actor: Actor | None, reason: str | None
) -> set[uuid.UUID]:
    there = (await tx.execute(_FIND, {"ids": list(occurrence_ids)})).all()
    settings = await _settings(tx, sorted({row.job_id for row in there}))
    held = (await tx.execute(_LOCK, {"ids": [row.id for row in there]})).all()
    impossible = {row.id: why for row in held if (why := _impossible(row, settings.get(row.job_id), actor))}
    await _skip(tx, impossible, now, by=None)
    openings = [
        _opening(row, settings[row.job_id], now, actor=actor, reason=reason)
        for row in sorted(held, key=lambda row: row.scheduled_for_at)
        if row.id not in impossible
    ]
    by_window = {row.id for row in held if row.reason == OccurrenceReason.HELD_BY_WINDOW}
    allowed = await _past_windows(tx, openings, by_window, settings, now, actor=actor, reason=reason)
    return await open_occurrences(tx, allowed, now)


async def _settings(tx: AsyncConnection, job_ids: Sequence[int]) -> dict[int, DueJob]:
    """The jobs as they are now, held until the transaction ends; a deleted one is left out."""
    found = {}
    for job_id in job_ids:
        try:
            found[job_id] = await jobs.due_settings(tx, job_id)
        except NotFoundError:
            continue
    return found


def _impossible(row: Row[Any], job: DueJob | None, actor: Actor | None) -> _Why | None:
    """Why a held occurrence can no longer run: its reason and the sentence behind it."""
    if job is None:
        return OccurrenceReason.JOB_GONE, "The job was deleted while this occurrence was held."
    if job.schedule is None:
        return OccurrenceReason.JOB_GONE, f"The job can no longer be read: {job.error}"
    if actor is None and not row.enabled:
        return OccurrenceReason.PAUSED, "The job was paused when this occurrence was to be let go."
    return None


def _opening(row: Row[Any], job: DueJob, now: datetime, *, actor: Actor | None, reason: str | None) -> Opening:
    """It begins now, for every device: the starts by zone or splay that it once had are past."""
    fresh = opening(job, "schedule", row.scheduled_for_at, now=now, is_late=True)
    return replace(
        fresh,
        id=row.id,
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
    blocked = {one.id: why for one in waiting if (why := _blocked(settings[one.job_id], one, now, around))}
    if not blocked:
        return list(openings)
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


def _blocked(job: DueJob, one: Opening, now: datetime, around: Around) -> Held | Skipped | None:
    """However often it is held on: it waits no longer than its own instant allows."""
    return blocked_by_window(
        job, replace(one, expires_at=one.scheduled_for + expiry(job, one.scheduled_for)), now, around
    )


async def _look_again(tx: AsyncConnection, now: datetime) -> None:
    """Move up what a changed window lets go earlier than was thought."""
    rows = (await tx.execute(_HELD_BEFORE_CHANGE, {"now": now})).all()
    if not rows:
        return
    known = await windows.load(tx)
    covering = await windows.covering_jobs(tx, {row.job_id for row in rows})
    earlier = []
    for row in rows:
        verdict = known.verdict(covering[row.job_id], "UTC", now, until=row.held_until_at)
        opens_at = now if verdict.is_open else verdict.opens_at
        if opens_at is not None and opens_at < row.held_until_at:
            earlier.append((row.id, opens_at, verdict.sentence or row.detail))
    await _hold_until(tx, earlier)


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

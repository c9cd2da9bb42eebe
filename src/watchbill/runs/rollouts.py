"""Where the waves and places of an occurrence stand, and what moves them on. Lets nothing go itself: it queues the work that does.

The row of a rollout is locked last, after targets, counters and occurrences. Who ends a target moves the waves in the same
transaction, so that no target is let go after the brake was due. Order of the rules: `core.waves`.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import queue
from watchbill.core.states import TargetState
from watchbill.core.waves import Phase, Progress, Step, WavePlan, free_slots, from_json, next_step
from watchbill.identity import ENGINE, audit
from watchbill.identity.audit import About
from watchbill.kit import db
from watchbill.kit.clock import rfc3339
from watchbill.queue import Lane, NewItem
from watchbill.runs.to_open import lane_of
from watchbill.runs.turns import BOUNDS

LOCK = text("""
SELECT occurrence_id, run_id, job_id, plan, concurrency, site_concurrency, phase, wave, waves, soak_until_at, look_at
FROM rollouts WHERE occurrence_id = ANY(:ids) AND phase <> 'ended' ORDER BY occurrence_id FOR UPDATE
""")
_COUNTS = text("""
SELECT occurrence_id, wave, state, sum(number)::integer AS number FROM occurrence_counts
WHERE occurrence_id = ANY(:ids) GROUP BY occurrence_id, wave, state
""")
_BUSY = text("""
SELECT run_id, site_id, count(*)::integer AS number FROM run_targets
WHERE run_id = ANY(:runs) AND is_paced AND released_at IS NOT NULL AND deadline_at IS NOT NULL GROUP BY run_id, site_id
""")
# Sites with something for a worker to do. A device that is away is first noted as such, and then waits without a place.
_WORK = text("""
SELECT r.run_id, s.site_id, u.execution_context FROM rollouts r JOIN runs u ON u.id = r.run_id
JOIN LATERAL (SELECT DISTINCT c.site_id FROM occurrence_counts c WHERE c.occurrence_id = r.occurrence_id AND c.number > 0
  AND (c.state IN ('pending', 'waiting_online') OR (r.phase = 'braked' AND r.cancels_running AND c.state IN ('dispatched', 'running')))) s ON true
WHERE r.occurrence_id = ANY(:ids) AND (r.phase = 'braked' OR EXISTS (
  SELECT FROM run_targets t LEFT JOIN device_presence p ON p.device_id = t.device_id
  WHERE t.run_id = r.run_id AND t.site_id = s.site_id AND t.is_paced AND t.released_at IS NULL AND t.deadline_at IS NOT NULL
    AND t.wave <= r.wave AND (t.starts_at IS NULL OR t.starts_at <= :now) AND (t.state = 'pending' OR p.gateway_id IS NOT NULL)))
ORDER BY r.run_id, s.site_id
""")
# What a window has put off is looked at again when it may start.
_LATER = text("""
SELECT run_id, min(starts_at) AS at FROM run_targets
WHERE run_id = ANY(:runs) AND is_paced AND released_at IS NULL AND deadline_at IS NOT NULL AND starts_at > :now GROUP BY run_id
""")
_WRITE = text("""
UPDATE rollouts r SET phase = n.phase, wave = n.wave, soak_until_at = n.soak_until_at, look_at = n.look_at,
  braked_at = CASE WHEN n.phase = 'braked' THEN coalesce(r.braked_at, :now) ELSE r.braked_at END,
  brake_detail = coalesce(r.brake_detail, n.detail), cancels_running = r.cancels_running OR n.cancels_running
FROM jsonb_to_recordset(:rows) AS n(id uuid, phase text, wave integer, soak_until_at timestamptz, look_at timestamptz,
  detail text, cancels_running boolean)
WHERE r.occurrence_id = n.id
""").bindparams(bindparam("rows", type_=JSONB))
_WAVES = text("""
UPDATE occurrence_waves w SET starts_at = CASE WHEN w.wave <= n.wave THEN coalesce(w.starts_at, :now) END,
  ended_at = CASE WHEN w.wave < n.wave OR (w.wave = n.wave AND n.is_over) THEN coalesce(w.ended_at, :now) END
FROM jsonb_to_recordset(:rows) AS n(id uuid, wave integer, is_over boolean)
WHERE w.occurrence_id = n.id AND w.size IS NOT NULL
""").bindparams(bindparam("rows", type_=JSONB))
_DUE = text("SELECT occurrence_id FROM rollouts WHERE look_at <= :now ORDER BY look_at LIMIT :limit")
_NEXT = text("SELECT min(look_at) FROM rollouts WHERE look_at IS NOT NULL")
_OF_DEVICES = text("""
SELECT DISTINCT t.occurrence_id FROM run_targets t
WHERE t.device_id = ANY(:devices) AND t.deadline_at IS NOT NULL AND t.is_paced AND t.released_at IS NULL
  AND t.run_id IN (SELECT run_id FROM rollouts WHERE phase <> 'ended')
""")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A row as it was locked. `look_at`: when it has to be looked at although nothing happens."""

    occurrence_id: uuid.UUID
    run_id: int
    job_id: int
    plan: WavePlan | None
    concurrency: int | None
    site_concurrency: int | None
    step: Step
    waves: int
    look_at: datetime | None

    @property
    def is_limited(self) -> bool:
        return self.concurrency is not None or self.site_concurrency is not None


Changed = list[tuple[int, uuid.UUID]]


def rollout_of(row: Row[*tuple[Any, ...]]) -> Rollout:
    step = Step(Phase(row.phase), row.wave, row.soak_until_at)
    limits = row.concurrency, row.site_concurrency
    return Rollout(
        row.occurrence_id, row.run_id, row.job_id, from_json(row.plan), *limits, step, row.waves, row.look_at
    )


async def lock(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> list[Rollout]:
    """Those of the occurrences that have one under way."""
    return [rollout_of(row) for row in await tx.execute(LOCK, {"ids": list(occurrence_ids)})]


async def advance(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime) -> Changed:
    """Move the waves of these occurrences on as far as they go, and queue what is to be done; returns whose waves moved.

    The caller publishes these. Most occurrences have no rollout: for them this is one look into an index.
    """
    some = await lock(tx, occurrence_ids)
    return await carry_on(tx, some, now) if some else []


async def carry_on(tx: AsyncConnection, some: Sequence[Rollout], now: datetime) -> Changed:
    """The same for rollouts that the caller has locked."""
    counts: dict[uuid.UUID, dict[int, dict[TargetState, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in await tx.execute(_COUNTS, {"ids": [one.occurrence_id for one in some]}):
        counts[row.occurrence_id][row.wave][TargetState(row.state)] = row.number
    moved = [replace(one, step=_last_step(one, counts[one.occurrence_id], now)) for one in some]
    later = await _later(tx, [one for one in moved if one.step.phase is not Phase.ENDED], now)
    ready = [replace(one, look_at=_next_look(one.step, later.get(one.run_id), now)) for one in moved]
    pairs = list(zip(some, ready, strict=True))
    changed = [(old, new) for old, new in pairs if (old.step, old.look_at) != (new.step, new.look_at)]
    await _write(tx, changed, now)
    await _queue(tx, [one for one in ready if one.step.phase is not Phase.ENDED], now)
    return [(new.job_id, new.occurrence_id) for old, new in changed if old.step != new.step]


def _last_step(one: Rollout, counts: dict[int, dict[TargetState, int]], now: datetime) -> Step:
    step = one.step
    while True:
        progress = Progress(step.phase, step.wave, one.waves, counts, step.soak_until)
        following = next_step(one.plan, progress, now)
        if following == step:
            return step
        step = following
        if step.phase in (Phase.BRAKED, Phase.ENDED):
            return step


def _next_look(step: Step, later: datetime | None, now: datetime) -> datetime | None:
    """A soak that has ended without a next wave needs no look any more."""
    return min((at for at in (step.soak_until, later) if at is not None and at > now), default=None)


async def _later(tx: AsyncConnection, some: Sequence[Rollout], now: datetime) -> dict[int, datetime]:
    if not some:
        return {}
    rows = await tx.execute(_LATER, {"runs": [one.run_id for one in some], "now": now})
    return {row.run_id: row.at for row in rows}


async def _write(tx: AsyncConnection, changed: Sequence[tuple[Rollout, Rollout]], now: datetime) -> None:
    if not changed:
        return
    new = [one for _, one in changed]
    await tx.execute(_WRITE, {"rows": [_row(one) for one in new], "now": now})
    await tx.execute(_WAVES, {"rows": [_wave_row(one) for one in new], "now": now})
    if any(one.look_at is not None for one in new):
        await db.notify(tx, BOUNDS)
    braked = [one for old, one in changed if one.step.phase is Phase.BRAKED and old.step.phase is not Phase.BRAKED]
    told = [
        About(one.occurrence_id, None, {"job_id": one.job_id, "wave": one.step.wave, "reason": one.step.detail})
        for one in braked
        if one.step.detail
    ]
    await audit.record_many(tx, ENGINE, "occurrence.brake", "occurrence", told, now=now)


def _row(one: Rollout) -> dict[str, object]:
    step = one.step
    return {
        "id": str(one.occurrence_id),
        "phase": str(step.phase),
        "wave": step.wave,
        "soak_until_at": rfc3339(step.soak_until) if step.soak_until else None,
        "look_at": rfc3339(one.look_at) if one.look_at else None,
        "detail": step.detail,
        "cancels_running": bool(step.detail and one.plan and one.plan.stop.cancel_running),
    }


def _wave_row(one: Rollout) -> dict[str, object]:
    return {
        "id": str(one.occurrence_id),
        "wave": one.step.wave,
        "is_over": one.step.phase is not Phase.RUNNING,
    }


async def _queue(tx: AsyncConnection, some: Sequence[Rollout], now: datetime) -> None:
    """Queue work for sites that have something to let go and a place for it, or something to withdraw."""
    if not some:
        return
    sites: dict[int, list[int]] = defaultdict(list)
    lanes: dict[int, Lane] = {}
    for row in await tx.execute(_WORK, {"ids": [one.occurrence_id for one in some], "now": now}):
        sites[row.run_id].append(row.site_id)
        lanes[row.run_id] = lane_of(row.execution_context)
    busy = await busy_sites(tx, [one.run_id for one in some if one.is_limited and one.run_id in sites])
    items = [
        NewItem(one.run_id, site_id, lanes[one.run_id])
        for one in some
        for site_id in _with_places(one, sites.get(one.run_id, ()), busy.get(one.run_id, {}))
    ]
    await queue.put_unless_queued(tx, items, now)


def _with_places(one: Rollout, site_ids: Sequence[int], busy: dict[int, int]) -> list[int]:
    if one.step.phase is Phase.BRAKED:
        return list(site_ids)
    places = free_slots(one.concurrency, sum(busy.values()))
    with_one = [site for site in site_ids if free_slots(one.site_concurrency, busy.get(site, 0)) != 0]
    return with_one if places is None else with_one[:places]


async def busy_sites(tx: AsyncConnection, run_ids: Sequence[int]) -> dict[int, dict[int, int]]:
    """Targets of each run and site that take a place: let go, and not ended. Who waits for a device to come takes none."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    if run_ids:
        for row in await tx.execute(_BUSY, {"runs": list(run_ids)}):
            found[row.run_id][row.site_id] = row.number
    return found


async def due(tx: AsyncConnection, now: datetime, *, limit: int = 100) -> list[uuid.UUID]:
    """Occurrences whose soak has ended, or of which something may start that a window had put off."""
    return list((await tx.execute(_DUE, {"now": now, "limit": limit})).scalars())


async def next_look(tx: AsyncConnection) -> datetime | None:
    found: datetime | None = (await tx.execute(_NEXT)).scalar_one_or_none()
    return found


async def of_devices(tx: AsyncConnection, device_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Occurrences in which these devices wait for a place."""
    return list((await tx.execute(_OF_DEVICES, {"devices": list(device_ids)})).scalars())

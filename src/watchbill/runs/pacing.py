"""Runs that do not go everywhere at once: their targets are put into waves when they are frozen, and let go as there is a place.

A target takes a place from when it is let go until it ends. Only what is online is let go: who is away waits without a place, and
is let go when its device is back. Work of several workers at once is safe: the row of the rollout is locked for the count.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.states import TargetEvent, TargetState
from watchbill.core.waves import Phase, free_slots, split
from watchbill.kit import db
from watchbill.runs import dispatch, rollouts, workflow_wakes
from watchbill.runs.canaries import count_anew
from watchbill.runs.moves import Move, changed, move, publish_occurrences, settle
from watchbill.runs.preflight import refuse_unready
from watchbill.runs.stopping import pass_on
from watchbill.runs.taking import KILL_GRACE, SILENCE
from watchbill.runs.to_open import Opening
from watchbill.runs.turns import gateway_channel

#: Targets that one statement lets go, notes as away, or withdraws.
BATCH: Final = 1000

_SIZES = text("""
SELECT t.occurrence_id, t.run_id, count(*)::integer AS number, count(*) FILTER (WHERE t.is_paced)::integer AS canaries
FROM run_targets t WHERE t.occurrence_id = ANY(:ids) AND t.state = 'pending'
GROUP BY t.occurrence_id, t.run_id
""")
_PUT = text("""
WITH given AS (
  SELECT * FROM jsonb_to_recordset(:rows) AS s(id uuid, run_id bigint, job_id bigint, plan jsonb, concurrency integer,
    site_concurrency integer, sizes integer[], ends integer[], order_by text, is_reversed boolean)
), kept AS (
  INSERT INTO rollouts (occurrence_id, run_id, job_id, plan, concurrency, site_concurrency, phase, wave, waves)
  SELECT id, run_id, job_id, nullif(plan, 'null'), concurrency, site_concurrency, 'running', 1, cardinality(sizes) FROM given
), waves AS (
  INSERT INTO occurrence_waves (occurrence_id, wave, starts_at, size)
  SELECT s.id, w.wave, CASE WHEN w.wave = 1 THEN CAST(:now AS timestamptz) END, w.size
  FROM given s, unnest(s.sizes) WITH ORDINALITY AS w(size, wave) WHERE nullif(s.plan, 'null') IS NOT NULL
), listed AS (
  SELECT t.id, t.run_id, t.occurrence_id, t.is_paced, s.ends, s.is_reversed, row_number() OVER (PARTITION BY t.occurrence_id ORDER BY
    CASE s.order_by WHEN 'site' THEN lower(x.name) WHEN 'os' THEN d.os_family
      WHEN 'random' THEN encode(sha256(convert_to(s.job_id || '|' || t.device_id, 'UTF8')), 'hex') END,
    CASE s.order_by WHEN 'last_seen' THEN p.last_seen_at END DESC NULLS LAST, lower(t.hostname), t.id) AS place
  FROM given s JOIN run_targets t ON t.occurrence_id = s.id AND t.state = 'pending'
  JOIN devices d ON d.id = t.device_id LEFT JOIN sites x ON x.id = t.site_id LEFT JOIN device_presence p ON p.device_id = t.device_id
), ranked AS (
  SELECT id, run_id, ends, row_number() OVER (PARTITION BY occurrence_id
    ORDER BY is_paced DESC, CASE WHEN is_reversed THEN -place ELSE place END) AS place FROM listed
)
UPDATE run_targets t SET is_paced = true, wave = 1 + width_bucket((r.place - 1)::integer, r.ends)
FROM ranked r WHERE t.id = r.id AND t.run_id = r.run_id
""").bindparams(bindparam("rows", type_=JSONB))
# As each device was put into its wave; who is left out from the beginning is in none.
_LEFT_OUT = text("UPDATE run_targets SET wave = 0 WHERE occurrence_id = ANY(:ids) AND state <> 'pending'")

_ROLLOUT_OF = text("""
SELECT occurrence_id, run_id, job_id, plan, concurrency, site_concurrency, phase, wave, waves, soak_until_at, look_at,
  cancels_running
FROM rollouts WHERE run_id = :run_id AND phase <> 'ended'
""")
_AWAY = text("""
WITH chosen AS (
  SELECT t.id FROM run_targets t LEFT JOIN device_presence p ON p.device_id = t.device_id
  WHERE t.run_id = :run_id AND t.site_id = :site_id AND t.is_paced AND t.released_at IS NULL AND t.deadline_at IS NOT NULL
    AND t.state = 'pending' AND t.wave <= :wave AND p.gateway_id IS NULL
  ORDER BY t.id LIMIT :limit FOR UPDATE OF t
)
UPDATE run_targets t SET state = 'waiting_online' FROM chosen c WHERE t.run_id = :run_id AND t.id = c.id AND t.state = 'pending'
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave
""")
_READY = text("""
SELECT t.id, t.device_id FROM run_targets t JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id IS NOT NULL
WHERE t.run_id = :run_id AND t.site_id = :site_id AND t.is_paced AND t.released_at IS NULL AND t.deadline_at > :now
  AND t.state IN ('pending', 'waiting_online') AND t.wave <= :wave AND (t.starts_at IS NULL OR t.starts_at <= :now)
ORDER BY t.wave, t.id LIMIT :limit FOR UPDATE OF t SKIP LOCKED
""")
# Held in the order in which everybody locks them: who goes away meanwhile is noted after this, and gives its place back.
_STAYING = text("""
SELECT device_id FROM device_presence WHERE device_id = ANY(:devices) AND gateway_id IS NOT NULL ORDER BY device_id FOR SHARE
""")
_LET_GO = text("""
UPDATE run_targets t SET released_at = :now FROM device_presence p
WHERE t.run_id = :run_id AND t.id = ANY(:ids) AND p.device_id = t.device_id RETURNING p.gateway_id
""")
_TO_WITHDRAW = text("""
SELECT id, state FROM run_targets WHERE run_id = :run_id AND site_id = :site_id AND is_paced AND deadline_at IS NOT NULL
  AND (state IN ('pending', 'waiting_online') OR (CAST(:active AS boolean) AND state IN ('dispatched', 'running')))
ORDER BY id LIMIT :limit
""")


async def put_into_waves(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> None:
    """Put the frozen targets of those openings that go in waves, or with a limit, into their waves; they were written just now.

    Canaries are marked already.
    """
    paced = {one.id: one for one in openings if one.is_paced}
    if not paced:
        return
    rows = (await tx.execute(_SIZES, {"ids": list(paced)})).all()
    if not rows:
        return
    ids = [row.occurrence_id for row in rows]
    given = [_given(paced[row.occurrence_id], row.run_id, row.number, row.canaries) for row in rows]
    await tx.execute(_PUT, {"rows": given, "now": now})
    await tx.execute(_LEFT_OUT, {"ids": ids})
    await count_anew(tx, ids)


def _given(one: Opening, run_id: int, number: int, canaries: int) -> dict[str, Any]:
    plan = one.waves_plan
    sizes = split(number, plan, canaries)
    return {
        "id": str(one.id),
        "run_id": run_id,
        "job_id": one.job_id,
        "plan": plan.to_json() if plan else None,
        "concurrency": one.concurrency,
        "site_concurrency": one.site_concurrency,
        "sizes": sizes,
        "ends": [sum(sizes[: place + 1]) for place in range(len(sizes))],
        "order_by": plan.order_by if plan else "hostname",
        "is_reversed": plan.is_reversed if plan else False,
    }


async def release(
    tx: AsyncConnection, run_id: int, site_id: int, now: datetime, *, limit: int = dispatch.RELEASE_BATCH
) -> int:
    """Let the next targets of one run and site go, as many as may go now; returns how many were looked after, 0 = nothing is left."""
    # In a transaction of their own: whoever ends targets locks the rollout last.
    if refused := await refuse_unready(tx, run_id, site_id, now):
        return refused
    found = (await tx.execute(_ROLLOUT_OF, {"run_id": run_id})).one_or_none()
    if found is None:
        return await dispatch.release(tx, run_id, site_id, now, limit=limit)
    if found.phase == Phase.BRAKED:
        return await _withdraw(tx, run_id, site_id, now, is_active_too=found.cancels_running)
    where = {"run_id": run_id, "site_id": site_id, "wave": found.wave, "limit": BATCH}
    away = (await tx.execute(_AWAY, where)).all()
    if away:
        moved = [changed(row, TargetState.PENDING, TargetState.WAITING_ONLINE) for row in away]
        await settle(tx, moved, now)
        return len(away)
    return await _let_go(tx, rollouts.rollout_of(found), site_id, now)


async def _let_go(tx: AsyncConnection, row: rollouts.Rollout, site_id: int, now: datetime) -> int:
    """As many as there are places: looked at first, counted again once the rollout is locked."""
    where = {"run_id": row.run_id, "site_id": site_id, "wave": row.step.wave, "now": now}
    limit = await _places(tx, row, site_id)
    found = (await tx.execute(_READY, {**where, "limit": limit})).all() if limit else ()
    there = set((await tx.execute(_STAYING, {"devices": [one.device_id for one in found]})).scalars()) if found else ()
    ids = [one.id for one in found if one.device_id in there]
    locked = await rollouts.lock(tx, [row.occurrence_id]) if ids else []
    if not locked or locked[0].step.phase is Phase.BRAKED:
        return 0
    going = ids[: await _places(tx, locked[0], site_id)]
    gateways = (await tx.execute(_LET_GO, {"run_id": row.run_id, "ids": going, "now": now})).scalars().all()
    for gateway_id in sorted(set(gateways)):
        await db.notify(tx, gateway_channel(gateway_id), str(row.run_id))
    return len(going)


async def _places(tx: AsyncConnection, one: rollouts.Rollout, site_id: int) -> int:
    """How many targets of the site may be let go now."""
    busy = (await rollouts.busy_sites(tx, [one.run_id])).get(one.run_id, {}) if one.is_limited else {}
    places = (free_slots(one.concurrency, sum(busy.values())), free_slots(one.site_concurrency, busy.get(site_id, 0)))
    return min((free for free in places if free is not None), default=BATCH)


_BRAKED = "The brake stopped the run before this device began."
_STOPPED = "The brake stopped the run, and with it what was running."


async def _withdraw(tx: AsyncConnection, run_id: int, site_id: int, now: datetime, *, is_active_too: bool) -> int:
    """What has not begun is skipped; what runs is stopped only where the brake says so."""
    values = {"run_id": run_id, "site_id": site_id, "active": is_active_too, "limit": BATCH}
    rows = (await tx.execute(_TO_WITHDRAW, values)).all()
    moved = await move(tx, [_withdrawn(row.id, row.state, now) for row in rows], now)
    await pass_on(tx, [one.target_id for one in moved if one.after is TargetState.CANCELLING])
    return len(moved)


def _withdrawn(target_id: int, state: str, now: datetime) -> Move:
    if state in ("pending", "waiting_online"):
        return Move(target_id, TargetEvent.SKIP, reason="not_started_brake", detail=_BRAKED)
    bound: timedelta = KILL_GRACE + SILENCE
    return Move(target_id, TargetEvent.CANCEL, reason="brake", detail=_STOPPED, deadline_at=now + bound)


async def devices_came(tx: AsyncConnection, device_ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Devices are online: what waits for a place on them, or for them, is looked at. To be called once their presence is committed."""
    await workflow_wakes.devices_online(tx, device_ids, now)
    await drive(tx, await rollouts.of_devices(tx, device_ids), now)


async def drive(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime) -> int:
    """Move the waves of these occurrences on, and tell of it; returns of how many."""
    if not occurrence_ids:
        return 0
    moved = await rollouts.advance(tx, occurrence_ids, now)
    await publish_occurrences(tx, moved, now)
    return len(occurrence_ids)


async def drive_due(tx: AsyncConnection, now: datetime) -> int:
    """The same for those whose soak has ended, or where something may start that a window had put off."""
    return await drive(tx, await rollouts.due(tx, now), now)

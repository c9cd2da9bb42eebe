"""From ready rows to deliveries: releasing a site's targets, handing them to gateways, and what a returning device is still owed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TargetState
from watchbill.kit import db
from watchbill.runs.moves import changed, settle

#: Between a soft stop and a kill on the device.
KILL_GRACE = timedelta(seconds=30)
#: How long beyond its limit a silent device is waited for.
SILENCE = timedelta(minutes=2)

#: NOTIFY channel of all gateways, for what may have become ready on any of them; the payload is a run id.
GATEWAYS = "watchbill_gateways"

#: Targets released by one statement; a large run is released in several.
RELEASE_BATCH = 2000


def gateway_channel(gateway_id: uuid.UUID) -> str:
    """NOTIFY channel of one gateway; the payload is a run id to look into, or "cancel"."""
    return f"watchbill_gateway_{gateway_id.hex}"


# Whoever is offline now starts to wait; the others stay pending until their gateway takes them, a moment later.
_RELEASE = text("""
WITH chosen AS (
  SELECT t.id, t.state, p.gateway_id FROM run_targets t LEFT JOIN device_presence p ON p.device_id = t.device_id
  WHERE t.run_id = :run_id AND t.site_id = :site_id AND t.state = 'pending' AND t.released_at IS NULL
  ORDER BY t.id LIMIT :limit FOR UPDATE OF t
)
UPDATE run_targets t SET released_at = :now, state = CASE WHEN c.gateway_id IS NULL THEN 'waiting_online' ELSE t.state END
FROM chosen c WHERE t.id = c.id
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, c.state AS before, t.state AS after,
  c.gateway_id
""")

_WENT_OFFLINE = text("""
WITH chosen AS (
  SELECT t.id FROM run_targets t JOIN device_presence p ON p.device_id = t.device_id
  WHERE (CAST(:devices AS uuid[]) IS NULL OR t.device_id = ANY(:devices)) AND t.state = 'pending' AND t.released_at IS NOT NULL AND p.gateway_id IS NULL
  ORDER BY t.id FOR UPDATE OF t
)
UPDATE run_targets t SET state = 'waiting_online' FROM chosen c WHERE t.id = c.id
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave
""")

_TAKE = """
WITH ready AS (
  SELECT DISTINCT ON (t.device_id, t.job_id, CASE WHEN r.exclusivity = 'none' THEN t.id ELSE 0 END) t.id
  FROM run_targets t
  JOIN runs r ON r.id = t.run_id
  JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id = :gateway_id
  JOIN devices d ON d.id = t.device_id AND d.status = 'active'
  WHERE t.state IN ('pending', 'waiting_online') AND t.released_at IS NOT NULL AND t.expires_at > :now AND {which}
    -- One at a time and the oldest first, also where only one of the runs is looked into.
    AND NOT (r.exclusivity <> 'none' AND EXISTS (
      SELECT 1 FROM run_targets b WHERE b.job_id = t.job_id AND b.device_id = t.device_id AND b.deadline_at IS NOT NULL
        AND (b.id < t.id OR b.state IN ('connecting', 'dispatched', 'running', 'cancelling'))))
  ORDER BY t.device_id, t.job_id, CASE WHEN r.exclusivity = 'none' THEN t.id ELSE 0 END, t.id
), locked AS (
  SELECT t.id, t.state FROM run_targets t WHERE t.id IN (SELECT id FROM ready LIMIT :limit)
    AND t.state IN ('pending', 'waiting_online')
  ORDER BY t.id FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE run_targets t SET state = 'dispatched', term = t.term + 1, attempt = t.attempt + 1,
    deadline_at = CAST(:now AS timestamptz) + r.time_limit_seconds * interval '1 second' + CAST(:silence AS interval)
  FROM locked l, runs r WHERE t.id = l.id AND r.id = t.run_id
  RETURNING t.id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, l.state AS before, t.run_id, t.term, t.attempt,
    t.expires_at
)
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, start_by_at, dispatched_at)
SELECT gen_random_uuid(), id, run_id, device_id, site_id, 0, attempt, term, 'dispatched', expires_at, :now FROM taken
RETURNING id, target_id, run_id, device_id, site_id, start_by_at,
  (SELECT before FROM taken WHERE taken.id = target_id) AS before,
  (SELECT occurrence_id FROM taken WHERE taken.id = target_id) AS occurrence_id,
  (SELECT job_id FROM taken WHERE taken.id = target_id) AS job_id,
  (SELECT wave FROM taken WHERE taken.id = target_id) AS wave
"""
_TAKE_RUN = text(_TAKE.format(which="t.run_id = :run_id"))
_TAKE_DEVICES = text(_TAKE.format(which="t.device_id = ANY(:devices)"))

_OWED = text("""
SELECT e.id, e.target_id, e.run_id, e.device_id, e.site_id, e.start_by_at, e.state, t.state AS target_state,
  t.cancel_requested_at IS NOT NULL AS is_cancelled, t.occurrence_id, t.job_id,
  e.stdout_bytes, e.stderr_bytes
FROM executions e JOIN run_targets t ON t.id = e.target_id
WHERE e.device_id = ANY(:devices) AND e.state <> 'finished' AND t.term = e.term ORDER BY e.dispatched_at, e.id
""")

_RUN_CONTENT = text("""
SELECT r.id, r.job_id, r.execution_context, r.components, r.time_limit_seconds FROM runs r WHERE r.id = ANY(:runs)
""")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An execution to hand to a device. Its id is what the agent knows it by."""

    execution_id: uuid.UUID
    target_id: int
    run_id: int
    occurrence_id: uuid.UUID
    job_id: int
    device_id: uuid.UUID
    start_by_at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery without an end, as stored: what its device is asked about when it comes back."""

    delivery: Delivery
    state: str
    target_state: TargetState
    is_cancelled: bool
    stdout_bytes: int
    stderr_bytes: int


@dataclass(frozen=True, slots=True)
class RunContent:
    """What a run's deliveries have in common. The script's text is the immutable revision named by the component."""

    run_id: int
    job_id: int
    execution_context: str
    components: Sequence[Mapping[str, object]]
    time_limit_seconds: int


async def release(tx: AsyncConnection, run_id: int, site_id: int, now: datetime, *, limit: int = RELEASE_BATCH) -> int:
    """Let the next targets of one run and site go to their devices; returns how many. Gateways are woken."""
    rows = (await tx.execute(_RELEASE, {"run_id": run_id, "site_id": site_id, "now": now, "limit": limit})).all()
    await settle(tx, [changed(row, row.before, row.after) for row in rows if row.before != row.after], now)
    for gateway_id in sorted({row.gateway_id for row in rows if row.gateway_id}):
        await db.notify(tx, gateway_channel(gateway_id), str(run_id))
    if any(row.gateway_id is None for row in rows):
        # A device that connects right now is seen neither here nor by its gateway until this commits.
        await db.notify(tx, GATEWAYS, str(run_id))
    return len(rows)


async def devices_went_offline(tx: AsyncConnection, device_ids: Sequence[uuid.UUID] | None, now: datetime) -> None:
    """Released rows of devices that are gone become visible as waiting; None = look at every device."""
    rows = await tx.execute(_WENT_OFFLINE, {"devices": None if device_ids is None else list(device_ids)})
    await settle(tx, [changed(row, TargetState.PENDING, TargetState.WAITING_ONLINE) for row in rows], now)


async def take(
    tx: AsyncConnection,
    gateway_id: uuid.UUID,
    now: datetime,
    *,
    run_id: int | None = None,
    device_ids: Sequence[uuid.UUID] | None = None,
    limit: int = 500,
) -> list[Delivery]:
    """Hand ready targets of this gateway's devices out: of one run, or of the given devices.

    Rows that another gateway is taking are passed over. At most one at a time of a job that asks for it.
    """
    values = {"gateway_id": gateway_id, "now": now, "limit": limit, "silence": KILL_GRACE + SILENCE}
    if run_id is not None:
        result = await tx.execute(_TAKE_RUN, {**values, "run_id": run_id})
    else:
        result = await tx.execute(_TAKE_DEVICES, {**values, "devices": list(device_ids or ())})
    rows = result.all()
    await settle(tx, [changed(row, row.before, TargetState.DISPATCHED) for row in rows], now)
    return [_delivery(row) for row in rows]


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    return Delivery(row.id, row.target_id, row.run_id, row.occurrence_id, row.job_id, row.device_id, row.start_by_at)


async def owed(tx: AsyncConnection, device_ids: Sequence[uuid.UUID]) -> list[Owed]:
    """Every delivery to these devices whose end is not known."""
    rows = await tx.execute(_OWED, {"devices": list(device_ids)})
    return [
        Owed(
            _delivery(row),
            row.state,
            TargetState(row.target_state),
            row.is_cancelled,
            row.stdout_bytes,
            row.stderr_bytes,
        )
        for row in rows
    ]


async def contents(tx: AsyncConnection, run_ids: Sequence[int]) -> dict[int, RunContent]:
    rows = await tx.execute(_RUN_CONTENT, {"runs": list(run_ids)})
    return {row.id: RunContent(*row) for row in rows}

"""Around the hand-out (`runs.taking`): releasing a site's targets, what they deliver, and what a returning device is still owed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TargetState
from watchbill.kit import db
from watchbill.runs import turns
from watchbill.runs.moves import changed, settle
from watchbill.runs.taking import Delivery
from watchbill.runs.turns import GATEWAYS, gateway_channel

#: Targets released by one statement; a large run is released in several.
RELEASE_BATCH = 2000

# Whoever is offline now starts to wait; the others stay pending until their gateway takes them, a moment later.
_RELEASE = text("""
WITH chosen AS (
  SELECT t.id, t.state, p.gateway_id FROM run_targets t LEFT JOIN device_presence p ON p.device_id = t.device_id
  WHERE t.run_id = :run_id AND t.site_id = :site_id AND t.state = 'pending' AND t.released_at IS NULL AND NOT t.is_paced
  ORDER BY t.id LIMIT :limit FOR UPDATE OF t
)
UPDATE run_targets t SET released_at = :now, state = CASE WHEN c.gateway_id IS NULL THEN 'waiting_online' ELSE t.state END
FROM chosen c WHERE t.run_id = :run_id AND t.id = c.id
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, c.state AS before, t.state AS after,
  c.gateway_id, t.is_awaited
""")

_WENT_OFFLINE = text("""
WITH chosen AS (
  SELECT t.id FROM run_targets t JOIN device_presence p ON p.device_id = t.device_id
  WHERE (CAST(:devices AS uuid[]) IS NULL OR t.device_id = ANY(:devices)) AND t.state = 'pending' AND t.released_at IS NOT NULL AND p.gateway_id IS NULL
  ORDER BY t.id FOR UPDATE OF t
)
UPDATE run_targets t SET state = 'waiting_online', released_at = CASE WHEN NOT t.is_paced THEN t.released_at END -- it gives its place back
FROM chosen c WHERE t.id = c.id AND t.state = 'pending'
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave
""")

_OWED = text("""
SELECT e.id, e.target_id, e.run_id, e.device_id, e.site_id, e.start_by_at, e.state, t.state AS target_state,
  t.cancel_requested_at IS NOT NULL AS is_cancelled, t.occurrence_id, t.job_id,
  e.stdout_bytes, e.stderr_bytes, e.component, e.attempt, e.time_limit_seconds, e.session_id, e.session_user_name
FROM executions e JOIN run_targets t ON t.run_id = e.run_id AND t.id = e.target_id
WHERE e.device_id = ANY(:devices) AND e.state <> 'finished' AND t.term = e.term AND e.item_id IS NULL
  AND (CAST(:before AS timestamptz) IS NULL OR (e.state = 'dispatched' AND e.dispatched_at < :before)) ORDER BY e.dispatched_at, e.id
""")

_RUN_CONTENT = text("""
SELECT r.id, r.job_id, r.execution_context, r.components, r.time_limit_seconds, o.scheduled_for_at, o.local_time, r.forks,
  r.credential_id, r.use_service_account
FROM runs r JOIN occurrences o ON o.id = r.occurrence_id WHERE r.id = ANY(:runs)
""")


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
    """What a run's deliveries have in common. The script's text is the immutable revision named by the component.

    `local_time` is the wall clock of a job that follows the clocks of its targets.
    """

    run_id: int
    job_id: int
    execution_context: str
    components: Sequence[Mapping[str, object]]
    time_limit_seconds: int
    scheduled_for_at: datetime
    local_time: datetime | None
    forks: int | None = None
    credential_id: int | None = None
    use_service_account: bool = False


async def release(tx: AsyncConnection, run_id: int, site_id: int, now: datetime, *, limit: int = RELEASE_BATCH) -> int:
    """Let the next targets of one run and site go to their devices; returns how many. Gateways are woken."""
    rows = (await tx.execute(_RELEASE, {"run_id": run_id, "site_id": site_id, "now": now, "limit": limit})).all()
    await settle(tx, [changed(row, row.before, row.after) for row in rows if row.before != row.after], now)
    for gateway_id in sorted({row.gateway_id for row in rows if row.gateway_id}):
        await db.notify(tx, gateway_channel(gateway_id), str(run_id))
    # A run that wants its job for itself lets older ones be released first.
    awaited = [(row.job_id, row.device_id) for row in rows if row.is_awaited]
    if awaited:
        await turns.ring(tx, awaited, now)
    if any(row.gateway_id is None for row in rows):
        # A device that connects right now is seen neither here nor by its gateway until this commits.
        await db.notify(tx, GATEWAYS, str(run_id))
    return len(rows)


async def devices_went_offline(tx: AsyncConnection, device_ids: Sequence[uuid.UUID] | None, now: datetime) -> None:
    """Released rows of devices that are gone become visible as waiting; None = look at every device."""
    rows = await tx.execute(_WENT_OFFLINE, {"devices": None if device_ids is None else list(device_ids)})
    await settle(tx, [changed(row, TargetState.PENDING, TargetState.WAITING_ONLINE) for row in rows], now)


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    place = row.id, row.target_id, row.run_id, row.occurrence_id, row.job_id, row.device_id, row.start_by_at
    return Delivery(*place, row.component, row.attempt, row.time_limit_seconds, row.session_id, row.session_user_name)


async def owed(
    tx: AsyncConnection, device_ids: Sequence[uuid.UUID], *, unheard_since: datetime | None = None
) -> list[Owed]:
    """Every delivery to these devices whose end is not known; or of these, what was sent before `unheard_since` and not taken."""
    rows = await tx.execute(_OWED, {"devices": list(device_ids), "before": unheard_since})
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

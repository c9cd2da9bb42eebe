"""What was decided of components, written down: the executions that follow, those left out, other tries, verdicts. Sets of statements only.

Whoever calls holds the rows of the targets.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.steps import Again, Ended, Start
from watchbill.runs.decided import Decided, Session
from watchbill.runs.taking import SILENCE, Delivery

_START = text("""
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, is_recheck, attempt, term, state, start_by_at,
  time_limit_seconds, dispatched_at, session_id, session_user_name)
SELECT e.id, t.id, t.run_id, t.device_id, t.site_id, e.component, e.is_recheck, t.attempt, t.term, 'dispatched', e.start_by_at,
  e.seconds, :now, e.session_id, e.session_user_name
FROM unnest(CAST(:ids AS uuid[]), CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:components AS integer[]),
  CAST(:rechecks AS boolean[]), CAST(:bounds AS timestamptz[]), CAST(:seconds AS integer[]), CAST(:sessions AS text[]),
  CAST(:users AS text[])) AS e(id, target_id, run_id, component, is_recheck, start_by_at, seconds, session_id, session_user_name)
JOIN run_targets t ON t.id = e.target_id AND t.run_id = e.run_id
""")
_LEAVE_OUT = text("""
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, reason, start_by_at,
  dispatched_at, finished_at, received_at, session_id, session_user_name)
SELECT gen_random_uuid(), t.id, t.run_id, t.device_id, t.site_id, e.component, coalesce(e.attempt, t.attempt), t.term, 'finished',
  'skipped', e.reason, :now, :now, :now, :now, e.session_id, e.session_user_name
FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:components AS integer[]), CAST(:reasons AS text[]),
  CAST(:attempts AS integer[]), CAST(:sessions AS text[]), CAST(:users AS text[]))
  AS e(target_id, run_id, component, reason, attempt, session_id, session_user_name)
JOIN run_targets t ON t.id = e.target_id AND t.run_id = e.run_id
ON CONFLICT DO NOTHING
""")
_RETRY = text("""
UPDATE run_targets t SET starts_at = n.starts_at, retried = t.retried + 1, retry_of = n.retry_of, next_component = n.component
FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:events AS text[]),
  CAST(:components AS integer[])) AS n(target_id, run_id, starts_at, retry_of, component)
WHERE t.id = n.target_id AND t.run_id = n.run_id
""")
# A verdict is given once: with the end of its target, which never changes.
_VERDICT = text("""
WITH given AS (
  UPDATE run_targets t SET verdict = v.verdict
  FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:verdicts AS text[])) AS v(target_id, run_id, verdict)
  WHERE t.id = v.target_id AND t.run_id = v.run_id AND t.verdict IS NULL
  RETURNING t.occurrence_id, t.site_id, t.verdict
)
INSERT INTO occurrence_verdicts AS c (occurrence_id, site_id, verdict, number)
SELECT occurrence_id, site_id, verdict, count(*) FROM given GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (occurrence_id, site_id, verdict) DO UPDATE SET number = c.number + excluded.number
""")

_KEEP_ENDS = text("""
UPDATE run_targets t SET session_ends = e.ends
FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:ends AS jsonb[])) AS e(target_id, run_id, ends)
WHERE t.id = e.target_id AND t.run_id = e.run_id
""")


async def leave_out(tx: AsyncConnection, some: Sequence[Decided], now: datetime) -> None:
    rows = [(one, left) for one in some if isinstance(one.next, Start | Ended) for left in one.next.left_out]
    if rows:
        columns = {
            "targets": [one.target.id for one, _ in rows],
            "runs": [one.target.run_id for one, _ in rows],
            "components": [left.component for _, left in rows],
            "reasons": [left.reason for _, left in rows],
            "attempts": [one.attempt for one, _ in rows],
            **_sessions([one.session for one, _ in rows]),
        }
        await tx.execute(_LEAVE_OUT, {**columns, "now": now})


async def retry(tx: AsyncConnection, some: Sequence[Decided]) -> None:
    tries = [(one.target, one.next) for one in some if isinstance(one.next, Again)]
    if tries:
        columns = {
            "targets": [target.id for target, _ in tries],
            "runs": [target.run_id for target, _ in tries],
            "starts": [again.at for _, again in tries],
            "events": [str(again.event) for _, again in tries],
            "components": [again.component for _, again in tries],
        }
        await tx.execute(_RETRY, columns)


async def give_verdicts(tx: AsyncConnection, some: Sequence[Decided]) -> None:
    given = [(one.target, one.next.verdict) for one in some if isinstance(one.next, Ended) and one.next.verdict]
    if given:
        columns = {
            "targets": [target.id for target, _ in given],
            "runs": [target.run_id for target, _ in given],
            "verdicts": [str(verdict) for _, verdict in given],
        }
        await tx.execute(_VERDICT, columns)


async def start(tx: AsyncConnection, some: Sequence[Decided], now: datetime) -> list[Delivery]:
    starts = [(one, one.next) for one in some if isinstance(one.next, Start)]
    deliveries = [_delivery(one.target, following, one.session, now) for one, following in starts]
    if deliveries:
        columns = {
            "ids": [one.execution_id for one in deliveries],
            "targets": [one.target_id for one in deliveries],
            "runs": [one.run_id for one in deliveries],
            "components": [one.component for one in deliveries],
            "rechecks": [following.step.is_recheck for _, following in starts],
            "bounds": [one.start_by_at for one in deliveries],
            "seconds": [one.time_limit_seconds for one in deliveries],
            **_sessions([one.session for one, _ in starts]),
        }
        await tx.execute(_START, {**columns, "now": now})
    return deliveries


def _sessions(some: Sequence[Session | None]) -> dict[str, list[str | None]]:
    return {"sessions": [one and one.id for one in some], "users": [one and one.user for one in some]}


def _delivery(target: Row[*tuple[Any, ...]], following: Start, session: Session | None, now: datetime) -> Delivery:
    """Its latest start: as long as the device is waited for before it counts as lost."""
    bound = now + max(following.time_left, SILENCE)
    return Delivery(
        uuid.uuid4(),
        target.id,
        target.run_id,
        target.occurrence_id,
        target.job_id,
        target.device_id,
        min(bound, target.stop_by_at or bound),
        component=following.step.component,
        attempt=target.attempt,
        time_limit_seconds=max(int(following.time_left.total_seconds()), 1),
        session_id=session.id if session else None,
        session_user=session.user if session else None,
    )


async def keep_ends(tx: AsyncConnection, some: Sequence[Decided]) -> None:
    """How sessions have ended, of targets that run in several."""
    kept = [(one.target, dict(one.session_ends)) for one in some if one.session_ends]
    if kept:
        columns = {
            "targets": [target.id for target, _ in kept],
            "runs": [target.run_id for target, _ in kept],
            "ends": [json.dumps(ends) for _, ends in kept],
        }
        await tx.execute(_KEEP_ENDS, columns)

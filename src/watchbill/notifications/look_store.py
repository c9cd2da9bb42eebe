"""The SQL of looking: what changed, what came before it, which rules tell of it, by when to look again. Decides nothing."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.notification_rules import LEAST_USUAL, MOST_USUAL

# Of two schedulers each takes what the other has not.
_TAKE = text("""
DELETE FROM notification_marks WHERE id = ANY(ARRAY(
  SELECT id FROM notification_marks ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)) RETURNING occurrence_id
""")
_MARK = text("INSERT INTO notification_marks (occurrence_id) SELECT unnest(CAST(:ids AS uuid[]))")

# What came before is what ended before, by the instant of its end: an order that stays as it is, whoever looks when.
_LOOKS = text(f"""
SELECT o.id, o.job_id, o.state, o.outcome, o.reason, o.scheduled_for_at, o.range_end_at, o.range_count, o.closed_at,
  j.name AS job_name,
  greatest(coalesce(o.opened_at, o.created_at),
    (SELECT min(w.starts_at) FROM occurrence_waves w WHERE w.occurrence_id = o.id)) AS begins_at,
  coalesce(won.id::text, 'start:' || coalesce(j.ledger_from_at::text, '')) AS streak_key,
  coalesce(lost.number, 0) AS streak, lost.last_id, usual.seconds AS usual_seconds,
  EXISTS (SELECT 1 FROM occurrence_counts c WHERE c.occurrence_id = o.id AND c.number > 0
    AND c.state IN ('running', 'cancelling', 'success', 'warning', 'failed', 'timed_out', 'lost')) AS has_started,
  CASE WHEN EXISTS (SELECT 1 FROM workflow_runs w WHERE w.occurrence_id = o.id) THEN 'step' ELSE 'device' END AS counted
FROM occurrences o
JOIN jobs j ON j.id = o.job_id AND j.deleted_at IS NULL
LEFT JOIN LATERAL (
  SELECT p.id, p.closed_at FROM occurrences p WHERE p.job_id = o.job_id AND p.state = 'closed' AND p.outcome IN ('success', 'warning')
    AND (p.closed_at, p.id) < (o.closed_at, o.id) ORDER BY p.closed_at DESC, p.id DESC LIMIT 1
) won ON o.state = 'closed'
LEFT JOIN LATERAL (
  SELECT count(*) AS number, (array_agg(f.id ORDER BY f.closed_at DESC, f.id DESC))[1] AS last_id FROM (
    SELECT p.id, p.closed_at FROM occurrences p WHERE p.job_id = o.job_id AND p.state = 'closed' AND p.outcome = 'failed'
      AND (p.closed_at, p.id) <= (o.closed_at, o.id) AND (won.id IS NULL OR (p.closed_at, p.id) > (won.closed_at, won.id))
    ORDER BY p.closed_at DESC, p.id DESC LIMIT 1000) f
) lost ON o.state = 'closed'
LEFT JOIN LATERAL (
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY u.seconds) AS seconds FROM (
    SELECT extract(epoch FROM p.closed_at - p.opened_at)::float8 AS seconds FROM occurrences p
    WHERE p.job_id = o.job_id AND p.state = 'closed' AND p.outcome = 'success' AND p.opened_at IS NOT NULL AND p.id <> o.id
    ORDER BY p.closed_at DESC, p.id DESC LIMIT {MOST_USUAL}) u HAVING count(*) >= {LEAST_USUAL}
) usual ON o.state = 'open'
WHERE o.id = ANY(:ids)
""")

# A rule tells only of sites that whoever saved it still has, and of no job that reaches none of them.
_RULES = text("""
SELECT w.job_id, r.id, r.site_id, r.events, r.urgent_events, r.not_started_minutes, r.failures_in_a_row, r.slower_factor,
  CASE WHEN r.site_id IS NULL THEN reach.sites ELSE ARRAY[r.site_id] END AS sites
FROM unnest(CAST(:jobs AS bigint[])) w(job_id)
JOIN notification_rules r ON r.enabled AND r.archived_at IS NULL AND (r.job_id = w.job_id OR r.job_id IS NULL)
CROSS JOIN LATERAL (
  SELECT CASE WHEN EXISTS (SELECT 1 FROM operators p WHERE p.id = r.scope_of AND p.role <> 'admin')
    THEN ARRAY(SELECT s.site_id FROM operator_sites s WHERE s.operator_id = r.scope_of
      AND (r.allowed_site_ids IS NULL OR s.site_id = ANY(r.allowed_site_ids)))
    ELSE r.allowed_site_ids END AS sites
) reach
WHERE (r.job_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM notification_rules own
    WHERE own.job_id = w.job_id AND own.replaces_general AND own.enabled AND own.archived_at IS NULL))
  AND ((r.site_id IS NULL AND reach.sites IS NULL) OR EXISTS (SELECT 1 FROM job_reach jr WHERE jr.job_id = w.job_id
    AND (reach.sites IS NULL OR jr.site_id = ANY(reach.sites)) AND (r.site_id IS NULL OR jr.site_id = r.site_id)))
""")

_COUNTS = text("""
SELECT occurrence_id, site_id, state, sum(number)::integer AS number FROM occurrence_counts
WHERE occurrence_id = ANY(:ids) GROUP BY 1, 2, 3 HAVING sum(number) > 0
""")
_SPECIAL = text("""
SELECT occurrence_id, site_id, CASE WHEN state = 'expired' THEN 'expired' ELSE 'braked' END AS state, count(*)::integer AS number
FROM run_targets WHERE occurrence_id = ANY(:ids)
  AND (reason = 'not_started_brake' OR (state = 'expired' AND reason IS DISTINCT FROM 'superseded'))
GROUP BY 1, 2, 3
""")

_WATCH = text("""
INSERT INTO notification_watches (rule_id, occurrence_id, event, due_at, usual_seconds)
SELECT r.rule_id, r.occurrence_id, r.event, r.due_at, r.usual_seconds FROM jsonb_to_recordset(:rows)
  AS r(rule_id bigint, occurrence_id uuid, event text, due_at timestamptz, usual_seconds float8)
ORDER BY 1, 2, 3
ON CONFLICT (rule_id, occurrence_id, event) DO NOTHING
""").bindparams(bindparam("rows", type_=JSONB))
_DUE = text("""
DELETE FROM notification_watches w USING (
  SELECT rule_id, occurrence_id, event FROM notification_watches WHERE due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
) d
WHERE (w.rule_id, w.occurrence_id, w.event) = (d.rule_id, d.occurrence_id, d.event)
RETURNING w.rule_id, w.occurrence_id, w.event, w.due_at, w.usual_seconds
""")
_NEXT = text("SELECT min(due_at) FROM notification_watches")


@dataclass(frozen=True, slots=True)
class Seen:
    """Occurrences with what is known of each, the rules for each job, and devices by occurrence, site and state."""

    rows: Sequence[Row[Any]]
    rules: Mapping[int, Sequence[Row[Any]]]
    #: Left behind by a brake (`braked`), or offline until the wait was over (`expired`).
    special: Mapping[uuid.UUID, Mapping[int, Mapping[str, int]]]


Counts = Mapping[uuid.UUID, Mapping[int, Mapping[str, int]]]


async def mark(tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID]) -> None:
    await tx.execute(_MARK, {"ids": list(occurrence_ids)})


async def take_marks(tx: AsyncConnection, limit: int) -> list[uuid.UUID]:
    """What changed, each mark taken by one looker only; in the order of the marks nothing is said."""
    return list((await tx.execute(_TAKE, {"limit": limit})).scalars())


async def see(tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID]) -> Seen:
    ids = sorted(set(occurrence_ids))
    rows = (await tx.execute(_LOOKS, {"ids": ids})).all() if ids else []
    rules: dict[int, list[Row[Any]]] = defaultdict(list)
    for rule in await tx.execute(_RULES, {"jobs": sorted({row.job_id for row in rows})}) if rows else ():
        rules[rule.job_id].append(rule)
    wanted = [row.id for row in rows if row.state in ("open", "closed") and _asks_devices(rules[row.job_id])]
    return Seen(rows, rules, await _by_site(tx, _SPECIAL, wanted))


def _asks_devices(rules: Sequence[Row[Any]]) -> bool:
    return any({"brake_tripped", "waiting_expired"} & set(rule.events) for rule in rules)


async def counts_of(tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID]) -> Counts:
    return await _by_site(tx, _COUNTS, sorted(set(occurrence_ids)))


async def _by_site(tx: AsyncConnection, query: Any, ids: Sequence[uuid.UUID]) -> Counts:
    found: dict[uuid.UUID, dict[int, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in await tx.execute(query, {"ids": ids}) if ids else ():
        found[row.occurrence_id][row.site_id][row.state] = row.number
    return found


async def watch(tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        await tx.execute(_WATCH, {"rows": list(rows)})


async def take_due(tx: AsyncConnection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    return (await tx.execute(_DUE, {"now": now, "limit": limit})).all()


async def next_due(tx: AsyncConnection) -> datetime | None:
    found: datetime | None = (await tx.execute(_NEXT)).scalar_one()
    return found

"""Opening an occurrence: the row, the frozen content, the frozen targets with their reasons, and the work, in one transaction.

Everything is set-based: a tick that opens a thousand occurrences runs the same few statements as one that opens one.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import queue
from watchbill.core.states import TargetEvent
from watchbill.kit.clock import rfc3339
from watchbill.queue import Lane, NewItem
from watchbill.runs.moves import Move, move, publish_in_sites


@dataclass(frozen=True, slots=True)
class Opening:
    """An occurrence to open. `device_ids` None = the job's own targets; a list = exactly these (a rerun of some)."""

    id: uuid.UUID
    job_id: int
    job_revision: int
    kind: str
    scheduled_for: datetime
    expires_at: datetime
    request_id: str = ""
    is_late: bool = False
    allowed_site_ids: Sequence[int] | None = None
    failure_threshold_percent: int = 0
    time_limit_seconds: int | None = None
    offline: str = "wait"
    overlap: str = "skip"
    device_ids: Sequence[uuid.UUID] | None = None
    origin: uuid.UUID | None = None
    started_by: int | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """Contiguous instants that will not run, and why: one row of the ledger."""

    id: uuid.UUID
    job_id: int
    job_revision: int
    first: datetime
    last: datetime
    number: int
    reason: str


_COLUMNS = """AS s(id uuid, job_id bigint, job_revision integer, kind text, scheduled_for timestamptz, expires_at timestamptz,
    request_id text, is_late boolean, allowed_site_ids bigint[], failure_threshold_percent integer, time_limit_seconds integer,
    offline text, overlap text, device_ids uuid[], origin uuid, started_by bigint)"""

# What both the freeze and the preview say about each considered device. Order of the reasons: the strongest first.
RESOLVE = """
considered AS (
  SELECT occurrence_id, device_id, bool_or(is_exclusion) AS is_excluded FROM spec
  GROUP BY occurrence_id, device_id HAVING bool_or(NOT is_exclusion)
), resolved AS (
  SELECT s.*, c.device_id, coalesce(d.site_id, 0) AS site_id, d.hostname, p.gateway_id IS NOT NULL AS is_online,
    CASE
      WHEN s.allowed_site_ids IS NOT NULL AND d.site_id IS NULL THEN 'out_of_scope'
      WHEN s.allowed_site_ids IS NOT NULL AND NOT d.site_id = ANY(s.allowed_site_ids) THEN 'out_of_scope'
      WHEN c.is_excluded THEN 'excluded'
      WHEN d.status = 'revoked' THEN 'not_approved'
      WHEN d.status = 'disabled' THEN 'device_disabled'
      WHEN s.interpreter = 'batch' AND d.os_family <> 'windows' THEN 'os_mismatch'
      WHEN d.interpreters IS NOT NULL AND NOT s.interpreter = ANY(d.interpreters) THEN 'interpreter_missing'
      WHEN s.overlap = 'skip' AND EXISTS (
        SELECT 1 FROM run_targets b WHERE b.job_id = s.job_id AND b.device_id = c.device_id AND b.deadline_at IS NOT NULL
          AND b.state IN ('connecting', 'dispatched', 'running', 'cancelling')) THEN 'previous_run_active'
      WHEN s.offline = 'skip' AND p.gateway_id IS NULL THEN 'offline_skip'
    END AS reason
  FROM considered c
  JOIN setting s ON s.id = c.occurrence_id
  JOIN devices d ON d.id = c.device_id
  LEFT JOIN device_presence p ON p.device_id = c.device_id
)
"""

# One statement for any number of occurrences. The unique key is what makes an instant happen once: of a second scheduler
# `opened` is empty, and so is everything that follows from it.
_OPEN = text(f"""
WITH given AS (
  SELECT * FROM jsonb_to_recordset(:openings) {_COLUMNS}
), opened AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, is_late, job_revision, allowed_site_ids,
    failure_threshold_percent, origin_occurrence_id, started_by, created_at, opened_at)
  SELECT id, job_id, kind, scheduled_for, request_id, 'open', is_late, job_revision, allowed_site_ids,
    failure_threshold_percent, origin, started_by, :now, :now
  FROM given
  ON CONFLICT DO NOTHING RETURNING id
), content AS (
  SELECT s.id, s.job_id, CASE s.overlap WHEN 'allow' THEN 'none' ELSE 'device' END AS exclusivity,
    jsonb_agg(jsonb_build_object('position', c.position, 'assembly_id', a.id, 'name', a.name, 'revision', v.revision,
      'content_sha256', v.content_sha256, 'interpreter', v.content->>'interpreter',
      'warning_exit_codes', coalesce(v.content->'warning_exit_codes', '[]'), 'variables', c.variables) ORDER BY c.position) AS components,
    coalesce(s.time_limit_seconds, min((v.content->>'time_limit_seconds')::integer), 3600) AS time_limit_seconds
  FROM given s
  JOIN opened o ON o.id = s.id
  JOIN job_components c ON c.job_id = s.job_id
  JOIN assemblies a ON a.id = c.assembly_id
  JOIN assembly_revisions v ON v.assembly_id = a.id AND v.revision = coalesce(c.assembly_revision, a.revision)
  GROUP BY s.id, s.job_id, s.time_limit_seconds, s.overlap
), run AS (
  INSERT INTO runs (occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at)
  SELECT id, job_id, 'script', 'system', components, time_limit_seconds, exclusivity, :now FROM content
  RETURNING id, occurrence_id, components->0->>'interpreter' AS interpreter
), setting AS (
  SELECT s.*, r.id AS run_id, r.interpreter FROM given s JOIN run r ON r.occurrence_id = s.id
), spec AS (
  SELECT s.id AS occurrence_id, t.device_id, t.is_exclusion FROM setting s JOIN job_targets t ON t.job_id = s.job_id
  WHERE s.device_ids IS NULL
  UNION ALL
  SELECT s.id, unnest(s.device_ids), false FROM setting s WHERE s.device_ids IS NOT NULL
), {RESOLVE}, frozen AS (
  INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, deadline_at,
    expires_at, finished_at)
  SELECT run_id, id, job_id, device_id, site_id, hostname, CASE WHEN reason IS NULL THEN 'pending' ELSE 'skipped' END,
    reason, CASE WHEN reason IS NULL THEN expires_at END, expires_at, CASE WHEN reason IS NOT NULL THEN CAST(:now AS timestamptz) END
  FROM resolved
  ORDER BY scheduled_for, lower(hostname), device_id
  RETURNING run_id, occurrence_id, site_id, state
), counted AS (
  SELECT run_id, occurrence_id, site_id, state, count(*) AS number FROM frozen GROUP BY run_id, occurrence_id, site_id, state
), kept AS (
  INSERT INTO occurrence_counts (occurrence_id, site_id, state, number)
  SELECT occurrence_id, site_id, state, number FROM counted
)
SELECT o.id AS occurrence_id, c.run_id, c.site_id, c.state FROM opened o LEFT JOIN counted c ON c.occurrence_id = o.id
""").bindparams(bindparam("openings", type_=JSONB))

# A row of an older occurrence that never started gives way to the new one: a laptop back from a holiday runs once.
_OUTDATED = text("""
SELECT o.id FROM run_targets o
JOIN run_targets n ON n.job_id = o.job_id AND n.device_id = o.device_id
WHERE n.occurrence_id = ANY(:occurrences) AND n.state = 'pending'
  AND o.occurrence_id <> n.occurrence_id AND o.deadline_at IS NOT NULL AND o.state IN ('pending', 'waiting_online')
  AND NOT o.occurrence_id = ANY(:occurrences)
""")

_EMPTY = text("""
UPDATE occurrences o SET state = 'skipped', closed_at = :now, reason =
  CASE WHEN EXISTS (SELECT 1 FROM occurrence_counts c WHERE c.occurrence_id = o.id) THEN 'no_eligible_targets' ELSE 'no_devices_targeted' END
WHERE o.id = ANY(:ids)
""")

_MISSED = text("""
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, reason, range_end_at, range_count, job_revision, created_at, closed_at)
SELECT m.id, m.job_id, 'schedule', m.first, 'missed', m.reason, m.last, m.number, m.job_revision, :now, :now
FROM jsonb_to_recordset(:missed)
  AS m(id uuid, job_id bigint, job_revision integer, first timestamptz, last timestamptz, number integer, reason text)
ON CONFLICT DO NOTHING
""").bindparams(bindparam("missed", type_=JSONB))


async def open_occurrences(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> set[uuid.UUID]:
    """Open what has no occurrence yet; returns the ids that are new.

    The caller holds the rows of the jobs. An opening whose devices are all left out ends at once as `skipped`. With nothing to
    open the statement runs all the same: so the scheduler rehearses it just before something is due.
    """
    rows = (await tx.execute(_OPEN, {"openings": [_as_json(one) for one in openings], "now": now})).all()
    new = {row.occurrence_id for row in rows}
    eligible = [row for row in rows if row.state == "pending"]
    await _supersede(tx, [one for one in openings if one.id in new and one.overlap != "allow"], now)
    await queue.put(tx, [NewItem(row.run_id, row.site_id, Lane.SCHEDULED_JOB) for row in eligible], now)
    empty = new - {row.occurrence_id for row in eligible}
    if empty:
        await tx.execute(_EMPTY, {"ids": list(empty), "now": now})
    jobs = {one.id: one.job_id for one in openings}
    places = {(jobs[row.occurrence_id], row.occurrence_id, row.site_id or 0) for row in rows}
    await publish_in_sites(tx, sorted(places), now)
    return new


async def _supersede(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> None:
    if not openings:
        return
    outdated = (await tx.execute(_OUTDATED, {"occurrences": [one.id for one in openings]})).scalars().all()
    await move(tx, [Move(row, TargetEvent.SUPERSEDE, reason="superseded") for row in sorted(set(outdated))], now)


async def record_missed(tx: AsyncConnection, missed: Sequence[Missed], now: datetime) -> None:
    """Write the ledger rows of instants that will not run."""
    if not missed:
        return
    rows = [
        {
            "id": str(one.id),
            "job_id": one.job_id,
            "job_revision": one.job_revision,
            "first": rfc3339(one.first),
            "last": rfc3339(one.last),
            "number": one.number,
            "reason": one.reason,
        }
        for one in missed
    ]
    await tx.execute(_MISSED, {"missed": rows, "now": now})


def _as_json(one: Opening) -> dict[str, object]:
    return {
        "id": str(one.id),
        "job_id": one.job_id,
        "job_revision": one.job_revision,
        "kind": one.kind,
        "scheduled_for": rfc3339(one.scheduled_for),
        "expires_at": rfc3339(one.expires_at),
        "request_id": one.request_id,
        "is_late": one.is_late,
        "allowed_site_ids": None if one.allowed_site_ids is None else list(one.allowed_site_ids),
        "failure_threshold_percent": one.failure_threshold_percent,
        "time_limit_seconds": one.time_limit_seconds,
        "offline": one.offline,
        "overlap": one.overlap,
        "device_ids": None if one.device_ids is None else [str(device) for device in one.device_ids],
        "origin": str(one.origin) if one.origin else None,
        "started_by": one.started_by,
    }

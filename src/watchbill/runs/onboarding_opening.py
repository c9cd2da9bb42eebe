"""Opening an occurrence of a job that looks for machines: the row, what it is told, and one piece of work for its site.

Its addresses become rows when a worker takes that work: only there names lead somewhere.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import jobs, queue
from watchbill.kit.clock import rfc3339
from watchbill.queue import Lane, NewItem
from watchbill.runs.moves import publish_in_sites
from watchbill.runs.to_open import Opening, as_json

_OVERLAP_DETAIL: Final = "The run before was still at work, and only one run of this job goes at a time."
_OUT_OF_REACH: Final = "Whoever saved the job has no access to the site of its scope any more."

# As with devices: the unique key is what makes an instant happen once, and a held occurrence is let go once.
_OPEN = text("""
WITH given AS (
  SELECT s.*, s.allowed_site_ids IS NOT NULL AND NOT s.site_id = ANY(s.allowed_site_ids) AS is_out,
    s.overlap = 'skip' AND (row_number() OVER (PARTITION BY s.job_id ORDER BY s.scheduled_for, s.id) > 1
      OR EXISTS (SELECT FROM occurrences b WHERE b.job_id = s.job_id AND b.state = 'open' AND b.id <> s.id)) AS is_blocked
  FROM jsonb_to_recordset(:openings) AS s(id uuid, job_id bigint, job_revision integer, kind text, scheduled_for timestamptz,
    request_id text, is_late boolean, allowed_site_ids bigint[], failure_threshold_percent integer, time_limit_seconds integer,
    overlap text, origin uuid, started_by bigint, start_reason text, ignores_windows boolean, is_release boolean,
    site_id bigint, component jsonb, scope jsonb)
), judged AS (
  SELECT g.*, g.is_blocked OR g.is_out AS is_skipped,
    CASE WHEN is_out THEN 'no_eligible_targets' WHEN is_blocked THEN 'overlap' END AS why,
    CASE WHEN is_out THEN :out_of_reach WHEN is_blocked THEN :overlap END AS words
  FROM given g
), opened AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, reason, detail, is_late, job_revision,
    allowed_site_ids, failure_threshold_percent, origin_occurrence_id, started_by, created_at, opened_at, closed_at, start_reason,
    ignores_windows)
  SELECT id, job_id, kind, scheduled_for, request_id, CASE WHEN is_skipped THEN 'skipped' ELSE 'open' END, why, words, is_late,
    job_revision, allowed_site_ids, failure_threshold_percent, origin, started_by, :now,
    CASE WHEN NOT is_skipped THEN CAST(:now AS timestamptz) END, CASE WHEN is_skipped THEN CAST(:now AS timestamptz) END,
    start_reason, ignores_windows
  FROM judged WHERE NOT is_release
  ON CONFLICT DO NOTHING RETURNING id, state
), released AS (
  UPDATE occurrences o SET state = CASE WHEN j.is_skipped THEN 'skipped' ELSE 'open' END, reason = j.why,
    detail = CASE WHEN j.is_skipped THEN j.words ELSE o.detail END, job_revision = j.job_revision,
    allowed_site_ids = j.allowed_site_ids, failure_threshold_percent = j.failure_threshold_percent, started_by = j.started_by,
    start_reason = j.start_reason, ignores_windows = j.ignores_windows,
    opened_at = CASE WHEN NOT j.is_skipped THEN CAST(:now AS timestamptz) END,
    closed_at = CASE WHEN j.is_skipped THEN CAST(:now AS timestamptz) END
  FROM judged j WHERE j.is_release AND o.id = j.id AND o.state = 'held'
  RETURNING o.id, o.state
), begun AS (
  SELECT id, state FROM opened UNION ALL SELECT id, state FROM released
), run AS (
  INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at,
    no_user_session, interrupted, use_service_account, target_specs)
  SELECT new_run_id(:now), j.id, j.job_id, 'onboarding', 'none', jsonb_build_array(j.component), j.time_limit_seconds, 'none', :now,
    'skip', 'lost', false, jsonb_build_array(j.scope)
  FROM judged j JOIN begun b ON b.id = j.id AND b.state = 'open'
  RETURNING id, occurrence_id
), kept AS (
  -- Says in which site it is, before the first address is known.
  INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
  SELECT b.id, j.site_id, 1, 'pending', 0 FROM begun b JOIN judged j ON j.id = b.id
)
SELECT b.id, j.job_id, j.site_id, r.id AS run_id FROM begun b JOIN judged j ON j.id = b.id LEFT JOIN run r ON r.occurrence_id = b.id
""").bindparams(bindparam("openings", type_=JSONB))


async def open_occurrences(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> set[uuid.UUID]:
    """As `opening.open_occurrences`, for jobs that look for machines."""
    values = {"openings": [_row(one) for one in openings], "now": now, "overlap": _OVERLAP_DETAIL}
    rows = (await tx.execute(_OPEN, {**values, "out_of_reach": _OUT_OF_REACH})).all()
    items = [NewItem(row.run_id, row.site_id, Lane.ONBOARDING) for row in rows if row.run_id is not None]
    await queue.put(tx, items, now)
    await publish_in_sites(tx, sorted((row.job_id, row.id, row.site_id) for row in rows), now)
    new = {row.id for row in rows}
    by_hand = {one.job_id for one in openings if one.id in new and (one.is_release or one.kind != "schedule")}
    await jobs.note_runs(tx, by_hand, now)
    return new


def _row(one: Opening) -> dict[str, Any]:
    assert one.onboarding is not None
    told, scope = one.onboarding, one.onboarding["scope"]
    stop_by = rfc3339(one.stop_by_at) if one.stop_by_at else None
    component = {**told["component"], "position": 0, "credential_ids": told["credential_ids"], "stop_by_at": stop_by}
    only = None if one.only is None else list(one.only)
    return {**as_json(one), "site_id": scope["site_id"], "component": component, "scope": {**scope, "only": only}}

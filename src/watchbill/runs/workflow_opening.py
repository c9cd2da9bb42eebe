"""Opening an occurrence that launches a workflow: the row, the run and its revision. The runtime begins it in its next step.

Whether it may go beside other runs is decided here, under a lock of the workflow: by its own policy, and by the job's overlap.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import jobs
from watchbill.kit import db
from watchbill.runs.moves import publish_in_sites
from watchbill.runs.to_open import Opening, as_json
from watchbill.runs.workflow_wakes import WORKFLOWS

_OVERLAP: Final = "The run before was still going on, and only one run of this job goes at a time."
_BUSY: Final = "Another run of this workflow was still going on, and it lets only one go at a time."

_LOCK = text("""
SELECT pg_advisory_xact_lock(hashtextextended('workflow ' || w.id, 0))
FROM (SELECT DISTINCT id FROM unnest(CAST(:ids AS text[])) AS u(id) ORDER BY id) w
""")
# As with devices: the unique key is what makes an instant happen once, and a held occurrence is let go once.
_OPEN = text("""
WITH given AS (
  SELECT s.*, coalesce(s.revision, a.revision) AS pinned, v.content_sha256, j.job_kind = 'workflow' AS is_own,
    CASE WHEN s.allowed_site_ids IS NULL THEN 0 ELSE coalesce(s.allowed_site_ids[1], 0) END AS home,
    -- What is tried out goes beside everything.
    CASE WHEN s.draft IS NULL AND s.only_device_id IS NULL THEN v.content->'workflow'->>'concurrency' END AS concurrency, a.name,
    row_number() OVER (PARTITION BY s.workflow_id ORDER BY s.scheduled_for, s.id) - 1 AS before_of_workflow,
    row_number() OVER (PARTITION BY s.job_id ORDER BY s.scheduled_for, s.id) - 1 AS before_of_job,
    (SELECT count(*) FROM workflow_runs w WHERE w.workflow_id = s.workflow_id AND w.finished_at IS NULL) AS open_of_workflow,
    (SELECT count(*) FROM workflow_runs w WHERE w.workflow_id = s.workflow_id AND w.finished_at IS NULL AND w.job_id = s.job_id) AS open_of_job
  FROM jsonb_to_recordset(:openings) AS s(id uuid, job_id bigint, job_revision integer, kind text, scheduled_for timestamptz,
    request_id text, is_late boolean, allowed_site_ids bigint[], failure_threshold_percent integer, overlap text, origin uuid,
    started_by bigint, start_reason text, ignores_windows boolean, is_release boolean, workflow_id uuid, revision integer,
    source text, parameters jsonb, draft jsonb, only_device_id uuid, parent_run_id bigint, parent_node text, resumes bigint,
    rerun_from text[])
  JOIN jobs j ON j.id = s.job_id
  JOIN assemblies a ON a.id = s.workflow_id
  JOIN assembly_revisions v ON v.assembly_id = a.id AND v.revision = coalesce(s.revision, a.revision)
), judged AS (
  SELECT g.*,
    CASE
      WHEN concurrency = 'skip' AND open_of_workflow + before_of_workflow > 0 THEN 'workflow'
      WHEN concurrency = 'queue_one' AND open_of_workflow + before_of_workflow > 1 THEN 'workflow'
      WHEN is_own THEN NULL
      WHEN overlap = 'skip' AND open_of_job + before_of_job > 0 THEN 'job'
      WHEN overlap = 'queue_one' AND open_of_job + before_of_job > 1 THEN 'job'
    END AS blocked_by,
    CASE
      WHEN concurrency = 'queue_one' AND open_of_workflow + before_of_workflow > 0 THEN 'behind_workflow'
      WHEN NOT is_own AND overlap = 'queue_one' AND open_of_job + before_of_job > 0 THEN 'behind_job'
    END AS behind
  FROM given g
), worded AS (
  SELECT j.*, blocked_by IS NOT NULL AS is_skipped,
    CASE blocked_by WHEN 'workflow' THEN :busy WHEN 'job' THEN :overlap END AS words
  FROM judged j
), opened AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, reason, detail, is_late, job_revision,
    allowed_site_ids, failure_threshold_percent, origin_occurrence_id, started_by, created_at, opened_at, closed_at, start_reason,
    ignores_windows)
  SELECT id, job_id, kind, scheduled_for, request_id, CASE WHEN is_skipped THEN 'skipped' ELSE 'open' END,
    CASE WHEN is_skipped THEN 'overlap' END, words, is_late, job_revision, allowed_site_ids, failure_threshold_percent, origin,
    started_by, :now, CASE WHEN NOT is_skipped THEN CAST(:now AS timestamptz) END,
    CASE WHEN is_skipped THEN CAST(:now AS timestamptz) END, start_reason, ignores_windows
  FROM worded WHERE NOT is_release
  ON CONFLICT DO NOTHING RETURNING id, state
), released AS (
  UPDATE occurrences o SET state = CASE WHEN j.is_skipped THEN 'skipped' ELSE 'open' END,
    reason = CASE WHEN j.is_skipped THEN 'overlap' END, detail = CASE WHEN j.is_skipped THEN j.words ELSE o.detail END,
    job_revision = j.job_revision, allowed_site_ids = j.allowed_site_ids, started_by = j.started_by, start_reason = j.start_reason,
    ignores_windows = j.ignores_windows,
    opened_at = CASE WHEN NOT j.is_skipped THEN CAST(:now AS timestamptz) END,
    closed_at = CASE WHEN j.is_skipped THEN CAST(:now AS timestamptz) END
  FROM worded j WHERE j.is_release AND o.id = j.id AND o.state = 'held'
  RETURNING o.id, o.state
), begun AS (
  SELECT id, state FROM opened UNION ALL SELECT id, state FROM released
), run AS (
  INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at,
    no_user_session, interrupted, use_service_account, target_specs)
  SELECT new_run_id(:now), j.id, j.job_id, 'workflow', 'none', jsonb_build_array(jsonb_build_object('position', 0,
      'assembly_id', j.workflow_id, 'name', j.name, 'revision', j.pinned, 'kind', 'workflow', 'content_sha256', j.content_sha256,
      'interpreter', CAST(NULL AS text), 'variables', j.parameters)),
    3600, 'none', :now, 'skip', 'lost', false, '[]'
  FROM worded j JOIN begun b ON b.id = j.id AND b.state = 'open'
  RETURNING id, occurrence_id
), kept AS (
  -- Says where it is, before its first node is known.
  INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
  SELECT b.id, j.home, 1, 'pending', 0 FROM begun b JOIN worded j ON j.id = b.id
), launched AS (
  INSERT INTO workflow_runs (run_id, occurrence_id, workflow_id, revision, draft, job_id, source, state, reason, parameters,
    allowed_site_ids, only_device_id, parent_run_id, parent_node, origin_run_id, rerun_from, started_by, created_at)
  SELECT r.id, j.id, j.workflow_id, j.pinned, j.draft, CASE WHEN NOT j.is_own THEN j.job_id END, j.source,
    CASE WHEN j.behind IS NULL THEN 'running' ELSE 'queued' END, j.behind, j.parameters, j.allowed_site_ids, j.only_device_id,
    j.parent_run_id, j.parent_node, j.resumes, coalesce(j.rerun_from, '{}'), j.started_by, :now
  FROM worded j JOIN run r ON r.occurrence_id = j.id
  RETURNING run_id
), woken AS (
  INSERT INTO workflow_wakes (run_id, at) SELECT run_id, CAST(:now AS timestamptz) FROM launched
)
SELECT b.id, j.job_id, j.home FROM begun b JOIN worded j ON j.id = b.id
""").bindparams(bindparam("openings", type_=JSONB))


async def open_occurrences(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> set[uuid.UUID]:
    """As `opening.open_occurrences`, for launches of workflows."""
    rows = [_row(one) for one in openings]
    await tx.execute(_LOCK, {"ids": [row["workflow_id"] for row in rows]})
    opened = (await tx.execute(_OPEN, {"openings": rows, "now": now, "overlap": _OVERLAP, "busy": _BUSY})).all()
    await db.notify(tx, WORKFLOWS)
    await publish_in_sites(tx, sorted((row.job_id, row.id, row.home) for row in opened), now)
    new = {row.id for row in opened}
    # What stands for a workflow itself is in no list that would tell when it ran.
    by_hand = {one.job_id for one in openings if one.id in new and _is_noted(one)}
    await jobs.note_runs(tx, by_hand, now)
    return new


def _is_noted(one: Opening) -> bool:
    assert one.workflow is not None
    return one.workflow.source == "job" and (one.is_release or one.kind != "schedule")


def _row(one: Opening) -> dict[str, Any]:
    assert one.workflow is not None
    told = one.workflow
    parent, node = told.parent or (None, None)
    return {
        **as_json(one),
        "workflow_id": str(told.workflow_id),
        "revision": told.revision,
        "source": told.source,
        "parameters": dict(told.parameters),
        "draft": told.draft,
        "only_device_id": str(told.only_device_id) if told.only_device_id else None,
        "parent_run_id": parent,
        "parent_node": node,
        "resumes": told.resumes,
        "rerun_from": list(told.rerun_from),
    }

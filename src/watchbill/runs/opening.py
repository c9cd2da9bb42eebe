"""Opening an occurrence: the row, the frozen content, the frozen targets with their reasons, and the work, in one transaction.

Everything is set-based: a tick that opens a thousand occurrences runs the same few statements as one that opens one.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import jobs, queue
from watchbill.core.states import OccurrenceReason
from watchbill.jobs.aiming import SPEC
from watchbill.queue import NewItem
from watchbill.runs import canaries, onboarding_opening, overlap, pacing, workflow_opening
from watchbill.runs.canaries import NotStarted
from watchbill.runs.moves import publish_in_sites
from watchbill.runs.not_run import publish_to_sites
from watchbill.runs.resolving import RESOLVE, ZONE
from watchbill.runs.to_open import COLUMNS, WAVE_ROWS, Opening, as_json, lane_of, wave_columns

_OVERLAP_DETAIL: Final = (
    "The run before was still active on at least one device, and only one run of this job goes at a time."
)

# One statement for any number of occurrences. The unique key is what makes an instant happen once: of a second scheduler
# `opened` is empty, and so is everything that follows from it. A held occurrence is let go by the update, also once.
_OPEN = text(f"""
WITH given AS (
  SELECT s.*, s.overlap = 'skip' AND s.overlap_scope = 'job' AND s.job_id IN (
      SELECT DISTINCT b.job_id FROM run_targets b WHERE b.job_id = ANY(CAST(:lone AS bigint[]))
        AND b.deadline_at IS NOT NULL AND b.state IN ('connecting', 'dispatched', 'running', 'cancelling')) AS is_blocked
  FROM jsonb_to_recordset(:openings) {COLUMNS}
), opened AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, reason, detail, is_late, job_revision,
    allowed_site_ids, failure_threshold_percent, origin_occurrence_id, started_by, created_at, opened_at, closed_at, local_time,
    start_reason, ignores_windows)
  SELECT id, job_id, kind, scheduled_for, request_id, CASE WHEN is_blocked THEN 'skipped' ELSE 'open' END,
    CASE WHEN is_blocked THEN 'overlap' END, CASE WHEN is_blocked THEN :overlap END, is_late, job_revision, allowed_site_ids,
    failure_threshold_percent, origin, started_by, :now, CASE WHEN NOT is_blocked THEN CAST(:now AS timestamptz) END,
    CASE WHEN is_blocked THEN CAST(:now AS timestamptz) END, local_time, start_reason, ignores_windows
  FROM given WHERE NOT is_release
  ON CONFLICT DO NOTHING RETURNING id, state
), released AS (
  UPDATE occurrences o SET state = CASE WHEN s.is_blocked THEN 'skipped' ELSE 'open' END,
    reason = CASE WHEN s.is_blocked THEN 'overlap' END, detail = CASE WHEN s.is_blocked THEN :overlap ELSE o.detail END,
    is_late = o.is_late OR s.is_late, job_revision = s.job_revision, allowed_site_ids = s.allowed_site_ids, failure_threshold_percent = s.failure_threshold_percent,
    started_by = s.started_by, start_reason = s.start_reason, ignores_windows = s.ignores_windows,
    opened_at = CASE WHEN NOT s.is_blocked THEN CAST(:now AS timestamptz) END,
    closed_at = CASE WHEN s.is_blocked THEN CAST(:now AS timestamptz) END
  FROM given s WHERE s.is_release AND o.id = s.id AND o.state = 'held'
  RETURNING o.id, o.state
), begun AS (
  SELECT id, state FROM opened UNION ALL SELECT id, state FROM released
), content AS (
  SELECT s.id, s.job_id, s.execution_context, s.no_user_session, s.forks, s.interrupted,
    CASE WHEN s.overlap = 'allow' THEN 'none' WHEN s.overlap_scope = 'job' THEN 'job' ELSE 'device' END AS exclusivity,
    jsonb_agg(jsonb_build_object('position', c.position, 'assembly_id', a.id, 'name', a.name, 'revision', v.revision,
      'content_sha256', v.content_sha256, 'interpreter', v.content->>'interpreter',
      'warning_exit_codes', coalesce(v.content->'warning_exit_codes', '[]'), 'variables', c.variables,
      'role', c.role, 'not_compliant_exit_codes', c.not_compliant_exit_codes) ORDER BY c.position) AS components,
    coalesce(s.time_limit_seconds, least(sum((v.content->>'time_limit_seconds')::integer), 604800)::integer, 3600) AS time_limit_seconds,
    (array_agg(CASE WHEN s.components IS NULL THEN j.step_rules ELSE s.step_rules END))[1] AS step_rules,
    min(CASE WHEN s.components IS NULL THEN j.credential_id ELSE s.credential_id END) AS credential_id,
    bool_or(CASE WHEN s.components IS NULL THEN j.use_service_account ELSE s.use_service_account END) AS use_service_account
  FROM given s
  JOIN begun o ON o.id = s.id AND o.state = 'open'
  JOIN jobs j ON j.id = s.job_id
  CROSS JOIN LATERAL (
    SELECT o.position, o.assembly_id, o.assembly_revision, o.variables, o.role, o.not_compliant_exit_codes FROM job_components o
    WHERE o.job_id = s.job_id AND s.components IS NULL
    UNION ALL
    SELECT g.* FROM jsonb_to_recordset(s.components) AS g(position integer, assembly_id uuid, assembly_revision integer,
      variables jsonb, role text, not_compliant_exit_codes integer[])
  ) c
  JOIN assemblies a ON a.id = c.assembly_id
  JOIN assembly_revisions v ON v.assembly_id = a.id AND v.revision = coalesce(c.assembly_revision, a.revision)
  GROUP BY s.id, s.job_id, s.time_limit_seconds, s.overlap, s.overlap_scope, s.execution_context, s.no_user_session, s.forks, s.interrupted
), run AS (
  INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at,
    step_rules, no_user_session, forks, interrupted, credential_id, use_service_account, target_specs)
  SELECT new_run_id(:now), id, job_id, CASE WHEN execution_context IN ('system', 'current_user') THEN 'script' ELSE 'playbook' END,
    execution_context, components, time_limit_seconds, exclusivity, :now, step_rules, no_user_session, forks, interrupted,
    credential_id, use_service_account,
    -- The rules as they are now; who is named one by one is in the rows themselves.
    coalesce((SELECT jsonb_agg(jsonb_build_object('place', CASE WHEN t.is_exclusion THEN -1 - t.position ELSE t.position END,
        'kind', t.kind, 'filter_id', t.filter_id, 'site_id', t.site_id, 'name', coalesce(f.name, y.name), 'revision', f.revision)
        ORDER BY t.is_exclusion, t.position)
      FROM job_targets t LEFT JOIN device_filters f ON f.id = t.filter_id LEFT JOIN sites y ON y.id = t.site_id
      WHERE t.job_id = content.job_id AND t.device_id IS NULL), '[]')
  FROM content
  RETURNING id, occurrence_id, ARRAY(SELECT c->>'interpreter' FROM jsonb_array_elements(components) c WHERE c->>'interpreter' IS NOT NULL) AS interpreters
), setting AS (
  SELECT s.*, r.id AS run_id, r.interpreters, CAST(:now AS timestamptz) AS opens_at FROM given s JOIN run r ON r.occurrence_id = s.id
), aimed AS (
  SELECT s.id AS aim_id, t.kind, t.position, t.is_exclusion, t.device_id, t.filter_id, t.site_id
  FROM setting s JOIN job_targets t ON t.job_id = s.job_id WHERE s.device_ids IS NULL
  UNION ALL
  SELECT s.id, 'device', 0, false, unnest(s.device_ids), NULL, NULL FROM setting s WHERE s.device_ids IS NOT NULL
), {SPEC}, used AS (
  -- Only zones that a target is in become waves. Nothing here is looked at where no job follows zones.
  SELECT DISTINCT s.id AS occurrence_id, {ZONE} AS zone
  FROM setting s
  JOIN spec c ON c.aim_id = s.id AND NOT c.is_exclusion
  JOIN devices d ON d.id = c.device_id
  LEFT JOIN sites x ON x.id = d.site_id
  WHERE cardinality(CAST(:known_zones AS text[])) > 0 AND s.zone_source <> 'fixed'
), wave AS (
  SELECT w.*, row_number() OVER (PARTITION BY w.occurrence_id ORDER BY w.starts_at, w.zone)::integer AS number
  FROM {WAVE_ROWS} JOIN used u ON u.occurrence_id = w.occurrence_id AND u.zone = w.zone
), kept_waves AS (
  INSERT INTO occurrence_waves (occurrence_id, wave, timezone, starts_at) SELECT occurrence_id, number, zone, starts_at FROM wave
), {RESOLVE}, frozen AS (
  INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, detail, wave, deadline_at,
    expires_at, finished_at, starts_at, stop_by_at, via, inventory_revision)
  SELECT run_id, id, job_id, device_id, site_id, hostname, CASE WHEN reason IS NULL THEN 'pending' ELSE 'skipped' END, reason,
    CASE reason WHEN wave_reason THEN wave_detail END, wave_number, CASE WHEN reason IS NULL THEN ends_at END, ends_at,
    CASE WHEN reason IS NOT NULL THEN CAST(:now AS timestamptz) END, begins_at, stops_at,
    via, inventory_revision
  -- Set apart by OFFSET, so that each device is judged once and not again for every column that depends on it.
  FROM (SELECT * FROM resolved OFFSET 0) AS once
  ORDER BY scheduled_for, lower(hostname), device_id
  RETURNING run_id, occurrence_id, site_id, wave, state
), counted AS (
  SELECT run_id, occurrence_id, site_id, wave, state, count(*) AS number FROM frozen GROUP BY run_id, occurrence_id, site_id, wave, state
), kept AS (
  INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
  SELECT occurrence_id, site_id, wave, state, number FROM counted
)
SELECT o.id AS occurrence_id, o.state AS occurrence_state, c.run_id, c.site_id, c.state, b.why
FROM begun o LEFT JOIN counted c ON c.occurrence_id = o.id LEFT JOIN broken b ON b.aim_id = o.id
""").bindparams(bindparam("openings", type_=JSONB))

# Nobody to run on. What a job says of that is its own; a rule that could not be told is named.
_EMPTY = text("""
UPDATE occurrences o SET closed_at = :now,
  state = CASE WHEN e.fails THEN 'closed' ELSE 'skipped' END, outcome = CASE WHEN e.fails THEN 'failed' END,
  reason = coalesce(e.reason, CASE WHEN EXISTS (SELECT 1 FROM occurrence_counts c WHERE c.occurrence_id = o.id)
    THEN 'no_eligible_targets' ELSE 'no_devices_targeted' END),
  detail = coalesce(e.detail, o.detail)
FROM unnest(CAST(:ids AS uuid[]), CAST(:fails AS boolean[]), CAST(:reasons AS text[]), CAST(:details AS text[]))
  AS e(id, fails, reason, detail)
WHERE o.id = e.id
""")


async def open_occurrences(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> set[uuid.UUID]:
    """Open what has no occurrence yet, and what was held; returns the ids for which this call did it.

    The caller holds the rows of the jobs. An opening whose devices are all left out ends at once as `skipped`. With nothing to
    open the statement runs all the same: so the scheduler rehearses it just before something is due.
    """
    looking = [one for one in openings if one.onboarding is not None]
    launches = [one for one in openings if one.workflow is not None]
    plain = [one for one in openings if one.onboarding is None and one.workflow is None]
    new = await _open_on_devices(tx, plain, now)
    if looking:
        new |= await onboarding_opening.open_occurrences(tx, looking, now)
    if launches:
        new |= await workflow_opening.open_occurrences(tx, launches, now)
    return new


async def _open_on_devices(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> set[uuid.UUID]:
    values = {
        "openings": [as_json(one) for one in openings],
        "now": now,
        "overlap": _OVERLAP_DETAIL,
        "skipping": _skipping(openings, "device"),
        "lone": _skipping(openings, "job"),
    }
    rows = (await tx.execute(_OPEN, {**values, **wave_columns(openings)})).all()
    new = {row.occurrence_id: row.occurrence_state for row in rows}
    refused = await canaries.choose(tx, [one for one in openings if one.id in new], now)
    eligible = [row for row in rows if row.state == "pending" and row.occurrence_id not in refused]
    begun = {row.occurrence_id for row in eligible}
    await overlap.give_way(tx, [one for one in openings if one.id in begun], now)
    await pacing.put_into_waves(tx, [one for one in openings if one.id in begun], now)
    lanes = {one.id: lane_of(one.execution_context) for one in openings}
    items = sorted({(row.run_id, row.site_id, lanes[row.occurrence_id]) for row in eligible})
    await queue.put(tx, [NewItem(*item) for item in items], now)
    empty = [occurrence for occurrence, state in new.items() if state == "open" and occurrence not in begun]
    if empty:
        unknown = {row.occurrence_id: _unknown(row.why) for row in rows if row.why is not None}
        await _end_empty(tx, openings, empty, {**refused, **unknown}, now)
    job_of = {one.id: one.job_id for one in openings}
    places = {(job_of[row.occurrence_id], row.occurrence_id, row.site_id) for row in rows if row.site_id is not None}
    await publish_in_sites(tx, sorted(places), now)
    # What has no targets has no site of its own either.
    await publish_to_sites(tx, {one: job_of[one] for one in sorted(new.keys() - {place[1] for place in places})}, now)
    # Those that the schedule opens just now are noted when their jobs go on, in the same write.
    by_hand = {
        one.job_id
        for one in openings
        if one.id in new and one.work is None and (one.is_release or one.kind != "schedule")
    }
    await jobs.note_runs(tx, by_hand, now)
    return set(new)


def _unknown(why: str) -> NotStarted:
    return NotStarted(OccurrenceReason.TARGETS_UNKNOWN, f"It cannot be told whom to run on: the filter {why}.")


async def _end_empty(
    tx: AsyncConnection,
    openings: Sequence[Opening],
    ids: Sequence[uuid.UUID],
    known: Mapping[uuid.UUID, NotStarted],
    now: datetime,
) -> None:
    fails = {one.id for one in openings if one.no_targets == "fail"}
    whys = [known.get(one) for one in ids]
    columns = {
        "fails": [one in fails for one in ids],
        "reasons": [why.reason if why else None for why in whys],
        "details": [why.detail if why else None for why in whys],
    }
    await tx.execute(_EMPTY, {"ids": list(ids), **columns, "now": now})


def _skipping(openings: Sequence[Opening], scope: str) -> list[int]:
    """The jobs that sit out while something of theirs is active: each device for itself, or the whole job."""
    return sorted({one.job_id for one in openings if one.overlap == "skip" and one.overlap_scope == scope})

"""Whom an occurrence reaches: the one SQL text by which the freeze and the preview judge every considered device.

Only text: it is run by those who put it into their statements, between the parts of which it speaks.
"""

from typing import Final

#: The zone that a following job `s` sees its device `d` at site `x` in. What the zone rules do not know is UTC.
ZONE: Final = """CASE WHEN coalesce(CASE s.zone_source WHEN 'device' THEN d.timezone END, x.timezone) = ANY(CAST(:known_zones AS text[]))
    THEN coalesce(CASE s.zone_source WHEN 'device' THEN d.timezone END, x.timezone) ELSE 'UTC' END"""

#: The CTE `wave` of a statement in which nothing follows zones.
NO_WAVES: Final = """SELECT CAST(NULL AS uuid) AS occurrence_id, CAST(NULL AS text) AS zone, CAST(NULL AS integer) AS number,
    CAST(NULL AS timestamptz) AS from_at, CAST(NULL AS timestamptz) AS expires_at, CAST(NULL AS timestamptz) AS stop_by_at,
    CAST(NULL AS text) AS reason, CAST(NULL AS text) AS detail WHERE false"""

#: Columns of a `setting` that is only counted, never opened.
COUNTED_ONLY: Final = """'fixed' AS zone_source, 0 AS splay_seconds, '' AS splay_salt, CAST(NULL AS timestamptz) AS opens_at,
    CAST(NULL AS timestamptz) AS starts_from, CAST(NULL AS timestamptz) AS expires_at, CAST(NULL AS timestamptz) AS stop_by_at"""

#: Seconds by which device `c` starts after the others of `s`, as `core.occurrence.splay_delay` says.
# The first 64 bits of the hash as a fraction of 2^64, times the splay: in two halves, so that it stays within 64 bits.
DELAY: Final = """SELECT (h.high * s.splay_seconds + ((h.low * s.splay_seconds) >> 32)) >> 32
    FROM (SELECT sha256(convert_to(s.job_id || '|' || c.device_id || s.splay_salt, 'UTF8')) AS bytes) AS b,
      LATERAL (SELECT ('x' || encode(substring(b.bytes FROM 1 FOR 4), 'hex'))::bit(32)::bigint AS high,
        ('x' || encode(substring(b.bytes FROM 5 FOR 4), 'hex'))::bit(32)::bigint AS low) AS h"""

#: CTEs `considered`, `busy` and `resolved`. They read `spec` (jobs.aiming), `setting` (an opening's columns with `run_id`, `interpreters`, and `opens_at`, which is now) and `wave`, and the parameters
#: `known_zones` and `skipping`: the jobs of which a device sits out while an earlier row of it is active. A rule finds nobody outside of
#: the scope that the job was saved with. Order of the reasons: the strongest first.
RESOLVE: Final = f"""
considered AS (
  SELECT aim_id, device_id, bool_or(is_exclusion) AS is_excluded, bool_or(is_named) AS is_named,
    array_agg(place) FILTER (WHERE place IS NOT NULL) AS via
  FROM spec GROUP BY aim_id, device_id HAVING bool_or(NOT is_exclusion)
), busy AS (
  -- All active rows of these jobs in one look, and none for each device or job. Through an array, because the planner takes that to
  -- be short: so it always hashes what it asks for every device, however many are active.
  SELECT b.job_id, unnest(array_agg(b.device_id)) AS device_id FROM run_targets b
  WHERE b.job_id = ANY(CAST(:skipping AS bigint[]))
    AND b.deadline_at IS NOT NULL AND b.state IN ('connecting', 'dispatched', 'running', 'cancelling')
  GROUP BY b.job_id
), resolved AS (
  SELECT s.*, c.device_id, c.via, d.inventory_revision, coalesce(d.site_id, 0) AS site_id, d.hostname, p.gateway_id IS NOT NULL AS is_online,
    coalesce(w.number, 1) AS wave_number, w.reason AS wave_reason, w.detail AS wave_detail,
    CASE WHEN w.number IS NOT NULL OR s.splay_seconds > 0
      THEN coalesce(w.from_at, s.starts_from) + delay.seconds * interval '1 second' END AS begins_at,
    coalesce(w.stop_by_at, s.stop_by_at) AS stops_at,
    -- Nobody knows yet who will be there when a later wave begins; who is away then is not waited for either.
    least(coalesce(w.stop_by_at, s.stop_by_at), delay.seconds * interval '1 second' +
      CASE WHEN s.offline = 'skip' AND w.from_at > s.opens_at THEN least(w.from_at + interval '5 minutes', w.expires_at)
        ELSE coalesce(w.expires_at, s.expires_at) END) AS ends_at,
    CASE
      WHEN s.allowed_site_ids IS NOT NULL AND d.site_id IS NULL THEN 'out_of_scope'
      WHEN s.allowed_site_ids IS NOT NULL AND NOT d.site_id = ANY(s.allowed_site_ids) THEN 'out_of_scope'
      WHEN c.is_excluded THEN 'excluded'
      WHEN d.status = 'revoked' THEN 'not_approved'
      WHEN d.status = 'disabled' THEN 'device_disabled'
      WHEN ('batch' = ANY(s.interpreters) OR s.execution_context LIKE 'winrm%') AND d.os_family <> 'windows' THEN 'os_mismatch'
      WHEN s.execution_context LIKE 'ssh%' AND d.os_family = 'windows' THEN 'os_mismatch'
      WHEN d.interpreters IS NOT NULL AND NOT s.interpreters <@ d.interpreters THEN 'interpreter_missing'
      WHEN w.reason IS NOT NULL THEN w.reason
      -- A wave that is still to come waits for its turn then: what is active now may have ended long before.
      WHEN s.job_id = ANY(CAST(:skipping AS bigint[])) AND coalesce(w.from_at <= s.opens_at, true)
        AND (s.job_id, c.device_id) IN (SELECT b.job_id, b.device_id FROM busy b) THEN 'previous_run_active'
      WHEN s.offline = 'skip' AND coalesce(w.from_at <= s.opens_at, true) AND p.gateway_id IS NULL THEN 'offline_skip'
    END AS reason
  FROM considered c
  JOIN setting s ON s.id = c.aim_id
  JOIN devices d ON d.id = c.device_id
  LEFT JOIN sites x ON x.id = d.site_id
  LEFT JOIN wave w ON w.occurrence_id = s.id AND w.zone = {ZONE}
  LEFT JOIN device_presence p ON p.device_id = c.device_id
  CROSS JOIN LATERAL (SELECT CASE WHEN s.splay_seconds > 0 THEN ({DELAY}) ELSE 0 END AS seconds OFFSET 0) AS delay
  WHERE c.is_named OR s.reach_site_ids IS NULL OR d.site_id = ANY(s.reach_site_ids)
)
"""

"""Whom targets and exclusions find: the one SQL text behind the freeze, previews and whoever counts a job's devices.

Only text, for statements of others, between the parts of which it speaks. The parts know each other by `aim_id`: of an occurrence, of
a job, whatever the statement is about.
"""

from typing import Final

#: Why the filter `f` that `a` names could not be told.
FAULT: Final = """coalesce('“' || f.name || '”', 'number ' || a.filter_id)
    || CASE WHEN f.id IS NULL THEN ' is gone' WHEN f.archived_at IS NOT NULL THEN ' is archived' ELSE ' cannot be asked' END"""

#: CTEs `hit`, `broken` and `spec`, of `aimed` (aim_id, kind, position, is_exclusion, device_id, filter_id, site_id) and `:now`. A filter is
#: asked once, however many aim at it. Where one cannot be told, nothing is found at all: an exclusion that fails must not let anything
#: in. `is_named`: one by one. `place`: by which rule, exclusions counted down from -1.
SPEC: Final = f"""
hit AS MATERIALIZED (
  SELECT f.filter_id, m.device_id
  FROM (SELECT DISTINCT filter_id FROM aimed WHERE filter_id IS NOT NULL) f
  CROSS JOIN LATERAL filter_members(f.filter_id, CAST(:now AS timestamptz)) AS m(device_id)
), broken AS MATERIALIZED (
  SELECT a.aim_id, string_agg(DISTINCT {FAULT}, ', ') AS why
  FROM aimed a JOIN hit h ON h.filter_id = a.filter_id AND h.device_id IS NULL LEFT JOIN device_filters f ON f.id = a.filter_id
  GROUP BY a.aim_id
), spec AS (
  SELECT c.* FROM (
    SELECT aim_id, device_id, is_exclusion, NOT is_exclusion AS is_named, CAST(NULL AS integer) AS place FROM aimed
    WHERE device_id IS NOT NULL
    UNION ALL
    SELECT a.aim_id, h.device_id, a.is_exclusion, false, CASE WHEN a.is_exclusion THEN -1 - a.position ELSE a.position END
    FROM aimed a JOIN hit h ON h.filter_id = a.filter_id
    UNION ALL
    SELECT a.aim_id, d.id, a.is_exclusion, false, CASE WHEN a.is_exclusion THEN -1 - a.position ELSE a.position END
    FROM aimed a JOIN devices d ON d.site_id = a.site_id AND d.status <> 'revoked' AND a.kind = 'site'
    UNION ALL
    SELECT a.aim_id, d.id, false, false, a.position FROM aimed a JOIN devices d ON d.status <> 'revoked'
    WHERE a.kind = 'all_devices'
  ) c WHERE c.aim_id NOT IN (SELECT aim_id FROM broken)
)"""

#: The CTEs `aimed` to `member` of the saved jobs in `:job_ids`: the devices (job_id, device_id) that each would consider at `:now`, none
#: that is excluded or outside of the scope that the job was saved with.
MEMBERS: Final = f"""
aimed AS (
  SELECT t.job_id AS aim_id, t.kind, t.position, t.is_exclusion, t.device_id, t.filter_id, t.site_id FROM job_targets t
  WHERE t.job_id = ANY(CAST(:job_ids AS bigint[]))
), {SPEC}, member AS (
  SELECT c.aim_id AS job_id, c.device_id FROM (
    SELECT aim_id, device_id FROM spec GROUP BY aim_id, device_id HAVING NOT bool_or(is_exclusion)
  ) c JOIN jobs j ON j.id = c.aim_id JOIN devices d ON d.id = c.device_id
  WHERE j.allowed_site_ids IS NULL OR d.site_id = ANY(j.allowed_site_ids)
)"""

"""Targets that are rules: filters, sites, all devices. What a job reaches, whose scope it has, and why each device was frozen."""

from alembic import op

revision = "0010"
down_revision = "0009"

UP = """
CREATE TABLE device_filters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  revision integer NOT NULL,
  criteria jsonb NOT NULL,
  site_mode text NOT NULL CHECK (site_mode IN ('all', 'only', 'except')),
  site_ids bigint[] NOT NULL DEFAULT '{}',
  -- The scope of whoever saved it last; NULL = every site, and what belongs to none. It reaches no further, whoever uses it.
  allowed_site_ids bigint[],
  -- The criteria as SQL over devices `d` and device_presence `p`, with its values in `parameters` ($1) and the time as $2: written by
  -- the compiler of this number (watchbill.filters), never by hand.
  condition text NOT NULL,
  parameters jsonb NOT NULL,
  compiler integer NOT NULL,
  archived_at timestamptz,
  created_by bigint REFERENCES operators,
  updated_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((site_mode = 'all') = (site_ids = '{}'))
);
CREATE INDEX device_filters_name ON device_filters (lower(name), id);

CREATE TABLE device_filter_revisions (
  filter_id bigint NOT NULL REFERENCES device_filters,
  revision integer NOT NULL,
  definition jsonb NOT NULL,
  changed_by bigint REFERENCES operators,
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (filter_id, revision)
);
CREATE TRIGGER device_filter_revisions_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON device_filter_revisions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The devices that a filter holds at an instant. A row without a device says that it cannot be told: the filter is gone, archived, or
-- its condition fails. Whoever reads that must reach nobody: nothing may widen.
CREATE FUNCTION filter_members(wanted bigint, at timestamptz) RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 1000 AS $$
DECLARE
  f device_filters;
BEGIN
  SELECT * INTO f FROM device_filters WHERE id = wanted AND archived_at IS NULL;
  IF NOT FOUND THEN
    RETURN NEXT NULL;
    RETURN;
  END IF;
  RETURN QUERY EXECUTE
    'SELECT d.id FROM devices d LEFT JOIN device_presence p ON p.device_id = d.id WHERE d.status <> ''revoked'''
    || CASE WHEN f.allowed_site_ids IS NULL THEN '' ELSE ' AND d.site_id = ANY($3)' END
    || CASE f.site_mode WHEN 'only' THEN ' AND d.site_id = ANY($4)'
      WHEN 'except' THEN ' AND (d.site_id = ANY($4)) IS NOT TRUE' ELSE '' END
    || ' AND (' || f.condition || ')'
    USING f.parameters, at, f.allowed_site_ids, f.site_ids;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'filter % failed: %', wanted, SQLERRM;
  RETURN NEXT NULL;
END $$;

ALTER TABLE job_targets
  ADD COLUMN filter_id bigint REFERENCES device_filters,
  ADD COLUMN site_id bigint REFERENCES sites,
  DROP CONSTRAINT job_targets_kind_check,
  DROP CONSTRAINT job_targets_check,
  ADD CHECK (kind IN ('device', 'filter', 'site', 'all_devices')),
  ADD CHECK ((kind = 'device') = (device_id IS NOT NULL)),
  ADD CHECK ((kind = 'filter') = (filter_id IS NOT NULL)),
  ADD CHECK ((kind = 'site') = (site_id IS NOT NULL)),
  ADD CHECK (kind <> 'all_devices' OR NOT is_exclusion);
CREATE INDEX job_targets_filter ON job_targets (filter_id) WHERE filter_id IS NOT NULL;
CREATE INDEX job_targets_site ON job_targets (site_id) WHERE site_id IS NOT NULL;
-- A job of ten thousand devices and one rule.
CREATE INDEX job_targets_rules ON job_targets (job_id) WHERE device_id IS NULL;

-- Whose scope `allowed_site_ids` was: what this operator loses later, the job loses too.
ALTER TABLE jobs ADD COLUMN scope_of bigint REFERENCES operators;
UPDATE jobs SET scope_of = coalesce(updated_by, created_by);

-- The sites in which a job may run, 0 = none: where its devices are, and where its rules may find some. Not asked at a freeze.
CREATE VIEW job_reach AS
SELECT t.job_id, coalesce(d.site_id, 0) AS site_id
FROM job_targets t JOIN devices d ON d.id = t.device_id
WHERE NOT t.is_exclusion AND NOT EXISTS (
  SELECT FROM job_targets x WHERE x.job_id = t.job_id AND x.is_exclusion AND (x.device_id = t.device_id OR x.site_id = d.site_id))
UNION ALL
SELECT t.job_id, t.site_id FROM job_targets t
WHERE t.site_id IS NOT NULL AND NOT t.is_exclusion AND NOT EXISTS (
  SELECT FROM job_targets x WHERE x.job_id = t.job_id AND x.is_exclusion AND x.site_id = t.site_id)
UNION ALL
SELECT t.job_id, r.site_id
FROM job_targets t JOIN jobs j ON j.id = t.job_id
CROSS JOIN LATERAL (
  SELECT unnest(j.allowed_site_ids) WHERE j.allowed_site_ids IS NOT NULL
  UNION ALL SELECT s.id FROM sites s WHERE j.allowed_site_ids IS NULL
  UNION ALL SELECT 0 WHERE j.allowed_site_ids IS NULL
) AS r(site_id)
WHERE t.kind IN ('filter', 'all_devices') AND NOT t.is_exclusion AND NOT EXISTS (
  SELECT FROM job_targets x WHERE x.job_id = t.job_id AND x.is_exclusion AND x.site_id = r.site_id);

-- Frozen with the run: its targets and exclusions as they were, filters with the number of their revision. And with each row which of
-- them hit (their places), and which state of the device's inventory was looked at.
ALTER TABLE runs ADD COLUMN target_specs jsonb NOT NULL DEFAULT '[]';
ALTER TABLE run_targets ADD COLUMN via smallint[], ADD COLUMN inventory_revision bigint;
"""


def upgrade() -> None:
    op.execute(UP)

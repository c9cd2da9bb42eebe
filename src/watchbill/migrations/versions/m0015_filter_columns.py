"""What filters look things up by: texts without case, the names of all software, and the devices that unsaved criteria find. Windows on filters."""

from alembic import op

from watchbill.core.filter_text import FOLD_FROM, FOLD_TO

revision = "0015"
down_revision = "0014"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


UP = f"""
-- core.filter_text.fold. `translate` walks its whole table for each character, hundreds of times as long as this takes for plain ASCII,
-- which is what nearly all of these texts are; so nothing has to be kept folded beside them.
CREATE FUNCTION fold_text(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length($1) = char_length($1) THEN lower($1 COLLATE "C")
    ELSE translate($1, {_quoted(FOLD_FROM)}, {_quoted(FOLD_TO)}) END
$$;
CREATE INDEX devices_hostname_folded ON devices (fold_text(hostname) COLLATE "C");

-- Every name of software that any device has, once: from each to the next by the index, not through all rows.
CREATE FUNCTION software_names() RETURNS SETOF text LANGUAGE sql STABLE ROWS 5000 AS $$
  WITH RECURSIVE names AS (
    (SELECT name_key FROM device_software ORDER BY name_key LIMIT 1)
    UNION ALL
    SELECT (SELECT s.name_key FROM device_software s WHERE s.name_key > n.name_key ORDER BY s.name_key LIMIT 1)
    FROM names n WHERE n.name_key IS NOT NULL
  )
  SELECT name_key FROM names WHERE name_key IS NOT NULL
$$;

-- What a filter adds to a statement over devices `d` and device_presence `p`: $1 parameters, $2 the time, $3 the sites it reaches, $4 its own.
CREATE FUNCTION filter_where(condition text, reach bigint[], site_mode text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'd.status <> ''revoked'''
    || CASE WHEN reach IS NULL THEN '' ELSE ' AND d.site_id = ANY($3)' END
    || CASE site_mode WHEN 'only' THEN ' AND d.site_id = ANY($4)'
      WHEN 'except' THEN ' AND (d.site_id = ANY($4)) IS NOT TRUE' ELSE '' END
    || ' AND (' || condition || ')'
$$;

-- As in 0010, and of some devices only. Sets of devices are looked up in memory: what does not fit there is searched anew for each.
DROP FUNCTION filter_members(bigint, timestamptz);
CREATE FUNCTION filter_members(wanted bigint, at timestamptz, among uuid[] DEFAULT NULL) RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 1000
SET work_mem = '64MB' AS $$
DECLARE
  f device_filters;
BEGIN
  SELECT * INTO f FROM device_filters WHERE id = wanted AND archived_at IS NULL;
  IF NOT FOUND THEN
    RETURN NEXT NULL;
    RETURN;
  END IF;
  RETURN QUERY EXECUTE 'SELECT d.id FROM devices d LEFT JOIN device_presence p ON p.device_id = d.id WHERE '
    || filter_where(f.condition, f.allowed_site_ids, f.site_mode)
    || CASE WHEN among IS NULL THEN '' ELSE ' AND d.id = ANY($5)' END
    USING f.parameters, at, f.allowed_site_ids, f.site_ids, among;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'filter % failed: %', wanted, SQLERRM;
  RETURN NEXT NULL;
END $$;

-- A page of the devices that criteria find within `reach`, by host name, and how many there are and are online. At least one row.
CREATE FUNCTION filter_preview(condition text, parameters jsonb, at timestamptz, reach bigint[], site_mode text, site_ids bigint[],
  after_name text, after_id uuid, most integer)
RETURNS TABLE (device_id uuid, sort_name text, devices bigint, online bigint) LANGUAGE plpgsql STABLE SET work_mem = '64MB' AS $$
BEGIN
  RETURN QUERY EXECUTE 'WITH found AS MATERIALIZED (
      SELECT d.id, lower(d.hostname) AS name, p.gateway_id IS NOT NULL AS is_online
      FROM devices d LEFT JOIN device_presence p ON p.device_id = d.id WHERE ' || filter_where(condition, reach, site_mode) || '
    ), counted AS (
      SELECT count(*) AS devices, count(*) FILTER (WHERE is_online) AS online FROM found
    ), page AS (
      SELECT id, name FROM found WHERE $6 IS NULL OR (name, id) > ($5, $6) ORDER BY name, id LIMIT $7
    )
    SELECT page.id, page.name, c.devices, c.online FROM counted c LEFT JOIN page ON true ORDER BY page.name, page.id'
    USING parameters, at, reach, site_ids, after_name, after_id, most;
END $$;

-- Revisions never change, and what a job that is gone was aimed at stays told: a filter that is deleted is one that nobody sees any more.
ALTER TABLE device_filters ADD COLUMN deleted_at timestamptz, ADD CHECK (deleted_at IS NULL OR archived_at IS NOT NULL);

-- Those that were compiled by an older compiler are found at each start.
CREATE INDEX device_filters_compiler ON device_filters (compiler, id);

ALTER TABLE window_attachments
  ADD COLUMN filter_id bigint REFERENCES device_filters,
  DROP CONSTRAINT window_attachments_kind_check,
  DROP CONSTRAINT window_attachments_check,
  ADD CHECK (kind IN ('global', 'site', 'device', 'job', 'filter')),
  ADD CHECK ((kind = 'site') = (site_id IS NOT NULL) AND (kind = 'device') = (device_id IS NOT NULL)
    AND (kind = 'job') = (job_id IS NOT NULL) AND (kind = 'filter') = (filter_id IS NOT NULL));
CREATE INDEX window_attachments_filter ON window_attachments (filter_id) WHERE filter_id IS NOT NULL;
"""


def upgrade() -> None:
    # As the driver gets it: a percent sign stands for itself.
    op.execute(UP)

"""Each device that a job names is kept with its site, so that lists find the jobs of a few sites without a look at all their devices."""

from alembic import op

revision = "0024"
down_revision = "0023"

UP = """
-- The site of the device that is named to run on, 0 = none. Kept by the two triggers below, never written by hand.
ALTER TABLE job_targets ADD COLUMN at_site bigint;
UPDATE job_targets t SET at_site = coalesce(d.site_id, 0) FROM devices d WHERE d.id = t.device_id AND NOT t.is_exclusion;
ALTER TABLE job_targets ADD CHECK ((at_site IS NOT NULL) = (device_id IS NOT NULL AND NOT is_exclusion));
CREATE INDEX job_targets_at_site ON job_targets (at_site, job_id) INCLUDE (device_id) WHERE at_site IS NOT NULL;

-- FOR SHARE: a device that moves at this moment is waited for, and one that would move then waits, and finds the new row.
CREATE FUNCTION place_job_target() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.device_id IS NULL OR NEW.is_exclusion THEN
    NEW.at_site := NULL;
  ELSE
    NEW.at_site := coalesce((SELECT d.site_id FROM devices d WHERE d.id = NEW.device_id FOR SHARE), 0);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER job_targets_are_placed BEFORE INSERT OR UPDATE OF device_id, is_exclusion ON job_targets
  FOR EACH ROW EXECUTE FUNCTION place_job_target();

CREATE FUNCTION move_job_targets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE job_targets SET at_site = coalesce(NEW.site_id, 0) WHERE device_id = NEW.id AND NOT is_exclusion;
  RETURN NULL;
END $$;
CREATE TRIGGER devices_move_job_targets AFTER UPDATE OF site_id ON devices
  FOR EACH ROW WHEN (OLD.site_id IS DISTINCT FROM NEW.site_id) EXECUTE FUNCTION move_job_targets();

-- As in 0010 and 0016, from the sites that are kept. What is left out by name and what by site are asked for apart: of each there are few.
CREATE OR REPLACE VIEW job_reach AS
SELECT t.job_id, t.at_site AS site_id
FROM job_targets t
WHERE t.at_site IS NOT NULL
  AND NOT EXISTS (SELECT FROM job_targets x WHERE x.is_exclusion AND x.job_id = t.job_id AND x.device_id = t.device_id)
  AND NOT EXISTS (SELECT FROM job_targets x WHERE x.is_exclusion AND x.job_id = t.job_id AND x.site_id = t.at_site)
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
WHERE t.device_id IS NULL AND t.kind IN ('filter', 'all_devices') AND NOT t.is_exclusion AND NOT EXISTS (
  SELECT FROM job_targets x WHERE x.job_id = t.job_id AND x.is_exclusion AND x.site_id = r.site_id);
DROP INDEX devices_reach_site;
"""


def upgrade() -> None:
    op.execute(UP)

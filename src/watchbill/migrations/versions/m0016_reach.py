"""Which jobs reach a site is found from the side of the site's devices."""

from alembic import op

revision = "0016"
down_revision = "0015"

UP = """
CREATE INDEX devices_reach_site ON devices (coalesce(site_id, 0));

-- As in 0010. A filter or all devices is never a device of its own: said here, so that the index of such targets serves.
CREATE OR REPLACE VIEW job_reach AS
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
WHERE t.device_id IS NULL AND t.kind IN ('filter', 'all_devices') AND NOT t.is_exclusion AND NOT EXISTS (
  SELECT FROM job_targets x WHERE x.job_id = t.job_id AND x.is_exclusion AND x.site_id = r.site_id);
"""


def upgrade() -> None:
    op.execute(UP)

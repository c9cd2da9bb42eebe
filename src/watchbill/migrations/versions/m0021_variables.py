"""Values of variables that belong to sites, devices or everything; the keys that devices have secrets sealed to; which values ran."""

from alembic import op

revision = "0021"
down_revision = "0020"

UP = """
-- A row is one revision of one value and never changes, but for its end: then a secret is forgotten, and a plain value stays told.
-- With neither a site nor a device it is for everything.
CREATE TABLE variable_values (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  variable_id bigint NOT NULL,
  revision integer NOT NULL CHECK (revision > 0),
  site_id bigint REFERENCES sites ON DELETE CASCADE,
  device_id uuid REFERENCES devices ON DELETE CASCADE,
  name text COLLATE "C" NOT NULL,
  description text NOT NULL,
  is_secret boolean NOT NULL,
  value jsonb,
  sealed text,
  set_by bigint REFERENCES operators,
  set_at timestamptz NOT NULL,
  ended_at timestamptz,
  CHECK (site_id IS NULL OR device_id IS NULL),
  CHECK (CASE WHEN is_secret THEN value IS NULL AND (sealed IS NULL) = (ended_at IS NOT NULL) ELSE value IS NOT NULL AND sealed IS NULL END),
  UNIQUE (variable_id, revision)
);
CREATE SEQUENCE variable_ids OWNED BY variable_values.variable_id;
CREATE UNIQUE INDEX variable_values_current ON variable_values (name, site_id, device_id) NULLS NOT DISTINCT WHERE ended_at IS NULL;
CREATE UNIQUE INDEX variable_values_head ON variable_values (variable_id) WHERE ended_at IS NULL;
CREATE INDEX variable_values_site ON variable_values (site_id) WHERE site_id IS NOT NULL;
CREATE INDEX variable_values_device ON variable_values (device_id) WHERE device_id IS NOT NULL;

-- X25519. NULL = its agent has told none: it is given no secret.
ALTER TABLE devices ADD COLUMN sealing_key bytea CHECK (length(sealing_key) = 32);

-- By name the ids of the values that came from neither the job nor the assembly. NULL = there were none.
ALTER TABLE executions ADD COLUMN variables jsonb;
"""


def upgrade() -> None:
    op.execute(UP)

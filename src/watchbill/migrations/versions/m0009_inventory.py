"""Inventory to filter by: facts of devices as columns, their software as rows, tags and custom values."""

from alembic import op

revision = "0009"
down_revision = "0008"

UP = """
-- Everything is NULL while it is not known. Version keys are written by the Engine (core.filter_version) and compared byte by byte.
ALTER TABLE devices
  ADD COLUMN device_type text CHECK (device_type IN ('server', 'desktop', 'laptop', 'virtual', 'container', 'other')),
  ADD COLUMN agent_branch text,
  ADD COLUMN domain text,
  ADD COLUMN last_user text,
  ADD COLUMN internal_addresses inet[],
  -- Where its connection comes from, as the gateway sees it: behind a proxy, the proxy's.
  ADD COLUMN external_address inet,
  ADD COLUMN cpu_count integer,
  ADD COLUMN ram_bytes bigint,
  ADD COLUMN disk_free_bytes bigint,
  ADD COLUMN os_version_key text COLLATE "C",
  ADD COLUMN agent_version_key text COLLATE "C",
  -- Of the software rows together, so that a report in which only something else changed leaves them unread.
  ADD COLUMN software_digest text,
  -- Grows by one with every change that a filter can see.
  ADD COLUMN inventory_revision bigint NOT NULL DEFAULT 0;
-- What is stored was read by an Engine that knew less: devices tell it again when they next connect.
UPDATE devices SET inventory_digest = NULL WHERE inventory_digest IS NOT NULL;

CREATE TABLE device_software (
  device_id uuid NOT NULL REFERENCES devices ON DELETE CASCADE,
  name text COLLATE "C" NOT NULL,
  -- The name as it is compared: folded by the Engine (core.filter_text).
  name_key text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  version_key text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  PRIMARY KEY (device_id, source, name, version)
);
-- "Devices that have NAME", also of at least a version.
CREATE INDEX device_software_name ON device_software (name_key, version_key, device_id);

CREATE TABLE device_tags (
  device_id uuid NOT NULL REFERENCES devices ON DELETE CASCADE,
  tag text COLLATE "C" NOT NULL,
  PRIMARY KEY (device_id, tag)
);
CREATE INDEX device_tags_tag ON device_tags (tag, device_id);

CREATE TABLE custom_fields (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  label text NOT NULL,
  type text NOT NULL CHECK (type IN ('text', 'number', 'boolean', 'date')),
  description text NOT NULL DEFAULT '',
  settable_by_scripts boolean NOT NULL DEFAULT false,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE device_custom_values (
  device_id uuid NOT NULL REFERENCES devices ON DELETE CASCADE,
  field_id bigint NOT NULL REFERENCES custom_fields ON DELETE CASCADE,
  text_value text,
  number_value double precision,
  boolean_value boolean,
  date_value date,
  set_by text NOT NULL CHECK (set_by IN ('operator', 'script')),
  set_at timestamptz NOT NULL,
  PRIMARY KEY (device_id, field_id),
  CHECK (num_nonnulls(text_value, number_value, boolean_value, date_value) = 1)
);
CREATE INDEX device_custom_values_field ON device_custom_values (field_id, device_id);
"""


def upgrade() -> None:
    op.execute(UP)

"""Devices with inventory and presence; enrolment requests; the Engine's signing keys."""

from alembic import op

revision = "0002"
down_revision = "0001"

UP = """
CREATE TABLE devices (
  id uuid PRIMARY KEY,
  site_id bigint REFERENCES sites,
  hostname text NOT NULL,
  description text NOT NULL DEFAULT '',
  status text NOT NULL CHECK (status IN ('active', 'disabled', 'revoked')),
  public_key bytea NOT NULL,
  os_family text NOT NULL CHECK (os_family IN ('linux', 'windows', 'macos')),
  os_name text NOT NULL DEFAULT '',
  os_version text NOT NULL DEFAULT '',
  arch text NOT NULL DEFAULT '',
  agent_version text NOT NULL DEFAULT '',
  -- NULL until the first inventory: what is not known is not held against a device.
  interpreters text[],
  inventory jsonb NOT NULL DEFAULT '{}',
  inventory_digest text,
  inventory_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX devices_public_key ON devices (public_key) WHERE status <> 'revoked';
-- A key that was revoked once is recognised when it asks again.
CREATE INDEX devices_any_public_key ON devices (public_key);
CREATE INDEX devices_site_hostname ON devices (site_id, lower(hostname));
CREATE INDEX devices_hostname ON devices (lower(hostname), id);

-- Kept apart from `devices`: it changes at every connect, and its rows stay small.
CREATE TABLE device_presence (
  device_id uuid PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
  gateway_id uuid,
  connection_id uuid,
  connected_at timestamptz,
  last_seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX device_presence_gateway ON device_presence (gateway_id) WHERE gateway_id IS NOT NULL;

CREATE TABLE enrolment_requests (
  id uuid PRIMARY KEY,
  site_id bigint NOT NULL REFERENCES sites ON DELETE CASCADE,
  state text NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired')),
  hostname text NOT NULL,
  public_key bytea NOT NULL,
  poll_token_hash bytea NOT NULL,
  os_family text NOT NULL,
  os_name text NOT NULL DEFAULT '',
  os_version text NOT NULL DEFAULT '',
  arch text NOT NULL DEFAULT '',
  agent_version text NOT NULL DEFAULT '',
  remote_addr text,
  conflict text CHECK (conflict IN ('hostname', 'key')),
  conflict_device_id uuid,
  device_id uuid REFERENCES devices,
  reason text,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  decided_at timestamptz,
  decided_by bigint REFERENCES operators
);
CREATE UNIQUE INDEX enrolment_requests_open ON enrolment_requests (site_id, public_key) WHERE state = 'pending';
CREATE INDEX enrolment_requests_state ON enrolment_requests (state, created_at, id);

CREATE TABLE enrolment_failures (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  masked_code text NOT NULL,
  hostname text NOT NULL,
  remote_addr text
);
CREATE INDEX enrolment_failures_at ON enrolment_failures (at);

CREATE TABLE engine_keys (
  key_id text PRIMARY KEY,
  public_key bytea NOT NULL,
  private_key_sealed text NOT NULL,
  created_at timestamptz NOT NULL,
  retired_at timestamptz
);
"""


def upgrade() -> None:
    op.execute(UP)

"""The VPN: its one hub, the devices that are its peers, and the process that owns the interface."""

from alembic import op

revision = "0034"
down_revision = "0033"

UP = """
-- One hub; its row is made when a process first opens it. What gateways tell devices is read here and not in settings, so that all
-- processes tell the same.
CREATE TABLE vpn_hub (
  id smallint PRIMARY KEY CHECK (id = 1),
  public_key text NOT NULL,
  private_key_sealed text NOT NULL,
  subnet cidr NOT NULL,
  endpoint text NOT NULL,
  keepalive_seconds integer NOT NULL CHECK (keepalive_seconds > 0),
  interface text NOT NULL,
  state text NOT NULL CHECK (state IN ('up', 'failed', 'stopped')),
  detail text,
  host text NOT NULL,
  heard_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL
);

-- A device that was revoked keeps its row, without a key: its address rests before another device may have it.
CREATE TABLE vpn_peers (
  device_id uuid PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
  public_key text,
  problem text,
  address inet UNIQUE,
  open_until timestamptz,
  prepared_at timestamptz,
  reported_state text CHECK (reported_state IN ('down', 'up', 'unavailable')),
  reported_detail text,
  applied_key text,
  handshake_at timestamptz,
  heard_at timestamptz,
  endpoint text,
  rx_bytes bigint NOT NULL DEFAULT 0,
  tx_bytes bigint NOT NULL DEFAULT 0,
  released_at timestamptz,
  created_at timestamptz NOT NULL,
  CHECK (released_at IS NULL OR public_key IS NULL)
);
-- One key is one device: who copies a device's key gets no tunnel by it.
CREATE UNIQUE INDEX vpn_peers_key ON vpn_peers (public_key) WHERE public_key IS NOT NULL;
CREATE INDEX vpn_peers_released ON vpn_peers (released_at) WHERE released_at IS NOT NULL AND address IS NOT NULL;
CREATE INDEX vpn_peers_open ON vpn_peers (open_until) WHERE open_until IS NOT NULL;

ALTER TABLE services
  DROP CONSTRAINT services_kind_check,
  ADD CONSTRAINT services_kind_check CHECK (kind IN ('api', 'gateway', 'scheduler', 'site_worker', 'vpn'));
"""


def upgrade() -> None:
    op.execute(UP)

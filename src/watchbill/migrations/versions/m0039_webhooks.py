"""Webhooks that launch workflows: who may, with which secret, what came, and what must not come twice."""

from alembic import op

revision = "0039"
down_revision = "0038"

UP = """
CREATE TABLE webhooks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- What its address ends with.
  public_id text NOT NULL UNIQUE,
  workflow_id uuid NOT NULL REFERENCES assemblies,
  name text NOT NULL,
  enabled boolean NOT NULL,
  mode text NOT NULL CHECK (mode IN ('hmac', 'bearer')),
  rate_per_minute integer NOT NULL CHECK (rate_per_minute >= 1),
  -- A bearer secret is only compared, and kept as a hash; what signs must be known, and is sealed.
  secret_hash bytea,
  secret_sealed text,
  secret_set_at timestamptz NOT NULL,
  previous_hash bytea,
  previous_sealed text,
  previous_until timestamptz,
  -- As those of jobs: the sites of whoever saved it last, as far as they still have them. NULL = every site.
  allowed_site_ids bigint[],
  scope_of bigint REFERENCES operators,
  revision integer NOT NULL,
  created_by bigint REFERENCES operators,
  updated_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((mode = 'bearer') = (secret_hash IS NOT NULL)),
  CHECK ((mode = 'hmac') = (secret_sealed IS NOT NULL)),
  CHECK ((previous_until IS NOT NULL) = (previous_hash IS NOT NULL OR previous_sealed IS NOT NULL))
);
CREATE UNIQUE INDEX webhooks_names ON webhooks (workflow_id, lower(name));

-- Signatures that were taken, for as long as their time would let them be taken again.
CREATE TABLE webhook_signatures (
  webhook_id bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
  signature bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (webhook_id, signature)
);
CREATE INDEX webhook_signatures_expiry ON webhook_signatures (expires_at);

-- Deliveries that their sender named: the same name again is the same run.
CREATE TABLE webhook_keys (
  webhook_id bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
  key text NOT NULL,
  body_sha256 bytea NOT NULL,
  run_id bigint NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (webhook_id, key)
);
CREATE INDEX webhook_keys_age ON webhook_keys (created_at);

CREATE TABLE webhook_deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  webhook_id bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
  at timestamptz NOT NULL,
  source_address text,
  outcome text NOT NULL CHECK (outcome IN ('launched', 'repeated', 'invalid', 'refused', 'unauthorized', 'rate_limited', 'tested')),
  reason text,
  problems jsonb NOT NULL DEFAULT '[]',
  -- It may be gone by now.
  run_id bigint,
  -- Its beginning.
  body text NOT NULL,
  body_bytes integer NOT NULL
);
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (webhook_id, id DESC);
"""


def upgrade() -> None:
    op.execute(UP)

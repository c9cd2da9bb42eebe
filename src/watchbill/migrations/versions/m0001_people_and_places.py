"""Operators, sessions, tokens, audit; sites; services; the event log."""

from alembic import op

revision = "0001"
down_revision = None

UP = """
CREATE TABLE sites (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  timezone text NOT NULL DEFAULT 'UTC',
  enrolment_code_sealed text NOT NULL,
  enrolment_code_hash bytea NOT NULL UNIQUE,
  enrolment_code_rotated_at timestamptz NOT NULL,
  auto_approve_until timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX sites_name ON sites (lower(name));

CREATE TABLE operators (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  username text NOT NULL,
  display_name text NOT NULL DEFAULT '',
  password_hash text NOT NULL,
  must_change_password boolean NOT NULL DEFAULT false,
  role text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  last_login_at timestamptz
);
CREATE UNIQUE INDEX operators_username ON operators (lower(username));

CREATE TABLE operator_sites (
  operator_id bigint NOT NULL REFERENCES operators ON DELETE CASCADE,
  site_id bigint NOT NULL REFERENCES sites ON DELETE CASCADE,
  PRIMARY KEY (operator_id, site_id)
);
CREATE INDEX operator_sites_site ON operator_sites (site_id);

CREATE TABLE sessions (
  token_hash bytea PRIMARY KEY,
  operator_id bigint NOT NULL REFERENCES operators ON DELETE CASCADE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  remote_addr text,
  user_agent text
);
CREATE INDEX sessions_operator ON sessions (operator_id);

CREATE TABLE api_tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id bigint NOT NULL REFERENCES operators ON DELETE CASCADE,
  name text NOT NULL,
  token_hash bytea NOT NULL UNIQUE,
  hint text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_tokens_operator ON api_tokens (operator_id);

-- Fixed windows of failed attempts: who (a name, an address, an enrolment code's mask), how often, since when.
CREATE TABLE rate_limits (
  bucket text NOT NULL,
  subject text NOT NULL,
  window_started_at timestamptz NOT NULL,
  hits integer NOT NULL,
  PRIMARY KEY (bucket, subject)
);

CREATE TABLE idempotency_keys (
  operator_id bigint NOT NULL,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  -- NULL while the first request is still at work. Sealed: a reply may hold a token that is shown once.
  reply_sealed text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (operator_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  operator_id bigint,
  actor text NOT NULL,
  action text NOT NULL,
  object_kind text NOT NULL,
  object_id text,
  site_id bigint,
  remote_addr text,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_object ON audit (object_kind, object_id, id);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every running process of the Engine. An instance is gone when its heartbeat is old.
CREATE TABLE services (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('api', 'gateway', 'scheduler', 'site_worker')),
  host text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  site_id bigint,
  address text,
  desired_state text NOT NULL DEFAULT 'running' CHECK (desired_state IN ('running', 'draining', 'stopped')),
  detail jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL,
  heartbeat_at timestamptz NOT NULL,
  stopped_at timestamptz
);
CREATE INDEX services_live ON services (kind, heartbeat_at) WHERE stopped_at IS NULL;

-- The event log behind server-sent events. `tx` orders by commit visibility: a reader takes only what lies below the
-- snapshot's xmin, so a transaction that commits late is never jumped over.
CREATE TABLE events (
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  site_id bigint,
  payload jsonb NOT NULL,
  PRIMARY KEY (tx, id)
);
CREATE INDEX events_at ON events (at);
"""


def upgrade() -> None:
    op.execute(UP)

"""Onboarding: jobs that look for machines, a row for every address with its timeline, and codes that one machine enrols with once."""

from alembic import op

revision = "0037"
down_revision = "0036"

UP = """
ALTER TABLE jobs ADD COLUMN credential_ids bigint[] NOT NULL DEFAULT '{}';
CREATE INDEX jobs_credential_ids ON jobs USING gin (credential_ids) WHERE credential_ids <> '{}';

-- 0010 and 0024 gave these checks their names by themselves.
DO $$
DECLARE
  one record;
BEGIN
  FOR one IN SELECT conname FROM pg_constraint WHERE conrelid = 'job_targets'::regclass AND contype = 'c'
    AND (pg_get_constraintdef(oid) LIKE '%all_devices%ARRAY%' OR pg_get_constraintdef(oid) LIKE '%''site''%')
  LOOP
    EXECUTE format('ALTER TABLE job_targets DROP CONSTRAINT %I', one.conname);
  END LOOP;
END $$;
ALTER TABLE job_targets
  ADD CHECK (kind IN ('device', 'filter', 'site', 'all_devices', 'onboarding_scope')),
  ADD CHECK ((kind IN ('site', 'onboarding_scope')) = (site_id IS NOT NULL)),
  ADD CHECK (kind <> 'onboarding_scope' OR NOT is_exclusion);

ALTER TABLE runs DROP CONSTRAINT runs_kind_check, DROP CONSTRAINT runs_execution_context_check,
  ADD CONSTRAINT runs_kind_check CHECK (kind IN ('script', 'playbook', 'onboarding')),
  ADD CONSTRAINT runs_execution_context_check CHECK (
    execution_context IN ('system', 'current_user', 'ssh', 'ssh_individual', 'winrm', 'winrm_individual', 'none')),
  ADD CONSTRAINT runs_context_fits CHECK ((kind = 'onboarding') = (execution_context = 'none'));

CREATE TABLE onboarding_targets (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  job_id bigint NOT NULL REFERENCES jobs,
  site_id bigint NOT NULL REFERENCES sites,
  place integer NOT NULL,
  -- What tells it from the others of its scope: its address, or the name that led to none.
  key text NOT NULL,
  address inet,
  ports integer[] NOT NULL,
  names text[] NOT NULL,
  entry text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'connecting', 'installing', 'waiting_approval', 'approved', 'denied', 'expired',
    'skipped', 'unreachable', 'auth_failed', 'unsupported', 'failed')),
  reason text,
  detail text,
  snippet text,
  -- {task, state, detail, snippet, started_at, finished_at} in order.
  timeline jsonb NOT NULL DEFAULT '[]',
  platform text,
  hostname text,
  agent_version text,
  credential_id bigint,
  credential_name text,
  host_key text,
  approval_id uuid REFERENCES enrolment_requests,
  device_id uuid,
  attempt integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  UNIQUE (run_id, key)
);
CREATE INDEX onboarding_targets_rows ON onboarding_targets (occurrence_id, place, id);
CREATE INDEX onboarding_targets_open ON onboarding_targets (run_id) WHERE state IN ('pending', 'connecting', 'installing');
CREATE INDEX onboarding_targets_waiting ON onboarding_targets (approval_id) WHERE state = 'waiting_approval';
-- Two jobs never work on one address at once.
CREATE UNIQUE INDEX onboarding_targets_at_work ON onboarding_targets (site_id, address) WHERE state IN ('connecting', 'installing');

-- The SSH host key that an address of a site showed first.
CREATE TABLE onboarding_host_keys (
  site_id bigint NOT NULL REFERENCES sites, address inet NOT NULL, port integer NOT NULL, key text NOT NULL, pinned_at timestamptz NOT NULL,
  PRIMARY KEY (site_id, address, port)
);

-- Accounts that a machine refused: a cadence must not lock them out. `revision` is that of the credential.
CREATE TABLE onboarding_refusals (
  site_id bigint NOT NULL REFERENCES sites, address inet NOT NULL,
  credential_id bigint NOT NULL REFERENCES credentials ON DELETE CASCADE,
  revision integer NOT NULL, refused_at timestamptz NOT NULL, PRIMARY KEY (site_id, address, credential_id)
);

-- How agents come to the Engine, for those that bring them there.
ALTER TABLE services ADD COLUMN public_url text, ADD COLUMN certificate_pin text;

-- Each is for one machine of one run and is used once; only its hash is kept.
CREATE TABLE enrolment_codes (
  code_hash bytea PRIMARY KEY,
  site_id bigint NOT NULL REFERENCES sites,
  onboarding_target_id bigint NOT NULL REFERENCES onboarding_targets ON DELETE CASCADE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by bytea
);
CREATE INDEX enrolment_codes_target ON enrolment_codes (onboarding_target_id);
ALTER TABLE enrolment_requests ADD COLUMN onboarding_target_id bigint REFERENCES onboarding_targets ON DELETE SET NULL;
CREATE INDEX enrolment_requests_onboarding ON enrolment_requests (onboarding_target_id) WHERE onboarding_target_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UP)

"""The catalogue of assemblies with immutable revisions; jobs, their revisions, targets and components."""

from alembic import op

revision = "0003"
down_revision = "0002"

UP = """
CREATE TABLE assemblies (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('script')),
  description text NOT NULL DEFAULT '',
  revision integer NOT NULL,
  created_by bigint REFERENCES operators,
  updated_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz
);
CREATE UNIQUE INDEX assemblies_name ON assemblies (lower(name)) WHERE archived_at IS NULL;

CREATE TABLE assembly_revisions (
  assembly_id uuid NOT NULL REFERENCES assemblies,
  revision integer NOT NULL,
  -- {interpreter, content, variables: [...], time_limit_seconds, warning_exit_codes}
  content jsonb NOT NULL,
  content_sha256 text NOT NULL,
  created_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (assembly_id, revision)
);
CREATE TRIGGER assembly_revisions_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON assembly_revisions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  job_kind text NOT NULL CHECK (job_kind IN ('automation', 'onboarding', 'agent_maintenance')),
  revision integer NOT NULL,
  -- The whole job as saved (api.md "The job"), secrets sealed; the columns beside it are what SQL needs of it.
  definition jsonb NOT NULL,
  enabled boolean NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'paused', 'completed', 'error')),
  state_reason text,
  paused_until timestamptz,
  schedule_type text NOT NULL,
  -- High-water mark: every due instant up to it is accounted for.
  mark_at timestamptz NOT NULL,
  next_due_at timestamptz,
  tzdata_version text NOT NULL,
  -- Site scope of whoever last created or edited the job; NULL = every site (an admin).
  allowed_site_ids bigint[],
  last_occurrence_id uuid,
  created_by bigint REFERENCES operators,
  updated_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz
);
CREATE INDEX jobs_due ON jobs (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX jobs_resume ON jobs (paused_until) WHERE paused_until IS NOT NULL;
CREATE INDEX jobs_name ON jobs (lower(name), id) WHERE deleted_at IS NULL;
-- Never = infinity: one row comparison pages through the list in both directions.
CREATE INDEX jobs_next ON jobs (coalesce(next_due_at, 'infinity'::timestamptz), id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_updated ON jobs (updated_at, id) WHERE deleted_at IS NULL;

CREATE TABLE job_revisions (
  job_id bigint NOT NULL REFERENCES jobs,
  revision integer NOT NULL,
  definition jsonb NOT NULL,
  changed_by bigint REFERENCES operators,
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (job_id, revision)
);
CREATE TRIGGER job_revisions_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON job_revisions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE job_targets (
  job_id bigint NOT NULL REFERENCES jobs,
  position integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('device')),
  is_exclusion boolean NOT NULL,
  device_id uuid REFERENCES devices,
  PRIMARY KEY (job_id, is_exclusion, position),
  CHECK ((kind = 'device') = (device_id IS NOT NULL))
);
CREATE INDEX job_targets_device ON job_targets (device_id, job_id) WHERE NOT is_exclusion;

CREATE TABLE job_components (
  job_id bigint NOT NULL REFERENCES jobs,
  position integer NOT NULL,
  assembly_id uuid NOT NULL REFERENCES assemblies,
  -- NULL = the latest one when an occurrence falls due.
  assembly_revision integer,
  variables jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (job_id, position)
);
CREATE INDEX job_components_assembly ON job_components (assembly_id);
"""


def upgrade() -> None:
    op.execute(UP)

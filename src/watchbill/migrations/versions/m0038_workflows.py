"""Workflows: assemblies that are graphs, their runs with a row for every node, device sets, and who is to look at a run next."""

from alembic import op

revision = "0038"
down_revision = "0037"

UP = """
ALTER TABLE assemblies DROP CONSTRAINT assemblies_kind_check,
  ADD CONSTRAINT assemblies_kind_check CHECK (kind IN ('script', 'playbook', 'workflow'));

-- The workflow that a job launches. A job of kind `workflow` is nobody's: it stands for the workflow itself where it is not launched by
-- a job, and for the work of its nodes. Such a one is born deleted, so that no list, schedule or calendar knows it.
ALTER TABLE jobs ADD COLUMN workflow_id uuid REFERENCES assemblies,
  DROP CONSTRAINT jobs_job_kind_check,
  ADD CONSTRAINT jobs_job_kind_check CHECK (job_kind IN ('automation', 'onboarding', 'agent_maintenance', 'workflow')),
  ADD CONSTRAINT jobs_of_workflows CHECK (job_kind <> 'workflow' OR (workflow_id IS NOT NULL AND deleted_at IS NOT NULL));
CREATE INDEX jobs_workflow ON jobs (workflow_id) WHERE workflow_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_own_of_workflow ON jobs (workflow_id) WHERE job_kind = 'workflow';

-- As in 0024, and a workflow may reach every site that its job may.
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
  SELECT FROM job_targets x WHERE x.job_id = t.job_id AND x.is_exclusion AND x.site_id = r.site_id)
UNION ALL
SELECT j.id, r.site_id
FROM jobs j
CROSS JOIN LATERAL (
  SELECT unnest(j.allowed_site_ids) WHERE j.allowed_site_ids IS NOT NULL
  UNION ALL SELECT s.id FROM sites s WHERE j.allowed_site_ids IS NULL
  UNION ALL SELECT 0 WHERE j.allowed_site_ids IS NULL
) AS r(site_id)
WHERE j.workflow_id IS NOT NULL;

ALTER TABLE runs DROP CONSTRAINT runs_kind_check, DROP CONSTRAINT runs_context_fits,
  ADD CONSTRAINT runs_kind_check CHECK (kind IN ('script', 'playbook', 'onboarding', 'workflow')),
  ADD CONSTRAINT runs_context_fits CHECK ((kind IN ('onboarding', 'workflow')) = (execution_context = 'none'));

CREATE TABLE workflow_runs (
  run_id bigint PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  workflow_id uuid NOT NULL REFERENCES assemblies,
  revision integer NOT NULL,
  -- NULL = that revision; else a draft that is tried out.
  draft jsonb,
  -- NULL = not of a saved job.
  job_id bigint REFERENCES jobs,
  source text NOT NULL CHECK (source IN ('manual', 'job', 'webhook', 'workflow')),
  state text NOT NULL CHECK (state IN ('queued', 'running', 'cancelling', 'success', 'warning', 'failed', 'cancelled')),
  reason text,
  detail text,
  parameters jsonb NOT NULL DEFAULT '{}',
  -- The revisions that its nodes run, by node; NULL = it has not begun.
  pins jsonb,
  allowed_site_ids bigint[],
  only_device_id uuid,
  parent_run_id bigint,
  parent_node text,
  origin_run_id bigint,
  rerun_from text[] NOT NULL DEFAULT '{}',
  started_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  deadline_at timestamptz,
  CHECK ((finished_at IS NULL) = (state IN ('queued', 'running', 'cancelling')))
);
CREATE INDEX workflow_runs_of_occurrence ON workflow_runs (occurrence_id);
CREATE INDEX workflow_runs_newest ON workflow_runs (workflow_id, run_id DESC);
CREATE INDEX workflow_runs_of_job ON workflow_runs (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX workflow_runs_open ON workflow_runs (workflow_id, run_id) WHERE finished_at IS NULL;
CREATE INDEX workflow_runs_parent ON workflow_runs (parent_run_id) WHERE parent_run_id IS NOT NULL;

CREATE TABLE workflow_nodes (
  run_id bigint NOT NULL REFERENCES workflow_runs ON DELETE CASCADE,
  node_id text NOT NULL,
  type text NOT NULL,
  -- In the order in which the document names them.
  position integer NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'running', 'awaiting_approval', 'success', 'warning', 'failed', 'timed_out',
    'skipped', 'cancelled', 'lost')),
  reason text,
  detail text,
  attempt integer NOT NULL DEFAULT 0,
  -- It was brought over from the run that this one goes on with.
  is_kept boolean NOT NULL DEFAULT false,
  -- Not before; of a node that is tried again.
  starts_at timestamptz,
  deadline_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  result jsonb,
  -- The occurrences that did its work on devices, the newest last; and the run of the workflow that it is.
  occurrence_ids uuid[] NOT NULL DEFAULT '{}',
  child_run_id bigint,
  -- Of a request to another system: what is sent, and who took it when.
  request jsonb,
  taken_at timestamptz,
  taken_by uuid,
  PRIMARY KEY (run_id, node_id)
);
CREATE INDEX workflow_nodes_at_work ON workflow_nodes USING gin (occurrence_ids) WHERE state = 'running';
CREATE INDEX workflow_nodes_waiting ON workflow_nodes (run_id) WHERE type = 'wait' AND state = 'running';
CREATE INDEX workflow_nodes_requests ON workflow_nodes (run_id) WHERE type = 'http' AND state = 'running';
CREATE INDEX workflow_nodes_approvals ON workflow_nodes (run_id) WHERE state = 'awaiting_approval';

-- The devices of a port, in the order in which they were found.
CREATE TABLE workflow_sets (
  run_id bigint NOT NULL REFERENCES workflow_runs ON DELETE CASCADE,
  node_id text NOT NULL,
  port text NOT NULL,
  devices uuid[] NOT NULL,
  PRIMARY KEY (run_id, node_id, port)
);

-- Somebody is to look at a run, now or later. Only ever inserted and deleted, so that whoever says so waits for nobody.
CREATE TABLE workflow_wakes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id bigint NOT NULL REFERENCES workflow_runs ON DELETE CASCADE,
  at timestamptz NOT NULL
);
CREATE INDEX workflow_wakes_next ON workflow_wakes (at, run_id);
CREATE INDEX workflow_wakes_run ON workflow_wakes (run_id, at);
"""


def upgrade() -> None:
    op.execute(UP)

"""Occurrences, runs, frozen targets, executions with their output, and work items."""

from alembic import op

revision = "0004"
down_revision = "0003"

UP = """
CREATE TABLE occurrences (
  id uuid PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES jobs,
  kind text NOT NULL CHECK (kind IN ('schedule', 'manual', 'rerun', 'backfill')),
  scheduled_for_at timestamptz NOT NULL,
  -- Empty for the schedule's own instants: one each, whoever writes it and however often.
  request_id text NOT NULL DEFAULT '',
  state text NOT NULL CHECK (state IN ('held', 'open', 'closed', 'skipped', 'missed')),
  reason text,
  outcome text CHECK (outcome IN ('success', 'warning', 'failed', 'cancelled', 'skipped')),
  is_late boolean NOT NULL DEFAULT false,
  -- A row of state `missed` stands for every instant from scheduled_for_at to range_end_at.
  range_end_at timestamptz,
  range_count integer NOT NULL DEFAULT 1,
  job_revision integer NOT NULL,
  allowed_site_ids bigint[],
  failure_threshold_percent integer NOT NULL DEFAULT 0,
  origin_occurrence_id uuid,
  started_by bigint REFERENCES operators,
  cancelled_by bigint REFERENCES operators,
  cancel_requested_at timestamptz,
  created_at timestamptz NOT NULL,
  opened_at timestamptz,
  closed_at timestamptz,
  UNIQUE (job_id, kind, scheduled_for_at, request_id),
  CHECK ((state = 'closed') = (outcome IS NOT NULL))
);
CREATE INDEX occurrences_of_job ON occurrences (job_id, scheduled_for_at DESC, created_at DESC, id DESC);
CREATE INDEX occurrences_open ON occurrences (job_id) WHERE state = 'open';
CREATE INDEX occurrences_time ON occurrences (scheduled_for_at DESC, created_at DESC, id DESC);

-- From when on a job's ledger is whole: its history before was cleared by a person.
CREATE TABLE ledger_starts (
  job_id bigint PRIMARY KEY REFERENCES jobs,
  from_at timestamptz NOT NULL
);

-- Counters by site, so that everyone sees the sums of their own sites only, and no list aggregates raw rows.
-- site_id 0 = devices without a site.
CREATE TABLE occurrence_counts (
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  site_id bigint NOT NULL,
  state text NOT NULL,
  number integer NOT NULL,
  PRIMARY KEY (occurrence_id, site_id, state)
) WITH (fillfactor = 70);

CREATE TABLE runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  job_id bigint NOT NULL REFERENCES jobs,
  kind text NOT NULL CHECK (kind IN ('script')),
  execution_context text NOT NULL CHECK (execution_context IN ('system')),
  -- Frozen: [{position, assembly_id, name, revision, content_sha256, variables}]; the content is the immutable revision.
  components jsonb NOT NULL,
  time_limit_seconds integer NOT NULL,
  -- One at a time of this job on a device: what comes later waits for its turn, the oldest first.
  is_exclusive boolean NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX runs_of_occurrence ON runs (occurrence_id);

CREATE TABLE run_targets (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  job_id bigint NOT NULL,
  device_id uuid NOT NULL REFERENCES devices,
  site_id bigint NOT NULL,          -- as frozen; 0 = none
  hostname text NOT NULL,           -- as frozen
  state text NOT NULL CHECK (state IN ('pending', 'waiting_online', 'connecting', 'dispatched', 'running', 'cancelling',
    'success', 'warning', 'failed', 'timed_out', 'expired', 'cancelled', 'skipped', 'lost')),
  reason text,
  detail text,
  wave integer NOT NULL DEFAULT 1,
  attempt integer NOT NULL DEFAULT 0,
  -- Fencing: grows at every hand-out; a write that names an older term changes nothing.
  term bigint NOT NULL DEFAULT 0,
  released_at timestamptz,
  -- The bound of the present state. NULL only in terminal states.
  deadline_at timestamptz,
  expires_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  exit_code integer,
  last_line text,
  late_result jsonb,
  cancel_requested_at timestamptz,
  UNIQUE (run_id, device_id),
  CHECK ((deadline_at IS NULL) = (state IN ('success', 'warning', 'failed', 'timed_out', 'expired', 'cancelled', 'skipped', 'lost')))
) WITH (fillfactor = 80);
CREATE INDEX run_targets_of_occurrence ON run_targets (occurrence_id, id);
CREATE INDEX run_targets_by_host ON run_targets (occurrence_id, lower(hostname), id);
CREATE INDEX run_targets_ready ON run_targets (device_id) WHERE state IN ('pending', 'waiting_online') AND released_at IS NOT NULL;
CREATE INDEX run_targets_active ON run_targets (device_id) WHERE state IN ('connecting', 'dispatched', 'running', 'cancelling');
CREATE INDEX run_targets_deadline ON run_targets (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX run_targets_unfinished ON run_targets (job_id, device_id) WHERE deadline_at IS NOT NULL;

-- One attempt to run one component on one target. The id is the delivery id that the agent knows it by.
CREATE TABLE executions (
  id uuid PRIMARY KEY,
  target_id bigint NOT NULL REFERENCES run_targets ON DELETE CASCADE,
  run_id bigint NOT NULL,
  device_id uuid NOT NULL,
  site_id bigint NOT NULL,
  component integer NOT NULL,
  attempt integer NOT NULL,
  term bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('dispatched', 'accepted', 'running', 'finished')),
  outcome text CHECK (outcome IN ('exited', 'timed_out', 'cancelled', 'refused', 'interrupted')),
  exit_code integer,
  signal integer,
  reason text,
  detail text,
  tree text CHECK (tree IN ('stopped', 'survived')),
  start_by_at timestamptz NOT NULL,
  dispatched_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  received_at timestamptz,
  -- While it runs: how far each stream is stored. Once finished: its true size on the device.
  stdout_bytes bigint NOT NULL DEFAULT 0,
  stderr_bytes bigint NOT NULL DEFAULT 0,
  stored_bytes bigint NOT NULL DEFAULT 0,
  truncated boolean NOT NULL DEFAULT false,
  cancel_answer text,
  UNIQUE (target_id, component, attempt),
  CHECK ((state = 'finished') = (outcome IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX executions_open ON executions (device_id) WHERE state <> 'finished';
CREATE INDEX executions_of_device ON executions (device_id, dispatched_at DESC, id);

CREATE TABLE output_chunks (
  execution_id uuid NOT NULL REFERENCES executions ON DELETE CASCADE,
  stream smallint NOT NULL CHECK (stream IN (1, 2)),   -- 1 stdout, 2 stderr
  at_offset bigint NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (execution_id, stream, at_offset)
);

CREATE TABLE work_items (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
  site_id bigint NOT NULL,
  lane text NOT NULL CHECK (lane IN ('scheduled_job', 'onboarding', 'maintenance')),
  state text NOT NULL CHECK (state IN ('queued', 'leased', 'done', 'failed', 'cancelled')),
  term bigint NOT NULL DEFAULT 0,
  attempt integer NOT NULL DEFAULT 0,
  leased_by uuid,
  leased_at timestamptz,
  error text,
  created_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE INDEX work_items_open ON work_items (site_id, lane, id) WHERE state IN ('queued', 'leased');
CREATE INDEX work_items_of_run ON work_items (run_id);
"""


def upgrade() -> None:
    op.execute(UP)

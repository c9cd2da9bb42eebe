"""What grows with every run is kept in weekly partitions, so that retention drops tables instead of deleting rows."""

from alembic import op

revision = "0006"
down_revision = "0005"

UP = """
-- What the retention duty remembers: one row.
CREATE TABLE retention (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  looked_at timestamptz,
  -- What age is counted by: it follows the Engine's clock, but not at once over any distance.
  clock_at timestamptz,
  -- No run gets the id of an earlier day, whatever the clock says: the partitions before are sealed.
  first_open_day integer NOT NULL DEFAULT 0,
  -- Runs with lower ids may have lost their rows below: the partitions are gone.
  dropped_below bigint NOT NULL DEFAULT 0
);
INSERT INTO retention DEFAULT VALUES;

-- A run's id says its day: days since 2026-01-01, times 2^27, plus a running number below 2^27. So the bounds of a week's
-- partition are known before the week comes, and whoever knows a run knows where its rows are.
ALTER TABLE runs ALTER COLUMN id DROP IDENTITY;
CREATE SEQUENCE run_ids OWNED BY runs.id;
SELECT setval('run_ids', coalesce(max(id), 1), max(id) IS NOT NULL) FROM runs;
CREATE FUNCTION new_run_id(at timestamptz) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT greatest(floor(extract(epoch FROM at - timestamptz '2026-01-01T00:00:00Z') / 86400)::bigint, first_open_day) * 134217728
    + nextval('run_ids') % 134217728
  FROM retention
$$;

ALTER TABLE run_targets RENAME TO run_targets_before;
ALTER SEQUENCE run_targets_id_seq RENAME TO run_targets_before_id_seq;
ALTER TABLE executions RENAME TO executions_before;
ALTER TABLE output_chunks RENAME TO output_chunks_before;

CREATE TABLE run_targets (
  id bigint GENERATED ALWAYS AS IDENTITY,
  run_id bigint NOT NULL,
  occurrence_id uuid NOT NULL,
  job_id bigint NOT NULL,
  device_id uuid NOT NULL,
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
  -- Not before: zone of the device, splay, or a window that opens later. NULL = at once.
  starts_at timestamptz,
  -- What still runs then is stopped: the window ends, or the limit of the whole run.
  stop_by_at timestamptz,
  CHECK ((deadline_at IS NULL) = (state IN ('success', 'warning', 'failed', 'timed_out', 'expired', 'cancelled', 'skipped', 'lost')))
) PARTITION BY RANGE (run_id);

-- One attempt to run one component on one target. The id is the delivery id that the agent knows it by.
CREATE TABLE executions (
  id uuid NOT NULL,
  target_id bigint NOT NULL,
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
  CHECK ((state = 'finished') = (outcome IS NOT NULL))
) PARTITION BY RANGE (run_id);

CREATE TABLE output_chunks (
  run_id bigint NOT NULL,
  execution_id uuid NOT NULL,
  stream smallint NOT NULL CHECK (stream IN (1, 2)),   -- 1 stdout, 2 stderr
  at_offset bigint NOT NULL,
  data bytea NOT NULL
) PARTITION BY RANGE (run_id);

-- For what no week has a partition for. It stays empty unless the duty that makes them was kept from it.
CREATE TABLE run_targets_rest PARTITION OF run_targets DEFAULT WITH (fillfactor = 80);
CREATE TABLE executions_rest PARTITION OF executions DEFAULT WITH (fillfactor = 80);
CREATE TABLE output_chunks_rest PARTITION OF output_chunks DEFAULT;

-- Everything that there is has ids of before, whatever its day: one partition, as old as its youngest row's week.
DO $$
DECLARE
  day bigint := (SELECT floor(extract(epoch FROM max(created_at) - timestamptz '2026-01-01T00:00:00Z') / 86400) FROM runs);
  bound bigint := (greatest(day, 0) / 7 + 1) * 7 * 134217728;
BEGIN
  IF day IS NOT NULL THEN
    EXECUTE format('CREATE TABLE run_targets_first PARTITION OF run_targets FOR VALUES FROM (0) TO (%s) WITH (fillfactor = 80)', bound);
    EXECUTE format('CREATE TABLE executions_first PARTITION OF executions FOR VALUES FROM (0) TO (%s) WITH (fillfactor = 80)', bound);
    EXECUTE format('CREATE TABLE output_chunks_first PARTITION OF output_chunks FOR VALUES FROM (0) TO (%s)', bound);
  END IF;
END $$;

INSERT INTO run_targets (id, run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, detail, wave, attempt, term,
  released_at, deadline_at, expires_at, started_at, finished_at, exit_code, last_line, late_result, cancel_requested_at, starts_at, stop_by_at)
OVERRIDING SYSTEM VALUE
SELECT id, run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, detail, wave, attempt, term,
  released_at, deadline_at, expires_at, started_at, finished_at, exit_code, last_line, late_result, cancel_requested_at, starts_at, stop_by_at
FROM run_targets_before;
SELECT setval('run_targets_id_seq', last_value, is_called) FROM run_targets_before_id_seq;

INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, exit_code, signal, reason,
  detail, tree, start_by_at, dispatched_at, started_at, finished_at, received_at, stdout_bytes, stderr_bytes, stored_bytes, truncated,
  cancel_answer)
SELECT id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, exit_code, signal, reason,
  detail, tree, start_by_at, dispatched_at, started_at, finished_at, received_at, stdout_bytes, stderr_bytes, stored_bytes, truncated,
  cancel_answer
FROM executions_before;

INSERT INTO output_chunks (run_id, execution_id, stream, at_offset, data)
SELECT e.run_id, c.execution_id, c.stream, c.at_offset, c.data FROM output_chunks_before c JOIN executions_before e ON e.id = c.execution_id;

DROP TABLE output_chunks_before, executions_before, run_targets_before;

-- The run, which every key of a partitioned table has to hold, comes after the ids that devices and people name alone: such a row
-- is found with a look into each partition.
ALTER TABLE run_targets
  ADD PRIMARY KEY (id, run_id),
  ADD UNIQUE (run_id, device_id),
  ADD FOREIGN KEY (run_id) REFERENCES runs ON DELETE CASCADE,
  ADD FOREIGN KEY (device_id) REFERENCES devices;
CREATE INDEX run_targets_of_occurrence ON run_targets (occurrence_id, id);
CREATE INDEX run_targets_by_host ON run_targets (occurrence_id, lower(hostname), id);
CREATE INDEX run_targets_ready ON run_targets (device_id) WHERE state IN ('pending', 'waiting_online') AND released_at IS NOT NULL;
CREATE INDEX run_targets_active ON run_targets (device_id) WHERE state IN ('connecting', 'dispatched', 'running', 'cancelling');
CREATE INDEX run_targets_deadline ON run_targets (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX run_targets_unfinished ON run_targets (job_id, device_id) WHERE deadline_at IS NOT NULL;
CREATE INDEX run_targets_starts ON run_targets (starts_at) WHERE starts_at IS NOT NULL AND state IN ('pending', 'waiting_online');
CREATE INDEX run_targets_stop_by ON run_targets (stop_by_at) WHERE stop_by_at IS NOT NULL AND deadline_at IS NOT NULL;

ALTER TABLE executions
  ADD PRIMARY KEY (id, run_id),
  ADD UNIQUE (run_id, target_id, component, attempt),
  ADD FOREIGN KEY (run_id) REFERENCES runs ON DELETE CASCADE;
CREATE INDEX executions_open ON executions (device_id) WHERE state <> 'finished';
CREATE INDEX executions_of_device ON executions (device_id, dispatched_at DESC, id);

ALTER TABLE output_chunks
  ADD PRIMARY KEY (run_id, execution_id, stream, at_offset),
  ADD FOREIGN KEY (run_id) REFERENCES runs ON DELETE CASCADE;
"""


def upgrade() -> None:
    op.execute(UP)

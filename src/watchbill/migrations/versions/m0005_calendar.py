"""What the whole calendar needs: zones of devices, held occurrences, waves, starts, windows, outages and the storm guard."""

from alembic import op

revision = "0005"
down_revision = "0004"

UP = """
-- The IANA zone that the device says it is in; NULL = it did not say, its site's counts.
ALTER TABLE devices ADD COLUMN timezone text;
CREATE INDEX devices_timezone ON devices (timezone) WHERE timezone IS NOT NULL;

-- Whose clocks the schedule is read on: one zone's, or those of each target's site or device.
ALTER TABLE jobs ADD COLUMN zone_source text NOT NULL DEFAULT 'fixed' CHECK (zone_source IN ('fixed', 'site', 'device'));
CREATE INDEX jobs_following ON jobs (id) WHERE zone_source <> 'fixed' AND next_due_at IS NOT NULL;

ALTER TABLE occurrences
  -- A sentence about the reason: which window holds it, who skipped it.
  ADD COLUMN detail text,
  -- Held until then and opened by itself; NULL = waits for a person.
  ADD COLUMN held_until_at timestamptz,
  -- The range of a missed row has at least `range_count` instants: counting stopped there.
  ADD COLUMN is_range_capped boolean NOT NULL DEFAULT false,
  -- The wall clock of a job that follows the zones of its targets.
  ADD COLUMN local_time timestamp,
  -- Why a person started it, or let it run, although a window is closed.
  ADD COLUMN start_reason text,
  ADD COLUMN ignores_windows boolean NOT NULL DEFAULT false;
CREATE INDEX occurrences_held ON occurrences (held_until_at, id) WHERE state = 'held';
CREATE INDEX occurrences_not_run ON occurrences (scheduled_for_at DESC, created_at DESC, id DESC) WHERE state IN ('held', 'skipped', 'missed');

-- Counters by wave too: progress per wave, and still no list that aggregates raw rows.
ALTER TABLE occurrence_counts ADD COLUMN wave integer NOT NULL DEFAULT 1;
ALTER TABLE occurrence_counts DROP CONSTRAINT occurrence_counts_pkey;
ALTER TABLE occurrence_counts ADD PRIMARY KEY (occurrence_id, site_id, wave, state);
CREATE TABLE occurrence_waves (
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  wave integer NOT NULL,
  timezone text,
  starts_at timestamptz NOT NULL,
  PRIMARY KEY (occurrence_id, wave)
);

-- What of the same job may run beside it: anything, nothing on the same device, nothing at all.
ALTER TABLE runs ADD COLUMN exclusivity text NOT NULL DEFAULT 'device' CHECK (exclusivity IN ('none', 'device', 'job'));
UPDATE runs SET exclusivity = 'none' WHERE NOT is_exclusive;
ALTER TABLE runs DROP COLUMN is_exclusive;
CREATE INDEX runs_one_at_a_time ON runs (job_id) WHERE exclusivity = 'job';

ALTER TABLE run_targets
  -- Not before: zone of the device, splay, or a window that opens later. NULL = at once.
  ADD COLUMN starts_at timestamptz,
  -- What still runs then is stopped: the window ends, or the limit of the whole run.
  ADD COLUMN stop_by_at timestamptz;
CREATE INDEX run_targets_starts ON run_targets (starts_at) WHERE starts_at IS NOT NULL AND state IN ('pending', 'waiting_online');
CREATE INDEX run_targets_stop_by ON run_targets (stop_by_at) WHERE stop_by_at IS NOT NULL AND deadline_at IS NOT NULL;

-- Maintenance windows (allow) and blackouts (deny).
CREATE TABLE windows (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  kind text NOT NULL CHECK (kind IN ('allow', 'deny')),
  -- [{name, schedule, duration_seconds | duration_days}]; the schedule is an object as in jobs.
  spans jsonb NOT NULL,
  -- Whose clocks the spans are read on: their own zone's, or those of each device's site.
  zone_source text NOT NULL DEFAULT 'fixed' CHECK (zone_source IN ('fixed', 'site')),
  when_closed text NOT NULL CHECK (when_closed IN ('skip', 'defer')),
  cutoff_seconds integer NOT NULL DEFAULT 0 CHECK (cutoff_seconds >= 0),
  stop_at_end boolean NOT NULL DEFAULT false,
  enabled boolean NOT NULL DEFAULT true,
  revision integer NOT NULL,
  allowed_site_ids bigint[],
  created_by bigint REFERENCES operators,
  updated_by bigint REFERENCES operators,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz
);
CREATE UNIQUE INDEX windows_name ON windows (lower(name)) WHERE deleted_at IS NULL;
CREATE TABLE window_attachments (
  window_id bigint NOT NULL REFERENCES windows ON DELETE CASCADE,
  position integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('global', 'site', 'device', 'job')),
  site_id bigint REFERENCES sites,
  device_id uuid REFERENCES devices,
  job_id bigint REFERENCES jobs,
  PRIMARY KEY (window_id, position),
  CHECK ((kind = 'site') = (site_id IS NOT NULL) AND (kind = 'device') = (device_id IS NOT NULL) AND (kind = 'job') = (job_id IS NOT NULL))
);
CREATE INDEX window_attachments_site ON window_attachments (site_id) WHERE site_id IS NOT NULL;
CREATE INDEX window_attachments_device ON window_attachments (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX window_attachments_job ON window_attachments (job_id) WHERE job_id IS NOT NULL;

-- One row: when any scheduler looked last, and what the storm guard is set to.
CREATE TABLE scheduler_pulse (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  ticked_at timestamptz,
  zones_in_use text[] NOT NULL DEFAULT '{}',
  guard_enabled boolean NOT NULL DEFAULT true,
  -- An outage counts from this length on, and the guard goes up when at least this many jobs are owed late runs.
  guard_after_seconds integer NOT NULL DEFAULT 600,
  guard_least_jobs integer NOT NULL DEFAULT 20,
  -- How many held occurrences are let go by themselves each minute; NULL = none, a person decides.
  guard_trickle_per_minute integer
);
INSERT INTO scheduler_pulse DEFAULT VALUES;
-- What went wrong with time itself. `guard`: what was late at `to_at` is held until the guard is released.
CREATE TABLE outages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('outage', 'clock_jump', 'clock_regressed', 'clock_skew')),
  from_at timestamptz NOT NULL,
  to_at timestamptz NOT NULL,
  noticed_at timestamptz NOT NULL,
  detail text NOT NULL DEFAULT '',
  guard text NOT NULL DEFAULT 'down' CHECK (guard IN ('down', 'up', 'released')),
  released_by bigint REFERENCES operators,
  released_at timestamptz
);
CREATE INDEX outages_time ON outages (to_at DESC, id DESC);
CREATE UNIQUE INDEX outages_guard ON outages (guard) WHERE guard = 'up';
"""


def upgrade() -> None:
    op.execute(UP)

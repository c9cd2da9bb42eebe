"""What lists of jobs need: tags, when a job ran last, indexes for their filters and orders, and views that people save."""

from alembic import op

revision = "0013"
down_revision = "0012"

UP = """
ALTER TABLE jobs
  -- As in the definition; here for the list.
  ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
  -- When it opened its newest occurrence; NULL = never.
  ADD COLUMN last_run_at timestamptz;
UPDATE jobs j SET last_run_at = (SELECT max(o.opened_at) FROM occurrences o WHERE o.job_id = j.id);
CREATE INDEX jobs_tags ON jobs USING gin (tags) WHERE deleted_at IS NULL;
-- Never = minus infinity: one row comparison pages through the list in both directions.
CREATE INDEX jobs_last_run ON jobs (coalesce(last_run_at, '-infinity'::timestamptz), id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_state ON jobs (state, id) WHERE deleted_at IS NULL;
CREATE INDEX occurrences_missed ON occurrences (job_id, (coalesce(range_end_at, scheduled_for_at))) WHERE state = 'missed';
CREATE INDEX occurrences_guarded ON occurrences (job_id) WHERE state = 'held' AND reason = 'storm_guard';

CREATE TABLE views (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner_id bigint NOT NULL REFERENCES operators,
  screen text NOT NULL,
  name text NOT NULL,
  -- The parameters of the screen's list, as its query names them.
  query jsonb NOT NULL,
  -- The columns in order; NULL = those that the screen shows by itself.
  columns text[],
  is_shared boolean NOT NULL,
  revision integer NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX views_name ON views (owner_id, screen, lower(name));
CREATE INDEX views_shared ON views (screen) WHERE is_shared;
"""


def upgrade() -> None:
    op.execute(UP)

"""Several components on each device, in order: what comes next on a target, its retries, what a check found, and executions left out."""

from alembic import op

revision = "0017"
down_revision = "0016"

UP = """
-- `check`: its exit code says whether what follows is needed on this device.
ALTER TABLE job_components
  ADD COLUMN role text NOT NULL DEFAULT 'run' CHECK (role IN ('run', 'check')),
  ADD COLUMN not_compliant_exit_codes integer[] NOT NULL DEFAULT '{}';

-- Retries and what a failure means for the components after it. NULL: no retries, and the rest is left out.
ALTER TABLE jobs ADD COLUMN step_rules jsonb;
ALTER TABLE runs ADD COLUMN step_rules jsonb;

ALTER TABLE run_targets
  -- With which component the next hand-out begins.
  ADD COLUMN next_component integer NOT NULL DEFAULT 0,
  ADD COLUMN retried integer NOT NULL DEFAULT 0,
  -- While it waits for another try: what the last one has come to, should there be no other.
  ADD COLUMN retry_of text CHECK (retry_of IN ('fail', 'time_out', 'warn')),
  ADD COLUMN verdict text CHECK (verdict IN ('compliant', 'fixed', 'still_wrong'));

-- Their names are what was free when the table was made.
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = CAST('executions' AS regclass)
    AND (contype = 'u' OR (contype = 'c' AND pg_get_constraintdef(oid) LIKE '%interrupted%'))
  LOOP
    EXECUTE format('ALTER TABLE executions DROP CONSTRAINT %I', name);
  END LOOP;
END $$;
-- `skipped`: never handed out; the reason says why.
ALTER TABLE executions ADD CONSTRAINT executions_outcome_check
  CHECK (outcome IN ('exited', 'timed_out', 'cancelled', 'refused', 'interrupted', 'skipped'));
ALTER TABLE executions
  -- A check that looks again after its fix.
  ADD COLUMN is_recheck boolean NOT NULL DEFAULT false,
  -- What is left of the run's limit on this device. NULL = all of it.
  ADD COLUMN time_limit_seconds integer,
  ADD COLUMN last_line text,
  ADD UNIQUE (run_id, target_id, component, attempt, is_recheck);

-- What checks found, so that nobody has to go through all rows for it.
CREATE TABLE occurrence_verdicts (
  occurrence_id uuid NOT NULL REFERENCES occurrences ON DELETE CASCADE,
  site_id bigint NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('compliant', 'fixed', 'still_wrong')),
  number integer NOT NULL,
  PRIMARY KEY (occurrence_id, site_id, verdict)
);
"""


def upgrade() -> None:
    # As the driver gets it: a percent sign stands for itself.
    op.execute(UP)

"""Waves of devices with a brake, and limits of how many run at once: their state lives with the occurrence."""

from alembic import op

revision = "0020"
down_revision = "0019"

UP = """
CREATE TABLE rollouts (
  occurrence_id uuid PRIMARY KEY REFERENCES occurrences ON DELETE CASCADE,
  run_id bigint NOT NULL,
  job_id bigint NOT NULL,
  plan jsonb,
  concurrency integer CHECK (concurrency > 0),
  site_concurrency integer CHECK (site_concurrency > 0),
  phase text NOT NULL CHECK (phase IN ('running', 'soaking', 'awaiting_promotion', 'braked', 'ended')),
  wave integer NOT NULL,
  waves integer NOT NULL,
  soak_until_at timestamptz,
  look_at timestamptz,
  braked_at timestamptz,
  braked_by bigint REFERENCES operators,
  brake_detail text,
  cancels_running boolean NOT NULL DEFAULT false,
  CHECK ((phase = 'soaking') = (soak_until_at IS NOT NULL))
);
CREATE INDEX rollouts_of_run ON rollouts (run_id);
CREATE INDEX rollouts_look ON rollouts (look_at) WHERE look_at IS NOT NULL;

-- A wave of devices has begun when somebody or something has let it begin.
ALTER TABLE occurrence_waves
  ALTER COLUMN starts_at DROP NOT NULL,
  ADD COLUMN size integer,
  ADD COLUMN ended_at timestamptz,
  ADD COLUMN promoted_by bigint REFERENCES operators;

ALTER TABLE run_targets ADD COLUMN is_paced boolean NOT NULL DEFAULT false;
-- Who takes a place, and who waits for one. Only rows of such runs are in here.
CREATE INDEX run_targets_let_go ON run_targets (run_id, site_id) WHERE is_paced AND released_at IS NOT NULL AND deadline_at IS NOT NULL;
CREATE INDEX run_targets_kept_back ON run_targets (run_id, site_id, wave) WHERE is_paced AND released_at IS NULL AND deadline_at IS NOT NULL;
CREATE INDEX run_targets_kept_back_of_device ON run_targets (device_id) WHERE is_paced AND released_at IS NULL AND deadline_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UP)

"""Canaries of a job that are named, or that a filter finds; mail servers of channels."""

from alembic import op

revision = "0029"
down_revision = "0026"

UP = """
CREATE TABLE job_canaries (
  job_id bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
  position integer NOT NULL,
  device_id uuid REFERENCES devices,
  filter_id bigint REFERENCES device_filters,
  PRIMARY KEY (job_id, position),
  CHECK ((device_id IS NULL) <> (filter_id IS NULL))
);
CREATE INDEX job_canaries_filter ON job_canaries (filter_id) WHERE filter_id IS NOT NULL;
CREATE INDEX job_canaries_device ON job_canaries (device_id) WHERE device_id IS NOT NULL;

-- The mail server of an e-mail channel, all but its password, which is sealed; NULL = the Engine's own.
ALTER TABLE notification_channels ADD COLUMN smtp jsonb CHECK (smtp IS NULL OR kind = 'email');
"""


def upgrade() -> None:
    op.execute(UP)

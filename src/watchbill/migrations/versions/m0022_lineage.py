"""Whom a rerun repeats, row by row."""

from alembic import op

revision = "0022"
down_revision = "0021"

UP = """
-- The row of an earlier occurrence that this one repeats on the same device; NULL = none.
ALTER TABLE run_targets ADD COLUMN origin_target_id bigint;
CREATE INDEX run_targets_reruns ON run_targets (origin_target_id) WHERE origin_target_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(UP)

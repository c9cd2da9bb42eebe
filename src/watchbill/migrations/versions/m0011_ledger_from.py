"""From when on what a job's present schedule and zone rules name can be held against its ledger."""

from alembic import op

revision = "0011"
down_revision = "0008"

UP = """
-- Until then the ledger was written by other zone rules, or by a clock that was ahead, maybe by another schedule; NULL = since the last save.
ALTER TABLE jobs ADD COLUMN ledger_from_at timestamptz;
"""


def upgrade() -> None:
    op.execute(UP)

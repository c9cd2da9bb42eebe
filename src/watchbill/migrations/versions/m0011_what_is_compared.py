"""From when on what a job names now can be held against its ledger; and for which windows a held occurrence was judged."""

from alembic import op

revision = "0011"
down_revision = "0010"

UP = """
-- Until then the ledger was written by other zone rules, or by a clock that was ahead, maybe by another schedule; NULL = since the last save.
ALTER TABLE jobs ADD COLUMN ledger_from_at timestamptz;

-- For which state of all windows it was judged last; 0 = not since it is held.
ALTER TABLE occurrences ADD COLUMN windows_seen bigint NOT NULL DEFAULT 0;
CREATE INDEX occurrences_by_windows ON occurrences (windows_seen, id) WHERE state = 'held' AND reason = 'held_by_window';
"""


def upgrade() -> None:
    op.execute(UP)

"""What handing out needs to know of a target: whether somebody waits behind it, and why it is to be stopped."""

from alembic import op

revision = "0007"
down_revision = "0006"

UP = """
ALTER TABLE run_targets
  -- Work of the same job was found to wait until this row is out of its way: whoever ends it rings for them.
  ADD COLUMN is_awaited boolean NOT NULL DEFAULT false,
  -- Why it is stopped: what set stop_by_at, or asked for the stop (NULL there = the limit of the whole run, an operator).
  ADD COLUMN stop_reason text;
"""


def upgrade() -> None:
    op.execute(UP)

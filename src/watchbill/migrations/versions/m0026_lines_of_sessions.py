"""What each session of a target has come to, where several components or tries run in each of them."""

from alembic import op

revision = "0026"
down_revision = "0025"

UP = """
-- By session: how its components ended in its latest try, and with which component another try of it begins. NULL: none has ended.
ALTER TABLE run_targets ADD COLUMN session_ends jsonb;
"""


def upgrade() -> None:
    op.execute(UP)

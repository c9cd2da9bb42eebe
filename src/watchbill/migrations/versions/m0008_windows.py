"""Names of windows are told apart among those that their writer sees, not among all: a refused name would tell of the others."""

from alembic import op

revision = "0008"
down_revision = "0007"

UP = """
DROP INDEX windows_name;
CREATE INDEX windows_name ON windows (lower(name)) WHERE deleted_at IS NULL;
"""


def upgrade() -> None:
    op.execute(UP)

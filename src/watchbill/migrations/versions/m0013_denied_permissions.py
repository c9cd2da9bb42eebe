"""A permission of a role can be taken from one operator."""

from alembic import op

revision = "0013"
down_revision = "0012"

UP = """
-- Of the permissions of the role those that this account does not have.
ALTER TABLE operators ADD COLUMN denied_permissions text[] NOT NULL DEFAULT '{}';
"""


def upgrade() -> None:
    op.execute(UP)

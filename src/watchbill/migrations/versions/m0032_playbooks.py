"""The catalogue holds playbooks beside scripts."""

from alembic import op

revision = "0032"
down_revision = "0031"

UP = """
ALTER TABLE assemblies DROP CONSTRAINT assemblies_kind_check;
ALTER TABLE assemblies ADD CONSTRAINT assemblies_kind_check CHECK (kind IN ('script', 'playbook'));
"""


def upgrade() -> None:
    op.execute(UP)

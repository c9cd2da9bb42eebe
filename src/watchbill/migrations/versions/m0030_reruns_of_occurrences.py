"""The occurrences that repeat another are found by it, so that a list of devices asks no partition that holds none of them."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX occurrences_reruns ON occurrences (origin_occurrence_id) WHERE origin_occurrence_id IS NOT NULL"
    )

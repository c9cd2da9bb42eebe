"""Messages that nodes of workflows send: notifications without a rule, each once by its key."""

from alembic import op

revision = "0040"
down_revision = "0039"

UP = """
-- A message is no rule's: its event says so. `site_ids`: what its workflow may reach, and so what its words may be about; NULL = every site.
ALTER TABLE notifications ALTER COLUMN rule_id DROP NOT NULL,
  ADD COLUMN site_ids bigint[],
  ADD CONSTRAINT notifications_of_rules CHECK ((rule_id IS NULL) = (event = 'message'));
CREATE UNIQUE INDEX notifications_messages ON notifications (key) WHERE event = 'message';
"""


def upgrade() -> None:
    op.execute(UP)

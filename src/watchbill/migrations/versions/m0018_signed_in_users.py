"""Who is signed in on devices, and executions in their sessions."""

from alembic import op

revision = "0018"
down_revision = "0017"

UP = """
-- As the device told it last. What it told before it went offline stays to be seen; nothing is handed out by it.
CREATE TABLE device_sessions (
  device_id uuid NOT NULL REFERENCES devices ON DELETE CASCADE,
  session_id text COLLATE "C" NOT NULL,
  user_name text NOT NULL,
  place text,
  is_remote boolean NOT NULL,
  since_at timestamptz,
  PRIMARY KEY (device_id, session_id)
);
ALTER TABLE device_presence ADD COLUMN tells_sessions boolean NOT NULL DEFAULT false;

ALTER TABLE runs
  ADD COLUMN no_user_session text NOT NULL DEFAULT 'skip' CHECK (no_user_session IN ('skip', 'wait')),
  DROP CONSTRAINT runs_execution_context_check,
  ADD CONSTRAINT runs_execution_context_check CHECK (execution_context IN ('system', 'current_user'));

-- As handed out: whose session it is for. One attempt on one device has as many executions as there were sessions.
ALTER TABLE executions ADD COLUMN session_id text, ADD COLUMN session_user_name text;
"""

# The name of the key is the one that PostgreSQL gave it, and each partition has its own.
KEY = """
DO $$
DECLARE
  old text := (SELECT conname FROM pg_constraint WHERE conrelid = 'executions'::regclass AND contype = 'u');
BEGIN
  EXECUTE format('ALTER TABLE executions DROP CONSTRAINT %I', old);
END $$;
ALTER TABLE executions ADD UNIQUE NULLS NOT DISTINCT (run_id, target_id, component, is_recheck, attempt, session_id);
"""


def upgrade() -> None:
    op.execute(UP)
    op.execute(KEY)

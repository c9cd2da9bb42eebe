"""Playbooks: run by the work item of a site, which each of their executions names, with a recap."""

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE runs ADD COLUMN forks integer, ADD COLUMN interrupted text NOT NULL DEFAULT 'lost',"
        " ADD COLUMN credential_id bigint, ADD COLUMN use_service_account boolean NOT NULL DEFAULT false"
    )
    op.execute("ALTER TABLE executions ADD COLUMN item_id bigint, ADD COLUMN recap jsonb")
    op.execute(
        "CREATE INDEX executions_of_items ON executions (item_id) WHERE item_id IS NOT NULL AND state <> 'finished'"
    )
    op.execute("""
        ALTER TABLE runs DROP CONSTRAINT runs_kind_check, DROP CONSTRAINT runs_execution_context_check,
          ADD CONSTRAINT runs_kind_check CHECK (kind IN ('script', 'playbook')),
          ADD CONSTRAINT runs_execution_context_check CHECK (
            execution_context IN ('system', 'current_user', 'ssh', 'ssh_individual', 'winrm', 'winrm_individual'))
    """)
    op.execute("""
        CREATE TABLE device_host_keys (
          device_id uuid PRIMARY KEY REFERENCES devices ON DELETE CASCADE, key text NOT NULL, pinned_at timestamptz NOT NULL)
    """)
    op.execute("""
        ALTER TABLE work_items DROP CONSTRAINT work_items_lane_check,
          ADD CONSTRAINT work_items_lane_check CHECK (lane IN ('scheduled_job', 'playbooks', 'onboarding', 'maintenance'))
    """)

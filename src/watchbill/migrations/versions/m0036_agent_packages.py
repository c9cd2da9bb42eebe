"""Packages of the agent, by branch and platform: their signed manifests, and their contents once each."""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE agent_packages (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          branch text NOT NULL,
          platform text NOT NULL CHECK (platform IN ('linux', 'windows')),
          arch text NOT NULL CHECK (arch IN ('x86_64', 'aarch64')),
          version text NOT NULL,
          version_key text NOT NULL COLLATE "C",
          size bigint NOT NULL CHECK (size > 0),
          sha256 text NOT NULL,
          manifest bytea NOT NULL,
          signature bytea NOT NULL,
          key_id text NOT NULL REFERENCES engine_keys,
          glibc text,
          built_at timestamptz NOT NULL,
          published_at timestamptz NOT NULL,
          published_by text NOT NULL,
          withdrawn_at timestamptz,
          withdrawn_by text,
          CONSTRAINT agent_packages_once UNIQUE (branch, platform, arch, version))
    """)
    op.execute("CREATE INDEX agent_packages_contents ON agent_packages (sha256)")
    op.execute("""
        CREATE TABLE agent_package_chunks (
          sha256 text NOT NULL, position integer NOT NULL, data bytea NOT NULL, PRIMARY KEY (sha256, position))
    """)
    # It is compressed already.
    op.execute("ALTER TABLE agent_package_chunks ALTER COLUMN data SET STORAGE EXTERNAL")

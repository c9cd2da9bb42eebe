"""The tables of the agent's packages, as migrated."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, Table, Text

from watchbill.kit.db import metadata

agent_packages = Table(
    "agent_packages",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("branch", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("arch", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("version_key", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("glibc", Text),
    Column("built_at", DateTime(timezone=True), nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("published_by", Text, nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("withdrawn_by", Text),
)

agent_package_chunks = Table(
    "agent_package_chunks",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

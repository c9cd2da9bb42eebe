"""The tables of devices and their presence, as migrated. Other features may join them, never write them."""

from sqlalchemy import BigInteger, Column, Computed, DateTime, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from watchbill.kit.db import metadata

devices = Table(
    "devices",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("site_id", BigInteger),
    Column("hostname", Text, nullable=False),
    Column("description", Text, nullable=False),
    # What a search looks into. Written by the database.
    Column("search", Text, Computed(r"lower(hostname || E'\n' || description)", persisted=True)),
    Column("status", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("os_family", Text, nullable=False),
    Column("os_name", Text, nullable=False),
    Column("os_version", Text, nullable=False),
    Column("arch", Text, nullable=False),
    Column("agent_version", Text, nullable=False),
    Column("interpreters", ARRAY(Text)),
    Column("inventory", JSONB, nullable=False),
    Column("inventory_digest", Text),
    Column("inventory_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("timezone", Text),
)

device_presence = Table(
    "device_presence",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("gateway_id", UUID(as_uuid=True)),
    Column("connection_id", UUID(as_uuid=True)),
    Column("connected_at", DateTime(timezone=True)),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
)

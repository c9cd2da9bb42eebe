"""The tables of devices, of what is known of them and their presence, as migrated. Other features may join them, never write them."""

from sqlalchemy import BigInteger, Boolean, Column, Computed, Date, DateTime, Double, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB, UUID

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
    Column("device_type", Text),
    Column("agent_branch", Text),
    Column("domain", Text),
    Column("last_user", Text),
    Column("internal_addresses", ARRAY(INET)),
    Column("external_address", INET),
    Column("cpu_count", Integer),
    Column("ram_bytes", BigInteger),
    Column("disk_free_bytes", BigInteger),
    Column("os_version_key", Text(collation="C")),
    Column("agent_version_key", Text(collation="C")),
    Column("software_digest", Text),
    Column("inventory_revision", BigInteger, nullable=False),
    Column("sealing_key", LargeBinary),
)

device_software = Table(
    "device_software",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text(collation="C"), primary_key=True),
    Column("name_key", Text(collation="C"), nullable=False),
    Column("version", Text(collation="C"), primary_key=True),
    Column("version_key", Text(collation="C"), nullable=False),
    Column("source", Text(collation="C"), primary_key=True),
)

device_tags = Table(
    "device_tags",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("tag", Text(collation="C"), primary_key=True),
)

custom_fields = Table(
    "custom_fields",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text(collation="C"), nullable=False),
    Column("label", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("settable_by_scripts", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

device_custom_values = Table(
    "device_custom_values",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("field_id", BigInteger, primary_key=True),
    Column("text_value", Text),
    Column("number_value", Double),
    Column("boolean_value", Boolean),
    Column("date_value", Date),
    Column("set_by", Text, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False),
)

device_presence = Table(
    "device_presence",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("gateway_id", UUID(as_uuid=True)),
    Column("connection_id", UUID(as_uuid=True)),
    Column("connected_at", DateTime(timezone=True)),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column("tells_sessions", Boolean, nullable=False),
)

device_sessions = Table(
    "device_sessions",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("session_id", Text(collation="C"), primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("place", Text),
    Column("is_remote", Boolean, nullable=False),
    Column("since_at", DateTime(timezone=True)),
)

device_host_keys = Table(
    "device_host_keys",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    # Type and key, as the public key file of an SSH server has it.
    Column("key", Text, nullable=False),
    Column("pinned_at", DateTime(timezone=True), nullable=False),
)

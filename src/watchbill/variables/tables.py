"""The table of values, as migrated."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, Sequence, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from watchbill.kit.db import metadata

variable_ids = Sequence("variable_ids", metadata=metadata)

variable_values = Table(
    "variable_values",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("variable_id", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("site_id", BigInteger),
    Column("device_id", UUID(as_uuid=True)),
    Column("name", Text(collation="C"), nullable=False),
    Column("description", Text, nullable=False),
    Column("is_secret", Boolean, nullable=False),
    Column("value", JSONB(none_as_null=True)),
    Column("sealed", Text),
    Column("set_by", BigInteger),
    Column("set_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)

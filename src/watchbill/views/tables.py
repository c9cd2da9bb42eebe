"""The table of saved views, as migrated."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

views = Table(
    "views",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("owner_id", BigInteger, nullable=False),
    Column("screen", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", JSONB, nullable=False),
    Column("columns", ARRAY(Text)),
    Column("is_shared", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

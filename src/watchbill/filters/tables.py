"""Tables of device filters, as migrated. Other features may join them, never write them."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

device_filters = Table(
    "device_filters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("criteria", JSONB, nullable=False),
    Column("site_mode", Text, nullable=False),
    Column("site_ids", ARRAY(BigInteger), nullable=False),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("condition", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("compiler", Integer, nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    Column("deleted_at", DateTime(timezone=True)),
    Column("created_by", BigInteger),
    Column("updated_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

device_filter_revisions = Table(
    "device_filter_revisions",
    metadata,
    Column("filter_id", BigInteger, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("definition", JSONB, nullable=False),
    Column("changed_by", BigInteger),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

"""Tables of windows, as migrated: the window, and what it belongs to."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

windows = Table(
    "windows",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("spans", JSONB, nullable=False),
    Column("zone_source", Text, nullable=False),
    Column("when_closed", Text, nullable=False),
    Column("cutoff_seconds", Integer, nullable=False),
    Column("stop_at_end", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("created_by", BigInteger),
    Column("updated_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True)),
)

window_attachments = Table(
    "window_attachments",
    metadata,
    Column("window_id", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("site_id", BigInteger),
    Column("device_id", Uuid),
    Column("job_id", BigInteger),
    Column("filter_id", BigInteger),
)

"""The work items table."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, Table, Text, Uuid

from watchbill.kit.db import metadata

work_items = Table(
    "work_items",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    Column("site_id", BigInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("leased_by", Uuid),
    Column("leased_at", DateTime(timezone=True)),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
)

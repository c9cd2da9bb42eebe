"""The table of sites, as migrated. Other features may join it, never write it."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, LargeBinary, Table, Text

from watchbill.kit.db import metadata

sites = Table(
    "sites",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("enrolment_code_sealed", Text, nullable=False),
    Column("enrolment_code_hash", LargeBinary, nullable=False),
    Column("enrolment_code_rotated_at", DateTime(timezone=True), nullable=False),
    Column("auto_approve_until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

"""The table of credentials, as migrated."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

credentials = Table(
    "credentials",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("site_id", BigInteger),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("domain", Text),
    Column("port", Integer),
    Column("transport", Text),
    Column("tls", Boolean),
    Column("validate_certificates", Boolean),
    Column("certificate", Text),
    Column("certificate_fingerprint", Text),
    Column("certificate_expires_at", DateTime(timezone=True)),
    Column("become_method", Text),
    Column("become_user", Text),
    Column("key_type", Text),
    Column("key_bits", Integer),
    Column("key_fingerprint", Text),
    Column("sealed", JSONB, nullable=False),
    Column("lost", ARRAY(Text), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_by", BigInteger),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

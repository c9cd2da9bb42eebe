"""Tables of the catalogue: assemblies, their immutable revisions and the files of these, as migrated."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from watchbill.kit.db import metadata

assemblies = Table(
    "assemblies",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_by", BigInteger),
    Column("updated_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True)),
)

assembly_revisions = Table(
    "assembly_revisions",
    metadata,
    Column("assembly_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("content", JSONB, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("created_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

file_contents = Table(
    "file_contents",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("sha256", Text(collation="C")),
    Column("size", BigInteger, nullable=False),
    Column("created_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("unused_since", DateTime(timezone=True)),
)

file_pieces = Table(
    "file_pieces",
    metadata,
    Column("content_id", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

assembly_revision_files = Table(
    "assembly_revision_files",
    metadata,
    Column("assembly_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("sha256", Text(collation="C"), primary_key=True),
)

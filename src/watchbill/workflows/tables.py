"""Tables of webhooks and of what came through them, as migrated."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("mode", Text, nullable=False),
    Column("rate_per_minute", Integer, nullable=False),
    Column("secret_hash", LargeBinary),
    Column("secret_sealed", Text),
    Column("secret_set_at", DateTime(timezone=True), nullable=False),
    Column("previous_hash", LargeBinary),
    Column("previous_sealed", Text),
    Column("previous_until", DateTime(timezone=True)),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("scope_of", BigInteger),
    Column("revision", Integer, nullable=False),
    Column("created_by", BigInteger),
    Column("updated_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

webhook_signatures = Table(
    "webhook_signatures",
    metadata,
    Column("webhook_id", BigInteger, primary_key=True),
    Column("signature", LargeBinary, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

webhook_keys = Table(
    "webhook_keys",
    metadata,
    Column("webhook_id", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("webhook_id", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("source_address", Text),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("problems", JSONB, nullable=False),
    Column("run_id", BigInteger),
    Column("body", Text, nullable=False),
    Column("body_bytes", Integer, nullable=False),
)

"""Tables of runs of workflows, as migrated."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

workflow_runs = Table(
    "workflow_runs",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("occurrence_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("draft", JSONB),
    Column("job_id", BigInteger),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("parameters", JSONB, nullable=False),
    Column("pins", JSONB),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("only_device_id", Uuid),
    Column("parent_run_id", BigInteger),
    Column("parent_node", Text),
    Column("origin_run_id", BigInteger),
    Column("rerun_from", ARRAY(Text), nullable=False),
    Column("started_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("deadline_at", DateTime(timezone=True)),
)

workflow_nodes = Table(
    "workflow_nodes",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("node_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("attempt", Integer, nullable=False),
    Column("is_kept", Boolean, nullable=False),
    Column("starts_at", DateTime(timezone=True)),
    Column("deadline_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("result", JSONB),
    Column("occurrence_ids", ARRAY(Uuid), nullable=False),
    Column("child_run_id", BigInteger),
    Column("request", JSONB),
    Column("taken_at", DateTime(timezone=True)),
    Column("taken_by", Uuid),
)

workflow_sets = Table(
    "workflow_sets",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("node_id", Text, primary_key=True),
    Column("port", Text, primary_key=True),
    Column("devices", ARRAY(Uuid), nullable=False),
)

workflow_wakes = Table(
    "workflow_wakes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

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

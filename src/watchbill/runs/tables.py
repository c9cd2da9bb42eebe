"""Tables of occurrences, runs, targets, executions and output."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from watchbill.kit.db import metadata

occurrences = Table(
    "occurrences",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("scheduled_for_at", DateTime(timezone=True), nullable=False),
    Column("request_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("outcome", Text),
    Column("is_late", Boolean, nullable=False),
    Column("range_end_at", DateTime(timezone=True)),
    Column("range_count", Integer, nullable=False),
    Column("job_revision", Integer, nullable=False),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("failure_threshold_percent", Integer, nullable=False),
    Column("origin_occurrence_id", Uuid),
    Column("started_by", BigInteger),
    Column("cancelled_by", BigInteger),
    Column("cancel_requested_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("opened_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("detail", Text),
    Column("held_until_at", DateTime(timezone=True)),
    Column("is_range_capped", Boolean, nullable=False),
    Column("local_time", DateTime),
    Column("start_reason", Text),
    Column("ignores_windows", Boolean, nullable=False),
    Column("windows_seen", BigInteger, nullable=False),
)

occurrence_waves = Table(
    "occurrence_waves",
    metadata,
    Column("occurrence_id", Uuid, primary_key=True),
    Column("wave", Integer, primary_key=True),
    Column("timezone", Text),
    Column("starts_at", DateTime(timezone=True), nullable=False),
)

occurrence_counts = Table(
    "occurrence_counts",
    metadata,
    Column("occurrence_id", Uuid, primary_key=True),
    Column("site_id", BigInteger, primary_key=True),
    Column("wave", Integer, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    # From new_run_id(:now): the day is in it, and so the partition of all that hangs on the run.
    Column("id", BigInteger, primary_key=True),
    Column("occurrence_id", Uuid, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("execution_context", Text, nullable=False),
    Column("components", JSONB, nullable=False),
    Column("time_limit_seconds", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("exclusivity", Text, nullable=False),
    Column("target_specs", JSONB, nullable=False),
)

run_targets = Table(
    "run_targets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, primary_key=True),
    Column("occurrence_id", Uuid, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("device_id", Uuid, nullable=False),
    Column("site_id", BigInteger, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("wave", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("released_at", DateTime(timezone=True)),
    Column("deadline_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("exit_code", Integer),
    Column("last_line", Text),
    Column("late_result", JSONB),
    Column("cancel_requested_at", DateTime(timezone=True)),
    Column("starts_at", DateTime(timezone=True)),
    Column("stop_by_at", DateTime(timezone=True)),
    Column("is_awaited", Boolean, nullable=False),
    Column("stop_reason", Text),
    Column("via", ARRAY(SmallInteger)),
    Column("inventory_revision", BigInteger),
)

executions = Table(
    "executions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("target_id", BigInteger, nullable=False),
    Column("run_id", BigInteger, primary_key=True),
    Column("device_id", Uuid, nullable=False),
    Column("site_id", BigInteger, nullable=False),
    Column("component", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("reason", Text),
    Column("detail", Text),
    Column("tree", Text),
    Column("start_by_at", DateTime(timezone=True), nullable=False),
    Column("dispatched_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True)),
    Column("stdout_bytes", BigInteger, nullable=False),
    Column("stderr_bytes", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("cancel_answer", Text),
    Column("output_hash", LargeBinary),
)

output_chunks = Table(
    "output_chunks",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("execution_id", Uuid, primary_key=True),
    Column("stream", SmallInteger, primary_key=True),
    Column("at_offset", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

output_texts = Table(
    "output_texts",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("stdout", Text, nullable=False),
    Column("stderr", Text, nullable=False),
    Column("words", TSVECTOR, nullable=False),
)

ledger_starts = Table(
    "ledger_starts",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("from_at", DateTime(timezone=True), nullable=False),
)

scheduler_pulse = Table(
    "scheduler_pulse",
    metadata,
    Column("id", Boolean, primary_key=True),
    Column("ticked_at", DateTime(timezone=True)),
    Column("zones_in_use", ARRAY(Text), nullable=False),
    Column("guard_enabled", Boolean, nullable=False),
    Column("guard_after_seconds", Integer, nullable=False),
    Column("guard_least_jobs", Integer, nullable=False),
    Column("guard_trickle_per_minute", Integer),
)

outages = Table(
    "outages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("from_at", DateTime(timezone=True), nullable=False),
    Column("to_at", DateTime(timezone=True), nullable=False),
    Column("noticed_at", DateTime(timezone=True), nullable=False),
    Column("detail", Text, nullable=False),
    Column("guard", Text, nullable=False),
    Column("released_by", BigInteger),
    Column("released_at", DateTime(timezone=True)),
)

retention = Table(
    "retention",
    metadata,
    Column("id", Boolean, primary_key=True),
    Column("looked_at", DateTime(timezone=True)),
    Column("clock_at", DateTime(timezone=True)),
    Column("first_open_day", Integer, nullable=False),
    Column("dropped_below", BigInteger, nullable=False),
)

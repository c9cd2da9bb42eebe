"""Tables of channels, rules, notifications and messages, as migrated."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Identity, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

notification_channels = Table(
    "notification_channels",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("site_ids", ARRAY(BigInteger)),
    Column("destination", Text, nullable=False),
    Column("addresses", ARRAY(Text), nullable=False),
    Column("header_names", ARRAY(Text), nullable=False),
    Column("smtp", JSONB(none_as_null=True)),
    Column("sealed", Text),
    Column("timezone", Text, nullable=False),
    Column("digest", JSONB),
    Column("quiet", JSONB),
    Column("enabled", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_by", BigInteger),
    Column("updated_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    Column("last_success_at", DateTime(timezone=True)),
    Column("last_failure_at", DateTime(timezone=True)),
    Column("last_error", Text),
)

notification_rules = Table(
    "notification_rules",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", BigInteger),
    Column("site_id", BigInteger),
    Column("events", ARRAY(Text), nullable=False),
    Column("urgent_events", ARRAY(Text), nullable=False),
    Column("not_started_minutes", Integer, nullable=False),
    Column("failures_in_a_row", Integer, nullable=False),
    Column("slower_factor", Double, nullable=False),
    Column("replaces_general", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("scope_of", BigInteger),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True)),
)

notification_rule_channels = Table(
    "notification_rule_channels",
    metadata,
    Column("rule_id", BigInteger, primary_key=True),
    Column("channel_id", BigInteger, primary_key=True),
)

notification_marks = Table(
    "notification_marks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("occurrence_id", Uuid, nullable=False),
)

notification_watches = Table(
    "notification_watches",
    metadata,
    Column("rule_id", BigInteger, primary_key=True),
    Column("occurrence_id", Uuid, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("usual_seconds", Double),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule_id", BigInteger),
    Column("event", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("occurrence_id", Uuid, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("site_ids", ARRAY(BigInteger)),
)

notification_messages = Table(
    "notification_messages",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("slot_at", DateTime(timezone=True)),
    Column("state", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("leased_until", DateTime(timezone=True)),
    Column("first_attempt_at", DateTime(timezone=True)),
    Column("holds_line", Boolean, nullable=False),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)

notification_items = Table(
    "notification_items",
    metadata,
    Column("message_seq", BigInteger, primary_key=True),
    Column("notification_id", BigInteger, primary_key=True),
)

outbound_heartbeat = Table(
    "outbound_heartbeat",
    metadata,
    Column("id", Boolean, primary_key=True),
    Column("next_at", DateTime(timezone=True)),
    Column("last_success_at", DateTime(timezone=True)),
    Column("last_failure_at", DateTime(timezone=True)),
    Column("last_error", Text),
)

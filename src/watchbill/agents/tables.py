"""The tables of enrolment, of the Engine's signing keys and of service accounts, as migrated."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from watchbill.kit.db import metadata

enrolment_requests = Table(
    "enrolment_requests",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("site_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("poll_token_hash", LargeBinary, nullable=False),
    Column("os_family", Text, nullable=False),
    Column("os_name", Text, nullable=False),
    Column("os_version", Text, nullable=False),
    Column("arch", Text, nullable=False),
    Column("agent_version", Text, nullable=False),
    Column("remote_addr", Text),
    Column("conflict", Text),
    Column("conflict_device_id", UUID(as_uuid=True)),
    Column("device_id", UUID(as_uuid=True)),
    Column("reason", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", BigInteger),
    # Of a machine that a job brought: which address of which run it was.
    Column("onboarding_target_id", BigInteger),
)

enrolment_codes = Table(
    "enrolment_codes",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("site_id", BigInteger, nullable=False),
    Column("onboarding_target_id", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("used_by", LargeBinary),
)

enrolment_failures = Table(
    "enrolment_failures",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("masked_code", Text, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("remote_addr", Text),
)

engine_keys = Table(
    "engine_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("private_key_sealed", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("retired_at", DateTime(timezone=True)),
)

service_account_keys = Table(
    "service_account_keys",
    metadata,
    Column("generation", BigInteger, Identity(), primary_key=True),
    Column("ssh_public_key", Text, nullable=False),
    Column("ssh_private_sealed", Text, nullable=False),
    Column("password_public_key", LargeBinary, nullable=False),
    Column("password_private_sealed", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("device_id", UUID(as_uuid=True), primary_key=True),
    Column("wanted", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("told", Text),
    Column("told_generation", BigInteger),
    Column("told_at", DateTime(timezone=True)),
    Column("detail", Text),
    Column("present_generation", BigInteger),
    Column("password_sealed", Text),
)

"""Tables of jobs, as migrated: the job, its revisions, and its targets and components as rows for SQL."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from watchbill.kit.db import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("job_kind", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("definition", JSONB, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_reason", Text),
    Column("paused_until", DateTime(timezone=True)),
    Column("schedule_type", Text, nullable=False),
    Column("mark_at", DateTime(timezone=True), nullable=False),
    Column("next_due_at", DateTime(timezone=True)),
    Column("tzdata_version", Text, nullable=False),
    Column("allowed_site_ids", ARRAY(BigInteger)),
    Column("last_occurrence_id", Uuid),
    Column("created_by", BigInteger),
    Column("updated_by", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True)),
    Column("zone_source", Text, nullable=False),
    Column("scope_of", BigInteger),
    Column("ledger_from_at", DateTime(timezone=True)),
    Column("tags", ARRAY(Text), nullable=False),
    Column("last_run_at", DateTime(timezone=True)),
    Column("step_rules", JSONB(none_as_null=True)),
    Column("credential_id", BigInteger),
    Column("use_service_account", Boolean, nullable=False),
    Column("credential_ids", ARRAY(BigInteger), nullable=False),
    Column("workflow_id", Uuid),
)

job_revisions = Table(
    "job_revisions",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("definition", JSONB, nullable=False),
    Column("changed_by", BigInteger),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

job_targets = Table(
    "job_targets",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("is_exclusion", Boolean, primary_key=True),
    Column("device_id", Uuid),
    Column("filter_id", BigInteger),
    Column("site_id", BigInteger),
    Column("at_site", BigInteger),
)

#: The devices and filters that say who goes first in the waves of a job.
job_canaries = Table(
    "job_canaries",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("device_id", Uuid),
    Column("filter_id", BigInteger),
)

#: A view: the sites in which a job may run, 0 = none.
job_reach = Table(
    "job_reach",
    metadata,
    Column("job_id", BigInteger),
    Column("site_id", BigInteger),
)

job_components = Table(
    "job_components",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("assembly_id", Uuid, nullable=False),
    Column("assembly_revision", Integer),
    Column("variables", JSONB, nullable=False),
    Column("role", Text, nullable=False),
    Column("not_compliant_exit_codes", ARRAY(Integer), nullable=False),
)

"""`/api/scheduled_jobs/bulk`: one action on many jobs, counted before it is done."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Request
from pydantic import Field

from watchbill import runs
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Model, Now, Tx, router
from watchbill.api.documented import Documented
from watchbill.api.idempotent import HEADER as IDEMPOTENCY_KEY
from watchbill.api.job_shapes import JobTag
from watchbill.core.job_rules_bulk import MAX_JOBS
from watchbill.core.job_rules_values import MAX_TAGS
from watchbill.jobs import JobState
from watchbill.runs import BulkDone

resource = router(prefix="/api/scheduled_jobs", tags=["scheduled jobs"])

Tags = Annotated[list[JobTag], Field(max_length=MAX_TAGS)]


class BulkFilter(Model):
    """The filters of the list of jobs; none finds every job that the caller sees."""

    q: Annotated[str | None, Field(max_length=200)] = None
    kind: Literal["automation", "onboarding", "agent_maintenance", "workflow"] | None = Field(
        default=None, description="workflow: those of automation that launch one"
    )
    state: JobState | None = None
    site_id: Id | None = None
    enabled: bool | None = None
    tag: Tags = Field(default_factory=list)
    health: runs.Health | None = None


class BulkBody(Model):
    """What to do with which jobs: numbers or a filter, at most a thousand.

    Of the arguments `enabled`, `reason` and `until` belong to toggle, `targets` and `reason` to rerun, `add` and `remove` to tag.
    With dry_run false it is done only if exactly `expected` jobs change.
    """

    action: Literal["toggle", "rerun", "tag", "delete"]
    job_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_JOBS)] | None = None
    filter: BulkFilter | None = None
    dry_run: bool = True
    expected: Annotated[int, Field(ge=0, le=MAX_JOBS)] | None = None
    enabled: bool | None = None
    reason: Annotated[str, Field(max_length=1_000, description="500 characters for a pause")] | None = None
    until: Annotated[str, Field(max_length=64, description="an instant in the future")] | None = None
    targets: Literal["all", "failed", "not_finished"] | None = None
    add: Tags | None = None
    remove: Tags | None = None


class BulkJobReply(Model):
    """`code` and `reason` say why a job is left out; both null = it changes. `name` null = there is no such job."""

    job_id: Id
    name: str | None
    code: str | None
    reason: str | None
    occurrence_id: UUID | None


class BulkJobsReply(Model):
    """`count`: jobs that have changed, or would. `left_out`: how many are not, by code."""

    action: str
    dry_run: bool
    count: int
    left_out: dict[str, int]
    jobs: list[BulkJobReply]


AnyBulk = Annotated[Any, Documented(BulkBody), Body()]


@resource.post("/bulk")
async def bulk_jobs(body: AnyBulk, tx: Tx, caller: Caller, now: Now, request: Request) -> BulkJobsReply:
    """Toggle, rerun, tag or delete many jobs: all that can be, in one transaction; the others are told with the reason."""
    key = request.headers.get(IDEMPOTENCY_KEY, "")
    return _shape(await runs.bulk(tx, caller, body, now=now, request_id=key))


def _shape(done: BulkDone) -> BulkJobsReply:
    return BulkJobsReply(
        action=done.action,
        dry_run=done.is_dry_run,
        count=done.count,
        left_out=done.left_out,
        jobs=[BulkJobReply.model_validate(job) for job in done.jobs],
    )

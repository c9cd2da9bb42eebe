"""`/api/notification_rules` and `/api/scheduled_jobs/{job_id}/notifications`: what is told of which jobs, to which channels."""

from typing import Annotated

from fastapi import Header, Query, Response
from pydantic import Field

from watchbill import notifications
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, Tx, check_if_match, etag, router
from watchbill.core.notification_rules import Event
from watchbill.notifications import Rule, RuleDraft

resource = router(prefix="/api/notification_rules", tags=["notifications"])
of_jobs = router(prefix="/api/scheduled_jobs", tags=["notifications"])

IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]


class JobRuleBody(Model):
    """A rule of one job."""

    events: Annotated[list[Event], Field(min_length=1, max_length=20)] = Field(description="what is told")
    urgent_events: Annotated[list[Event], Field(max_length=20)] = Field(
        default_factory=list, description="those of them that wait for no digest and break through quiet hours"
    )
    channel_ids: Annotated[list[Id], Field(min_length=1, max_length=20)] = Field(description="where it is told")
    not_started_minutes: Annotated[int, Field(ge=1, le=10_080)] = Field(
        default=15, description="of not_started: no device has begun so long after it was due"
    )
    failures_in_a_row: Annotated[int, Field(ge=2, le=100)] = Field(
        default=3, description="of failures_in_a_row: how many; told once for each streak"
    )
    slower_factor: Annotated[float, Field(ge=1.1, le=100, allow_inf_nan=False)] = Field(
        default=2.0, description="of slower_than_usual: how many times the median of the last 20 successes, 5 at least"
    )
    replaces_general: bool = Field(
        default=False, description="rules of sites and of all jobs do not count for this job; for rules of a job only"
    )
    enabled: bool = Field(default=True, description="false: it tells nothing")

    def draft(self, job_id: int | None = None, site_id: int | None = None) -> RuleDraft:
        values = {name: getattr(self, name) for name in JobRuleBody.model_fields}
        return RuleDraft(**values, job_id=job_id, site_id=site_id)


class RuleBody(JobRuleBody):
    """A rule of the jobs of a site, or of all jobs."""

    site_id: Id | None = Field(default=None, description="tells of jobs that reach this site, and of its devices only; null: of all jobs")  # fmt: skip


class RuleChannel(Model):
    """Both null: a channel that the caller does not see."""

    id: int | None
    name: str | None


class RuleReply(Model):
    """`job_id` and `site_id` null: of all jobs."""

    id: int
    job_id: int | None
    site_id: int | None
    events: list[Event]
    urgent_events: list[Event]
    channels: list[RuleChannel]
    not_started_minutes: int
    failures_in_a_row: int
    slower_factor: float
    replaces_general: bool
    enabled: bool
    revision: int
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None


class JobRules(Model):
    """The rules that tell of a job: its own first. There are few."""

    items: list[RuleReply]


def _reply(one: Rule, response: Response) -> RuleReply:
    response.headers["ETag"] = etag(one.revision)
    return RuleReply.model_validate(one)


@of_jobs.get("/{job_id}/notifications")
async def list_rules_of_job(job_id: Id, tx: Tx, caller: Caller) -> JobRules:
    """The rules that tell of this job: its own, then those of its sites and of all jobs, unless its own replace them."""
    rules = await notifications.rules_of_job(tx, caller, job_id)
    return JobRules(items=[RuleReply.model_validate(one) for one in rules])


@of_jobs.post("/{job_id}/notifications", status_code=201)
async def create_rule_of_job(
    job_id: Id, body: JobRuleBody, tx: Tx, caller: Caller, now: Now, response: Response
) -> RuleReply:
    """Make a rule of this job. What goes on is looked at under it at once; what has ended is not told again."""
    made = await notifications.create_rule(tx, caller, body.draft(job_id=job_id), now=now)
    response.headers["Location"] = f"/api/notification_rules/{made.id}"
    return _reply(made, response)


@resource.get("")
async def list_notification_rules(query: Annotated[PageQuery, Query()], tx: Tx, caller: Caller) -> PageOf[RuleReply]:
    """All rules in use that the caller sees: of their jobs, of their sites, and of all jobs."""
    page = await notifications.list_rules(tx, caller, limit=query.limit, cursor=query.cursor)
    return PageOf[RuleReply].of(page, RuleReply.model_validate)


@resource.post("", status_code=201)
async def create_notification_rule(body: RuleBody, tx: Tx, caller: Caller, now: Now, response: Response) -> RuleReply:
    """Make a rule of the jobs of a site, or of all jobs, which is for those who see every site."""
    made = await notifications.create_rule(tx, caller, body.draft(site_id=body.site_id), now=now)
    response.headers["Location"] = f"/api/notification_rules/{made.id}"
    return _reply(made, response)


@resource.get("/{rule_id}")
async def get_notification_rule(rule_id: Id, tx: Tx, caller: Caller, response: Response) -> RuleReply:
    """One rule, also an archived one."""
    return _reply(await notifications.get_rule(tx, caller, rule_id), response)


@resource.put("/{rule_id}")
async def update_notification_rule(
    rule_id: Id, body: JobRuleBody, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> RuleReply:
    """Save a rule anew; the job or the site that it is of stays. From now on it tells of the sites of whoever saves it."""
    before = await notifications.lock_rule(tx, caller, rule_id)
    check_if_match(if_match, before.revision)
    draft = body.draft(before.job_id, before.site_id)
    return _reply(await notifications.update_rule(tx, caller, before, draft, now=now), response)


@resource.post("/{rule_id}/archive")
async def archive_notification_rule(
    rule_id: Id, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> RuleReply:
    """Take a rule out of use for good. What it has told stays."""
    before = await notifications.lock_rule(tx, caller, rule_id)
    check_if_match(if_match, before.revision)
    return _reply(await notifications.archive_rule(tx, caller, before, now=now), response)

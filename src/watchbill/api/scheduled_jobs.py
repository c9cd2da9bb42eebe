"""`/api/scheduled_jobs`: jobs themselves. Their runs, devices and occurrences are in `api/runs.py`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Header, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, runs
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Id,
    Model,
    Now,
    PageOf,
    PageQuery,
    SearchQuery,
    TheDeps,
    Tx,
    check_if_match,
    etag,
    router,
)
from watchbill.api.documented import Documented
from watchbill.api.idempotent import HEADER as IDEMPOTENCY_KEY
from watchbill.api.job_shapes import (
    JobBody,
    JobListItem,
    JobReply,
    JobRevisionReply,
    JobTag,
    PlanReply,
    Standing,
    ToggleBody,
    job_item,
    job_reply,
    revision_reply,
)
from watchbill.api.preview_shapes import PreviewReply, preview_reply
from watchbill.core.job_rules_values import MAX_TAGS
from watchbill.core.problems import Problem
from watchbill.identity import Actor
from watchbill.jobs import NEEDED, FileReading, JobFilter, JobState, OnExisting, Saved, SavedJob, Sort

resource = router(prefix="/api/scheduled_jobs", tags=["scheduled jobs"])

YAML = "text/yaml"
IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
AnyJob = Annotated[Any, Documented(JobBody), Body()]
AnyToggle = Annotated[Any, Documented(ToggleBody), Body()]
YamlFile = Annotated[str, Body(media_type=YAML, description="one job as GET …/export writes it")]


class JobQuery(SearchQuery):
    """Which jobs, in which order; a leading `-` turns the order round."""

    kind: Literal["automation", "onboarding", "agent_maintenance", "workflow"] | None = Field(
        default=None, description="workflow: those of automation that launch one"
    )
    state: JobState | None = None
    site_id: Id | None = None
    enabled: bool | None = None
    tag: Annotated[list[JobTag], Field(max_length=MAX_TAGS, description="jobs that have all of these")] = Field(
        default_factory=list
    )
    health: Annotated[
        runs.Health | None,
        Field(
            description="failing: the last run that ended failed; missed: due instants were missed in the last seven days;"
            " waiting: targets have not begun; will_not_fire: paused, ended, in error, held by the storm guard, or no device left"
        ),
    ] = None
    sort: Sort = "name"

    def filter(self) -> JobFilter:
        return JobFilter(self.q, self.kind, self.state, self.site_id, self.enabled, self.sort, self.tag)


class PreviewQuery(Model):
    """Of an edit: the job that it would be saved over."""

    job_id: Id | None = Field(
        default=None, description="whose secrets may be kept, and whose windows count; none for a new job"
    )


class ImportQuery(Model):
    """What to do when a visible job has the name in the file; without a word, one more job of that name is made."""

    on_existing: OnExisting = Field(
        default="create", description="create another one, refuse with 409, or update the one that there is"
    )


@resource.get("")
async def list_jobs(tx: Tx, caller: Caller, now: Now, query: Annotated[JobQuery, Query()]) -> PageOf[JobListItem]:
    """The jobs that reach the caller's sites, and whether they are healthy. Their targets are told one job at a time."""
    healthy = runs.with_health(caller.scope, query.health, now)
    page = await jobs.list_jobs(tx, caller, query.filter(), limit=query.limit, cursor=query.cursor, only=healthy)
    standing = await _standing(tx, caller, page.items, now)
    return PageOf[JobListItem].of(page, lambda job: job_item(job, standing[job.id], caller))


@resource.post("", status_code=201)
async def create_job(
    body: AnyJob, tx: Tx, caller: Caller, now: Now, deps: TheDeps, request: Request, response: Response
) -> JobReply:
    """Save a new job. One with the schedule `immediately` starts at once; `warnings` tell which devices windows keep back."""
    saved = await jobs.create(tx, caller, body, keys=deps.keys, now=now)
    response.headers["Location"] = f"/api/scheduled_jobs/{saved.job.id}"
    return await _saved(tx, caller, saved, response, now, request.headers.get(IDEMPOTENCY_KEY, ""))


@resource.post("/preview")
async def preview_job(
    body: AnyJob, tx: Tx, caller: Caller, now: Now, query: Annotated[PreviewQuery, Query()]
) -> PreviewReply:
    """What a job would do if it were saved now, by ids or by names as in a file. Nothing is saved; what is wrong with it is in `blockers`."""
    before = await jobs.get(tx, caller, query.job_id) if query.job_id is not None else None
    outlook = await jobs.outlook(tx, caller, body, now=now, before=before)
    return preview_reply(await runs.preview(tx, caller.scope, outlook, now, is_compared=False))


@resource.post("/plan")
async def plan_job(body: YamlFile, tx: Tx, caller: Caller, now: Now, deps: TheDeps) -> PlanReply:
    """What `import?on_existing=update` would do with a YAML file, value by value. Nothing is saved.

    The file is one job as `GET …/export` writes it. A file that would be refused is answered with 200 too: its `problems` say why.
    """
    return PlanReply.model_validate(await jobs.plan_file(tx, caller, body, keys=deps.keys, now=now))


async def _read_file(
    body: YamlFile, query: Annotated[ImportQuery, Query()], tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None
) -> FileReading:
    reading = await jobs.read_file(tx, caller, body, query.on_existing, now=now)
    if reading.before is not None:
        check_if_match(if_match, reading.before.revision)
    return reading


@resource.post("/import", status_code=201, responses={200: {"model": JobReply, "description": "The job was there."}})
async def import_job(
    reading: Annotated[FileReading, Depends(_read_file)],
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    request: Request,
    response: Response,
) -> JobReply:
    """Save the job of a YAML file. Assemblies, sites and devices are found by their names.

    A job is found by its exact name among those that the caller sees. `If-Match` guards the one that is saved anew.
    """
    if reading.before is not None:
        await _settle(tx, reading.before, now)
        response.status_code = 200
    saved = await jobs.save_file(tx, caller, reading, keys=deps.keys, now=now)
    response.headers["Location"] = f"/api/scheduled_jobs/{saved.job.id}"
    return await _saved(tx, caller, saved, response, now, request.headers.get(IDEMPOTENCY_KEY, ""))


@resource.get("/{job_id}")
async def get_job(job_id: Id, tx: Tx, caller: Caller, now: Now, response: Response) -> JobReply:
    """One job."""
    return await _reply(tx, caller, await jobs.get(tx, caller, job_id), response, now)


@resource.put("/{job_id}")
async def update_job(
    job_id: Id,
    body: AnyJob,
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    response: Response,
    if_match: IfMatch = None,
) -> JobReply:
    """Save a job anew, from the next occurrence on. What changes nothing makes no revision."""
    before = await jobs.lock(tx, caller, job_id, *NEEDED["update"])
    check_if_match(if_match, before.revision)
    await _settle(tx, before, now)
    saved = await jobs.update(tx, caller, before, body, keys=deps.keys, now=now)
    return await _saved(tx, caller, saved, response, now)


@resource.post("/{job_id}/toggle")
async def toggle_job(
    job_id: Id, body: AnyToggle, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> JobReply:
    """Pause or resume. What passes during a pause is not missed, and owed only as `catch_up` of the resumption asks for.

    What runs goes on. Asking twice changes nothing.
    """
    before = await jobs.lock(tx, caller, job_id, *NEEDED["toggle"])
    check_if_match(if_match, before.revision)
    await _settle(tx, before, now)
    toggled = await jobs.toggle(tx, caller, before, body, now=now)
    if toggled.make_up:
        await runs.catch_up_pause(tx, job_id, toggled.make_up.since, toggled.make_up.catch_up, now)
    return await _reply(tx, caller, toggled.job, response, now)


@resource.delete("/{job_id}", status_code=204)
async def delete_job(job_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Stop what runs, then delete the job."""
    before = await jobs.lock(tx, caller, job_id, *NEEDED["delete"])
    check_if_match(if_match, before.revision)
    await _settle(tx, before, now)
    await runs.cancel_job(tx, job_id, operator_id=caller.operator_id, now=now)
    await jobs.delete(tx, caller, before, now=now)


@resource.get("/{job_id}/preview")
async def preview_saved_job(job_id: Id, tx: Tx, caller: Caller, now: Now) -> PreviewReply:
    """The next instants of a saved job, and whom it would reach now."""
    job = await jobs.get(tx, caller, job_id)
    return preview_reply(await runs.preview(tx, caller.scope, await jobs.outlook_of(tx, job, now=now), now))


@resource.get("/{job_id}/revisions")
async def list_job_revisions(
    job_id: Id, tx: Tx, caller: Caller, query: Annotated[PageQuery, Query()]
) -> PageOf[JobRevisionReply]:
    """Every save, newest first."""
    page = await jobs.list_revisions(tx, caller, job_id, limit=query.limit, cursor=query.cursor)
    return PageOf[JobRevisionReply].of(page, revision_reply)


@resource.get(
    "/{job_id}/export",
    response_class=Response,
    responses={200: {"content": {YAML: {"schema": {"type": "string"}}}}},
)
async def export_job(job_id: Id, tx: Tx, caller: Caller) -> Response:
    """The job as one YAML file, by names, without secrets."""
    job = await jobs.get(tx, caller, job_id)
    content = await jobs.export_file(tx, caller, job)
    return Response(content, media_type=YAML, headers={"ETag": etag(job.revision)})


async def _settle(tx: AsyncConnection, before: SavedJob, now: datetime) -> None:
    """What fell due before a change is owed as the job was until then."""
    if before.enabled:
        await runs.settle_job(tx, before.id, now)


async def _saved(
    tx: AsyncConnection, caller: Actor, saved: Saved, response: Response, now: datetime, request_id: str = ""
) -> JobReply:
    """Start what is to start at once, and say what keeps it back."""
    warnings: list[Problem] = []
    if saved.starts_now:
        started = await runs.open_manual(tx, caller, saved.job.id, now=now, request_id=request_id)
        warnings = await runs.warnings(tx, caller.scope, started.id, now)
    return await _reply(tx, caller, saved.job, response, now, warnings)


async def _reply(
    tx: AsyncConnection,
    caller: Actor,
    job: SavedJob,
    response: Response,
    now: datetime,
    warnings: Sequence[Problem] = (),
) -> JobReply:
    response.headers["ETag"] = etag(job.revision)
    known = (await _standing(tx, caller, [job], now))[job.id]
    closer = replace(known, health=await runs.look_closer(tx, caller.scope, job, known.health, now))
    return job_reply(job, closer, caller, warnings=warnings)


async def _standing(tx: AsyncConnection, caller: Actor, some: Sequence[SavedJob], now: datetime) -> dict[int, Standing]:
    """A constant number of statements for a page."""
    histories, health = await runs.health_of(tx, caller.scope, some, now)
    starts = await runs.next_starts(tx, caller.scope, some, now)
    return {job.id: Standing(histories[job.id], health[job.id], starts[job.id]) for job in some}

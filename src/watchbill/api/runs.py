"""What became of jobs: occurrences with their runs, device rows, executions and output; rerun, cancel, clear."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices, jobs, runs
from watchbill.api.auth import Caller
from watchbill.api.common import (
    DEFAULT_PAGE,
    AfterCursor,
    Limit,
    Model,
    Now,
    PageOf,
    Tx,
    router,
)
from watchbill.api.idempotent import HEADER as IDEMPOTENCY_KEY
from watchbill.api.naming import aware as _aware
from watchbill.api.naming import which as _which
from watchbill.api.run_shapes import (
    BackfillReply,
    Cleared,
    DevicePlace,
    DevicePlaces,
    DeviceRowReply,
    ExecutionWithJob,
    MembershipDiff,
    OccurrenceDetail,
    OccurrenceReply,
    OccurrenceWithRuns,
    RerunCounts,
    RunDetail,
    backfill_reply,
    device_row,
    execution_with_job,
    membership_diff,
    occurrence_reply,
    run_reply,
    with_runs,
)
from watchbill.core.retargeting import Which
from watchbill.core.states import OccurrenceState, Outcome, TargetState
from watchbill.core.steps import Verdict
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.paging import Page
from watchbill.runs import Again, Backfilled, Ledger, Occurrence, Range, RowFilter, Run

of_jobs = router(prefix="/api/scheduled_jobs", tags=["runs"])
results = router(prefix="/api", tags=["runs"])

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class LedgerQuery(Model):
    """Which occurrences to list."""

    state: list[OccurrenceState] = Field(default_factory=list)
    outcome: list[Outcome] = Field(default_factory=list)
    since: datetime | None = None
    until: datetime | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: AfterCursor = None


class RowsWanted(Model):
    """Which device rows of an occurrence."""

    occurrence: Annotated[str | None, Field(max_length=64, description="id or due instant; the latest without")] = None
    state: list[TargetState] = Field(default_factory=list, description="only in these states; may be repeated")
    verdict: list[Verdict] = Field(default_factory=list, description="what the job's checks found; may be repeated")
    q: Annotated[str | None, Field(max_length=200, description="part of the host name")] = None
    output: Annotated[str | None, Field(max_length=64, description="only who wrote the output of this group")] = None

    def rows(self) -> RowFilter:
        return RowFilter(_texts(self.state), _texts(self.verdict), self.q, self.output)


class DevicesQuery(RowsWanted):
    """Which device rows of an occurrence to list."""

    target_id: list[Id] = Field(default_factory=list, max_length=500, description="only these rows; may be repeated")
    limit: Limit = DEFAULT_PAGE
    cursor: AfterCursor = None

    def rows(self) -> RowFilter:
        return replace(super().rows(), target_ids=self.target_id)


class PlacesQuery(RowsWanted):
    """Of which device rows of an occurrence to tell the places."""

    every: Annotated[int, Field(ge=1, le=500, description="rows on a page")] = 100


class PlaceQuery(RowsWanted):
    """Which device row of an occurrence to find, among those that are wanted."""

    target_id: Annotated[Id | None, Field(description="the row to begin at; without, an end of the list")] = None
    step: Annotated[
        Literal["here", "next", "previous"],
        Field(description="that row itself, or the first after or before it that failed, timed out or is lost"),
    ] = "here"


class ChosenDevices(Model):
    device_ids: list[UUID] = Field(min_length=1, max_length=10_000)


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


class RerunRequest(Model):
    """Whom to run again, and of which occurrence (id or due instant; the latest without).

    unreachable: stayed away until they expired, or were away and left out; never_started: ended without being handed out;
    still_waiting: wait still, and wait here instead from then on; failed includes those out of time and lost. With a `reason` it
    starts although a window is closed, if the caller has `windows:override`.
    """

    targets: Literal["all"] | Which | ChosenDevices = "all"
    occurrence: str | None = Field(default=None, max_length=64)
    reason: Reason | None = None
    expected: Annotated[
        int | None, Field(ge=0, description="how many devices of that occurrence it is for; another number is 409")
    ] = None


class BackfillRequest(Model):
    """A range of the past, both ends included: instants with offset, or wall clocks for a job that follows zones.

    `overlap` stands in for the job's own; without it each device runs one instant after another.
    """

    begin: datetime = Field(alias="from", description="the first instant, such as 2026-05-04T05:00:00Z; included")
    end: datetime = Field(alias="to", description="the last instant, in the past; included")
    dry_run: bool = Field(default=False, description="tell how many instants and devices it comes to, and open nothing")
    overlap: Literal["skip", "queue_one", "replace", "allow"] | None = Field(
        default=None, description="what a device does while an earlier instant still runs on it; queue_one when absent"
    )


@of_jobs.post("/{job_id}/rerun", status_code=202)
async def rerun_job(
    job_id: Id, caller: Caller, tx: Tx, now: Now, request: Request, body: RerunRequest | None = None
) -> OccurrenceReply:
    """Start an occurrence now from the saved configuration; the cadence does not move."""
    body = body or RerunRequest()
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["rerun"])
    which = body.targets if isinstance(body.targets, str) else body.targets.device_ids
    again = Again(which, _which(body.occurrence), body.reason, body.expected)
    started = await runs.rerun(tx, caller, job_id, again, now=now, request_id=request.headers.get(IDEMPOTENCY_KEY, ""))
    detail = {"occurrence": str(started.id), "reason": body.reason, "ignores_windows": started.ignores_windows}
    await audit.record(tx, caller, "job.rerun", "job", job_id, now=now, detail=detail)
    return occurrence_reply(started)


@of_jobs.post("/{job_id}/backfill", status_code=202)
async def backfill_job(
    job_id: Id, body: BackfillRequest, caller: Caller, tx: Tx, now: Now, request: Request
) -> BackfillReply:
    """Run the job for each instant of a range of the past, also for those that ran; a dry run only counts.

    At most 1,000 instants. It runs the job as it is saved now, paused or not, and leaves the cadence as it is. With an
    `Idempotency-Key` the same request opens nothing twice. Where a window is closed its devices are left out or wait, as ever.
    """
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["rerun"])
    wanted = Range(body.begin, body.end, body.overlap)
    made = await runs.backfill(
        tx,
        caller,
        job_id,
        wanted,
        now=now,
        request_id=request.headers.get(IDEMPOTENCY_KEY, ""),
        is_dry_run=body.dry_run,
    )
    if not body.dry_run:
        await audit.record(tx, caller, "job.backfill", "job", job_id, now=now, detail=_told(made))
    return backfill_reply(made, is_dry_run=body.dry_run)


@of_jobs.get("/{job_id}/runs")
async def list_job_runs(
    job_id: Id,
    caller: Caller,
    tx: Tx,
    wanted: Annotated[LedgerQuery, Query()],
) -> PageOf[OccurrenceWithRuns]:
    """Run history: occurrences, newest first, each with its runs and counts."""
    await jobs.require_visible(tx, caller, job_id)
    page = await _page(tx, caller, job_id, wanted)
    page = replace(page, items=await runs.with_waves(tx, caller.scope, page.items))
    by_occurrence: dict[UUID, list[Run]] = {}
    for run in await runs.runs_of(tx, [one.id for one in page.items]):
        by_occurrence.setdefault(run.occurrence_id, []).append(run)
    return PageOf[OccurrenceWithRuns].of(page, lambda one: with_runs(one, by_occurrence.get(one.id, [])))


@of_jobs.delete("/{job_id}/runs")
async def clear_job_runs(job_id: Id, caller: Caller, tx: Tx, now: Now) -> Cleared:
    """Forget the history; open and held occurrences stay."""
    await jobs.lock(tx, caller, job_id, Permission.JOBS_WRITE)
    number = await runs.clear(tx, job_id, now)
    await audit.record(tx, caller, "job.clear_history", "job", job_id, now=now, detail={"occurrences": number})
    return Cleared(occurrences=number)


@of_jobs.get("/{job_id}/devices")
async def list_job_devices(
    job_id: Id, caller: Caller, tx: Tx, wanted: Annotated[DevicesQuery, Query()]
) -> PageOf[DeviceRowReply]:
    """Device rows of one occurrence, by host name."""
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, _which(wanted.occurrence))
    page = await runs.device_rows(tx, caller.scope, found.id, wanted.rows(), limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[DeviceRowReply].of(page, device_row)


@of_jobs.get("/{job_id}/devices/places")
async def list_device_places(
    job_id: Id, caller: Caller, tx: Tx, wanted: Annotated[PlacesQuery, Query()]
) -> DevicePlaces:
    """How many device rows there are, and the `cursor` of each page of `every` rows: any page can be read without those before it."""
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, _which(wanted.occurrence))
    return DevicePlaces.model_validate(
        await runs.device_places(tx, caller.scope, found.id, wanted.rows(), every=wanted.every)
    )


@of_jobs.get("/{job_id}/devices/place")
async def find_device_place(job_id: Id, caller: Caller, tx: Tx, wanted: Annotated[PlaceQuery, Query()]) -> DevicePlace:
    """Where a device row is in the list, or the next one that failed; null where there is none."""
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, _which(wanted.occurrence))
    place = await runs.device_place(tx, caller.scope, found.id, wanted.rows(), wanted.target_id, wanted.step)
    return DevicePlace.model_validate(place) if place else DevicePlace(target_id=None, place=None)


@of_jobs.get("/{job_id}/occurrences/{occurrence}")
async def get_job_occurrence(job_id: Id, occurrence: str, caller: Caller, tx: Tx) -> OccurrenceDetail:
    """One occurrence by id or due instant, or the `latest` that has devices."""
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, _which(occurrence))
    around = await runs.around_it(tx, caller.scope, found)
    return OccurrenceDetail(**with_runs(found, await runs.runs_of(tx, [found.id])).model_dump(), **asdict(around))


@of_jobs.get("/{job_id}/occurrences/{occurrence}/diff/{other}")
async def compare_occurrences(
    job_id: Id,
    occurrence: str,
    other: str,
    caller: Caller,
    tx: Tx,
    limit: Limit = DEFAULT_PAGE,
    cursor: AfterCursor = None,
) -> MembershipDiff:
    """Which devices joined and left from one occurrence to another, and why. Each by id or due instant."""
    await jobs.get(tx, caller, job_id)
    first = await runs.get_occurrence(tx, caller.scope, job_id, _which(occurrence))
    second = await runs.get_occurrence(tx, caller.scope, job_id, _which(other))
    return membership_diff(await runs.difference(tx, caller.scope, first.id, second.id, limit=limit, cursor=cursor))


@of_jobs.get("/{job_id}/occurrences/{occurrence}/rerun")
async def count_rerun_targets(job_id: Id, occurrence: str, caller: Caller, tx: Tx) -> RerunCounts:
    """How many devices of an occurrence a rerun would be for, by each word for them."""
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, _which(occurrence))
    return RerunCounts.model_validate(await runs.count_meant(tx, caller.scope, found.id))


def _told(made: Backfilled) -> dict[str, object]:
    ends = {"from": made.first_at.isoformat(), "to": made.last_at.isoformat()}
    return {**ends, "instants": made.count, "occurrences": len(made.opened)}


async def _page(tx: AsyncConnection, caller: Actor, job_id: int, wanted: LedgerQuery) -> Page[Occurrence]:
    since, until = _aware("since", wanted.since), _aware("until", wanted.until)
    ledger = Ledger(job_id, _texts(wanted.state), _texts(wanted.outcome), since, until)
    return await runs.list_occurrences(tx, caller.scope, ledger, limit=wanted.limit, cursor=wanted.cursor)


@results.get("/runs/{run_id}")
async def get_run(run_id: Id, caller: Caller, tx: Tx) -> RunDetail:
    """One run with its frozen components and its occurrence."""
    caller.require(Permission.READ)
    run, job_id = await runs.get_run(tx, run_id, jobs.visible_ids(caller.scope))
    occurrence = await runs.get_occurrence(tx, caller.scope, job_id, run.occurrence_id)
    return RunDetail(**run_reply(run).model_dump(), job_id=job_id, occurrence=occurrence_reply(occurrence))


@results.get("/devices/{device_id}/executions")
async def list_device_executions(
    device_id: UUID, caller: Caller, tx: Tx, limit: Limit = DEFAULT_PAGE, cursor: AfterCursor = None
) -> PageOf[ExecutionWithJob]:
    """What ran on a device, newest first."""
    await devices.get_device(tx, caller, device_id)
    page = await runs.executions_on(tx, caller.scope, device_id, limit=limit, cursor=cursor)
    return PageOf[ExecutionWithJob].of(page, execution_with_job)


def _texts(values: Sequence[Any] | None) -> list[str]:
    return [str(value) for value in values or ()]

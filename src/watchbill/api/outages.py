"""What was missed while the Engine was away, and what a person decides about it; the settings of the storm guard."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field, StringConstraints

from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, Tx, router
from watchbill.core.occurrence import CatchUp
from watchbill.identity import Permission
from watchbill.runs import away, outages
from watchbill.runs.outages import GuardSettings, GuardState, OutageKind

resource = router(prefix="/api", tags=["outages"])


class OutagesQuery(PageQuery):
    kind: list[OutageKind] = Field(
        default_factory=list, description="only these kinds; may be repeated; all when absent"
    )


class OutageReply(Model):
    """`outage`: nobody looked from `from_at` to `to_at`. `clock_jump`, `clock_regressed`: the clock moved from one to the other.

    `guard`: while it is `up`, what was late is held until it is let go or skipped; then it is `released`.
    """

    id: int
    kind: OutageKind
    from_at: Instant
    to_at: Instant
    noticed_at: Instant
    detail: str = Field(description="what it was, in a sentence; jobs are counted in the caller's sites only")
    guard: GuardState = Field(description="of the storm guard; down: it did not go up for this one")
    released_by: str | None = Field(description="whose decision was the last; null = the trickle's, or not released")
    released_at: Instant | None


class TotalsReply(Model):
    """Instants of the outage in the caller's sites. `late`: run all the same; `decided`: held, then let go or skipped."""

    jobs: int
    missed: int
    held: int
    late: int
    decided: int


class JobAwayReply(Model):
    """What the outage did to one job, and how things stand with it now."""

    job_id: int
    name: str
    missed: int = Field(description="instants that nobody will run")
    is_missed_capped: bool = Field(description="there were more than could be counted")
    held: int = Field(description="instants that wait for a decision")
    late: int = Field(description="instants that ran late by themselves")
    decided: int = Field(description="instants that were held, and were let go or skipped since")
    oldest_at: Instant
    newest_at: Instant
    catch_up: CatchUp = Field(description="the job's own policy for what it missed")
    proposed: away.Proposal = Field(
        description="what to do with what is held: as the policy says; skip where the job has run since; none = nothing is held"
    )
    state: str
    next_due_at: Instant | None
    is_running: bool
    has_run_since: bool = Field(description="a later instant than the newest of these has run")


class OutageDetail(OutageReply):
    """With a page of the jobs it touched, those with something to decide first."""

    totals: TotalsReply
    jobs: list[JobAwayReply]
    next_cursor: str | None


class Decision(Model):
    """What becomes of what is held: run all of it, skip it, or run the latest of each job and skip its others."""

    jobs: Annotated[list[Id], Field(min_length=1, max_length=10_000)] | Literal["all"] = Field(
        description="which jobs, by their numbers, or all that the caller sees"
    )
    action: away.Action = Field(
        description="release: run all that is held, oldest first. latest: run the newest of each job, skip its others. skip: run none"
    )
    reason: Annotated[str | None, StringConstraints(max_length=500, strip_whitespace=True, min_length=1)] = Field(
        default=None, description="why; kept with the occurrences and in the audit"
    )


class DecisionReply(Model):
    """`left` are still held for these jobs: ask again. `refused` jobs have devices in sites that the caller does not see, or run as
    SYSTEM, which the caller may not.
    """

    released: int
    skipped: int
    left: int
    refused: list[int]


class StormGuardRequest(Model):
    """The guard keeps an Engine that was away from starting everything at once that it is late with.

    It goes up after an outage of at least `after_seconds` when at least `least_jobs` jobs are owed late runs. What was late is
    then held, and what falls due from then on runs as ever. It comes down once all that it holds is decided.
    """

    enabled: Annotated[
        bool, Field(description="false: it never goes up, each job catches up at once as its policy says")
    ] = True
    after_seconds: Annotated[int, Field(ge=120, le=7 * 86_400, description="a shorter outage needs no guard")] = 600
    least_jobs: Annotated[
        int, Field(ge=1, le=100_000, description="fewer jobs that are owed late runs need no guard")
    ] = 20
    trickle_per_minute: Annotated[
        int | None,
        Field(
            ge=1,
            le=6_000,
            description="so many held occurrences are let go each minute, the oldest first, without anybody's word;"
            " null = none, a person decides",
        ),
    ] = None


class StormGuard(StormGuardRequest):
    """`outage_id`: the outage that the guard is up for."""

    outage_id: int | None = Field(description="null = the guard is down")


@resource.get("/outages")
async def list_outages(caller: Caller, tx: Tx, wanted: Annotated[OutagesQuery, Query()]) -> PageOf[OutageReply]:
    """What went wrong with time: absences of the Engine and clocks that moved or differ, newest first.

    Due times of an absence are missed, held by the storm guard, or run late: `GET /outages/latest` says which, job by job.
    """
    page = await outages.list_outages(tx, caller, kinds=wanted.kind, limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[OutageReply].of(page, OutageReply.model_validate)


@resource.get("/outages/{outage_id}")
async def get_outage(
    outage_id: Id | Literal["latest"], caller: Caller, tx: Tx, wanted: Annotated[PageQuery, Query()]
) -> OutageDetail:
    """One outage (`latest`: the latest absence) with what it did to each job of the caller's sites."""
    found = await outages.get_outage(tx, caller, None if outage_id == "latest" else outage_id)
    page = await away.list_jobs(tx, caller, found, limit=wanted.limit, cursor=wanted.cursor)
    return OutageDetail(
        **OutageReply.model_validate(found).model_dump(),
        totals=TotalsReply.model_validate(await away.totals(tx, caller, found)),
        jobs=[JobAwayReply.model_validate(one) for one in page.items],
        next_cursor=page.next_cursor,
    )


@resource.post("/outages/{outage_id}/release")
async def decide_outage(
    outage_id: Id | Literal["latest"], caller: Caller, tx: Tx, now: Now, body: Decision
) -> DecisionReply:
    """Let go or skip what is held, for some jobs or for all; a bounded number in one request, `left` says how many remain."""
    found = await outages.get_outage(tx, caller, None if outage_id == "latest" else outage_id)
    chosen = None if body.jobs == "all" else body.jobs
    done = await away.decide(tx, caller, found, body.action, job_ids=chosen, reason=body.reason, now=now)
    return DecisionReply.model_validate(done)


@resource.get("/storm_guard")
async def get_storm_guard(caller: Caller, tx: Tx) -> StormGuard:
    """When the guard goes up, how it lets go, and whether it is up."""
    caller.require(Permission.READ)
    return _guard(await outages.guard_settings(tx), await outages.guarded_outage(tx))


@resource.put("/storm_guard")
async def put_storm_guard(caller: Caller, tx: Tx, now: Now, body: StormGuardRequest) -> StormGuard:
    """Set it; what is left out takes its default. A guard that is up stays up until what it holds is decided."""
    settings = await outages.set_guard(tx, caller, GuardSettings(**body.model_dump()), now)
    return _guard(settings, await outages.guarded_outage(tx))


def _guard(settings: GuardSettings, outage_id: int | None) -> StormGuard:
    return StormGuard(
        enabled=settings.enabled,
        after_seconds=settings.after_seconds,
        least_jobs=settings.least_jobs,
        trickle_per_minute=settings.trickle_per_minute,
        outage_id=outage_id,
    )

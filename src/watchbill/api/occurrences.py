"""The ledger across jobs: what ran, what did not and why, and what is to come; and a person's word on what is held."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field, StringConstraints

from watchbill import jobs
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, Tx, router
from watchbill.api.run_shapes import OccurrenceReply, WallClock, occurrence_reply
from watchbill.core.occurrence import Kind
from watchbill.core.problems import Problem
from watchbill.core.states import OccurrenceReason, Outcome
from watchbill.identity import Permission
from watchbill.kit.errors import InvalidError
from watchbill.runs import away, ledger
from watchbill.runs.ledger import LedgerFilter, LedgerRow

resource = router(prefix="/api", tags=["occurrences"])

LedgerState = Literal["held", "open", "closed", "skipped", "missed", "planned"]


class OccurrencesQuery(PageQuery):
    """Which rows of the ledger. `from` and `since` are the same, so are `to` and `until`; both ends are included."""

    state: list[LedgerState] = Field(default_factory=list, description="only in these states; may be repeated")
    outcome: list[Outcome] = Field(default_factory=list, description="only with these outcomes, of what has ended")
    reason: list[OccurrenceReason] = Field(
        default_factory=list, description="only with these reasons, of what was held, skipped or missed"
    )
    kind: list[Kind] = Field(default_factory=list, description="only so begun: schedule is the job's own cadence")
    job_id: Annotated[Id | None, Field(description="only of this job")] = None
    site_id: Annotated[Id | None, Field(description="only of jobs that have devices in this site")] = None
    late: Annotated[bool | None, Field(description="only what ran late, or only what did not")] = None
    q: Annotated[str | None, Field(max_length=200, description="part of the job's name")] = None
    since: Annotated[AwareDatetime | None, Field(description="the same as `from`")] = None
    until: Annotated[AwareDatetime | None, Field(description="the same as `to`")] = None
    from_: Annotated[AwareDatetime | None, Field(alias="from", description="due then or later")] = None
    to: Annotated[
        AwareDatetime | None,
        Field(description="due then or earlier; in the future, what is to come is computed up to there"),
    ] = None
    sort: Annotated[
        ledger.Sort | None,
        Field(
            description="`-time` is newest first, stored rows only; left out, `time` where the range ends in the future"
        ),
    ] = None


class ClosedFor(Model):
    """Of the `of` devices that a planned row has in the caller's sites, `devices` are kept from starting by `windows`.

    `waiting` of these start once it is open, the others are skipped. Each is judged at its own start, before splay.
    """

    devices: int
    of: int
    waiting: int
    windows: list[str]


class LedgerEntry(Model):
    """A due instant, or a range of missed ones, and what became of it; in state `planned` what will, under the id it will have.

    `sentence` says it in words. `due_at` is when it starts first: another instant than `scheduled_for_at`, which names it, only
    where the job follows the clocks of its targets. `counts` holds the targets of the caller's sites by state. `flags` of planned
    rows are those of a preview: `in_blackout` only where a window is closed for the whole job; and `not_counted` where a page has
    so many windows to look at that `closed_for` was left out. `closed_for` null = closed for none of them.
    """

    id: UUID
    job_id: int
    job_name: str
    kind: str
    scheduled_for_at: Instant
    due_at: Instant
    local_time: WallClock | None
    timezone: str | None
    state: LedgerState
    reason: str | None
    detail: str | None
    sentence: str
    outcome: Outcome | None
    is_late: bool
    range_end_at: Instant | None
    range_count: int
    is_range_capped: bool
    held_until_at: Instant | None
    flags: list[str]
    closed_for: ClosedFor | None
    job_revision: int
    origin_occurrence_id: UUID | None
    started_by: int | None
    cancel_requested_at: Instant | None
    created_at: Instant | None
    opened_at: Instant | None
    closed_at: Instant | None
    counts: dict[str, int]


class Word(Model):
    """Why a person lets an occurrence go, or skips it."""

    reason: Annotated[str | None, StringConstraints(max_length=500, strip_whitespace=True, min_length=1)] = None


@resource.get("/occurrences")
async def list_occurrences(
    caller: Caller, tx: Tx, now: Now, wanted: Annotated[OccurrencesQuery, Query()]
) -> PageOf[LedgerEntry]:
    """The ledger over all visible jobs: what ran, what did not and why, what is held, and what is to come.

    A range that ends in the future has the stored rows and after them the coming ones, computed, in state `planned`, in the order
    of time, unless `sort=-time` asks for stored rows only. What could not be planned anyway, because a state, outcome, reason,
    kind or `late` rules it out, and every range that ends by now, comes newest first. `to` is at most 366 days ahead.
    """
    caller.require(Permission.READ)
    page = await ledger.list_ledger(
        tx, caller.scope, _filter(wanted), now=now, limit=wanted.limit, cursor=wanted.cursor
    )
    return PageOf[LedgerEntry].of(page, _entry)


@resource.post("/scheduled_jobs/{job_id}/occurrences/{occurrence}/release", status_code=202)
async def release_job_occurrence(
    job_id: Id, occurrence: UUID, caller: Caller, tx: Tx, now: Now, body: Word | None = None
) -> OccurrenceReply:
    """Let a held occurrence run now. Where a window holds it, that needs a `reason` and the permission `windows:override`."""
    await jobs.lock(tx, caller, job_id, *away.NEEDED["release"])
    reason = body.reason if body else None
    return occurrence_reply(await away.decide_one(tx, caller, job_id, occurrence, "release", reason=reason, now=now))


@resource.post("/scheduled_jobs/{job_id}/occurrences/{occurrence}/skip")
async def skip_job_occurrence(
    job_id: Id, occurrence: UUID, caller: Caller, tx: Tx, now: Now, body: Word | None = None
) -> OccurrenceReply:
    """Decide that a held occurrence is not run."""
    await jobs.lock(tx, caller, job_id, *away.NEEDED["skip"])
    reason = body.reason if body else None
    return occurrence_reply(await away.decide_one(tx, caller, job_id, occurrence, "skip", reason=reason, now=now))


def _filter(wanted: OccurrencesQuery) -> LedgerFilter:
    return LedgerFilter(
        states=[str(one) for one in wanted.state],
        outcomes=[str(one) for one in wanted.outcome],
        reasons=[str(one) for one in wanted.reason],
        kinds=wanted.kind,
        job_id=wanted.job_id,
        site_id=wanted.site_id,
        late=wanted.late,
        q=wanted.q,
        since=_one_of("since", wanted.since, "from", wanted.from_),
        until=_one_of("until", wanted.until, "to", wanted.to),
        sort=wanted.sort,
    )


def _one_of(name: str, value: datetime | None, other_name: str, other: datetime | None) -> datetime | None:
    if value is not None and other is not None:
        problem = Problem(name, "given_twice", f"is the same as `{other_name}`: give one of them")
        raise InvalidError.of([problem], what="The query")
    return value or other


def _entry(row: LedgerRow) -> LedgerEntry:
    return LedgerEntry.model_validate(row)

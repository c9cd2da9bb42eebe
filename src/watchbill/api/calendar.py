"""`/api/calendar`: past and future of all jobs on one axis, counted by hour or day, with the load of each site."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field

from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, Tx, router
from watchbill.core.problems import Problem
from watchbill.core.zones import find_zone
from watchbill.identity import Permission
from watchbill.kit.errors import InvalidError
from watchbill.runs import calendar
from watchbill.runs.ledger import FARTHEST, LedgerFilter

resource = router(prefix="/api/calendar", tags=["occurrences"])

_LONGEST: Final = {"hour": timedelta(days=8), "day": timedelta(days=63)}


class CalendarQuery(Model):
    """Which time, in which steps, of which jobs."""

    from_: Annotated[AwareDatetime, Field(alias="from", description="the first stretch holds this instant")]
    to: Annotated[
        AwareDatetime,
        Field(description="the last stretch ends then or later; 8 days of hours, or 63 of days, and at most 366 ahead"),
    ]
    step: Annotated[calendar.Step, Field(description="how long a stretch is")] = "day"
    timezone: Annotated[str, Field(max_length=100, description="on whose clocks hours and days begin")] = "UTC"
    job_id: Annotated[Id | None, Field(description="only of this job")] = None
    site_id: Annotated[Id | None, Field(description="only of jobs that have devices in this site, and its load")] = None
    q: Annotated[str | None, Field(max_length=200, description="part of the job's name")] = None
    jobs: Annotated[int, Field(ge=1, le=200, description="so many jobs of a stretch are told one by one")] = 5


class CalendarCell(Model):
    """One job in one stretch. `outcomes`: how many by outcome, or by state where there is none; `planned` are to come.

    `occurrence_id`: the latest that is stored, null where there is none. `period_seconds`: from the first that is to come to the
    next one, null where there is one only.
    """

    job_id: int
    job_name: str
    number: int
    outcomes: dict[str, int]
    first_at: Instant
    last_at: Instant
    is_late: bool
    occurrence_id: UUID | None
    period_seconds: int | None


class SiteLoad(Model):
    """`site_id` null: devices without a site. What is to come is reckoned with the devices that its jobs find now."""

    site_id: int | None
    occurrences: int = Field(description="that have devices there")
    starts: int = Field(description="on devices; one of two occurrences counts twice")


class CalendarStretch(Model):
    """An hour or a day; where the clocks change, a day has other than 24 hours.

    `jobs`, `number` and `outcomes` are of all jobs, `cells` of those that are told: what went wrong before others, in order of time.
    """

    starts_at: Instant
    ends_at: Instant
    jobs: int
    number: int
    outcomes: dict[str, int]
    cells: list[CalendarCell]
    load: list[SiteLoad]


class CalendarReply(Model):
    """`left_out`: jobs whose coming instants were not counted, as there are too many. `unsized`: jobs that are not in the coming load."""

    timezone: str
    stretches: list[CalendarStretch]
    left_out: int
    unsized: int
    is_capped: bool = Field(
        description="more has happened than is counted, and the latest of it is not in here: ask for less"
    )


@resource.get("")
async def get_calendar(caller: Caller, tx: Tx, now: Now, wanted: Annotated[CalendarQuery, Query()]) -> CalendarReply:
    """What ran, what did not, and what is to come, counted by job in each hour or day, with the load of each site.

    `GET /api/occurrences` with the same bounds tells them one by one.
    """
    caller.require(Permission.READ)
    edges = _edges(wanted, now)
    asked = LedgerFilter(job_id=wanted.job_id, site_id=wanted.site_id, q=wanted.q, until=edges[-1])
    found = await calendar.overview(tx, caller.scope, asked, edges, most=wanted.jobs, now=now)
    return CalendarReply(
        timezone=wanted.timezone,
        stretches=[_stretch(one) for one in found.stretches],
        left_out=found.left_out,
        unsized=found.unsized,
        is_capped=found.is_capped,
    )


def _edges(wanted: CalendarQuery, now: datetime) -> Sequence[datetime]:
    """Where stretches begin and end; all that is wrong with the question is told at once."""
    zone = find_zone(wanted.timezone)
    problems = []
    if zone is None:
        problems.append(Problem("timezone", "unknown_timezone", "is not a time zone such as Europe/Berlin"))
    if not wanted.from_ < wanted.to <= wanted.from_ + _LONGEST[wanted.step]:
        days = _LONGEST[wanted.step].days
        problems.append(Problem("to", "out_of_range", f"must be later than `from`, by at most {days} days"))
    if wanted.to > now + FARTHEST:
        problems.append(Problem("to", "too_far", f"must be at most {FARTHEST.days} days ahead"))
    if wanted.from_.year < 1970:
        problems.append(Problem("from", "out_of_range", "must not lie before 1970"))
    if zone is None or problems:
        raise InvalidError.of(problems, what="The query")
    return calendar.edges_of(zone, wanted.step, wanted.from_, wanted.to)


def _stretch(one: calendar.Stretch) -> CalendarStretch:
    return CalendarStretch(
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        jobs=one.jobs,
        number=one.number,
        outcomes=dict(one.counts),
        cells=[_cell(cell) for cell in one.cells],
        load=[
            SiteLoad(site_id=there.site_id or None, occurrences=there.occurrences, starts=there.devices)
            for there in one.load
        ],
    )


def _cell(one: calendar.Cell) -> CalendarCell:
    return CalendarCell(
        job_id=one.job_id,
        job_name=one.job_name,
        number=one.number,
        outcomes=dict(one.counts),
        first_at=one.first_at,
        last_at=one.last_at,
        is_late=one.is_late,
        occurrence_id=one.occurrence_id,
        period_seconds=int(one.period.total_seconds()) if one.period and one.number > 1 else None,
    )

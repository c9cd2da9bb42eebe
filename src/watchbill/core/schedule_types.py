"""Owns the values a schedule is made of: its rule (a closed union), zone and bounds. Computes nothing and reads no clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from watchbill.core.schedule_calendar import CalendarUnit
from watchbill.core.schedule_cron import Cron
from watchbill.core.schedule_moment import Moment
from watchbill.core.schedule_rrule import Recurrence
from watchbill.core.zones import Zone

STEPS: Final[dict[str, timedelta]] = {
    "every_5_minutes": timedelta(minutes=5),
    "every_10_minutes": timedelta(minutes=10),
    "every_15_minutes": timedelta(minutes=15),
    "every_30_minutes": timedelta(minutes=30),
    "hourly": timedelta(hours=1),
}
Flag = Literal["shifted_gap", "first_of_two", "clamped", "in_blackout", "held"]
#: Whose clocks a schedule is read on: those of one zone, or those of each target's site or device.
ZoneSource = Literal["fixed", "site", "device"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a schedule: which field, a stable code, and what is allowed instead."""

    field: str
    code: str
    message: str


class ScheduleProblems(ValueError):  # noqa: N818 - it carries a list of problems, which is what callers render
    """Everything that is wrong with a schedule, at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Immediate:
    """One occurrence at acceptance, opened by whoever saves the job; the calendar names no instant for it."""


@dataclass(frozen=True, slots=True)
class Once:
    """One instant: the start."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """An exact step of elapsed time from the anchor; changes of the clocks do not touch it."""

    name: str
    step: timedelta


@dataclass(frozen=True, slots=True)
class Calendar:
    """The anchor's wall clock again on each following day, week, month or year."""

    unit: CalendarUnit


Rule = Immediate | Once | Elapsed | Calendar | Cron | Recurrence


@dataclass(frozen=True)
class Schedule:
    """A rule in a zone within bounds. Start and end are inclusive; `count` limits the instants from the anchor.

    One that follows its targets' clocks is evaluated in the zone that reaches every wall clock first: its instants are names of
    wall clocks, and `core.following` says when each zone gets there.
    """

    rule: Rule
    zone: Zone
    start: Moment | None = None
    end: Moment | None = None
    count: int | None = None
    zone_source: ZoneSource = "fixed"

    @property
    def is_following(self) -> bool:
        return self.zone_source != "fixed"


@dataclass(frozen=True, slots=True)
class Instant:
    """One coming instant as a person should see it."""

    at: datetime
    local: datetime
    offset: timedelta
    flags: tuple[Flag, ...]
    passed_over: tuple[str, ...]

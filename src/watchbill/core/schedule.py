"""The face of the calendar: reads a schedule, says when it is due, in which words, and how many instants lie in a range.

The scheduler, the preview and the web console all call this one code. It is pure: `now` is an argument, zone rules come from
the pinned wheel, and nothing is stored here.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final, assert_never, get_args

from watchbill.core.leading import leading_now
from watchbill.core.schedule_calendar import aligned, calendar_after, elapsed_after
from watchbill.core.schedule_count import count_by_walls, wall_counter
from watchbill.core.schedule_cron import Cron, cron_after
from watchbill.core.schedule_moment import LAST_YEAR, Moment, Nominal
from watchbill.core.schedule_notes import passed_over
from watchbill.core.schedule_parse import anchor_at, parse, to_json
from watchbill.core.schedule_rrule import Recurrence, recurrence_after
from watchbill.core.schedule_types import (
    Calendar,
    Elapsed,
    Flag,
    Immediate,
    Instant,
    Once,
    Problem,
    Schedule,
    ScheduleProblems,
)
from watchbill.core.schedule_words import in_words
from watchbill.core.zones import tzdata_version

__all__ = [
    "Instant",
    "Problem",
    "Schedule",
    "ScheduleProblems",
    "anchored",
    "check_new",
    "count_between",
    "first_mark",
    "has_quick_count",
    "in_words",
    "instants_after",
    "instants_between",
    "latest_before",
    "never_fires",
    "next_due",
    "parse",
    "period_hint",
    "to_json",
    "tzdata_version",
    "upcoming",
    "with_flags",
]

GRACE: Final = timedelta(seconds=60)
_BEFORE_ALL: Final = datetime(1899, 1, 1, tzinfo=UTC)
_AFTER_ALL: Final = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)
_LONGEST: Final = timedelta(days=100_000)
_SECOND: Final = timedelta(seconds=1)
_FLAGS: Final[tuple[Flag, ...]] = get_args(Flag)


def anchored(schedule: Schedule, now: datetime) -> Schedule:
    """The schedule with the start it needs: a step without one begins at the next multiple on the zone's clocks."""
    if schedule.start is not None:
        return schedule
    match schedule.rule:
        case Elapsed(step=step):
            return replace(schedule, start=anchor_at(aligned(schedule.zone, now, step), schedule.zone))
        case Cron() if schedule.count:
            # A limit of instants needs a first one to count from; the minute under way is not promised any more.
            return replace(schedule, start=anchor_at(aligned(schedule.zone, now, timedelta(minutes=1)), schedule.zone))
        case Immediate() | Once() | Calendar() | Cron() | Recurrence():
            return schedule
    assert_never(schedule.rule)


def first_mark(schedule: Schedule, now: datetime, zones: Collection[str]) -> datetime:
    """Up to where a schedule that is saved or resumed now is settled: now, or what the clocks it follows have reached."""
    return leading_now(zones, now) if schedule.is_following else now


def check_new(schedule: Schedule, now: datetime, zones: Collection[str] = ()) -> list[Problem]:
    """What speaks against saving this schedule now: it can never fire, or everything it names is past.

    For one that follows clocks, past is what any of the zones in use has reached.
    """
    if isinstance(schedule.rule, Immediate):
        return []
    schedule = anchored(schedule, now)
    if next_due(schedule, first_mark(schedule, now, zones) - GRACE) is not None:
        return []
    never = never_fires(schedule)
    if never:
        return [never]
    if isinstance(schedule.rule, Once):
        return [Problem("start", "in_the_past", "is more than 60 seconds in the past")]
    return [Problem("end" if schedule.end else "count", "ended", "the last instant of this schedule is in the past")]


def never_fires(schedule: Schedule) -> Problem | None:
    """The problem of a schedule that names no instant in its whole life, past ones included."""
    if isinstance(schedule.rule, Immediate) or next_due(schedule, _BEFORE_ALL) is not None:
        return None
    return Problem(_field_of(schedule), "never_fires", "this schedule names no instant within 60 years")


def _field_of(schedule: Schedule) -> str:
    match schedule.rule:
        case Cron():
            return "expression"
        case Recurrence():
            return "rule"
        case Immediate() | Once() | Elapsed() | Calendar():
            return "end" if schedule.end else "type"
    assert_never(schedule.rule)


def next_due(schedule: Schedule, after: datetime) -> datetime | None:
    """The first instant later than `after`, or None when the schedule is completed."""
    nominal = next(_nominals(schedule, after), None)
    return nominal.at if nominal else None


def instants_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The instants later than `after`, one by one."""
    return (nominal.at for nominal in _nominals(schedule, after))


def instants_between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants in (after, until], one by one."""
    return takewhile(lambda at: at <= until, instants_after(schedule, after))


def upcoming(schedule: Schedule, after: datetime, n: int) -> list[Instant]:
    """The next n instants as a person should see them, each with what was passed over before it."""
    coming: list[Instant] = []
    begin = max(after, schedule.start.instant) if schedule.start else after
    for nominal in islice(_nominals(schedule, after), n):
        coming.append(_explained(schedule, nominal, passed_over(schedule, begin, nominal.at)))
        begin = nominal.at
    return coming


def with_flags(instant: Instant, extra: Collection[Flag]) -> Instant:
    """The instant with what others know about it (a window is closed, it is held), in the usual order and each flag once."""
    return replace(instant, flags=tuple(flag for flag in _FLAGS if flag in instant.flags or flag in extra))


def count_between(schedule: Schedule, after: datetime, until: datetime, cap: int) -> int:
    """How many instants lie in (after, until], at most `cap`; none from later to earlier."""
    if until <= after:
        return 0
    if isinstance(schedule.rule, Elapsed):
        return min(cap, _steps_until(schedule, until) - _steps_until(schedule, after))

    def walk(begin: datetime, end: datetime) -> int:
        return sum(1 for _ in islice(instants_between(schedule, begin, end), cap))

    until = min(until, _last_bound(schedule))
    after = max(after, schedule.start.instant - _SECOND) if schedule.start else after
    count_walls = wall_counter(schedule)
    if count_walls is None:
        return walk(after, until)
    return min(cap, count_by_walls(schedule, count_walls, walk, after=after, until=until))


def has_quick_count(schedule: Schedule) -> bool:
    """Whether counting costs the same for ten instants and for a million."""
    return isinstance(schedule.rule, Elapsed) or wall_counter(schedule) is not None


def latest_before(schedule: Schedule, at: datetime) -> datetime | None:
    """The latest instant not later than `at`."""
    at = min(at, _last_bound(schedule), _AFTER_ALL)
    if isinstance(schedule.rule, Elapsed):
        steps = _steps_until(schedule, at)
        return _anchor(schedule).instant + (steps - 1) * schedule.rule.step if steps else None
    # Looking back over a span that grows fourfold costs a few searches even for a yearly rule.
    first = schedule.start.instant - _SECOND if schedule.start else _BEFORE_ALL
    span = timedelta(hours=1)
    while at > first:
        begin = max(first, at - span) if span < _LONGEST else first
        found = deque(instants_between(schedule, begin, at), maxlen=1)
        if found:
            return found[0]
        if begin == first:
            return None
        span *= 4
    return None


def period_hint(schedule: Schedule, instant: datetime) -> timedelta | None:
    """The gap from an instant to the next one, None after the last."""
    following = next_due(schedule, instant)
    return following - instant if following else None


def _nominals(schedule: Schedule, after: datetime) -> Iterator[Nominal]:
    """The instants later than `after` within start, end and count, ascending, each once."""
    after = max(after, _BEFORE_ALL)
    if schedule.start:
        after = max(after, schedule.start.instant - _SECOND)
    if after >= _AFTER_ALL:
        return
    last = _last_bound(schedule)
    for nominal in _unbounded(schedule, after):
        if nominal.at > last:
            return
        yield nominal


def _unbounded(schedule: Schedule, after: datetime) -> Iterator[Nominal]:
    zone = schedule.zone
    match schedule.rule:
        case Immediate():
            return iter(())
        case Once():
            start = _anchor(schedule)
            return iter([Nominal(start.instant, start.wall)] if start.instant > after else [])
        case Elapsed(step=step):
            return elapsed_after(zone, _anchor(schedule).instant, step, after=after)
        case Calendar(unit):
            return calendar_after(zone, _anchor(schedule).wall, unit, after=after)
        case Cron():
            return cron_after(zone, schedule.rule, after)
        case Recurrence():
            return recurrence_after(zone, schedule.rule, _anchor(schedule).wall, after=after)
    assert_never(schedule.rule)


def _anchor(schedule: Schedule) -> Moment:
    if schedule.start is None:
        raise ValueError("this schedule has no start; call anchored(schedule, now) and keep the result")
    return schedule.start


def _last_bound(schedule: Schedule) -> datetime:
    """The instant after which end or count allow nothing."""
    last = schedule.end.instant if schedule.end else _AFTER_ALL
    return last if schedule.count is None else min(last, _last_of_count(schedule))


@lru_cache(maxsize=4096)
def _last_of_count(schedule: Schedule) -> datetime:
    """The instant at which `count` is used up."""
    count, anchor = schedule.count or 0, _anchor(schedule).instant
    if isinstance(schedule.rule, Elapsed):
        return anchor + (count - 1) * schedule.rule.step
    last = anchor - _SECOND
    for nominal in islice(_unbounded(schedule, last), count):
        last = nominal.at
    return last


def _steps_until(schedule: Schedule, until: datetime) -> int:
    """How many instants of a stepped schedule are not later than `until`."""
    if not isinstance(schedule.rule, Elapsed):
        raise TypeError("only a stepped schedule can be counted by division")
    until = min(until, _last_bound(schedule))
    anchor = _anchor(schedule).instant
    return 0 if until < anchor else (until - anchor) // schedule.rule.step + 1


def _explained(schedule: Schedule, nominal: Nominal, notes: list[str]) -> Instant:
    zone, flags = schedule.zone, tuple(_flags(schedule, nominal))
    return Instant(nominal.at, zone.wall(nominal.at), zone.offset(nominal.at), flags, tuple(notes))


def _flags(schedule: Schedule, nominal: Nominal) -> Iterator[Flag]:
    if isinstance(schedule.rule, Elapsed) or (isinstance(schedule.rule, Cron) and schedule.rule.every_pass):
        return
    spread = schedule.zone.spread(nominal.wall)
    if spread > timedelta():
        yield "shifted_gap"
    elif spread < timedelta() and schedule.zone.resolve(nominal.wall) == nominal.at:
        yield "first_of_two"
    if nominal.clamped:
        yield "clamped"


if __name__ == "__main__":
    import sys

    from watchbill.core.schedule_cli import main

    sys.exit(main(sys.argv[1:]))

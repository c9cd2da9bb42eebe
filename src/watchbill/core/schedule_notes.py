"""Owns what a preview says about dates and times that a rule names but the calendar or the clocks do not have."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, assert_never

from watchbill.core.schedule_cron import LARGEST_MADE_UP_GAP, Cron, walls_from
from watchbill.core.schedule_rrule import Recurrence
from watchbill.core.schedule_types import Calendar, Elapsed, Immediate, Once, Schedule
from watchbill.core.schedule_wording import month_and_year, ordinal

MOST_NOTES: Final = 12
_ALL_DAYS: Final = frozenset(range(1, 32))
_ALL_MONTHS: Final = frozenset(range(1, 13))


def passed_over(schedule: Schedule, after: datetime, until: datetime) -> list[str]:
    """What the rule names between two of its instants and does not run, in words."""
    zone = schedule.zone
    missing = _missing_dates(schedule, zone.wall(after), zone.wall(until))
    return list(islice((*missing, *_skipped_times(schedule, after, until)), MOST_NOTES))


def _missing_dates(schedule: Schedule, begin: datetime, end: datetime) -> Iterator[str]:
    days, months = _named_days(schedule)
    for year, month in _months(begin, end):
        if month not in months or not _is_on_interval(schedule, year, month):
            continue
        for day in sorted(day for day in days if day > monthrange(year, month)[1]):
            if (begin.year, begin.month, begin.day) < (year, month, day) < (end.year, end.month, end.day):
                yield f"no {ordinal(day)} in {month_and_year(year, month)}"


def _months(begin: datetime, end: datetime) -> Iterator[tuple[int, int]]:
    for index in range(begin.year * 12 + begin.month - 1, end.year * 12 + end.month):
        yield index // 12, index % 12 + 1


def _named_days(schedule: Schedule) -> tuple[frozenset[int], frozenset[int]]:
    """The days of the month that the rule asks for by date alone, and in which months; none for rules by weekday."""
    nothing: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    match schedule.rule:
        case Cron(days=days, months=months) as cron:
            named = frozenset(day for day in _ALL_DAYS if days >> day & 1)
            by_date_alone = named != _ALL_DAYS and (not cron.both_days or cron.weekdays == 0b1111111)
            return (
                (named, frozenset(month for month in _ALL_MONTHS if months >> month & 1)) if by_date_alone else nothing
            )
        case Recurrence(frequency="MONTHLY" | "YEARLY") as rule:
            return nothing if rule.names_other_days else _dates_of(rule, schedule)
        case Immediate() | Once() | Elapsed() | Calendar() | Recurrence():
            return nothing
    assert_never(schedule.rule)


def _dates_of(rule: Recurrence, schedule: Schedule) -> tuple[frozenset[int], frozenset[int]]:
    start = schedule.start
    days = rule.month_days or ((start.wall.day,) if start else ())
    own_month = (start.wall.month,) if start and rule.frequency == "YEARLY" and not rule.month_days else ()
    return frozenset(day for day in days if day > 0), frozenset(rule.months or own_month) or _ALL_MONTHS


def _is_on_interval(schedule: Schedule, year: int, month: int) -> bool:
    rule, start = schedule.rule, schedule.start
    if not isinstance(rule, Recurrence) or start is None:
        return True
    if rule.frequency == "YEARLY":
        return (year - start.wall.year) % rule.interval == 0
    return (year * 12 + month - start.wall.year * 12 - start.wall.month) % rule.interval == 0


def _skipped_times(schedule: Schedule, after: datetime, until: datetime) -> Iterator[str]:
    """Times of a cron rule inside gaps that it does not make up for."""
    cron = schedule.rule
    if not isinstance(cron, Cron):
        return
    change = schedule.zone.change_between(after, until)
    while change:
        if change.gap > timedelta() and (cron.every_pass or change.gap >= LARGEST_MADE_UP_GAP):
            first = next(walls_from(cron, change.wall_before), None)
            if first and first < change.wall_after:
                yield f"{first:%H:%M} does not exist on {first:%Y-%m-%d}, the clocks skip it"
        change = schedule.zone.change_between(change.at, until)

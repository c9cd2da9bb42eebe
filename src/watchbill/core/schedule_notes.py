"""Owns what is said about dates and times that a rule names but the calendar or the clocks do not have: once in the words of
a schedule, and date by date in its preview.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from watchbill.core.schedule_cron import LARGEST_MADE_UP_GAP, Cron, walls_from
from watchbill.core.schedule_rrule import Recurrence
from watchbill.core.schedule_types import Schedule
from watchbill.core.schedule_wording import WEEKDAYS, month_and_year, ordinal, position

MOST_NOTES: Final = 12
_ALL_DAYS: Final = frozenset(range(1, 32))
_ALL_MONTHS: Final = frozenset(range(1, 13))
_LEAST_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EVERY_DAY: Final = (1 << 32) - 2
_EVERY_WEEKDAY: Final = 0b1111111
_FIFTH: Final = 5
_MOST_WEEKS, _MOST_DAYS = 53, 366


def passing_over(schedule: Schedule) -> str | None:
    """The sentence for a rule that names dates which not every month or year has; None when each is always there."""
    rule = schedule.rule
    lacking, others = _dates_that_may_lack(schedule)
    if isinstance(rule, Recurrence) and rule.frequency == "YEARLY" and not rule.positions:
        scarce = [abs(day) == _MOST_DAYS for day in rule.year_days] + [abs(w) == _MOST_WEEKS for w in rule.week_numbers]
        if any(scarce):
            return (
                "Years without it are passed over."
                if all(scarce)
                else "A day that a year does not have is passed over."
            )
    if not lacking:
        return None
    if others:
        return "A date that a month does not have is passed over."
    _, months = _named_days(schedule)
    return f"{'Years' if len(months) == 1 else 'Months'} without that date are passed over."


def _dates_that_may_lack(schedule: Schedule) -> tuple[bool, bool]:
    """Whether the rule names dates that a month may not have, and whether it names others beside them."""
    days, months = _named_days(schedule)
    fifths, _ = _named_fifths(schedule)
    least = min((_LEAST_DAYS[month - 1] for month in months), default=31)
    late = {day for day in days if day > least}
    rule = schedule.rule
    others = bool(days - late)
    if isinstance(rule, Cron):
        others |= rule.last_day or (not rule.both_days and rule.weekdays != 0)
        others |= any(nth != _FIFTH for _, nth in rule.nth_weekdays) or (bool(fifths) and rule.weekdays != 0)
    if isinstance(rule, Recurrence):
        others |= any(day < 0 and -day <= least for day in rule.month_days) or any(
            abs(n) != _FIFTH for _, n in rule.weekdays
        )
        late |= {-day for day in rule.month_days if -day > least}
    return bool(late or fifths), others


def passed_over(schedule: Schedule, after: datetime, until: datetime) -> list[str]:
    """What the rule names between two of its instants and does not run, in words."""
    zone = schedule.zone
    missing = _missing_dates(schedule, zone.wall(after), zone.wall(until))
    return list(islice((*missing, *_skipped_times(schedule, after, until)), MOST_NOTES))


def _missing_dates(schedule: Schedule, begin: datetime, end: datetime) -> Iterator[str]:
    days, months = _named_days(schedule)
    fifths, fifth_months = _named_fifths(schedule)
    first, last = (begin.year, begin.month, begin.day), (end.year, end.month, end.day)
    for year, month in _months(begin, end):
        if not _is_on_interval(schedule, year, month):
            continue
        first_weekday, length = monthrange(year, month)
        for day in sorted(days) if month in months else ():
            if day > length and first < (year, month, day) < last:
                yield f"no {ordinal(day)} in {month_and_year(year, month)}"
        for weekday in sorted(fifths) if month in fifth_months else ():
            if (weekday - first_weekday) % 7 >= length - 28 and first < (year, month, 29) < last:
                yield f"no {position(_FIFTH)} {WEEKDAYS[weekday]} in {month_and_year(year, month)}"


def _months(begin: datetime, end: datetime) -> Iterator[tuple[int, int]]:
    for index in range(begin.year * 12 + begin.month - 1, end.year * 12 + end.month):
        yield index // 12, index % 12 + 1


def _named_days(schedule: Schedule) -> tuple[frozenset[int], frozenset[int]]:
    """The days of the month that the rule asks for by date alone, and in which months; none for rules by weekday."""
    nothing: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    rule = schedule.rule
    if isinstance(rule, Cron):
        named = frozenset(day for day in _ALL_DAYS if rule.days >> day & 1)
        is_every_weekday = rule.weekdays == _EVERY_WEEKDAY
        by_date_alone = named != _ALL_DAYS and is_every_weekday == rule.both_days
        return (named, _cron_months(rule)) if by_date_alone else nothing
    if isinstance(rule, Recurrence) and not rule.names_other_days:
        if rule.frequency in {"MONTHLY", "YEARLY"}:
            return _dates_of(rule, schedule)
        if rule.month_days and rule.interval == 1:
            return frozenset(day for day in rule.month_days if day > 0), frozenset(rule.months) or _ALL_MONTHS
    return nothing


def _cron_months(cron: Cron) -> frozenset[int]:
    return frozenset(month for month in _ALL_MONTHS if cron.months >> month & 1)


def _named_fifths(schedule: Schedule) -> tuple[frozenset[int], frozenset[int]]:
    """The weekdays (from Monday) of which the rule asks for the fifth of a month, and in which months."""
    rule = schedule.rule
    if isinstance(rule, Cron) and rule.both_days == (rule.days & _EVERY_DAY == _EVERY_DAY):
        return frozenset((day - 1) % 7 for day, nth in rule.nth_weekdays if nth == _FIFTH), _cron_months(rule)
    if isinstance(rule, Recurrence) and not (rule.month_days or rule.year_days or rule.week_numbers or rule.positions):
        counts_in_months = rule.frequency == "MONTHLY" or (rule.frequency == "YEARLY" and rule.months)
        if counts_in_months:
            fifths = frozenset(day for day, nth in rule.weekdays if abs(nth) == _FIFTH)
            return fifths, frozenset(rule.months) or _ALL_MONTHS
    return frozenset(), frozenset()


def _dates_of(rule: Recurrence, schedule: Schedule) -> tuple[frozenset[int], frozenset[int]]:
    start = schedule.start
    days = rule.month_days or ((start.wall.day,) if start else ())
    months = frozenset(rule.months) or _ALL_MONTHS
    if start and rule.frequency == "YEARLY" and not (rule.month_days or rule.months):
        months = frozenset({start.wall.month})
    if start and rule.frequency == "MONTHLY":
        months &= {(start.wall.month - 1 + turn * rule.interval) % 12 + 1 for turn in range(12)}
    return frozenset(day for day in days if day > 0), months


def _is_on_interval(schedule: Schedule, year: int, month: int) -> bool:
    rule, start = schedule.rule, schedule.start
    if not isinstance(rule, Recurrence) or start is None or rule.frequency not in {"MONTHLY", "YEARLY"}:
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

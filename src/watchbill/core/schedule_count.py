"""Owns counting instants without naming each: whole days by multiplication, and a walk only through the hours around a change
of the clocks. A year without a scheduler must be accounted for in milliseconds.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, assert_never

from watchbill.core.schedule_cron import Cron, count_cron_walls
from watchbill.core.schedule_rrule import Recurrence, count_stepped_walls
from watchbill.core.schedule_types import Calendar, Elapsed, Immediate, Once, Schedule

Walk = Callable[[datetime, datetime], int]

# Nothing in the wheel moves the clocks by more than a day.
_LARGEST_MARGIN: Final = timedelta(hours=25)
_MARGIN: Final = timedelta(hours=1)


def wall_counter(schedule: Schedule) -> Walk | None:
    """How to count the wall clocks a rule names in (after, until], or None where each has to be looked at."""
    match schedule.rule:
        case Cron() as cron:
            return lambda after, until: count_cron_walls(cron, after, until)
        case (
            Recurrence(frequency="DAILY" | "HOURLY" | "MINUTELY", count=None, until=None, exdates=(), rdates=()) as rule
        ):
            start = schedule.start
            return (lambda after, until: count_stepped_walls(rule, start.wall, after, until)) if start else None
        case Immediate() | Once() | Elapsed() | Calendar() | Recurrence():
            return None
    assert_never(schedule.rule)


def count_by_walls(schedule: Schedule, count_walls: Walk, walk: Walk, *, after: datetime, until: datetime) -> int:
    """The instants in (after, until]: by wall clocks while the offset stays, by `walk` where it has just changed."""
    zone, total = schedule.zone, 0
    while after < until:
        change = zone.change_between(after - _LARGEST_MARGIN, until)
        while change and change.at + abs(change.gap) + _MARGIN <= after:
            change = zone.change_between(change.at, until)
        quiet = min(until, change.at - _MARGIN) if change else until
        if quiet > after:
            total += count_walls(zone.wall(after), zone.wall(quiet))
            after = quiet
        elif change:
            touched = min(until, change.at + abs(change.gap) + _MARGIN)
            total += walk(after, touched)
            after = touched
    return total

"""Owns the arithmetic of the presets: exact steps, and the same wall clock by day, week, month or year from the anchor.

Every instant is computed from the anchor, never from the one before it, so that the 31st comes back after February.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, assert_never

from watchbill.core.schedule_moment import LAST_YEAR, Nominal
from watchbill.core.zones import Zone

CalendarUnit = Literal["daily", "weekly", "monthly", "yearly"]


def elapsed_after(zone: Zone, anchor: datetime, step: timedelta, *, after: datetime) -> Iterator[Nominal]:
    """The instants anchor + n * step later than `after`."""
    at = anchor if after < anchor else anchor + ((after - anchor) // step + 1) * step
    while at.year < LAST_YEAR:
        yield Nominal(at, zone.wall(at))
        at += step


def aligned(zone: Zone, now: datetime, step: timedelta) -> datetime:
    """The first instant not before `now` at which the zone's clocks show a multiple of the step."""
    at = now.replace(microsecond=0) + (timedelta(seconds=1) if now.microsecond else timedelta())
    while left := _since_midnight(zone.wall(at)) % step:
        following = at + (step - left)
        change = zone.change_between(at, following)
        at = change.at if change else following
    return at


def _since_midnight(wall: datetime) -> timedelta:
    return timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second)


def calendar_after(zone: Zone, anchor: datetime, unit: CalendarUnit, *, after: datetime) -> Iterator[Nominal]:
    """The instants of the anchor's wall clock repeated by the unit, later than `after`, equal ones once."""
    # A skipped day lets a wall clock of the day before name a later instant, hence one unit back.
    index = max(0, _units_between(anchor, zone.wall(after), unit) - 1)
    while True:
        wall = _moved(anchor, unit, index)
        if wall.year >= LAST_YEAR:
            return
        at = zone.resolve(wall)
        if at > after:
            yield Nominal(at, wall, clamped=unit in {"monthly", "yearly"} and wall.day != anchor.day)
            after = at
        index += 1


def _units_between(anchor: datetime, wall: datetime, unit: CalendarUnit) -> int:
    match unit:
        case "daily":
            return (wall.date() - anchor.date()).days
        case "weekly":
            return (wall.date() - anchor.date()).days // 7
        case "monthly":
            return (wall.year - anchor.year) * 12 + wall.month - anchor.month
        case "yearly":
            return wall.year - anchor.year
    assert_never(unit)


def _moved(anchor: datetime, unit: CalendarUnit, index: int) -> datetime:
    """The anchor's wall clock `index` units later; a day that the month lacks becomes its last one."""
    match unit:
        case "daily":
            return anchor + timedelta(days=index)
        case "weekly":
            return anchor + timedelta(days=7 * index)
        case "monthly":
            years, month = divmod(anchor.month - 1 + index, 12)
            return _clamped(anchor, anchor.year + years, month + 1)
        case "yearly":
            return _clamped(anchor, anchor.year + index, anchor.month)
    assert_never(unit)


def _clamped(anchor: datetime, year: int, month: int) -> datetime:
    day = anchor.day if anchor.day <= 28 else min(anchor.day, monthrange(year, month)[1])
    return anchor.replace(year=year, month=month, day=day)

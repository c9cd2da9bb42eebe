"""Owns cron: the five-field dialect as Debian's cron reads it, the search for matching wall clocks, and their instants.

The search jumps by bit masks over months, days and minutes, so that a date forty years away costs about as much as tomorrow.
"""

import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final

from watchbill.core.schedule_moment import LAST_YEAR, Nominal
from watchbill.core.zones import Zone

MAX_LENGTH: Final = 256
# 29 February on a given weekday can be forty years away (2072 to 2112).
HORIZON_YEARS: Final = 60
# Debian's cron makes up for changes of the clocks below three hours and takes larger ones as a correction.
LARGEST_MADE_UP_GAP: Final = timedelta(hours=3)
MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_ANY_YEAR: Final = datetime.fromisoformat("2000-01-01")
_LAST: Final = -1
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TERM: Final = re.compile(r"(?:\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?", re.ASCII)
_NTH: Final = re.compile(r"([a-z0-9]+)#([1-5])", re.ASCII)
_LAST_WEEKDAY: Final = re.compile(r"([0-7]|sun|mon|tue|wed|thu|fri|sat)l", re.ASCII)


@dataclass(frozen=True)
class Cron:
    """A parsed expression. Masks have one bit per value; Sunday is bit 0; `nth_weekdays` holds (weekday, n), n = -1 for the last."""

    expression: str
    minutes: int
    hours: int
    days: int
    last_day: bool
    months: int
    weekdays: int
    nth_weekdays: tuple[tuple[int, int], ...]
    both_days: bool
    every_pass: bool

    @cached_property
    def times(self) -> tuple[timedelta, ...]:
        """The matching times of a day."""
        hours = (timedelta(hours=hour) for hour in range(24) if self.hours >> hour & 1)
        minutes = [timedelta(minutes=minute) for minute in range(60) if self.minutes >> minute & 1]
        return tuple(hour + minute for hour in hours for minute in minutes)

    def days_of(self, year: int, month: int) -> int:
        """The matching days of a month as a mask."""
        if not self.months >> month & 1:
            return 0
        first_monday_based, length = monthrange(year, month)
        first = (first_monday_based + 1) % 7
        by_date = self.days | (1 << length if self.last_day else 0)
        by_weekday = 0
        for day in range(1, 8):
            if self.weekdays >> (first + day - 1) % 7 & 1:
                by_weekday |= _EVERY_SEVENTH << day
        for weekday, nth in self.nth_weekdays:
            day = 1 + (weekday - first) % 7 + 7 * (nth - 1 if nth != _LAST else 0)
            by_weekday |= 1 << (day if nth != _LAST else day + (length - day) // 7 * 7)
        both = by_date & by_weekday if self.both_days else by_date | by_weekday
        return both & ((2 << length) - 2)


_EVERY_SEVENTH: Final = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0

    def value(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.first_name
        if not text.isdigit() or not self.low <= int(text) <= self.high:
            raise ValueError(f"{self.name} {text!r} must be {self.allowed}")
        return int(text)

    @property
    def allowed(self) -> str:
        span = f"{self.low} to {self.high}"
        return f"{span} or {self.names[0]} to {self.names[-1]}" if self.names else span


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of week", 0, 7, _WEEKDAYS),
)


@lru_cache(maxsize=4096)
def read_cron(expression: str) -> tuple[Cron | None, tuple[str, ...]]:
    """The parsed expression, or None and everything that is wrong with it."""
    shown = " ".join(expression.split())
    problem = _refused_as_a_whole(shown)
    if problem:
        return None, (problem,)
    texts = MACROS.get(shown.lower(), shown).lower().split()
    masks, last_days, nth_weekdays = [], False, []
    problems: list[str] = []
    for field, text in zip(_FIELDS, texts, strict=True):
        mask = 0
        for term in text.split(","):
            nth = _nth_weekday(term) if field.name == "day of week" else None
            if nth:
                nth_weekdays.append(nth)
            elif term == "l" and field.name == "day of month":
                last_days = True
            else:
                mask |= _term_mask(field, term, problems)
        masks.append(mask)
    if problems:
        return None, tuple(problems)
    minutes, hours, days, months, weekdays = masks
    cron = Cron(
        expression=shown,
        minutes=minutes,
        hours=hours,
        days=days,
        last_day=last_days,
        months=months,
        weekdays=(weekdays | weekdays >> 7) & 0b1111111,
        nth_weekdays=tuple(nth_weekdays),
        both_days=texts[2].startswith("*") or texts[4].startswith("*"),
        every_pass=texts[0].startswith("*") or texts[1].startswith("*"),
    )
    if next(walls_from(cron, _ANY_YEAR), None) is None:
        return None, (f"{shown!r} never occurs: no such date exists",)
    return cron, ()


def _refused_as_a_whole(shown: str) -> str | None:
    if len(shown) > MAX_LENGTH:
        return f"an expression may have at most {MAX_LENGTH} characters"
    if shown.startswith("@"):
        return None if shown.lower() in MACROS else f"{shown.split(maxsplit=1)[0]!r} is not one of {', '.join(MACROS)}"
    if "=" in shown:
        return "the time zone is given by `timezone`, not inside the expression"
    if len(shown.split()) != len(_FIELDS):
        return "must have five fields: minute, hour, day of month, month, day of week (no seconds, no year)"
    return None


def _nth_weekday(term: str) -> tuple[int, int] | None:
    weekday = _FIELDS[4]
    if last := _LAST_WEEKDAY.fullmatch(term):
        return weekday.value(last[1]) % 7, _LAST
    nth = _NTH.fullmatch(term)
    if nth and (nth[1] in weekday.names or nth[1] in set("01234567")):
        return weekday.value(nth[1]) % 7, int(nth[2])
    return None


def _term_mask(field: _Field, term: str, problems: list[str]) -> int:
    """The values of one term of a list as a mask; zero and a problem when it cannot be read."""
    parts = _TERM.fullmatch(term)
    if parts is None:
        problems.append(f"{field.name} {term!r} must be *, a value, a-b, */n, a-b/n or a/n with values {field.allowed}")
        return 0
    try:
        low = field.value(parts[1]) if parts[1] else field.low
        high = field.value(parts[2]) if parts[2] else field.high if not parts[1] or parts[3] else low
    except ValueError as error:
        problems.append(str(error))
        return 0
    step = int(parts[3]) if parts[3] else 1
    if low > high:
        problems.append(f"{field.name} {term!r} runs backwards; write it as two ranges")
    if step == 0:
        problems.append(f"{field.name} {term!r} has a step of 0")
        return 0
    return sum(1 << value for value in range(low, high + 1, step))


def walls_from(cron: Cron, wall: datetime) -> Iterator[datetime]:
    """The matching wall clocks not before `wall`, until sixty years bring none."""
    times = cron.times
    index = bisect_left(times, wall - wall.replace(hour=0, minute=0, second=0))
    year, month, day, last_year = wall.year, wall.month, wall.day, wall.year + HORIZON_YEARS
    while year <= last_year and year < LAST_YEAR:
        mask = cron.days_of(year, month) >> day << day
        while mask:
            matched = (mask & -mask).bit_length() - 1
            midnight = wall.replace(year=year, month=month, day=matched, hour=0, minute=0, second=0)
            if matched != day:
                index = 0
            for time in times[index:]:
                yield midnight + time
                last_year = year + HORIZON_YEARS
            index = 0
            mask &= mask - 1
        year, month, day, index = year + month // 12, month % 12 + 1, 1, 0


def count_cron_walls(cron: Cron, after: datetime, until: datetime) -> int:
    """How many matching wall clocks lie in (after, until]."""
    if until <= after:
        return 0
    days = 0
    for index in range(after.year * 12 + after.month - 1, until.year * 12 + until.month):
        year, month = index // 12, index % 12 + 1
        mask = cron.days_of(year, month)
        if (year, month) == (after.year, after.month):
            mask = mask >> after.day << after.day
        if (year, month) == (until.year, until.month):
            mask &= (2 << until.day) - 1
        days += mask.bit_count()
    return days * len(cron.times) - _earlier(cron, after) - (_of_day(cron, until) - _earlier(cron, until))


def _of_day(cron: Cron, wall: datetime) -> int:
    return len(cron.times) if cron.days_of(wall.year, wall.month) >> wall.day & 1 else 0


def _earlier(cron: Cron, wall: datetime) -> int:
    """How many matching wall clocks of the same day are not later."""
    since_midnight = wall - wall.replace(hour=0, minute=0, second=0, microsecond=0)
    return bisect_right(cron.times, since_midnight) if _of_day(cron, wall) else 0


def cron_after(zone: Zone, cron: Cron, after: datetime) -> Iterator[Nominal]:
    """The instants later than `after`, ascending, each once."""
    return _every_pass_after(zone, cron, after) if cron.every_pass else _fixed_after(zone, cron, after)


def _every_pass_after(zone: Zone, cron: Cron, after: datetime) -> Iterator[Nominal]:
    """Every real instant whose wall clock matches: none in a gap, both passes of a repeated time."""
    begin, wall = after, _next_minute(zone.wall(after))
    while True:
        change = yield from _until_change(zone, cron, _skipped_ahead(zone, cron, begin, wall), wall)
        if change is None:
            return
        begin, wall = change, _next_minute(zone.wall(change) - timedelta(microseconds=1))


def _until_change(zone: Zone, cron: Cron, begin: datetime, wall: datetime) -> Generator[Nominal, None, datetime | None]:
    """The instants from a wall clock on while the offset stays as at `begin`; returns the change that ends them."""
    offset, clear, change = zone.offset(begin), begin, None
    for matched in walls_from(cron, wall):
        at = (matched - offset).replace(tzinfo=UTC)
        if at > clear and change is None:
            change = zone.change_between(clear, at + _DAY)
            clear = at + _DAY
        if change and at >= change.at:
            return change.at
        yield Nominal(at, matched)
    return None


def _skipped_ahead(zone: Zone, cron: Cron, begin: datetime, wall: datetime) -> datetime:
    """A begin nearer to the next match when nothing can lie between, so that sparse rules do not walk through every change."""
    matched = next(walls_from(cron, wall), None)
    if matched is None:
        return begin
    near = (matched - zone.offset(begin)).replace(tzinfo=UTC) - 2 * _DAY
    # A change close by may repeat wall clocks before `wall`; a later one cannot repeat any that match.
    return begin if near <= begin or zone.change_between(begin, begin + 2 * _DAY) else near


def _fixed_after(zone: Zone, cron: Cron, after: datetime) -> Iterator[Nominal]:
    """Instants of a fixed time: once at the end of a small gap, never in a large one, in the first pass of a repeated time."""
    # A wall clock inside a gap can name an instant later than `after` and yet be earlier than what the clocks show.
    earlier = min(zone.offset(after), zone.offset(after - _DAY))
    for wall in walls_from(cron, (after + earlier).replace(tzinfo=None, second=0, microsecond=0)):
        at = fixed_instant(zone, wall)
        if at and at > after:
            yield Nominal(at, wall)
            after = at


def fixed_instant(zone: Zone, wall: datetime) -> datetime | None:
    """When a fixed time runs; None in a gap that is not made up for."""
    at, gap = zone.resolve(wall), zone.spread(wall)
    if gap <= timedelta():
        return at
    change = zone.change_between(at - gap, at)
    return change.at if change and gap < LARGEST_MADE_UP_GAP else None


def _next_minute(wall: datetime) -> datetime:
    """The first full minute later than a wall clock."""
    return wall.replace(second=0, microsecond=0) + _MINUTE

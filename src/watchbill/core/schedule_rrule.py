"""Owns RFC 5545 recurrence rules: reading the body, the wall clocks it names, and their instants.

Weeks, months and years are expanded by dateutil; days, hours and minutes are plain arithmetic here, because a rule that matches
nothing must cost milliseconds. Either way the search starts near the asked instant, never by walking from the start.
"""

from bisect import bisect_right
from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import islice
from math import gcd
from typing import Final, Literal

from dateutil.rrule import MONTHLY, WEEKLY, YEARLY, rrule, weekday

from watchbill.core.schedule_moment import LAST_YEAR, Moment, Nominal
from watchbill.core.zones import Zone

Frequency = Literal["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]

HORIZON_YEARS: Final = 60
UNITS_PER_DAY: Final[dict[str, int]] = {"DAILY": 1, "HOURLY": 24, "MINUTELY": 1_440}
_DAY: Final = timedelta(days=1)
_MINUTES_A_DAY: Final = 1_440
# The Gregorian calendar repeats every 400 years. Expanding near the end of what datetime can hold makes dateutil stop by itself.
_CYCLE: Final = 400
_LAST_BASE_YEAR: Final = 9_999 - 2 * HORIZON_YEARS - 1


@dataclass(frozen=True)
class Recurrence:
    """A parsed rule. `weekdays` holds (Monday-based weekday, n), n = 0 for every one; `until` is UTC if aware, else local."""

    text: str
    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    week_numbers: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0
    exdates: tuple[Moment, ...] = ()
    rdates: tuple[Moment, ...] = ()

    @property
    def names_other_days(self) -> bool:
        """Whether days are named by anything else than their date in a month."""
        return bool(self.year_days or self.week_numbers or self.weekdays or self.positions)

    def matches_day(self, day: date) -> bool:
        """Whether a day passes the parts that limit days (daily and shorter frequencies)."""
        return (
            (not self.months or day.month in self.months)
            and (not self.weekdays or (day.weekday(), 0) in self.weekdays)
            and (not self.month_days or not {day.day, day.day - _month_length(day) - 1}.isdisjoint(self.month_days))
            and (not self.year_days or not _year_positions(day).isdisjoint(self.year_days))
        )


def _month_length(day: date) -> int:
    return ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - _DAY).day


def _year_positions(day: date) -> set[int]:
    last = day.replace(month=12, day=31).timetuple().tm_yday
    position = day.timetuple().tm_yday
    return {position, position - last - 1}


# --- instants -------------------------------------------------------------------------------------------------------


def recurrence_after(zone: Zone, rule: Recurrence, start: datetime, *, after: datetime) -> Iterator[Nominal]:
    """The instants later than `after`, ascending, each once: the rule until its end, plus rdates, without exdates."""
    removed = {moment.instant for moment in rule.exdates}
    extra = sorted((Nominal(moment.instant, moment.wall) for moment in rule.rdates), key=_instant)
    last = after
    for nominal in merge(_rule_instants(zone, rule, start, after), extra, key=_instant):
        if nominal.at > last and nominal.at not in removed:
            yield nominal
            last = nominal.at


def _instant(nominal: Nominal) -> datetime:
    return nominal.at


def _rule_instants(zone: Zone, rule: Recurrence, start: datetime, after: datetime) -> Iterator[Nominal]:
    # A wall clock inside a gap can name an instant later than `after` and yet be earlier than what the clocks show.
    earlier = min(zone.offset(after), zone.offset(after - _DAY))
    begin = max(start, (after + earlier).replace(tzinfo=None, second=0, microsecond=0))
    until = _until(zone, rule)
    for nominal in _in_order(zone, _counted_walls(rule, start, begin)):
        if until and nominal.at > until:
            return
        yield nominal


def _until(zone: Zone, rule: Recurrence) -> datetime | None:
    if rule.until is None or rule.until.tzinfo:
        return rule.until
    return zone.resolve(rule.until)


def _in_order(zone: Zone, walls: Iterator[datetime]) -> Iterator[Nominal]:
    """Instants of ascending wall clocks. Those inside a gap land later than some that follow, so they wait for their turn."""
    waiting: list[Nominal] = []
    for wall in walls:
        nominal = Nominal(zone.resolve(wall), wall)
        gap = max(zone.spread(wall), timedelta())
        while waiting and waiting[0].at <= nominal.at - gap:
            yield waiting.pop(0)
        if gap:
            waiting.append(nominal)
        else:
            yield nominal
    yield from waiting


def _counted_walls(rule: Recurrence, start: datetime, begin: datetime) -> Iterator[datetime]:
    """The rule's wall clocks not before `begin`; COUNT counts from the start, before any date is taken out."""
    if rule.count is None:
        yield from _walls(rule, start, begin)
        return
    last = _last_counted(rule, start)
    for wall in _walls(rule, start, begin):
        if last is None or wall > last:
            return
        yield wall


@lru_cache(maxsize=4096)
def _last_counted(rule: Recurrence, start: datetime) -> datetime | None:
    last = None
    for wall in islice(_walls(rule, start, start), rule.count):
        last = wall
    return last


# --- wall clocks ----------------------------------------------------------------------------------------------------


def _walls(rule: Recurrence, start: datetime, begin: datetime) -> Iterator[datetime]:
    """The wall clocks the rule names from max(start, begin) on, until sixty years bring none."""
    if rule.frequency in _EXPANDED:
        yield from _expanded_walls(rule, start, begin)
    else:
        yield from _stepped_walls(rule, start, begin)


def _stepped_walls(rule: Recurrence, start: datetime, begin: datetime) -> Iterator[datetime]:
    """Daily, hourly and minutely rules: the days that a step reaches and that match, and in them the steps that match."""
    slots, per_day = _slots(rule, start), UNITS_PER_DAY[rule.frequency]
    day, last_year = begin.date(), begin.year + HORIZON_YEARS
    while slots and day.year <= last_year and day.year < LAST_YEAR:
        unit = _first_unit(rule, start, day)
        if day == begin.date():
            unit += max(0, -((unit - _unit(rule, begin)) // rule.interval)) * rule.interval
        if unit >= per_day:
            day += (unit // per_day) * _DAY
        elif not rule.matches_day(day):
            day = _matching_day(rule, day)
        else:
            midnight = begin.replace(year=day.year, month=day.month, day=day.day, hour=0, minute=0, second=0)
            for minute in _minutes_of(slots, range(unit, per_day, rule.interval)):
                wall = midnight + timedelta(minutes=minute)
                if wall >= begin:
                    yield wall
                    last_year = wall.year + HORIZON_YEARS
            day += _DAY


def count_stepped_walls(rule: Recurrence, start: datetime, after: datetime, until: datetime) -> int:
    """How many wall clocks a daily, hourly or minutely rule names in (after, until]."""
    per_day, of_first = (
        UNITS_PER_DAY[rule.frequency],
        lru_cache(maxsize=None)(lambda first: len(_times_of(rule, start, first))),
    )
    day, total = after.date(), 0
    while day <= until.date():
        first = _first_unit(rule, start, day)
        if first < per_day and rule.matches_day(day):
            total += of_first(first)
        day += _DAY
    return total - _not_later(rule, start, after) - (_of_day(rule, start, until) - _not_later(rule, start, until))


def _times_of(rule: Recurrence, start: datetime, first: int) -> list[int]:
    """The minutes of a day whose first reached unit is given."""
    return list(_minutes_of(_slots(rule, start), range(first, UNITS_PER_DAY[rule.frequency], rule.interval)))


def _of_day(rule: Recurrence, start: datetime, wall: datetime) -> int:
    return len(_times_of(rule, start, _first_unit(rule, start, wall.date()))) if rule.matches_day(wall.date()) else 0


def _not_later(rule: Recurrence, start: datetime, wall: datetime) -> int:
    """How many wall clocks of the same day are not later."""
    if not rule.matches_day(wall.date()):
        return 0
    return bisect_right(_times_of(rule, start, _first_unit(rule, start, wall.date())), wall.hour * 60 + wall.minute)


def _first_unit(rule: Recurrence, start: datetime, day: date) -> int:
    """The first unit of a day that is a whole number of intervals from the start; beyond the day when none is."""
    elapsed = (day - start.date()).days * UNITS_PER_DAY[rule.frequency] - _unit(rule, start)
    return -elapsed % rule.interval


def _minutes_of(slots: dict[int, tuple[int, ...]], units: range) -> Iterator[int]:
    for unit in units:
        yield from slots.get(unit, ())


def _matching_day(rule: Recurrence, day: date) -> date:
    """The first day after `day` that matches; New Year's Day when the year has none left, and the walk goes on from there."""
    first_of_year = day.replace(month=1, day=1)
    is_leap = isleap(day.year)
    matching = _matching_days(rule, is_leap, first_of_year.weekday())
    index = bisect_right(matching, (day - first_of_year).days)
    return first_of_year + timedelta(days=matching[index] if index < len(matching) else 365 + is_leap)


@lru_cache(maxsize=4096)
def _matching_days(rule: Recurrence, is_leap: bool, first_weekday: int) -> tuple[int, ...]:  # noqa: FBT001 - a key of the cache
    """The days that match, counted from 0, in a year of one of the fourteen kinds that there are."""
    kinds = (date(year, 1, 1) for year in range(2000, 2028))
    first = next(one for one in kinds if isleap(one.year) == is_leap and one.weekday() == first_weekday)
    return tuple(number for number in range(365 + is_leap) if rule.matches_day(first + number * _DAY))


def _unit(rule: Recurrence, wall: datetime) -> int:
    """Which unit of its day a wall clock lies in."""
    return (wall.hour * 60 + wall.minute) * UNITS_PER_DAY[rule.frequency] // _MINUTES_A_DAY


@lru_cache(maxsize=4096)
def _slots(rule: Recurrence, start: datetime) -> dict[int, tuple[int, ...]]:
    """The minutes of the day that the rule names in each unit of a day, without the units that no step can reach."""
    hours = sorted(set(rule.hours or (range(24) if rule.frequency != "DAILY" else (start.hour,))))
    minutes = sorted(set(rule.minutes or (range(60) if rule.frequency == "MINUTELY" else (start.minute,))))
    per_day, first = UNITS_PER_DAY[rule.frequency], _unit(rule, start)
    reach = gcd(rule.interval, per_day)
    named: dict[int, list[int]] = {}
    for minute in (hour * 60 + minute for hour in hours for minute in minutes):
        unit = minute * per_day // _MINUTES_A_DAY
        if (unit - first) % reach == 0:
            named.setdefault(unit, []).append(minute)
    positioned = {unit: _positioned(rule, found) for unit, found in named.items()}
    return {unit: found for unit, found in positioned.items() if found}


def _positioned(rule: Recurrence, found: list[int]) -> tuple[int, ...]:
    """What BYSETPOS leaves of one period's set."""
    if not rule.positions:
        return tuple(found)
    kept = {position - 1 if position > 0 else len(found) + position for position in rule.positions}
    return tuple(one for index, one in enumerate(found) if index in kept)


_EXPANDED: Final[dict[str, Literal[0, 1, 2]]] = {"YEARLY": YEARLY, "MONTHLY": MONTHLY, "WEEKLY": WEEKLY}


def _expanded_walls(rule: Recurrence, start: datetime, begin: datetime) -> Iterator[datetime]:
    """Yearly, monthly and weekly rules, each period expanded whole by dateutil."""
    begin = max(start, begin)
    while True:
        base = _base(rule, start, begin)
        cycles = (_LAST_BASE_YEAR - base.year) // _CYCLE * _CYCLE
        last_year, found = begin.year + HORIZON_YEARS, None
        for shifted in _expansion(rule, start, base.replace(year=base.year + cycles)):
            wall = shifted.replace(year=shifted.year - cycles)
            if wall.year > last_year or wall.year >= LAST_YEAR:
                return
            if wall >= begin:
                yield wall
                found, last_year = wall, wall.year + HORIZON_YEARS
        if found is None:
            return
        begin = found + timedelta(minutes=1)


def _base(rule: Recurrence, start: datetime, begin: datetime) -> datetime:
    """Midnight of the first day of the latest period of the rule that is not after `begin`."""
    step = rule.interval
    midnight = start.replace(hour=0, minute=0)
    if rule.frequency == "YEARLY":
        years = (begin.year - start.year) // step * step
        return midnight.replace(year=start.year + years, month=1, day=1)
    if rule.frequency == "MONTHLY":
        months = (begin.year * 12 + begin.month - start.year * 12 - start.month) // step * step
        years, month = divmod(start.month - 1 + months, 12)
        return midnight.replace(year=start.year + years, month=month + 1, day=1)
    week = midnight - timedelta(days=(start.weekday() - rule.week_start) % 7)
    return week + timedelta(days=(begin - week).days // 7 // step * step * 7)


def _expansion(rule: Recurrence, start: datetime, base: datetime) -> Iterator[datetime]:
    """What the body leaves open is taken from the start, as RFC 5545 3.3.10 has it, and given to dateutil in full."""
    has_days = rule.month_days or rule.year_days or rule.week_numbers or rule.weekdays
    months, month_days = rule.months, rule.month_days
    weekdays = [weekday(day, n or None) for day, n in rule.weekdays]
    if not has_days and rule.frequency == "WEEKLY":
        weekdays = [weekday(start.weekday())]
    elif not has_days:
        month_days = (start.day,)
        months = months or ((start.month,) if rule.frequency == "YEARLY" else ())
    expansion = rrule(
        _EXPANDED[rule.frequency],
        dtstart=base,
        interval=rule.interval,
        wkst=rule.week_start,
        bysetpos=rule.positions or None,
        bymonth=months or None,
        bymonthday=month_days or None,
        byyearday=rule.year_days or None,
        byweekno=rule.week_numbers or None,
        byweekday=weekdays or None,
        byhour=rule.hours or start.hour,
        byminute=rule.minutes or start.minute,
        bysecond=0,
    )
    return iter(expansion)

"""The wheel's zone files read the plain way (RFC 9636), as an oracle that shares no code with what it judges.

Instants are whole seconds since 1970, offsets whole seconds from UTC.
"""

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER, _BLOCK = 20, struct.Struct(">6l")
_FOOTER = re.compile(
    r"(?:<[^>]+>|[A-Za-z]+)(?P<std>[-+\d:]+)"
    r"(?:(?:<[^>]+>|[A-Za-z]+)(?P<dst>[-+\d:]+)?,M(?P<on>[\d.]+)(?:/(?P<on_time>[-+\d:]+))?,M(?P<off>[\d.]+)(?:/(?P<off_time>[-+\d:]+))?)?"
)


@dataclass(frozen=True)
class Change:
    """At `at` the offset goes from `before` to `after`; `dst` says whether it was and is summer time."""

    at: int
    before: int
    after: int
    dst: tuple[bool, bool]

    @property
    def gap(self):
        return self.after - self.before


def instant(seconds):
    return EPOCH + timedelta(seconds=seconds)


def wall_seconds(wall):
    return round((wall.replace(tzinfo=UTC) - EPOCH).total_seconds())


@cache
def data_of(name):
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


@cache
def changes_of(name, last_year):
    """Every change of the offset: those written in the file, then those that its last line makes until `last_year`."""
    data = data_of(name)
    isut, isstd, leap, times, types, chars = _BLOCK.unpack_from(data, _HEADER)
    begin = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    isut, isstd, leap, times, types, chars = _BLOCK.unpack_from(data, begin + _HEADER)
    begin += 44
    at = struct.unpack_from(f">{times}q", data, begin)
    index = data[begin + 8 * times : begin + 9 * times]
    kinds = [struct.unpack_from(">l?", data, begin + 9 * times + 6 * number) for number in range(types)]
    footer = data[begin + 9 * times + 6 * types + chars + leap * 12 + isstd + isut :].decode().strip()
    points = [(moment, *kinds[kind]) for moment, kind in zip(at, index, strict=True)]
    written = at[-1] if at else -(2**60)
    points += [point for point in _by_footer(footer, last_year) if point[0] > written]
    found = []
    for earlier, later in pairwise([(-(2**60), *kinds[0]), *points]):
        if earlier[1] != later[1]:
            found.append(Change(later[0], earlier[1], later[1], (earlier[2], later[2])))
    return tuple(found), kinds[0][0]


def _by_footer(footer, last_year):
    parts = _FOOTER.fullmatch(footer)
    assert parts, footer
    if parts["on"] is None:
        return []
    std = -_seconds(parts["std"])
    dst = -_seconds(parts["dst"]) if parts["dst"] else std + 3600
    points = []
    for year in range(1970, last_year + 1):
        points.append((_day(year, parts["on"]) + _seconds(parts["on_time"] or "2") - std, dst, True))
        points.append((_day(year, parts["off"]) + _seconds(parts["off_time"] or "2") - dst, std, False))
    return sorted(points)


def _seconds(text):
    hours, minutes, seconds = (*(int(part) for part in text.lstrip("+-").split(":")), 0, 0)[:3]
    return (hours * 3600 + minutes * 60 + seconds) * (-1 if text.startswith("-") else 1)


def _day(year, rule):
    """The nth (5 = last) weekday (0 = Sunday) of a month, in seconds of the wall clock."""
    month, nth, weekday = map(int, rule.split("."))
    first = date(year, month, 1)
    day = first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (nth - 1))
    while day.month != month:
        day -= timedelta(days=7)
    return (day - EPOCH.date()).days * 86400


class Clocks:
    """What one zone's clocks show, and what a wall clock means there, straight from the changes."""

    def __init__(self, name, last_year):
        self.name = name
        self.changes, self.first = changes_of(name, last_year)
        self._at = [change.at for change in self.changes]

    def offset(self, seconds):
        number = bisect_right(self._at, seconds)
        return self.changes[number - 1].after if number else self.first

    def near(self, wall):
        """The changes that a wall clock may have to do with."""
        begin = bisect_right(self._at, wall - 3 * 86400)
        return self.changes[begin : bisect_right(self._at, wall + 3 * 86400)]

    def passes(self, wall):
        """Every instant at which the clocks show `wall`, ascending: none in a gap, two where it is repeated."""
        offsets = {self.offset(wall - 3 * 86400), *(change.after for change in self.near(wall))}
        return sorted(wall - offset for offset in offsets if self.offset(wall - offset) == offset)

    def gap_over(self, wall):
        return next((one for one in self.near(wall) if one.at + one.before <= wall < one.at + one.after), None)

    def shifted(self, wall):
        """First pass; in a gap, with the offset before it."""
        passes = self.passes(wall)
        return passes[0] if passes else wall - self.gap_over(wall).before

    def made_up(self, wall):
        """First pass; in a gap below three hours, the first instant after it; None in a larger one."""
        passes = self.passes(wall)
        if passes:
            return passes[0]
        change = self.gap_over(wall)
        return change.at if change.gap < 3 * 3600 else None

"""The slow truth about windows: every minute is looked at, from the dates that a calendar names. Written apart from the product."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from watchbill.core.schedule import instants_between, parse

MINUTE = timedelta(minutes=1)
#: Nothing that begins earlier reaches into what is asked about.
BACK = timedelta(days=36)


@dataclass
class NaiveWindow:
    """A window as a test writes it down."""

    kind: str
    spans: list[dict[str, Any]]
    when_closed: str = "skip"
    cutoff: timedelta = timedelta()
    stop_at_end: bool = False
    follows_site: bool = False
    _inside: dict[tuple[str, datetime, datetime], list[bool]] = field(default_factory=dict)

    def inside(self, zone: str, begin: datetime, end: datetime) -> list[bool]:
        """For each minute from `begin` on, whether it is inside; `end` lies well beyond what is asked about."""
        key = (zone if self.follows_site else "", begin, end)
        if key not in self._inside:
            marks = [False] * int((end - begin) / MINUTE)
            for span in self.spans:
                for start, stop in intervals(span, zone if self.follows_site else None, begin - BACK, end):
                    low, high = int((start - begin) / MINUTE), int((stop - begin) / MINUTE)
                    for index in range(max(low, 0), min(high, len(marks))):
                        marks[index] = True
            self._inside[key] = marks
        return self._inside[key]


@cache
def zone_of(name):
    """The pinned rules: those of the host can be years behind."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def intervals(span, site_zone, begin, end):
    schedule = {**span["schedule"], **({"timezone": site_zone} if site_zone else {})}
    zone = zone_of(schedule.get("timezone", "UTC"))
    for start, wall in starts(schedule, zone, begin, end):
        if "duration_seconds" in span:
            yield start, start + timedelta(seconds=span["duration_seconds"])
        else:
            yield start, instant(wall + timedelta(days=span["duration_days"]), zone)


def starts(schedule, zone, begin, end):
    """(instant, wall clock) of each start. The presets by plain counting; cron and rules by the product, which has its own tests."""
    if schedule["type"] not in {"once", "daily", "weekly", "hourly"}:
        for at in instants_between(parse(schedule), begin - timedelta(seconds=1), end):
            yield at, at.astimezone(zone).replace(tzinfo=None)
        return
    wall = datetime.fromisoformat(schedule["start"])
    if schedule["type"] == "hourly":
        at = instant(wall, zone)
        while at < end:
            yield at, at.astimezone(zone).replace(tzinfo=None)
            at += timedelta(hours=1)
        return
    step = {"once": timedelta(days=100_000), "daily": timedelta(days=1), "weekly": timedelta(days=7)}[schedule["type"]]
    while (at := instant(wall, zone)) < end:
        if at >= begin:
            yield at, wall
        wall += step


def instant(wall, zone):
    """A skipped wall clock keeps the offset before the gap, a repeated one is its first pass: what fold=0 means."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


class Oracle:
    """What windows say at each minute from `begin` to `end`; `until` the questions go, beyond it only stretches end."""

    def __init__(self, windows: list[NaiveWindow], zone: str, begin: datetime, until: datetime, end: datetime):
        self.windows, self.begin = windows, begin
        self.inside = [window.inside(zone, begin, end) for window in windows]
        self.end_of = [ends_of(marks) for marks in self.inside]
        self.size = int((until - begin) / MINUTE)

    def usable(self, number, minute):
        end = self.end_of[number][minute]
        if not self.inside[number][minute]:
            return False
        return end is None or timedelta(minutes=end - minute) >= self.windows[number].cutoff

    def blockers(self, minute):
        denying = [n for n, one in enumerate(self.windows) if one.kind == "deny" and self.inside[n][minute]]
        allowing = [n for n, one in enumerate(self.windows) if one.kind == "allow"]
        shut = [] if any(self.usable(n, minute) for n in allowing) else allowing
        return denying + shut

    def is_open(self, minute):
        return not self.blockers(minute)

    def first_open(self, minute):
        found = next((one for one in range(minute, self.size + 1) if self.is_open(one)), None)
        return None if found is None else self.begin + found * MINUTE

    def stop_at(self, minute):
        """The windows that work starts in hold it; when the last of them has ended, those that are open then take over."""
        allowing = [n for n, one in enumerate(self.windows) if one.kind == "allow"]
        if not any(self.windows[n].stop_at_end for n in allowing):
            return None
        holders: list[int] = []
        while minute < len(self.inside[0]):
            holders = [n for n in holders if self.inside[n][minute]]
            if not holders:
                holders = [n for n in allowing if self.inside[n][minute]]
                if any(not self.windows[n].stop_at_end for n in holders):
                    return None
            if not holders:
                return self.begin + minute * MINUTE
            minute += 1
        return "beyond"


def ends_of(marks):
    """For each inside minute the first one after it that is not; None beyond the end."""
    ends: list[int | None] = [None] * len(marks)
    for index in range(len(marks) - 2, -1, -1):
        if marks[index]:
            ends[index] = ends[index + 1] if marks[index + 1] else index + 1
    return ends


def stretches(marks, begin):
    changes = [0, *(n for n, (a, b) in enumerate(pairwise(marks), 1) if a != b), len(marks)]
    return [(begin + a * MINUTE, begin + b * MINUTE) for a, b in pairwise(changes) if marks[a]]

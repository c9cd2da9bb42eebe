"""Owns when the spans of a window are open: which instants lie inside, until when, and what comes next. Pure.

An instant is inside when any span has it; spans that overlap or touch are one stretch. Stretches are half-open: the end is
outside. Knows nothing of kinds, attachments or what a closed window does to work.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from heapq import heapify, heappop, heappush
from typing import Final, assert_never

from watchbill.core.schedule import Schedule, instants_after, instants_between, latest_before, next_due, parse
from watchbill.core.schedule_cron import Cron, cron_after
from watchbill.core.schedule_rrule import Recurrence, recurrence_after
from watchbill.core.schedule_types import Calendar, Elapsed, Immediate, Once

#: How far a stretch is followed, and over how many starts: what lasts longer counts as without an end.
LOOK: Final = timedelta(days=366)
MOST_STARTS: Final = 10_000
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
# A wall clock some days later can be further away than that many times 24 hours: by a change of the clocks or a skipped date.
_SLACK: Final = timedelta(days=2)
_FIRST_REACH: Final = timedelta(hours=6)
_MOST_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class Span:
    """One recurring span: from each instant of the schedule on, for so long. Either `seconds` or `days` is set."""

    schedule: Schedule
    seconds: int | None
    days: int | None
    name: str | None = None

    @property
    def longest(self) -> timedelta:
        """What no single stretch of this span exceeds."""
        return timedelta(seconds=self.seconds) if self.seconds is not None else (self.days or 0) * _DAY + _SLACK

    def end_of(self, start: datetime) -> datetime:
        """Where the stretch that begins at an instant of the schedule ends."""
        if self.seconds is not None:
            return start + timedelta(seconds=self.seconds)
        wall = _named_wall(self.schedule, start) + (self.days or 0) * _DAY
        return max(start, self.schedule.zone.resolve(wall))

    def starts_around(self, at: datetime) -> "_Around":
        """The latest start not later than `at` whose stretch may reach it, and the first start later than `at`."""
        begin = at - self.longest
        if isinstance(self.schedule.rule, Elapsed):
            latest = latest_before(self.schedule, at)
            return _Around(at, latest if latest and latest > begin else None, next_due(self.schedule, at))
        first = next_due(self.schedule, begin)
        if first is None or first > at:
            return _Around(at, None, first)
        return _Around(at, self._latest_start(begin, at), next_due(self.schedule, at))

    def _latest_start(self, begin: datetime, at: datetime) -> datetime | None:
        """The latest start in (begin, at], looked for backwards in growing steps: there may be thousands."""
        reach = _FIRST_REACH
        while True:
            found = deque(instants_between(self.schedule, max(begin, at - reach), at), maxlen=1)
            if found or at - reach <= begin:
                return found[0] if found else None
            reach *= 4


@dataclass(frozen=True, slots=True)
class _Around:
    """The starts of one span before and after an instant. The same is true at every instant until `following`."""

    since: datetime
    latest: datetime | None
    following: datetime | None

    def tells(self, at: datetime) -> bool:
        return self.since <= at and (self.following is None or at < self.following)


def _named_wall(schedule: Schedule, start: datetime) -> datetime:
    """The wall clock that the rule names for one of its instants; the clocks show a later one where they skip."""
    wall, zone, rule = schedule.zone.wall(start), schedule.zone, schedule.rule
    if zone.change_between(start - _DAY, start) is None or (schedule.start is None and not isinstance(rule, Cron)):
        return wall
    before = start - _SECOND
    match rule:
        case Immediate() | Elapsed():
            return wall
        case Cron():
            return next((one.wall for one in cron_after(zone, rule, before) if one.at == start), wall)
        case Recurrence():
            anchor = schedule.start.wall if schedule.start else wall
            return next((one.wall for one in recurrence_after(zone, rule, anchor, after=before)), wall)
        case Once() | Calendar():
            at_anchor = datetime.combine(wall, schedule.start.wall.time() if schedule.start else wall.time())
            return at_anchor if zone.resolve(at_anchor) == start else wall
    assert_never(rule)


@dataclass(frozen=True, slots=True)
class Stage:
    """From `since` to `until` a window is in or out of its spans. `until` None: never changes, or not as far as is looked."""

    since: datetime
    is_inside: bool
    until: datetime | None
    #: What is known to hold if `until` is None.
    known_to: datetime | None = None

    def tells(self, at: datetime) -> bool:
        """Whether asking at this instant would have the same answer."""
        if self.until is not None or self.known_to is None:
            return self.since <= at and (self.until is None or at < self.until)
        return self.since <= at < self.since + (self.known_to - self.since) / 2


class Timeline:
    """Spans whose schedules have their zone. Remembers its last answers: `now` moves on slowly, and many devices ask."""

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self.spans = spans
        self._known: deque[Stage] = deque(maxlen=_MOST_REMEMBERED)
        self._around: list[_Around | None] = [None] * len(spans)

    def stage(self, at: datetime) -> Stage:
        """Whether an instant lies inside, and until when that holds."""
        for known in self._known:
            if known.tells(at):
                return known
        stage = self._stage(at)
        self._known.appendleft(stage)
        return stage

    def _starts_around(self, at: datetime) -> list[_Around]:
        """For each span. Only those are searched anew that have begun again meanwhile: a search costs up to a millisecond."""
        found = []
        for index, known in enumerate(self._around):
            if known is None or not known.tells(at):
                known = self._around[index] = self.spans[index].starts_around(at)  # noqa: PLW2901 - the better known
            found.append(known)
        return found

    def _stage(self, at: datetime) -> Stage:
        around = self._starts_around(at)
        ends = [span.end_of(one.latest) for span, one in zip(self.spans, around, strict=True) if one.latest]
        end = max(ends, default=at)
        following = [(one.following, index) for index, one in enumerate(around) if one.following]
        if end <= at:
            return Stage(at, is_inside=False, until=min(following, default=(None, 0))[0])
        return self._joined(at, end, following)

    def _joined(self, at: datetime, end: datetime, following: list[tuple[datetime, int]]) -> Stage:
        """The stretch around `at`, with everything that begins before it ends or just when it ends."""
        heapify(following)
        later: dict[int, Iterator[datetime]] = {}
        for _ in range(MOST_STARTS):
            if not following or following[0][0] > end:
                return Stage(at, is_inside=True, until=end)
            start, index = heappop(following)
            end = max(end, self.spans[index].end_of(start))
            if end - at > LOOK:
                break
            if index not in later:
                later[index] = instants_after(self.spans[index].schedule, start)
            if (its_next := next(later[index], None)) is not None:
                heappush(following, (its_next, index))
        return Stage(at, is_inside=True, until=None, known_to=end)

    def stretches(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime | None]]:
        """The stretches within [begin, end), cut to it at both sides; an end of None lies beyond what is looked at."""
        at: datetime | None = begin
        while at is not None and at < end:
            stage = self.stage(at)
            if stage.is_inside:
                yield at, min(stage.until, end) if stage.until else None
            at = stage.until


class Spans:
    """The spans of one window as they are stored. With `follows_site` they have no zone of their own and get each site's."""

    def __init__(self, stored: tuple[Mapping[str, object], ...], *, follows_site: bool) -> None:
        self._stored = stored
        self._follows_site = follows_site
        self._timelines: dict[str, Timeline] = {}

    def in_zone(self, site_zone: str) -> Timeline:
        """When they are open, for devices of a site in that zone; raises ScheduleProblems when a zone is unknown."""
        key = site_zone if self._follows_site else ""
        if key not in self._timelines:
            self._timelines[key] = Timeline(tuple(self._span(one, key) for one in self._stored))
        return self._timelines[key]

    def zone_name(self, site_zone: str) -> str:
        """The zone in which a person should read the times of this window."""
        if self._follows_site:
            return site_zone
        first = self._stored[0].get("schedule") if self._stored else None
        return str(first.get("timezone") or "UTC") if isinstance(first, Mapping) else "UTC"

    def _span(self, stored: Mapping[str, object], zone: str) -> Span:
        given, seconds, days = stored["schedule"], stored.get("duration_seconds"), stored.get("duration_days")
        schedule = {**given, **({"timezone": zone} if zone else {})} if isinstance(given, Mapping) else {}
        name = stored.get("name")
        return Span(
            parse(schedule),
            seconds if isinstance(seconds, int) else None,
            days if isinstance(days, int) else None,
            str(name) if name is not None else None,
        )


@lru_cache(maxsize=2_048)
def read_spans(text: str, *, follows_site: bool) -> Spans:
    """The spans that a stored JSON text holds. The same text is the same object, which remembers what it found out."""
    return Spans(tuple(json.loads(text)), follows_site=follows_site)

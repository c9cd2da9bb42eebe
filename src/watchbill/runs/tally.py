"""How many instants a job will have in each stretch of a calendar, without naming each. Pure; it looks at its processor time itself."""

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from watchbill.core.following import LAST_WAVE
from watchbill.core.leading import local_time, reached_at
from watchbill.core.schedule import (
    count_between,
    has_quick_count,
    instants_after,
    latest_before,
    next_due,
    period_hint,
)
from watchbill.core.schedule_types import Schedule
from watchbill.jobs import DueJob

_TICK: Final = timedelta(microseconds=1)
#: Fewer instants than this for each stretch are walked through, more are counted where a schedule can be.
_WALKED_EACH: Final = 4
#: And so many at most of one that cannot be counted.
_MOST_WALKED: Final = 5_000
_MOST_COUNTED: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Tally:
    """The coming instants of a job in one stretch. `period`: from the first to the next one."""

    job_id: int
    stretch: int
    number: int
    first_at: datetime
    last_at: datetime
    period: timedelta | None = None


@dataclass
class Tallying:
    """Stretches between neighbouring `edges`; instants later than `begin` count. `left_out` jobs were not looked at in time."""

    edges: Sequence[datetime]
    begin: datetime
    zones: frozenset[str]
    seconds: float
    left_out: int = 0

    def of(self, jobs: Iterable[DueJob]) -> list[Tally]:
        latest = time.thread_time() + self.seconds
        found: list[Tally] = []
        for job in jobs:
            if time.thread_time() > latest:
                self.left_out += 1
            elif job.schedule is not None:
                try:
                    found += self._of_job(job, job.schedule)
                except (ValueError, ArithmeticError):
                    continue  # its own tick says why it cannot be evaluated
        return found

    def _of_job(self, job: DueJob, schedule: Schedule) -> Iterator[Tally]:
        after = max(job.mark_at, self.begin, self.edges[0] - _TICK)
        most = _WALKED_EACH * (len(self.edges) - 1)
        can_count = has_quick_count(schedule) and not schedule.is_following
        walked = list(islice(self._walk(schedule, after), most + 1 if can_count else _MOST_WALKED))
        if can_count and len(walked) > most:
            return self._counted(job.id, schedule, after)
        return self._grouped(job.id, walked)

    def _walk(self, schedule: Schedule, after: datetime) -> Iterator[datetime]:
        end = self.edges[-1]
        if not schedule.is_following:
            for at in instants_after(schedule, after):
                if at >= end:
                    return
                yield at
            return
        for nominal in instants_after(schedule, after - LAST_WAVE):
            at = reached_at(self.zones, local_time(nominal))
            if at >= end:
                return
            if at > after:
                yield at

    def _grouped(self, job_id: int, walked: Sequence[datetime]) -> Iterator[Tally]:
        stretches: dict[int, list[datetime]] = {}
        for at in walked:
            stretches.setdefault(bisect_right(self.edges, at) - 1, []).append(at)
        for stretch, instants in stretches.items():
            period = instants[1] - instants[0] if len(instants) > 1 else None
            yield Tally(job_id, stretch, len(instants), instants[0], instants[-1], period)

    def _counted(self, job_id: int, schedule: Schedule, after: datetime) -> Iterator[Tally]:
        for stretch in range(len(self.edges) - 1):
            begin, end = max(after, self.edges[stretch] - _TICK), self.edges[stretch + 1] - _TICK
            number = count_between(schedule, begin, end, _MOST_COUNTED)
            first = next_due(schedule, begin) if number else None
            if first is None:
                continue
            last = latest_before(schedule, end) if number > 1 else first
            yield Tally(job_id, stretch, number, first, last or first, period_hint(schedule, first))

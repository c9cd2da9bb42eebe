"""The coming instants of many jobs, merged: the first few after a place, by the scheduler's own functions. Pure.

Jobs are fed in the order in which they fall due, so that only those due before the end of the page are looked at, and nothing
but the page is kept.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from watchbill.core.following import LAST_WAVE
from watchbill.core.leading import local_time, reached_at
from watchbill.core.schedule import instants_after, next_due
from watchbill.core.schedule_types import Schedule
from watchbill.jobs import DueJob

_TICK: Final = timedelta(microseconds=1)
#: Instant, job, and the name of the instant: two wall clocks may be reached at once where the clocks go forward.
Place = tuple[datetime, int, datetime]


@dataclass(frozen=True, slots=True)
class Coming:
    """An instant that a job will have: when it falls due, and the instant that names it (the same unless it follows clocks)."""

    due_at: datetime
    job_id: int
    nominal: datetime
    job: DueJob

    @property
    def place(self) -> Place:
        return self.due_at, self.job_id, self.nominal


@dataclass
class Forecast:
    """The first `limit` instants later than `after`, not later than `until`, of the jobs taken so far."""

    limit: int
    after: Place
    until: datetime
    zones: frozenset[str] = frozenset()
    found: list[Coming] = field(default_factory=list)
    looked_at: int = 0
    #: Those of `found`: bare tuples are compared in a fraction of the time.
    _places: list[Place] = field(default_factory=list)

    def take(self, jobs: Iterable[DueJob]) -> bool:
        """Look at jobs, in the order of their next due times; False when no later one can add anything."""
        for job in jobs:
            if job.next_due_at is None or not self._can_enter(job.next_due_at):
                return False
            self.looked_at += 1
            for one in self._instants(job):
                if not self._enter(one):
                    break
        return True

    def _can_enter(self, due_at: datetime) -> bool:
        return due_at <= (self.found[-1].due_at if len(self.found) >= self.limit else self.until)

    def _enter(self, one: Coming) -> bool:
        """Keep an instant if it belongs to the page; False when neither it nor a later one of its job does."""
        if not self._can_enter(one.due_at):
            return False
        place = one.place
        if place > self.after:
            at = bisect(self._places, place)
            self._places.insert(at, place)
            self.found.insert(at, one)
            del self.found[self.limit :], self._places[self.limit :]
        return True

    def _instants(self, job: DueJob) -> Iterator[Coming]:
        """In the order in which they fall due. A job that cannot be evaluated has none: its own tick says why."""
        schedule = job.schedule
        if schedule is None:
            return
        begin = max(job.mark_at, self.after[0] - (LAST_WAVE if schedule.is_following else timedelta()) - _TICK)
        try:
            if schedule.is_following:
                for nominal in instants_after(schedule, begin):
                    yield Coming(reached_at(self.zones, local_time(nominal)), job.id, nominal, job)
            else:
                for nominal in _from_mark(schedule, job.mark_at, begin):
                    yield Coming(nominal, job.id, nominal, job)
        except (ValueError, ArithmeticError):
            return


def _from_mark(schedule: Schedule, mark: datetime, begin: datetime) -> Iterator[datetime]:
    """`instants_after(schedule, begin)`, of which the first two after the mark are known until the job starts: most jobs of a page
    need no others.
    """
    one = _following(schedule, mark)
    if one is not None and one <= begin:
        one = _following(schedule, one)
        if one is not None and one <= begin:
            yield from instants_after(schedule, begin)
            return
    for _ in range(2):
        if one is None:
            return
        yield one
        last, one = one, _following(schedule, one)
    if one is not None:
        yield from instants_after(schedule, last)


@lru_cache(maxsize=20_000)
def _following(schedule: Schedule, instant: datetime) -> datetime | None:
    return next_due(schedule, instant)

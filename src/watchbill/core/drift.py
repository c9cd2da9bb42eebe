"""Whether a job keeps to its schedule: how far apart its starts really are, against how far apart the schedule has them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from watchbill.core.schedule import next_due
from watchbill.core.schedule_types import Schedule
from watchbill.core.schedule_wording import counted

#: Of so many of the last starts; fewer than these gaps between them say nothing yet.
LOOKED_AT: Final = 10
LEAST_GAPS: Final = 3
#: The gaps of most starts may be longer than the schedule's by half before they count as others.
TOLERANCE: Final = 1.5
_TICK: Final = timedelta(seconds=1)
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Drift:
    """What the schedule says from one start to the next, and what really was, as most of the last starts had it."""

    said: timedelta
    real: timedelta

    @property
    def sentence(self) -> str:
        return f"Its schedule says {every(self.said)}, most of its last starts were {every(self.real)}."


def drift(schedule: Schedule, started: Sequence[datetime]) -> Drift | None:
    """How the last starts (their nominal instants, newest first) differ from the schedule; None when they agree.

    Only instants that the schedule names count, back to the first that it does not: before that it was another one.
    """
    kept = list(_named(schedule, started[:LOOKED_AT]))
    gaps = [(newer - older, following - older) for (newer, _), (older, following) in pairwise(kept) if following]
    if len(gaps) < LEAST_GAPS:
        return None
    real, said = _median(real for real, _ in gaps), _median(said for _, said in gaps)
    return Drift(said, real) if real > said * TOLERANCE else None


def _median(gaps: Iterable[timedelta]) -> timedelta:
    """Of an even number the shorter of the two in the middle."""
    ordered = sorted(gaps)
    return ordered[(len(ordered) - 1) // 2]


def _named(schedule: Schedule, started: Sequence[datetime]) -> Iterator[tuple[datetime, datetime | None]]:
    """Each start with the instant that the schedule has after it."""
    for at in started:
        if next_due(schedule, at - _TICK) != at:
            return
        yield at, next_due(schedule, at)


def every(span: timedelta) -> str:
    """every minute, every 30 minutes, every 1 day 6 hours: the two largest units."""
    left, parts = round(span.total_seconds()), list[tuple[int, str]]()
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append((number, unit))
        elif parts:
            break
    if len(parts) == 1 and parts[0][0] == 1:
        return f"every {parts[0][1]}"
    return f"every {' '.join(counted(number, unit) for number, unit in parts[:2])}"

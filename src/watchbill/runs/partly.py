"""For how many of a job's devices windows are closed at a coming start: what a planned row says beside the whole job's verdict.

Pure: who is covered by what is read in `windows.covering`. It says what the dispatch would do, and does nothing.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from watchbill.core.following import wave_start
from watchbill.core.schedule import Schedule
from watchbill.windows import Alike, Verdict, WindowSet

#: Processor time for all rows of a page. Rows beyond it say that they were not counted.
COUNTING_SECONDS: Final = 1.0
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class ClosedFor:
    """Of the `of` devices of a job in the reader's sites, `devices` cannot start then; of these `waiting` start once it is open."""

    devices: int
    of: int
    waiting: int
    windows: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The same as a part of a sentence."""
        names = ", ".join(f"`{name}`" for name in self.windows[:_NAMED])
        more = " and others" if len(self.windows) > _NAMED else ""
        return f"closed for {self._whom} by {names}{more}: {self._fate}"

    @property
    def _whom(self) -> str:
        if self.devices == self.of:
            return "its only device" if self.of == 1 else f"all its {self.of} devices"
        return f"{self.devices} of its {self.of} devices"

    @property
    def _fate(self) -> str:
        if self.waiting == self.devices:
            return "it waits for the opening" if self.devices == 1 else "they wait for the opening"
        if not self.waiting:
            return "it will not run there"
        return f"{self.waiting} of them {'waits' if self.waiting == 1 else 'wait'} for the opening, the others will not run"


@dataclass(frozen=True, slots=True)
class Start:
    """A coming occurrence: the instant that names it, and how long after its start devices are waited for."""

    schedule: Schedule | None
    nominal: datetime
    expires_after: timedelta


@dataclass
class Counting:
    """Counts for the rows of one page within one bound of time. `targets`: by job, as `windows.covering_targets` says."""

    windows: WindowSet
    targets: Mapping[int, Counter[Alike]]
    seconds: float = field(default_factory=lambda: COUNTING_SECONDS)
    _known: dict[tuple[frozenset[int], str, datetime, timedelta], Verdict] = field(default_factory=dict)
    _spent: float = 0.0

    def closed_for(self, job_id: int, start: Start) -> ClosedFor | None:
        """For whom it is closed, None = for nobody. TimeoutError once the time is spent."""
        groups = self.targets.get(job_id, Counter[Alike]())
        names: Counter[str] = Counter()
        closed = waiting = 0
        for group, number in groups.items():
            verdict = self._verdict(group, start)
            if verdict is None or verdict.is_open:
                continue
            closed += number
            waiting += number if verdict.action == "defer" else 0
            names.update(dict.fromkeys(verdict.names, number))
        by_weight = sorted(names, key=lambda name: (-names[name], name))
        return ClosedFor(closed, groups.total(), waiting, tuple(by_weight)) if closed else None

    def _verdict(self, group: Alike, start: Start) -> Verdict | None:
        """At the devices' own start; None where they have no windows, or their clocks never show that time."""
        if not group.window_ids:
            return None
        is_following = start.schedule is not None and start.schedule.is_following
        at = wave_start(start.schedule, start.nominal, group.zone) if start.schedule and is_following else start.nominal
        if at is None:
            return None
        asked = group.window_ids, group.site_zone, at, start.expires_after
        if asked not in self._known:
            if self._spent > self.seconds:
                raise TimeoutError
            begun = time.thread_time()
            self._known[asked] = self.windows.verdict(*asked[:3], until=at + start.expires_after)
            self._spent += time.thread_time() - begun
        return self._known[asked]

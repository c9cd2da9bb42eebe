"""Virtual time: a wall clock that can be stepped, a monotonic clock that cannot, and an event loop that lives by the latter.

Nothing here waits: time moves when the conductor says so.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class Time:
    """`passed` is what every process's monotonic clock shows, in seconds; `wall` is what the database's clock shows."""

    epoch: datetime
    passed: float = 0.0
    offset: timedelta = timedelta()

    @property
    def wall(self) -> datetime:
        return self.epoch + self.offset + timedelta(microseconds=round(self.passed * 1_000_000))

    def to_wall(self, at: datetime) -> float:
        """When the monotonic clock will show what the wall clock shows at `at`, if nobody steps it."""
        return (at - self.epoch - self.offset).total_seconds()


class VirtualLoop(asyncio.SelectorEventLoop):
    """What measures a span by the loop's clock (as the scheduler does) measures virtual time.

    A timer never fires by itself here: who sleeps must sleep with the conductor.
    """

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._virtual = time

    def time(self) -> float:
        return self._virtual.passed

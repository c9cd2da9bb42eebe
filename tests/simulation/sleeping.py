"""A scheduler's doorbell on virtual time.

The real services look once a minute, just before something is due, and whenever somebody rings. Looks that are in vain are mostly
left out here, else years would take days; what they would have left in the pulse is left there all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.clockwork import Time
from tests.simulation.conductor import Actor, Conductor, Process
from watchbill.apps.scheduler import HELD_ELSEWHERE, LONGEST_REST
from watchbill.kit.service import Wake

#: How many of the looks that find nothing are done all the same.
_LOOKS_IN_VAIN = 0.05
#: How fast who sleeps is awake, in seconds: at times nearly together with the others, at times after them.
_AWAKE_WITHIN = (0.03, 0.3)


@dataclass
class Bedroom:
    """What all sleepers share. `disturbed_at`: when (passed) somebody last set the clock; `beat` writes the pulse."""

    time: Time
    chance: Random
    conductor: Conductor
    beat: Callable[[], Awaitable[None]]
    disturbed_at: float = 0.0
    wakes: dict[Process, list["SleepingWake"]] = field(default_factory=dict)

    def is_quiet(self) -> bool:
        """Whether nobody has set the clock for so long that every service has noticed."""
        return self.disturbed_at < self.time.passed - LONGEST_REST.total_seconds()

    def ring(self, process: Process) -> None:
        for wake in self.wakes.get(process, []):
            wake.ring()

    def look_soon(self, process: Process) -> None:
        """Nobody rings: each service looks by itself within a minute."""
        for actor in process.actors:
            self.conductor.wake(actor, self.chance.uniform(0, LONGEST_REST.total_seconds()))


class SleepingWake(Wake):
    """`quiet`: for how many seconds there is nothing to do for this service."""

    def __init__(self, room: Bedroom, actor: Actor, quiet: Callable[[], float]) -> None:
        super().__init__()
        self._room, self._actor, self._quiet = room, actor, quiet
        room.wakes.setdefault(actor.process, []).append(self)

    def ring(self, _payload: str = "") -> None:
        super().ring()
        self._room.conductor.wake(self._actor, self._room.chance.uniform(0.001, 0.05))

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        room, began = self._room, self._room.time.passed
        looks_at = began + self._longer(seconds)
        while True:
            if not self._event.is_set():
                late = room.chance.uniform(0.0, room.chance.choice(_AWAKE_WITHIN))
                await room.conductor.sleep(self._actor, looks_at - room.time.passed + late)
            self._event.clear()
            quiet = self._quiet()
            if quiet <= 0 or began < room.disturbed_at or room.chance.random() < _LOOKS_IN_VAIN:
                break
            looks_at = room.time.passed + quiet
        if room.time.passed - began > LONGEST_REST.total_seconds() and began >= room.disturbed_at:
            await room.beat()

    def _longer(self, seconds: float) -> float:
        """Five looks a second at what somebody holds while he stands still are too many."""
        if seconds <= HELD_ELSEWHERE and self._room.conductor.is_anybody_stalled:
            return self._room.chance.uniform(HELD_ELSEWHERE, 10.0)
        return seconds

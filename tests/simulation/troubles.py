"""What befalls a world: processes that die, connections that are cut, stalls, outages, clocks that are set, upgrades, moves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from tests.simulation.conductor import Actor, Process
from tests.simulation.world import World

#: How soon a supervisor has a dead process up again.
_RESTART = (0.5, 20.0)
_STALLS = (0.5, 5.0, 70.0, 200.0)
_OUTAGES = (90, 700, 5000, 40_000, 200_000, 2_500_000)
_STEPS = (2, 61, 400, 3600, 10_800)
_MOVE = "UPDATE devices SET timezone = %s WHERE hostname = %s"
_ZONES = ("Asia/Tokyo", "America/Denver", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns")


@dataclass
class Troubles:
    """Draws what happens from a chance of its own, so that a plan without some of it leaves the rest as it was."""

    world: World
    chance: Random

    def begin(self) -> None:
        world, plan = self.world, self.world.plan
        world.befalls = self.befalls
        world.every(plan.outage_every, Random(plan.seed + 1), self.outage)
        world.every(plan.step_every, Random(plan.seed + 2), self.step_clock)
        world.every(plan.edit_every, Random(plan.seed + 3), world.operate)
        world.every(plan.move_every, Random(plan.seed + 4), self.move_device)
        if plan.release_at:
            world.later(plan.release_at, self.change_rules)

    async def befalls(self, actor: Actor) -> bool:
        """Perhaps something happens to this actor; whether it does instead of its next step."""
        draw, plan, world = self.chance.random(), self.world.plan, self.world
        if draw < plan.crash:
            await self.crash(actor.process, actor.where)
            return True
        if draw < plan.crash + plan.cut and actor.where.startswith("before"):
            world.tell(f"{actor.name} loses its connection {actor.where}")
            world.counts["cuts"] += 1
            world.excuse(3)
            await world.conductor.cut(actor)
        elif draw < plan.crash + plan.cut + plan.stall:
            seconds = self.chance.choice(_STALLS)
            world.tell(f"{actor.name} stalls for {seconds:g} s {actor.where}")
            world.counts["stalls"] += 1
            world.excuse(seconds + 61)
            world.conductor.stall(actor, seconds)
            return True
        return False

    async def crash(self, process: Process, where: str) -> None:
        """kill -9 of one process; its supervisor starts it again."""
        world = self.world
        world.tell(f"{process.name} dies {where}")
        world.counts["crashes"] += 1
        await world.kill(process)
        if process is world.api:
            world.open_api()
            return
        seconds = self.chance.uniform(*_RESTART)
        world.later(seconds, self._starter(process.name))
        world.excuse(2 if world.schedulers else seconds + 2)

    async def outage(self) -> None:
        """Every scheduler is gone, for minutes or for weeks."""
        world = self.world
        seconds = min(self.chance.choice(_OUTAGES), world.plan.outage_every)
        world.tell(f"every scheduler is gone for {timedelta(seconds=seconds)}")
        world.counts["outages"] += 1
        gone = list(world.schedulers)
        for process in gone:
            await world.kill(process)
        world.excuse(seconds + 5)
        for process in gone:
            world.later(seconds + self.chance.uniform(0, 2), self._starter(process.name))

    def _starter(self, name: str) -> Callable[[], Awaitable[None]]:
        return lambda: self.world.start_scheduler(name)

    async def step_clock(self) -> None:
        """The database's clock is set, mostly forward; the monotonic clocks go on."""
        world = self.world
        by = timedelta(seconds=self.chance.choice((1, 1, -1)) * self.chance.choice(_STEPS))
        if world.schedulers and world.room.is_quiet():
            await world.beat()
        world.room.disturbed_at = world.time.passed
        world.time.offset += by
        for process in world.schedulers:
            world.room.look_soon(process)
        world.tell(f"the clock is set by {by.total_seconds():+g} s")
        world.counts["clock_steps"] += 1
        world.excuse(120 + abs(by.total_seconds()))

    async def change_rules(self) -> None:
        """An upgrade, one process after the other: for a while both releases of the zone rules are at work."""
        world = self.world
        world.release = "new"
        world.operator.promises.clear()
        world.tell("new zone rules are being installed, process by process")
        world.counts["zone_changes"] += 1
        await self.crash(world.api, "for the upgrade")
        for process in list(world.schedulers):
            world.later(self.chance.uniform(0, 600), self._upgrader(process))

    def _upgrader(self, process: Process) -> Callable[[], Awaitable[None]]:
        async def upgrade() -> None:
            if process.is_alive:
                await self.crash(process, "for the upgrade")

        return upgrade

    async def move_device(self) -> None:
        """A device says that it is in another zone now; the housekeepers hear of it with their next beat."""
        world = self.world
        zone, host = self.chance.choice(_ZONES), f"device-{self.chance.randrange(4)}"
        await world.observer.execute(_MOVE, (zone, host))
        world.tell(f"{host} moves to {zone}")
        world.counts["moves"] += 1
        await world.zones_changed()

"""One simulated world: a database, two or three schedulers, an operator at the real API, and what befalls them.

Everything that happens is drawn from the seed; the plan says how much of it.
"""

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import psycopg
from fastapi import FastAPI

from tests.simulation import recorder
from tests.simulation.clockwork import Time
from tests.simulation.conductor import Actor, Conductor, Process, VirtualClock, is_lost
from tests.simulation.database import GatedDatabase
from tests.simulation.judge import Commit, Judge
from tests.simulation.operator import Operator
from tests.simulation.plans import Plan
from tests.simulation.rules import Rules
from tests.simulation.sleeping import Bedroom, SleepingWake
from watchbill import jobs
from watchbill.api.common import Deps
from watchbill.apps import doctor
from watchbill.apps.scheduler import HOUSEKEEPING, LONGEST_REST, Housekeeper, Reaper, Starter, Ticker, Trickle, services
from watchbill.apps.wiring import Engine
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings

#: A service that failed is started anew after this long.
_RETRY = 0.2
_NEVER = 90_000.0
_ZONES = "SELECT timezone FROM devices WHERE timezone IS NOT NULL UNION SELECT timezone FROM sites"
# Whoever holds the pulse writes it himself.
_BEAT = """
UPDATE scheduler_pulse p SET ticked_at = %s
FROM (SELECT id FROM scheduler_pulse WHERE ticked_at IS NOT NULL FOR UPDATE SKIP LOCKED) mine WHERE p.id = mine.id
"""


@dataclass
class Surroundings:
    """What a world needs of the real one."""

    url: str
    keys: KeyRing
    settings: Settings
    rules: Rules
    #: How many statements the last world came to.
    steps: int = 0


@dataclass
class World:
    """The whole, while it runs. `befalls(actor)`: whether something happens to an actor instead of its next step."""

    plan: Plan
    around: Surroundings
    time: Time
    conductor: Conductor
    judge: Judge
    observer: psycopg.AsyncConnection[Any]
    chance: Random
    app: FastAPI
    operator: Operator
    befalls: Callable[[Actor], Awaitable[bool]] | None = None
    schedulers: list[Process] = field(default_factory=list)
    api: Process = field(default_factory=lambda: Process("api"))
    counts: Counter[str] = field(default_factory=Counter)
    story: list[tuple[datetime, int | None, str]] = field(default_factory=list)
    release: str = "old"
    room: Bedroom = field(init=False)
    #: (from, to) in passed time: what was due in between may be late.
    _excuses: list[tuple[float, float]] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.room = Bedroom(self.time, self.chance, self.conductor, self.beat)
        self.conductor.on_commit = self.committed
        self.judge.is_excused = self.is_excused
        self.operator.tell = self.tell

    # --- time -------------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, what: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._events, (self.time.passed + seconds, next(self._numbers), what))

    def every(self, mean: float, chance: Random, what: Callable[[], Awaitable[None]]) -> None:
        """Again and again, at random, this many seconds of calendar apart on average."""
        if not mean:
            return

        async def again() -> None:
            await what()
            self.later(chance.expovariate(1 / mean), again)

        self.later(chance.expovariate(1 / mean), again)

    def tell(self, what: str, job_id: int | None = None) -> None:
        self.story.append((self.time.wall, job_id, what))

    def excuse(self, seconds: float, since: float | None = None) -> None:
        """What is due from now (or `since`) until so many seconds from now may be late."""
        self._excuses.append((self.time.passed if since is None else since, self.time.passed + seconds))

    def is_excused(self, due: datetime, now: datetime) -> bool:
        since = self.time.passed - (now - due).total_seconds() - 1
        return any(ends >= since for _, ends in self._excuses[-200:])

    async def beat(self) -> None:
        """Leave in the pulse what the looks that were left out would have left there, at most a minute ago."""
        at = self.time.wall - timedelta(seconds=self.chance.uniform(0.0, 60.0))
        await self.observer.execute(_BEAT, (at,))

    async def run(self) -> None:
        """Until the plan's end; then everything heals, settles, and is compared."""
        ends = self.plan.calendar.total_seconds()
        while self.conductor.steps < self.plan.steps and self.time.passed < ends:
            await self._go_on()
        await self._heal()
        await self._compare()

    async def _go_on(self, *, in_trouble: bool = True) -> None:
        while self._events and self._events[0][0] <= self.time.passed:
            await heapq.heappop(self._events)[2]()
        ready = self.conductor.ready()
        if not ready:
            self._jump()
            return
        actor = self.chance.choice(ready)
        if in_trouble and self.befalls and actor.connection is not None and await self.befalls(actor):
            return
        self.time.passed += self.chance.uniform(0.0001, 0.003)
        await self.conductor.move(actor)

    def _jump(self) -> None:
        self.judge.look_for_overdue(self.time.wall)
        coming = [self.conductor.next_waking(), self._events[0][0] if self._events else None]
        if not any(coming):
            raise RuntimeError(f"everybody waits: {[actor.where for actor in self.conductor.blocked]}")
        self.time.passed = max(self.time.passed, min(one for one in coming if one is not None))
        self.counts["jumps"] += 1

    # --- processes --------------------------------------------------------------------------------------------------------

    def _engine(self, process: Process) -> Engine:
        db = GatedDatabase(self.around.url, self.conductor.gate)
        process.databases.append(db)
        return Engine(self.around.settings, db, VirtualClock(time=self.time), self.around.keys)

    def open_api(self) -> None:
        self.api = Process("api", self.release)
        engine = self._engine(self.api)
        self.app.state.deps = Deps(engine.db, engine.clock, engine.keys, engine.settings)

    async def operate(self) -> None:
        """One request, if the last one is done."""
        if not self.api.actors:
            await self.conductor.start(self.api, "request", lambda _: self.operator.do_something())

    async def start_scheduler(self, name: str) -> None:
        """The services of a real scheduler process, without those that listen, beat and start other processes."""
        process = Process(name, self.release)
        self.schedulers.append(process)
        engine = self._engine(process)
        parts, _ = services(engine)
        for part in parts:
            match part:
                case Ticker():
                    await self._start_looking(process, "tick", part, lambda: self._until(self.judge.earliest_due()))
                case Starter():
                    await self._start_looking(process, "held", part, lambda: self._until(self.judge.earliest_held()))
                case Trickle():
                    await self._start_looking(process, "trickle", part, self._until_trickle)
                case Housekeeper():
                    await self._start_beating(process, "tidy", part.tidy)
                case Reaper():
                    await self._start_beating(process, "reap", part.reap)
                case _:
                    continue

    def _until(self, at: datetime | None) -> float:
        return self.time.to_wall(at) - self.time.passed if at else _NEVER

    def _until_trickle(self) -> float:
        return 0.0 if self.judge.guard is not None and self.operator.trickle else _NEVER

    async def _start_looking(
        self, process: Process, name: str, part: Ticker | Starter | Trickle, quiet: Callable[[], float]
    ) -> None:
        async def work(actor: Actor) -> None:
            part.wake = SleepingWake(self.room, actor, quiet)
            await self._keep(actor, lambda: part.run(asyncio.Event()))

        await self.conductor.start(process, name, work)

    async def _start_beating(self, process: Process, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """Services on a slow beat; most of their beats are left out."""

        async def work(actor: Actor) -> None:
            async def beats() -> None:
                while True:
                    await self.conductor.sleep(actor, self.chance.expovariate(1 / self.plan.reap_every))
                    await step()

            await self._keep(actor, beats)

        await self.conductor.start(process, name, work)

    async def _keep(self, actor: Actor, service: Callable[[], Awaitable[None]]) -> None:
        """As `keep_running` does it: a service that fails for want of its connection is started anew."""
        while True:
            try:
                await service()
            except Exception as fault:
                if not is_lost(fault):
                    raise
            await self.conductor.sleep(actor, _RETRY)

    async def zones_changed(self) -> None:
        """Devices are in other zones than before: what jobs can follow. The housekeepers' next beat is at most ten seconds off."""
        found = await (await self.observer.execute(_ZONES)).fetchall()
        self.judge.adopt_zones({row[0] for row in found} | {"UTC"})
        self._tidy_soon()

    def _tidy_soon(self) -> None:
        """Most beats of housekeepers are left out; this one is not."""
        for process in self.schedulers:
            for actor in process.actors:
                if actor.name.endswith("tidy"):
                    self.conductor.wake(actor, self.chance.uniform(0.0, HOUSEKEEPING.total_seconds()))
        self.excuse(30)

    async def kill(self, process: Process) -> None:
        if process in self.room.wakes and self.room.is_quiet():
            await self.beat()
        self.room.wakes.pop(process, None)
        if process in self.schedulers:
            self.schedulers.remove(process)
        await self.conductor.kill(process)

    # --- commits ----------------------------------------------------------------------------------------------------------

    async def committed(self, actor: Actor) -> None:
        changes = await recorder.take(self.observer)
        if changes:
            if actor.process is self.api or actor.name.endswith("tidy"):
                self.excuse(3, self.time.passed - 61)
            for one in changes:
                self._tell_change(actor, one)
            assert actor.now is not None
            commit = Commit(actor.name, actor.now, actor.began, actor.process.release, changes)
            self.judge.committed(commit, self.conductor.steps)
        if jobs.CHANNEL in actor.rung:
            for process in self.schedulers:
                self._ring(process)

    def _ring(self, process: Process) -> None:
        if self.chance.random() < self.plan.lost_doorbells:
            self.room.look_soon(process)
            self.excuse(LONGEST_REST.total_seconds() + 1, self.time.passed - 1)
        else:
            self.room.ring(process)

    def _tell_change(self, actor: Actor, one: recorder.Change) -> None:
        new = one.new
        if one.table == "jobs" and new:
            said = f"{actor.name}: mark {new['mark_at']}, next {new['next_due_at']}, {new['state']}"
            self.tell(f"{said}, revision {new['revision']}", new["id"])
        elif one.table == "occurrences" and new:
            said = f"{actor.name}: {new['scheduled_for_at']} {new['state']} {new['reason'] or ''}"
            count = f" x{new['range_count']}" if new["range_count"] != 1 else ""
            self.tell(f"{said}{count}{' late' * new['is_late']} ({new['kind']})", new["job_id"])
        elif one.table == "outages" and new:
            self.tell(f"{actor.name}: {new['kind']}, {new['detail']} The guard is {new['guard']}.")
        elif one.old and one.table == "occurrences":
            self.tell(f"{actor.name}: takes {one.old['scheduled_for_at']} back", one.old["job_id"])

    # --- the end ----------------------------------------------------------------------------------------------------------

    async def _heal(self) -> None:
        """No more trouble: everybody gets up and catches up."""
        self._events.clear()
        self.conductor.end_stalls()
        for process in list(self.schedulers):
            if process.release != self.release:
                await self.kill(process)
        for number in range(1, self.plan.schedulers + 1):
            if f"scheduler-{number}" not in {process.name for process in self.schedulers}:
                await self.start_scheduler(f"scheduler-{number}")
        self.excuse(200)
        for _ in range(4):
            for process in self.schedulers:
                self.room.ring(process)
            # Whoever began after the last move of a device has not beaten yet.
            self._tidy_soon()
            ends = self.time.passed + 30
            while self.time.passed < ends:
                await self._go_on(in_trouble=False)
        for process in list(self.schedulers):
            await self.kill(process)

    async def _compare(self) -> None:
        self.around.rules.use(self.release)
        self.judge.look_for_overdue(self.time.wall)
        self.judge.compare_next(self.release)
        self.counts["compared"] = self.judge.compare_lives(self.release) if not self.plan.release_at else 0
        self.counts["promises"] = self.operator.compare_promises()
        db = Database(self.around.url, pool_size=2)
        engine = Engine(self.around.settings, db, VirtualClock(time=self.time), self.around.keys)
        try:
            for _ in range(20):
                await Reaper(engine).reap()
            await Housekeeper(engine).tidy()
            findings = await doctor.check(engine)
        finally:
            await db.close()
        if findings:
            raise AssertionError(f"the doctor finds: {findings}")

    def figures(self) -> dict[str, float]:
        """What happened, in numbers."""
        said = self.judge.counts
        years = (self.time.wall - self.plan.begins).total_seconds() / 86_400 / 365.25
        names = (
            *("instants", "on_time", "late", "missed", "held", "skipped", "asked", "rows", "let_go"),
            *("edits", "marks_back", "guards_up", "following"),
        )
        happened = (
            *("crashes", "cuts", "stalls", "outages", "clock_steps", "zone_changes", "moves"),
            *("jumps", "compared", "promises"),
        )
        return {
            "jobs": len(self.judge.jobs),
            **{name: said[name] for name in names},
            **{name: self.counts[name] for name in happened},
            "statements": self.conductor.steps,
            "years": round(years, 3),
        }


def told(world: World, job_id: int | None, most: int = 40) -> str:
    """The last of what concerns one job, or everybody."""
    lines = [
        f"  {at:%Y-%m-%d %H:%M:%S.%f} {what}"
        for at, about, what in world.story
        if about in (None, job_id) or job_id is None
    ]
    head = f"seed {world.plan.seed}, after {world.conductor.steps} statements; {world.plan}"
    return "\n".join([head, *lines[-most:]])

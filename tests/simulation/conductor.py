"""Who goes on, statement by statement: any number of processes in one loop, of which exactly one moves at a time.

A process is a set of actors (its services). An actor moves from gate to gate; between gates nobody else does. Whoever waits for
another's lock is set aside until the server says that he waits no longer. The choice is a seeded random source's: the same seed
gives the same run.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from random import Random
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.simulation.clockwork import Time
from tests.simulation.database import Crash, GatedConnection, GatedDatabase
from watchbill.kit.clock import Clock

#: A statement that takes longer than this is asked whether it waits for somebody. Real seconds.
_IMPATIENCE = 0.03
#: Nothing of the real world may take longer: a gate that is not reached by then is a fault of the simulation.
_PATIENCE = 30.0
#: Between two statements there is nothing that others could see: after one, a gate is passed at most times without a stop.
_PAUSES_AFTER = 0.1
_CURRENT: ContextVar["Actor | None"] = ContextVar("actor", default=None)

_READ = text("SELECT 1 AS read_clock")
_WAITS = "SELECT pg_blocking_pids(%s) <> '{}'"
_ENDED = "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = %s)"

Work = Callable[["Actor"], Coroutine[Any, Any, None]]


class State(Enum):
    READY = auto()  # at a gate
    MOVING = auto()  # on its way to the next; seen from outside: waiting for a lock
    ASLEEP = auto()
    STALLED = auto()
    ENDED = auto()


_RESTING = (State.ASLEEP, State.STALLED)


@dataclass(eq=False)
class Process:
    """What is killed as a whole. `release` is the zone rules it was installed with."""

    name: str
    release: str = "old"
    is_alive: bool = True
    actors: list["Actor"] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    databases: list[GatedDatabase] = field(default_factory=list)


@dataclass(eq=False)
class Actor:
    """One service of one process on its way from gate to gate."""

    name: str
    process: Process
    state: State = State.MOVING
    task: asyncio.Task[None] | None = None
    where: str = ""
    wakes_at: float = 0.0
    connection: GatedConnection | None = None
    #: What the clock said in this actor's transaction.
    now: datetime | None = None
    #: At which step of the run it said so.
    began: int = 0
    has_committed: bool = False
    #: Channels rung by the transaction under way.
    rung: set[str] = field(default_factory=set)
    turn: asyncio.Future[None] | None = None
    fault: BaseException | None = None
    was_blocked: bool = False

    @property
    def is_at_beginning(self) -> bool:
        """Whether a transaction begins: the one before has ended, in whatever way."""
        return self.where.endswith("AS read_clock")


@dataclass(frozen=True, kw_only=True)
class VirtualClock(Clock):
    """The Engine's clock on virtual time. Reading it is a statement, so that a crash or a long stall can come before and after."""

    time: Time

    async def now(self, tx: AsyncConnection) -> datetime:
        await tx.execute(_READ)
        actor = _CURRENT.get()
        return actor.now if actor and actor.now else self.time.wall

    async def host_skew(self, tx: AsyncConnection) -> tuple[timedelta, timedelta]:
        return timedelta(), timedelta()


@dataclass
class Conductor:
    """Moves the actors. `on_commit` is told of each commit before anybody else moves; `on_turn` who is to move."""

    time: Time
    chance: Random
    observer: psycopg.AsyncConnection[Any]
    on_turn: Callable[[Process], None]
    on_commit: Callable[[Actor], Awaitable[None]] | None = None
    actors: list[Actor] = field(default_factory=list)
    steps: int = 0
    #: A digest of all gates passed: two runs of one seed agree in it.
    trace: bytes = b""
    _stir: asyncio.Event = field(default_factory=asyncio.Event)

    # --- what processes are made of ---------------------------------------------------------------------------------------

    async def start(self, process: Process, name: str, work: Work) -> Actor:
        """A new actor of `process`; returns when it has reached its first gate."""
        actor = Actor(f"{process.name}.{name}", process)
        process.actors.append(actor)
        self.actors.append(actor)
        self.on_turn(process)
        actor.task = asyncio.get_running_loop().create_task(self._life(actor, work), name=actor.name)
        await self._settle(actor)
        return actor

    async def _life(self, actor: Actor, work: Work) -> None:
        _CURRENT.set(actor)
        try:
            await work(actor)
        except BaseException as fault:
            if not is_crash(fault):
                actor.fault = fault
        actor.state = State.ENDED
        self._stir.set()

    async def gate(self, where: str, connection: GatedConnection, statement: str, parameters: Any) -> None:
        """Called by connections: wait for the turn of the actor whose statement it is."""
        actor = _CURRENT.get()
        if actor is None:
            return
        actor.process.pids.add(connection.pid)
        actor.connection = connection
        if where == "after":
            self._note(actor, statement, parameters)
            if not (actor.was_blocked or statement == "COMMIT" or self.chance.random() < _PAUSES_AFTER):
                return
            actor.was_blocked = False
        actor.where = f"{where} {' '.join(statement.split())[:90]}"
        await self._park(actor, State.READY)
        if where == "after" and statement == "COMMIT":
            actor.connection = None

    def _note(self, actor: Actor, statement: str, parameters: Any) -> None:
        if statement == "COMMIT":
            actor.has_committed = True
        elif statement.endswith("AS read_clock"):
            actor.now, actor.began = self.time.wall, self.steps
        elif "pg_notify" in statement and "channel" in (parameters or {}):
            actor.rung.add(parameters["channel"])

    async def sleep(self, actor: Actor, seconds: float) -> None:
        """Let virtual time pass; `wake` ends it early."""
        actor.wakes_at = self.time.passed + max(seconds, 0.0)
        actor.connection = None
        actor.where = "asleep"
        await self._park(actor, State.ASLEEP)

    def stall(self, actor: Actor, seconds: float) -> None:
        """Who was about to move stands still for so long, with all he holds."""
        actor.state = State.STALLED
        actor.wakes_at = self.time.passed + seconds

    @property
    def is_anybody_stalled(self) -> bool:
        return any(actor.state is State.STALLED for actor in self.actors)

    def end_stalls(self) -> None:
        for actor in self.actors:
            if actor.state is State.STALLED:
                actor.wakes_at = self.time.passed

    def wake(self, actor: Actor, latency: float = 0.0) -> None:
        if actor.state is State.ASLEEP:
            actor.wakes_at = min(actor.wakes_at, self.time.passed + latency)

    async def _park(self, actor: Actor, state: State) -> None:
        actor.turn = asyncio.get_running_loop().create_future()
        actor.state = state
        self._stir.set()
        await actor.turn

    # --- moving -----------------------------------------------------------------------------------------------------------

    def ready(self) -> list[Actor]:
        for actor in self.actors:
            if actor.state in _RESTING and actor.wakes_at <= self.time.passed:
                actor.state = State.READY
        ready = [actor for actor in self.actors if actor.state is State.READY]
        # Which of two waits for one lock ends first is the server's choice, not the seed's: a second one does not begin to wait.
        waiting = {actor.where for actor in self.blocked}
        return [actor for actor in ready if actor.where not in waiting]

    def next_waking(self) -> float | None:
        return min((actor.wakes_at for actor in self.actors if actor.state in _RESTING), default=None)

    async def move(self, actor: Actor) -> None:
        """Let one actor go to its next gate."""
        self.steps += 1
        self.trace = sha256(self.trace + f"{actor.name} {actor.where} {self.time.wall}".encode()).digest()
        self.on_turn(actor.process)
        self._go(actor)
        await self._settle(actor)
        if actor.has_committed or actor.connection is None or actor.state is State.ENDED or actor.is_at_beginning:
            await self._look_at_blocked()
        if actor.has_committed:
            actor.has_committed = False
            if self.on_commit is not None:
                await self.on_commit(actor)
            actor.rung.clear()

    def _go(self, actor: Actor, fault: BaseException | None = None) -> None:
        actor.state = State.MOVING
        assert actor.turn is not None
        if fault is None:
            actor.turn.set_result(None)
        else:
            actor.turn.set_exception(fault)

    async def _settle(self, actor: Actor) -> None:
        """Wait until the actor has arrived, or waits for a lock that somebody here holds."""
        began = time.monotonic()
        while actor.state is State.MOVING:
            self._stir.clear()
            await self._stir.wait()
            waited = time.monotonic() - began
            if actor.state is State.MOVING and waited > _IMPATIENCE and await self._is_blocked(actor):
                actor.was_blocked = True
                return
            if waited > _PATIENCE:
                raise RuntimeError(f"{actor.name} does not come back from: {actor.where}")
        if actor.state is State.ENDED:
            self._retire(actor)

    async def _is_blocked(self, actor: Actor) -> bool:
        if actor.connection is None:
            return False
        found = await (await self.observer.execute(_WAITS, (actor.connection.pid,))).fetchone()
        return bool(found and found[0])

    async def _look_at_blocked(self) -> None:
        """Somebody let go of his locks: who waited may go on; who died while he waited ends now."""
        for actor in self.blocked:
            await self._settle(actor)
        for actor in list(self.actors):
            if actor.state is State.READY and not actor.process.is_alive:
                await self._crash(actor)

    def _retire(self, actor: Actor) -> None:
        if actor in self.actors:
            self.actors.remove(actor)
            actor.process.actors.remove(actor)
        if actor.fault is not None:
            raise actor.fault

    @property
    def blocked(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.state is State.MOVING]

    # --- ends -------------------------------------------------------------------------------------------------------------

    async def kill(self, process: Process) -> None:
        """kill -9: every service of the process ends where it is, and the server finds its connections closed."""
        process.is_alive = False
        for actor in list(process.actors):
            if actor.state in (State.READY, *_RESTING):
                await self._crash(actor)
        waiting = {actor.connection.pid for actor in process.actors if actor.connection}
        for database in process.databases:
            await database.close()
        for pid in sorted(process.pids - waiting):
            await self._wait_for_end(pid)
        await self._look_at_blocked()

    async def _crash(self, actor: Actor) -> None:
        self._go(actor, Crash())
        await self._settle(actor)

    async def cut(self, actor: Actor) -> None:
        """The server closes the connection that an actor is about to use."""
        assert actor.connection is not None
        pid = actor.connection.pid
        await self.observer.execute("SELECT pg_terminate_backend(%s)", (pid,))
        await self._wait_for_end(pid)
        await self._look_at_blocked()

    async def _wait_for_end(self, pid: int) -> None:
        ends = time.monotonic() + _PATIENCE
        while not (found := await (await self.observer.execute(_ENDED, (pid,))).fetchone()) or not found[0]:
            if time.monotonic() > ends:
                raise RuntimeError(f"backend {pid} does not end")

    def heartbeat(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        """Stirs the loop now and then, from a thread, so that a wait for a lock is noticed: timers are virtual here."""
        while not stop.wait(_IMPATIENCE):
            loop.call_soon_threadsafe(self._stir.set)


def is_crash(fault: BaseException) -> bool:
    if isinstance(fault, BaseExceptionGroup):
        return all(map(is_crash, fault.exceptions))
    return isinstance(fault, Crash)


def is_lost(fault: BaseException) -> bool:
    """Whether a service failed for want of its connection, after which the real one is started anew."""
    if isinstance(fault, BaseExceptionGroup):
        return all(map(is_lost, fault.exceptions))
    return isinstance(fault, DBAPIError) and (fault.connection_invalidated or "terminating connection" in str(fault))

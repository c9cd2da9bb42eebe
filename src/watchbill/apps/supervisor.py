"""Child processes that are kept running: started in order, watched, restarted after a crash, stopped in reverse order.

Used by `watchbill up` and by the local launcher of site workers. Knows nothing of what the children do.
"""

import asyncio
import contextlib
import inspect
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from watchbill.kit.child_process import ChildProcess
from watchbill.kit.postgres import FORCE_SIGNAL, STOP_SIGNAL, EmbeddedPostgres
from watchbill.kit.processes import Account

Probe = Callable[[], bool | Awaitable[bool]]
OnLine = Callable[[str, str], None]
OnEvent = Callable[["ChildEvent"], None]

# How often a child that is starting is asked whether it is ready.
_PROBE_SECONDS = 0.05
# A process that was killed ends at once; one that does not hangs in the kernel, and no wait helps.
_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What to run, and how it is started and stopped."""

    name: str
    argv: Sequence[str]
    #: The whole environment; None: this process's.
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    #: None: runs as this process does.
    account: Account | None = None
    #: Asked until it says yes; must not raise. None: ready as soon as it runs.
    ready: Probe | None = None
    ready_timeout_seconds: float = 60.0
    #: Called in a thread before each start, the first included.
    before_start: Callable[[], None] | None = None
    #: False: once it has ended it is over, whatever its exit status.
    restart: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_seconds: float = 10.0
    #: After the grace; SIGKILL to its whole process group comes last in any case.
    force_signal: signal.Signals = signal.SIGKILL
    force_grace_seconds: float = 5.0
    #: What it receives when this process ends without stopping it, by kill -9 for instance.
    parent_death_signal: signal.Signals = signal.SIGTERM


def postgres_child(server: EmbeddedPostgres, *, name: str = "postgres") -> Child:
    """The embedded PostgreSQL as a child, after its `prepare()`."""
    return Child(
        name=name,
        argv=server.command(),
        env=server.environment(),
        cwd=Path("/"),
        account=server.account,
        ready=server.is_ready,
        before_start=server.recover,
        stop_signal=STOP_SIGNAL,
        stop_grace_seconds=30,
        force_signal=FORCE_SIGNAL,
        parent_death_signal=STOP_SIGNAL,
    )


class Event(StrEnum):
    STARTED = "child.started"
    READY = "child.ready"
    NOT_READY = "child.not_ready"
    NOT_STARTED = "child.not_started"
    EXITED = "child.exited"
    RESTARTING = "child.restarting"
    KILLED = "child.killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEvent:
    """One thing that happened to a child. `returncode` is negative for a signal; `detail` is a short text for people."""

    event: Event
    name: str
    pid: int | None = None
    returncode: int | None = None
    detail: str = ""


class ChildFailedError(Exception):
    """A child did not become ready when it was first started. `lines` are the last that it wrote."""

    def __init__(self, name: str, reason: str, lines: Sequence[str]) -> None:
        self.name, self.reason, self.lines = name, reason, tuple(lines)
        super().__init__("\n".join([f"{name} {reason}", *(f"  {line}" for line in lines)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses between restarts: doubled from `first_seconds` to `longest_seconds`, begun anew after `stable_seconds` of life."""

    first_seconds: float = 1.0
    longest_seconds: float = 30.0
    stable_seconds: float = 60.0

    def next_pause(self, last_pause: float | None, lived_seconds: float) -> float:
        if last_pause is None or lived_seconds >= self.stable_seconds:
            return self.first_seconds
        return min(last_pause * 2, self.longest_seconds)


class Supervisor:
    """Keeps children running while its `async with` block lasts; leaving the block stops them, the last started first.

    To be used in the main thread: children end with the thread that starts them. `on_line(name, line)` gets what children
    write to stdout and stderr; `on_event` what happens to them. To stop early, cancel the task that is in the block.
    """

    def __init__(
        self,
        *,
        on_line: OnLine,
        on_event: OnEvent,
        backoff: Backoff | None = None,
        first_attempts: int = 4,
        stops_together: bool = False,
    ) -> None:
        self._on_line = on_line
        self._on_event = on_event
        self._backoff = backoff or Backoff()
        # More than one: after a kill -9 of everything, what ran before may hold a port for another moment.
        self._first_attempts = first_attempts
        # For children that do not need each other, such as site workers: all at once instead of one by one.
        self._stops_together = stops_together
        self._tasks = asyncio.TaskGroup()
        self._kept: dict[str, _Kept] = {}

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        try:
            await self.stop_all()
        finally:
            # Only what a second cancellation cut short is still there.
            for kept in self._kept.values():
                kept.stopping.set()
                kept.close()
            await self._tasks.__aexit__(None, None, None)

    async def start(self, child: Child) -> None:
        """Start a child and return when it is ready (or stopped meanwhile); its name must be free.

        Raises ChildFailedError when it does not get ready within `first_attempts` starts.
        """
        if child.name in self._kept:
            raise ValueError(f"there is a child named {child.name} already")
        kept = _Kept(child, self._backoff, self._first_attempts, on_line=self._on_line, on_event=self._on_event)
        self._kept[child.name] = kept
        self._tasks.create_task(self._keep(kept))
        await kept.settled.wait()
        if kept.failure is not None:
            raise kept.failure

    async def _keep(self, kept: "_Kept") -> None:
        try:
            await kept.run()
        finally:
            kept.settled.set()
            kept.over.set()
            # One that still runs (this task was cancelled) stays in the list, for the end of the block to stop it.
            if kept.process is None:
                del self._kept[kept.child.name]

    async def stop(self, name: str) -> None:
        """Stop a child and return when it has ended, in bounded time. Nothing happens when there is none of that name."""
        kept = self._kept.get(name)
        if kept is not None:
            await kept.stop()

    async def stop_all(self) -> None:
        """Stop every child, the last started first; each in bounded time."""
        stopping = list(reversed(self._kept.values()))
        if self._stops_together:
            async with asyncio.TaskGroup() as group:
                for kept in stopping:
                    group.create_task(kept.stop())
        else:
            for kept in stopping:
                await kept.stop()

    async def wait(self, name: str) -> int | None:
        """Return when a child is over for good (stopped, or ended and not to be restarted): its last exit status."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        await kept.over.wait()
        return kept.returncode

    def pids(self) -> dict[str, int]:
        """The children that run now."""
        return {name: kept.process.pid for name, kept in self._kept.items() if kept.process is not None}


@dataclass
class _Kept:
    """One child over its restarts. Its loop is `run`; `stop` may be called beside it at any moment."""

    child: Child
    backoff: Backoff
    first_attempts: int
    on_line: OnLine = field(kw_only=True)
    on_event: OnEvent = field(kw_only=True)
    process: ChildProcess | None = None
    returncode: int | None = None
    failure: ChildFailedError | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: It was ready once, or will never be.
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        pause: float | None = None
        attempts = 0
        while not self.stopping.is_set():
            attempts += 1
            begun = _now()
            failure = await self._live_once()
            if self.stopping.is_set():
                return
            if self._is_final(attempts):
                self.failure = None if self.settled.is_set() else failure
                return
            pause = self.backoff.next_pause(pause, _now() - begun)
            self._tell(Event.RESTARTING, detail=f"in {pause:g} s")
            await _wait(self.stopping, pause)

    def _is_final(self, attempts: int) -> bool:
        """Whether there is no other start: it is not to be restarted, or it never got ready in all its attempts."""
        return not self.child.restart or (not self.settled.is_set() and attempts >= self.first_attempts)

    async def _live_once(self) -> ChildFailedError:
        """Run the child from its start to its end; returns how it ended, with its last lines."""
        if self.child.before_start is not None:
            await asyncio.to_thread(self.child.before_start)
        if self.stopping.is_set():
            return ChildFailedError(self.child.name, "was stopped", ())
        try:
            process = self.process = self._start()
        except OSError as error:
            self._tell(Event.NOT_STARTED, detail=str(error))
            return ChildFailedError(self.child.name, f"cannot be started: {error}", ())
        self._tell(Event.STARTED)
        await self._see_ready(process)
        await process.ended.wait()
        self.returncode = process.returncode
        self._tell(Event.EXITED, returncode=process.returncode)
        self.close()
        return ChildFailedError(self.child.name, _how_ended(process.returncode), process.last_lines)

    def _start(self) -> ChildProcess:
        child = self.child
        return ChildProcess(
            child.argv,
            env=child.env,
            cwd=child.cwd,
            account=child.account,
            death_signal=child.parent_death_signal,
            on_line=lambda line: self.on_line(child.name, line),
        )

    async def _see_ready(self, process: ChildProcess) -> None:
        if await _is_ready(self.child, process):
            self._tell(Event.READY)
            self.settled.set()
        elif not process.ended.is_set() and not self.stopping.is_set():
            self._tell(Event.NOT_READY, detail=f"within {self.child.ready_timeout_seconds:g} s")
            await self._end(process)

    async def stop(self) -> None:
        self.stopping.set()
        if self.process is not None:
            await self._end(self.process)
        await self.over.wait()

    async def _end(self, process: ChildProcess) -> None:
        """Ask, insist, kill; each in its time."""
        child = self.child
        steps = (child.stop_signal, child.stop_grace_seconds), (child.force_signal, child.force_grace_seconds)
        for number, seconds in steps:
            process.send(number)
            if await _wait(process.ended, seconds):
                return
        self._tell(Event.KILLED)
        process.kill_group()
        if not await _wait(process.ended, _KILL_SECONDS):
            # Hangs in the kernel. It is given up, or a stop would never end.
            process.close()

    def close(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.close()

    def _tell(self, event: Event, *, returncode: int | None = None, detail: str = "") -> None:
        pid = self.process.pid if self.process is not None else None
        self.on_event(ChildEvent(event=event, name=self.child.name, pid=pid, returncode=returncode, detail=detail))


async def _is_ready(child: Child, process: ChildProcess) -> bool:
    """Whether the child said that it is ready, before it ended and within its time for that."""
    if child.ready is None:
        return True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(child.ready_timeout_seconds):
            while not process.ended.is_set():
                answer = child.ready()
                if await answer if inspect.isawaitable(answer) else answer:
                    return True
                await _wait(process.ended, _PROBE_SECONDS)
    return False


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set within `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _how_ended(returncode: int | None) -> str:
    if returncode is None:
        return "does not end"
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit status {returncode}"

"""The running agent: carries events to the session and its commands to disk, processes and the socket, in order.

It holds no rule. One event is finished, commands and all, before the next is looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import signal
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from watchbill_agent import __version__, as_user, clock, hands, inventory, platform_linux, sessions
from watchbill_agent import events as e
from watchbill_agent.datadir import DataDir
from watchbill_agent.errors import AgentError
from watchbill_agent.filecache import DEFAULT_LIMIT_BYTES, FileCache
from watchbill_agent.gathering import Gatherer
from watchbill_agent.launcher import Launcher
from watchbill_agent.link import Link, first_of
from watchbill_agent.log import Log
from watchbill_agent.session import Session
from watchbill_agent.session_watch import SessionWatch
from watchbill_agent.spool import Spool
from watchbill_agent.upkeep import Upkeep
from watchbill_wire import (
    Cancel,
    Execute,
    Fetch,
    NoFile,
    Output,
    Piece,
    Unknown,
    Welcome,
    WireError,
    decode_from_engine,
    encode,
    execution_id_of,
)

INVENTORY_SECONDS = 900.0


@dataclass(frozen=True)
class Options:
    """`branch`: the line of agents that it follows. `utmp`: where logins are recorded, when not in the usual place."""

    max_parallel: int
    branch: str
    utmp: Path | None = None
    file_cache_bytes: int = DEFAULT_LIMIT_BYTES


class Runtime:
    def __init__(self, data: DataDir, log: Log, options: Options) -> None:
        identity = data.approved_identity()
        self._log = log
        self._data = data
        self._branch = options.branch
        self._failure: Exception | None = None
        self._spool = Spool(data.spool)
        self._desired = data.load_desired(identity.device_id)
        self._session = Session(
            device_id=identity.device_id,
            agent_version=__version__,
            boot_id=platform_linux.boot_id(),
            keys=identity.engine_keys,
            max_parallel=options.max_parallel,
            random=random.random,
            desired_at=self._desired.issued_at if self._desired else None,
        )
        signed_in = sessions.of_this_device(options.utmp)
        self._session_watch = SessionWatch(signed_in, lambda found: self.feed(e.SessionsChanged(found)))
        self._link = Link(data, self.hear, log)
        self._files = FileCache(data.files, options.file_cache_bytes)
        self._gatherer = Gatherer(self._files, self._send_fetch, self.feed, self._time_at)
        self._launcher = Launcher(
            data.executions,
            as_user.Places(data.users),
            self._files,
            signed_in,
            data.load_or_make_sealing_key(),
            self.feed,
            self._time_at,
        )
        self._upkeep = Upkeep(
            hands.of_this_device(data, identity.device_id, self._engine_now),
            lambda reported: self.feed(e.StateLookedAt(reported)),
            self._engine_now,
        )
        self._events: deque[e.Event] = deque()
        self._is_feeding = False
        self._timer: asyncio.TimerHandle | None = None
        self._snapshot: inventory.Snapshot | None = None
        self._keys_wanted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._actions: dict[type, Callable[[Any], None]] = self._table()

    async def run(self) -> None:
        stop = asyncio.Event()
        self._loop.set_default_executor(ThreadPoolExecutor(3))  # inventory, upkeep, and what a connection asks for
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        self._loop.set_exception_handler(lambda _loop, context: self._fail(stop, context))
        try:
            self._take_up()
            self._session_watch.look()
            await first_of(
                self._until(stop),
                self._link.run(),
                self._watch_inventory(),
                self._watch_keys(),
                self._session_watch.run(),
                self._upkeep.run(),
            )
        except sqlite3.Error as error:
            raise AgentError(f"the spool {self._data.spool} cannot be used: {error}") from error
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._gatherer.close()
            self._launcher.close()
            self._spool.close()
        self._log("agent.stopped")

    async def _until(self, stop: asyncio.Event) -> None:
        await stop.wait()
        if self._failure is not None:
            raise self._failure

    def _fail(self, stop: asyncio.Event, context: dict[str, Any]) -> None:
        """Half a list of commands was carried out: the only safe state is what the disk says, at the next start."""
        error = context.get("exception")
        self._log("agent.failed", detail=str(error or context.get("message")))
        if isinstance(error, Exception) and self._failure is None:
            self._failure = error
            stop.set()

    def _take_up(self) -> None:
        deliveries = self._spool.unsettled()
        self._files.sweep()
        self._launcher.sweep(stored.execution_id for stored in deliveries)
        self.feed(e.Loaded(deliveries))
        for stored in deliveries:
            if stored.state in ("starting", "running"):
                self._launcher.attach(stored.execution_id, is_started=stored.state == "running")
        if self._desired is not None:
            self._upkeep.take(self._desired)
        self._log("agent.started", version=__version__, deliveries=len(deliveries))

    # -- events in ---------------------------------------------------------------------------------------------------

    def hear(self, heard: e.Event | str | bytes) -> None:
        if not isinstance(heard, (str, bytes)):
            if isinstance(heard, e.Disconnected):
                self._gatherer.disconnected()
            self.feed(heard)
            return
        try:
            message = decode_from_engine(heard)
        except WireError as error:
            self._log("message.malformed", detail=str(error)[:300])
            return
        if isinstance(message, Unknown):
            self._log.once("message.unknown", message.type, type=message.type)
        self.feed(e.Received(message, self._remembered(message)))
        if isinstance(message, Welcome):
            self._gatherer.connected()
        elif isinstance(message, (Piece, NoFile)):
            self._gatherer.heard(message)

    def _remembered(self, message: object) -> e.Stored | None:
        name = None
        if isinstance(message, Execute):
            name = execution_id_of(message.payload)
        elif isinstance(message, Cancel):
            name = message.execution_id
        return self._spool.find(name) if name and not self._session.knows(name) else None

    def feed(self, event: e.Event) -> None:
        self._events.append(event)
        if self._is_feeding:
            return
        self._is_feeding = True
        try:
            while self._events:
                for command in self._session.handle(self._events.popleft(), clock.monotonic()):
                    self._actions[type(command)](command)
        finally:
            self._is_feeding = False
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        moment = self._session.next_moment()
        self._timer = None if moment is None else self._loop.call_at(moment, self.feed, e.Ticked())

    # -- commands out ------------------------------------------------------------------------------------------------

    def _table(self) -> dict[type, Callable[[Any], None]]:
        spool, launcher, link = self._spool, self._launcher, self._link
        return {
            e.Send: lambda c: link.send(encode(c.message)),
            e.SendOutput: self._send_output,
            e.SendInventory: self._send_inventory,
            e.Ping: lambda _: link.ping(),
            e.Close: self._close,
            e.Reconnect: lambda c: link.come_back(c.after, needs_token=c.needs_token),
            e.RefreshKeys: lambda _: self._keys_wanted.set(),
            e.KeepOrder: lambda c: spool.keep_order(c, hashlib.sha256(c.text.encode()).hexdigest()),
            e.KeepStarting: lambda c: spool.keep_starting(c.execution_id),
            e.KeepStarted: lambda c: spool.keep_started(c.execution_id, c.started_at),
            e.KeepResult: self._keep_result,
            e.KeepWithdrawn: lambda c: spool.keep_withdrawn(c.execution_id, self._time_at(clock.monotonic())),
            e.KeepAcked: spool.keep_acked,
            e.Settle: self._settle,
            e.Purge: lambda c: spool.purge(c.before),
            e.Gather: self._gather,
            e.DropFiles: lambda c: self._gatherer.drop(c.execution_id),
            e.Spawn: self._spawn,
            e.Kill: lambda c: launcher.kill(c.execution_id, c.grace_seconds),
            e.KeepDesired: lambda c: self._data.save_desired(c.text),
            e.Apply: self._apply,
            e.RefuseDesired: lambda c: self._log("desired.refused", detail=c.detail),
        }

    def _send_output(self, command: e.SendOutput) -> None:
        data = self._launcher.read(command.execution_id, command.stream, command.offset, command.length)
        if len(data) != command.length:
            self._log("output.missing", execution=command.execution_id, stream=command.stream, offset=command.offset)
        if data:
            self._link.send(encode(Output(command.execution_id, command.stream, command.offset, data)))

    def _send_inventory(self, _command: e.SendInventory) -> None:
        if self._snapshot is not None:
            self._link.send(encode(self._snapshot.message()))

    def _close(self, command: e.Close) -> None:
        self._log("link.silent", detail=command.reason)
        self._link.abort()

    def _keep_result(self, command: e.KeepResult) -> None:
        self._spool.keep_result(command.result, command.stdout, command.stderr)
        result = command.result
        self._log(
            "execution.ended",
            execution=result.execution_id,
            outcome=result.outcome,
            exit_code=result.exit_code,
            reason=result.reason,
        )

    def _gather(self, command: e.Gather) -> None:
        self._log("execution.gathering", execution=command.payload.execution_id, files=len(command.payload.files))
        self._gatherer.gather(command.payload)

    def _send_fetch(self, fetch: Fetch) -> None:
        self._link.send(encode(fetch))

    def _spawn(self, command: e.Spawn) -> None:
        self._log("execution.starting", execution=command.payload.execution_id)
        self._launcher.spawn(command.payload)

    def _settle(self, command: e.Settle) -> None:
        self._spool.settle(command.execution_id, command.at)
        self._launcher.discard(command.execution_id)

    def _apply(self, command: e.Apply) -> None:
        account = command.payload.service_account
        self._log(
            "desired.taken", tunnel=command.payload.tunnel is not None, account=account.state if account else None
        )
        self._upkeep.take(command.payload)

    def _engine_now(self) -> datetime:
        return self._time_at(clock.monotonic())

    def _time_at(self, moment: float) -> datetime:
        return self._session.engine_time(moment) or clock.wall_at(moment)

    # -- what runs beside --------------------------------------------------------------------------------------------

    async def _watch_inventory(self) -> None:
        while True:
            snapshot = await self._loop.run_in_executor(None, inventory.take, self._branch)
            if snapshot is None:
                self._log("inventory.failed")
            elif self._snapshot is None or snapshot.digest != self._snapshot.digest:
                self._snapshot = snapshot
                self.feed(e.InventoryChanged(snapshot.digest))
            await asyncio.sleep(INVENTORY_SECONDS)

    async def _watch_keys(self) -> None:
        while True:
            await self._keys_wanted.wait()
            self._keys_wanted.clear()
            self.feed(e.KeysLearned(await self._link.fresh_keys()))


async def run(data: DataDir, log: Log, options: Options) -> None:
    await Runtime(data, log, options).run()

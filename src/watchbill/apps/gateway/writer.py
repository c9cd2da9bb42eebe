"""What agents report, stored in batches: every device in its turn, in the order it spoke, acknowledged only once it is committed."""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

import watchbill_wire as wire
from watchbill import devices, runs
from watchbill.apps.gateway import desired
from watchbill.apps.gateway.connection import PROTOCOL_ERROR, RESTART, Connection
from watchbill.apps.wiring import Engine
from watchbill.kit import log
from watchbill.kit.service import Wake, pause
from watchbill.runs import Chunk, Report

#: One device's share of a batch, and the whole batch. A flood from one waits; the results of the others do not.
SHARE_BYTES, SHARE_MESSAGES = 128 * 1024, 100
BATCH_BYTES, BATCH_MESSAGES = 4 * 1024 * 1024, 5000

#: Reading stops above, and goes on below, this much that is not stored yet.
BACKLOG_HIGH, BACKLOG_LOW = 64 * 1024 * 1024, 32 * 1024 * 1024
#: Batches that are being stored at one time: while the database works on one, the next is made ready; and a large one keeps no small
#: one waiting. To the database they are as two gateways are.
LANES = 2

_logger = log.get("gateway")


@dataclass
class Batch:
    """What goes into one transaction."""

    parts: list[tuple[Connection, list[wire.AgentMessage], int]] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    accepted: list[tuple[uuid.UUID, uuid.UUID]] = field(default_factory=list)
    started: list[tuple[uuid.UUID, uuid.UUID, datetime]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    answers: list[tuple[uuid.UUID, uuid.UUID, str]] = field(default_factory=list)
    inventories: list[tuple[uuid.UUID, str, dict[str, object]]] = field(default_factory=list)
    sessions: list[devices.SignedIn] = field(default_factory=list)
    #: How devices are, of what is wanted of them; of each the last word counts.
    told: dict[uuid.UUID, wire.Reported] = field(default_factory=dict)
    acks: list[tuple[Connection, wire.OutputAck | wire.ResultAck]] = field(default_factory=list)
    #: What the results lead to; known once they are stored.
    followed: runs.Followed = field(default_factory=runs.Followed)

    def add(self, connection: Connection, message: wire.AgentMessage) -> None:
        device = connection.device_id
        match message:
            case wire.Output():
                self.acks.append((connection, self._add_output(device, message)))
            case wire.Accepted():
                self.accepted.append((uuid.UUID(message.execution_id), device))
            case wire.Started():
                self.started.append((uuid.UUID(message.execution_id), device, message.started_at))
            case wire.Result():
                self.reports.append(report_of(message, device))
                self.acks.append((connection, wire.ResultAck(message.execution_id)))
            case wire.CancelAnswer():
                self.answers.append((uuid.UUID(message.execution_id), device, message.answer))
            case wire.Inventory():
                self.inventories.append((device, message.digest, message.inventory))
            case wire.Sessions():
                self.sessions.append(signed_in(device, connection.id, message.sessions))
            case wire.Reported():
                self.told[device] = message
            case wire.Hello() | wire.Heartbeat() | wire.Fetch() | wire.Unknown():
                return

    def _add_output(self, device_id: uuid.UUID, output: wire.Output) -> wire.OutputAck:
        if output.data:
            execution_id = uuid.UUID(output.execution_id)
            self.chunks.append(Chunk(execution_id, device_id, output.stream, output.offset, output.data))
        return wire.OutputAck(output.execution_id, output.stream, output.offset + len(output.data))


def signed_in(device_id: uuid.UUID, connection_id: uuid.UUID, told: Sequence[wire.SignedIn] | None) -> devices.SignedIn:
    sessions = None
    if told is not None:
        sessions = [devices.UserSession(one.session_id, one.user, one.place, one.is_remote, one.since) for one in told]
    return devices.SignedIn(device_id, connection_id, sessions)


def report_of(result: wire.Result, device_id: uuid.UUID) -> Report:
    return Report(
        execution_id=uuid.UUID(result.execution_id),
        device_id=device_id,
        outcome=result.outcome,
        exit_code=result.exit_code,
        signal=result.signal,
        reason=result.reason,
        detail=result.detail,
        tree=result.tree,
        started_at=result.started_at,
        finished_at=result.finished_at,
        stdout_bytes=result.stdout_bytes,
        stderr_bytes=result.stderr_bytes,
        truncated=result.truncated,
        last_line=result.last_line,
    )


class Writer:
    """A service that stores what connections bring."""

    def __init__(self, engine: Engine, hand_on: Callable[[runs.Followed], None]) -> None:
        self.engine = engine
        self._hand_on = hand_on
        self.wake = Wake()
        self._queue: deque[Connection] = deque()
        self._backlog = 0
        self._paused: set[Connection] = set()

    def has_news(self, connection: Connection, number_of_bytes: int) -> None:
        self._backlog += number_of_bytes
        if not connection.is_queued:  # nor being stored
            connection.is_queued = True
            self._queue.append(connection)
        if self._backlog > BACKLOG_HIGH and connection.transport is not None:
            connection.transport.underlying_transport.pause_reading()
            self._paused.add(connection)
        self.wake.ring()

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(self._serve(stop))

    async def _serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set() or self._queue:
            if not self._queue:
                await self.wake.wait(stop, 60)
                continue
            batch = self._collect()
            try:
                await self._store(batch, stop)
            except BaseException:
                # What was taken from these connections is gone: their devices come again and send it anew.
                for connection, _, _ in batch.parts:
                    connection.close(RESTART, "not stored")
                raise
            self._back_in_line(batch)
            self._resume()

    def _back_in_line(self, batch: Batch) -> None:
        """What these connections brought meanwhile is next: of each, one share at a time is being stored, so its order stays."""
        for connection, _, _ in batch.parts:
            connection.is_queued = bool(connection.inbox)
            if connection.inbox:
                self._queue.append(connection)

    def _collect(self) -> Batch:
        batch = Batch()
        size = number = 0
        for _ in range(len(self._queue)):
            if size >= BATCH_BYTES or number >= BATCH_MESSAGES:
                break
            connection = self._queue.popleft()
            messages, share = connection.take_share(SHARE_BYTES, SHARE_MESSAGES)
            batch.parts.append((connection, messages, share))
            size += share
            number += len(messages)
        self._backlog -= size
        return batch

    def _resume(self) -> None:
        if self._backlog > BACKLOG_LOW or not self._paused:
            return
        for connection in self._paused:
            if connection.transport is not None:
                connection.transport.underlying_transport.resume_reading()
        self._paused.clear()

    async def _store(self, batch: Batch, stop: asyncio.Event) -> None:
        for connection, messages, _ in batch.parts:
            for message in messages:
                batch.add(connection, message)
        while not await self._commit(batch):
            if stop.is_set():
                return  # nothing was acknowledged: the agents keep it and send it again
            await pause(stop, 0.5)
        for connection, ack in _last_acks(batch):
            connection.send(ack)

    async def _commit(self, batch: Batch) -> bool:
        """Store a batch; False when the database cannot be reached and it is to be tried again."""
        try:
            async with self.engine.db.begin() as tx:
                now = await self.engine.clock.now(tx)
                await _write(tx, batch, now, self.engine.settings.output_limit_bytes)
                await desired.note(tx, self.engine.keys, batch.told, now)
        except (OperationalError, InterfaceError, InternalError, PoolTimeout) as error:
            _logger.warning("writer.waits", error=str(error).splitlines()[0])
            return False
        except (DataError, IntegrityError) as error:
            await self._without_the_culprit(batch, error)
        else:
            self._hand_on(batch.followed)
        return True

    async def _without_the_culprit(self, batch: Batch, error: Exception) -> None:
        """Something in the batch cannot be stored: each device alone, and whoever fails is cut off."""
        batch.acks.clear()
        if len(batch.parts) == 1:
            connection = batch.parts[0][0]
            _logger.warning("device.cut_off", device=str(connection.device_id), error=str(error).splitlines()[0])
            connection.close(PROTOCOL_ERROR, "cannot be stored")
            return
        for connection, messages, size in batch.parts:
            single = Batch([(connection, messages, size)])
            for message in messages:
                single.add(connection, message)
            if await self._commit(single):
                for one, ack in _last_acks(single):
                    one.send(ack)
            else:
                connection.close(RESTART, "not stored")


def _last_acks(batch: Batch) -> list[tuple[Connection, wire.EngineMessage]]:
    """One acknowledgement for a stream is enough: the furthest; and none where the result is acknowledged, which came after it."""
    ended = {(id(connection), ack.execution_id) for connection, ack in batch.acks if isinstance(ack, wire.ResultAck)}
    last: dict[object, tuple[Connection, wire.EngineMessage]] = {}
    for connection, ack in batch.acks:
        if isinstance(ack, wire.ResultAck):
            last[id(connection), ack.execution_id] = (connection, ack)
        elif (id(connection), ack.execution_id) not in ended:
            last[id(connection), ack.execution_id, ack.stream] = (connection, ack)
    return list(last.values())


async def _write(tx: AsyncConnection, batch: Batch, now: datetime, limit_bytes: int) -> None:
    # A result says all that its acceptance and its start in the same batch would say, and a start all of its acceptance.
    # Of whom it comes counts: what a device says of another's execution must not stand in for the other's own word.
    ended = {report.told for report in batch.reports}
    begun = ended | {one[:2] for one in batch.started}
    ending = {report.execution_id for report in batch.reports}
    stored = await runs.store_output(tx, batch.chunks, limit_bytes=limit_bytes, ending=ending)
    hashes = await runs.summarise_output(tx, batch.reports, stored)
    await runs.accepted(tx, [one for one in batch.accepted if one not in begun])
    await runs.started(tx, [one for one in batch.started if one[:2] not in ended], now)
    finished = await runs.finished(tx, batch.reports, now, runs.Outputs(hashes, stored))
    batch.followed = finished
    await runs.cancel_answered(tx, batch.answers, now)
    await devices.reported(tx, batch.inventories, finished.settings, now)
    await runs.somebody_came(tx, await devices.sessions_changed(tx, batch.sessions))

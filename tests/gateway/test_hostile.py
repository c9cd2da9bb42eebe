"""Devices that mean ill, or are broken, beside one that does its work on the same gateway: its results go on arriving. Nothing here is timed."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed

import watchbill_wire as wire
from tests.flows.fleet import until
from tests.gateway.harbour import Harbour, Peer
from watchbill.apps.gateway import connection
from watchbill.core.states import TargetState as S

#: Results of the good one that have to be stored while the others are at it.
ROUNDS = 3


async def _nothing_at_all(_peer: Peer) -> None:
    """No hello, not a byte."""
    await asyncio.Event().wait()


async def _garbage(peer: Peer) -> None:
    await peer.socket.send(b"\xff\xfe" * 50)


async def _half_a_hello(peer: Peer) -> None:
    """A frame that is announced and never ends."""
    peer.socket.transport.write(b"\x81\xfe\x40\x00" + b"\x00" * 4 + b"{")
    await asyncio.Event().wait()


async def _a_huge_frame(peer: Peer) -> None:
    await peer.say(wire.Hello("0.1.0", "boot"))
    await peer.socket.send(json.dumps({"type": "inventory", "digest": "d", "inventory": {"x": "y" * 4_000_000}}))


async def _lies_about_others(peer: Peer) -> None:
    """Ends and output of executions that nobody gave it, as fast as they are answered."""
    await peer.say(wire.Hello("0.1.0", "boot"))
    while True:
        name = str(uuid.uuid4())
        await peer.say(wire.Output(name, "stdout", 0, b"lies"))
        await peer.say(wire.Result(name, "exited", _NOW, exit_code=0))
        await peer.hear(wire.ResultAck)


async def _a_flood_of_small_messages(peer: Peer) -> None:
    await peer.say(wire.Hello("0.1.0", "boot"))
    frame = wire.encode(wire.Started(str(uuid.uuid4()), _NOW))
    while True:
        await peer.socket.send(frame)
        await asyncio.sleep(0)  # the gateway runs in this loop too


async def _a_flood_of_beats(peer: Peer) -> None:
    await peer.say(wire.Hello("0.1.0", "boot"))
    frame = wire.encode(wire.Heartbeat())
    while True:
        await peer.socket.send(frame)
        await asyncio.sleep(0)


async def _one_result_again_and_again_unread(peer: Peer) -> None:
    """Asks for answers and takes none."""
    await peer.say(wire.Hello("0.1.0", "boot"))
    peer.socket.transport.pause_reading()
    frame = wire.encode(wire.Result(str(uuid.uuid4()), "exited", _NOW, exit_code=0))
    while True:
        await peer.socket.send(frame)
        await asyncio.sleep(0)  # the gateway runs in this loop too


_NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)

BEHAVIOURS = [
    _nothing_at_all, _garbage, _half_a_hello, _a_huge_frame, _lies_about_others, _a_flood_of_small_messages, _a_flood_of_beats,
    _one_result_again_and_again_unread,
]  # fmt: skip


@asynccontextmanager
async def _at_it(harbour: Harbour, behaviour, device: uuid.UUID) -> AsyncIterator[None]:
    """A device that behaves so for as long as this lasts, and comes back whenever it is cut off."""
    times = 0

    async def misbehave() -> None:
        nonlocal times
        while True:
            with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
                async with harbour.dial(device, hello=False) as peer:
                    times += 1
                    await behaviour(peer)
                    await peer.closed()
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(misbehave())
        await until(lambda: times)
        try:
            yield
        finally:
            task.cancel()


async def _work(harbour: Harbour, peer: Peer) -> None:
    """A job from its order to its stored result."""
    _, occurrence = await harbour.job("good")
    order = await peer.order()
    await peer.say(wire.Accepted(order.execution_id))
    await peer.say(wire.Started(order.execution_id, order.issued_at))
    await peer.say(wire.Output(order.execution_id, "stdout", 0, b"well\n"))
    await peer.say(wire.Result(order.execution_id, "exited", order.issued_at, exit_code=0, stdout_bytes=5))
    while (await peer.hear(wire.ResultAck, seconds=60)).execution_id != order.execution_id:
        pass
    await harbour.becomes(occurrence, S.SUCCESS, None, name="good")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda one: one.__name__.strip("_"))
async def test_results_of_the_others_go_on_arriving(
    harbour: Harbour, behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HELLO_SECONDS", 1.0)  # so that they come and go while the good one works
    good = await harbour.device("good")
    bad = [await harbour.device(f"bad{number}") for number in range(3)]
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(harbour.dial(good))
        for device in bad:
            await stack.enter_async_context(_at_it(harbour, behaviour, device))
        for _ in range(ROUNDS):
            await _work(harbour, peer)
        assert peer.socket.close_code is None
        assert good in harbour.hubs[0].held
    async with harbour.db.begin() as tx:
        stored = await tx.execute(text("SELECT device_id, sum(stored_bytes)::int, count(*) FROM executions GROUP BY 1"))
        assert [tuple(row) for row in stored] == [(good, 5 * ROUNDS, ROUNDS)]

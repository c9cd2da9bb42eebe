"""A database that does not keep up holds devices back, step by step: acknowledgements stay out, reading stops, nothing piles up or is lost."""

import asyncio
import uuid
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

import watchbill_wire as wire
from tests.flows.fleet import until
from tests.gateway.harbour import Harbour, Peer
from watchbill.apps.gateway import writer
from watchbill.apps.gateway.writer import Writer

CHUNK = b"x" * wire.MAX_OUTPUT_BYTES
DEVICES = 12


async def running(harbour: Harbour, stack: AsyncExitStack, number: int) -> list[tuple[Peer, str]]:
    """Devices, each with a script that has been accepted."""
    names = [f"d{one}" for one in range(number)]
    peers = [await stack.enter_async_context(harbour.dial(await harbour.device(name))) for name in names]
    await harbour.job(*names)
    orders = [await peer.order() for peer in peers]
    return [(peer, order.execution_id) for peer, order in zip(peers, orders, strict=True)]


async def fill_the_window(peer: Peer, execution_id: str) -> None:
    for offset in range(0, wire.MAX_IN_FLIGHT_BYTES, len(CHUNK)):
        await peer.say(wire.Output(execution_id, "stdout", offset, CHUNK))


async def last_ack(peer: Peer) -> int:
    while (ack := await peer.hear(wire.OutputAck, seconds=30)).offset < wire.MAX_IN_FLIGHT_BYTES:
        pass
    return int(ack.offset)


@pytest.mark.timeout(120)
async def test_while_the_writer_is_stuck_the_gateway_stops_reading_and_later_stores_everything(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    high, seen, stuck = 512 * 1024, [], []
    monkeypatch.setattr(writer, "BACKLOG_HIGH", high)
    monkeypatch.setattr(writer, "BACKLOG_LOW", high // 2)
    has_news = Writer.has_news

    def watched(self, connection, number_of_bytes) -> None:
        has_news(self, connection, number_of_bytes)
        seen.append(self._backlog)
        stuck.append(len(self._paused))

    monkeypatch.setattr(Writer, "has_news", watched)
    async with AsyncExitStack() as stack:
        pairs = await running(harbour, stack, DEVICES)
        async with harbour.db.begin() as holder:
            await holder.execute(text("LOCK TABLE output_chunks"))
            async with asyncio.TaskGroup() as group:
                for peer, execution_id in pairs:
                    group.create_task(fill_the_window(peer, execution_id))
            # Everyone who brings more than there is room for is no longer read.
            await until(lambda: stuck and stuck[-1] == DEVICES)
            # Meanwhile a newcomer is welcomed: the gateway had time to read more, had it gone on.
            async with harbour.dial(await harbour.device("newcomer")):
                pass
            sent = DEVICES * wire.MAX_IN_FLIGHT_BYTES
            # Beside what is allowed: a batch in the writer's hands, and for each device what one read had brought already.
            assert max(seen) < high + DEVICES * 256 * 1024 < sent
            for peer, _ in pairs:
                assert not [one for one in peer.heard if isinstance(one, wire.OutputAck)]
        assert [await last_ack(peer) for peer, _ in pairs] == [wire.MAX_IN_FLIGHT_BYTES] * DEVICES
    async with harbour.db.begin() as tx:
        stored = await tx.execute(text("SELECT stored_bytes FROM executions"))
        assert stored.scalars().all() == [wire.MAX_IN_FLIGHT_BYTES] * DEVICES


@pytest.mark.timeout(120)
async def test_a_result_of_a_quiet_device_overtakes_the_flood_of_a_loud_one(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every device has its share of a batch: the quiet one is in the next, whatever the loud one has waiting."""
    monkeypatch.setattr(writer, "SHARE_BYTES", 1)
    async with AsyncExitStack() as stack:
        (loud, flood), (quiet, order) = await running(harbour, stack, 2)
        async with harbour.db.begin() as holder:
            await holder.execute(text("LOCK TABLE output_chunks"))
            await fill_the_window(loud, flood)
            await quiet.say(wire.Output(order, "stdout", 0, b"done"))
        assert (await quiet.hear(wire.OutputAck)).offset == 4
        async with harbour.db.begin() as tx:
            sizes = "SELECT stored_bytes FROM executions WHERE id = :id"
            reached = (await tx.execute(text(sizes), {"id": uuid.UUID(flood)})).scalar_one()
        assert reached < wire.MAX_IN_FLIGHT_BYTES
        assert await last_ack(loud) == wire.MAX_IN_FLIGHT_BYTES

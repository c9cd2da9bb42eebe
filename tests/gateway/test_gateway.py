"""The gateway from the outside: who gets in, what a device may do, what it is owed when it comes back."""

import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import watchbill_wire as wire
from tests.flows.fleet import until
from tests.gateway.harbour import Harbour, token_for
from watchbill import devices, runs
from watchbill.apps.gateway import connection
from watchbill.apps.gateway.writer import report_of
from watchbill.core.custom_field_rules import FieldType
from watchbill.core.states import TargetState as S
from watchbill.devices import DeviceStatus, FieldDraft, custom_fields
from watchbill.identity import ENGINE


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x.y", "Basic eDp5"])
async def test_without_a_good_token_nobody_gets_past_the_upgrade(harbour: Harbour, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    with pytest.raises(InvalidStatus) as refused:
        await connect(harbour.urls[0], additional_headers=headers)
    assert refused.value.response.status_code == 401


async def test_a_token_that_ran_out_is_not_accepted(harbour: Harbour) -> None:
    old = token_for(harbour.keys, uuid.uuid4(), datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(InvalidStatus):
        await connect(harbour.urls[0], additional_headers={"Authorization": f"Bearer {old}"})


async def test_a_device_that_is_unknown_or_revoked_is_told_so(harbour: Harbour) -> None:
    async with harbour.dial(uuid.uuid4(), hello=False) as peer:
        await peer.say(wire.Hello("0.1.0", "boot"))
        assert await peer.closed() == 4403
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        async with harbour.db.begin() as tx:
            await devices.set_status(tx, ENGINE, device, DeviceStatus.REVOKED, now=harbour.scene.now)
        assert await peer.closed() == 4403
    async with harbour.dial(device, hello=False) as peer:
        await peer.say(wire.Hello("0.1.0", "boot"))
        assert await peer.closed() == 4403


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "42", '{"type":"result"}', '{"type":"output","execution_id":"x"}', b"\x00\x01", "x" * 2_000_000],
)
async def test_garbage_costs_its_sender_the_connection_and_nobody_else(harbour: Harbour, frame: str | bytes) -> None:
    good, bad = await harbour.device("good"), await harbour.device("bad")
    async with harbour.dial(good) as neighbour:
        async with harbour.dial(bad) as peer:
            with contextlib.suppress(ConnectionClosed):
                await peer.socket.send(frame)
            assert await peer.closed() in (1002, 1006, 1009)
        await harbour.job("good")
        assert (await neighbour.order()).device_id == str(good)


async def test_hello_comes_first_and_once(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device, hello=False) as peer:
        await peer.say(wire.Heartbeat())
        assert await peer.closed() == 1002
    async with harbour.dial(device) as peer:
        await peer.say(wire.Hello("0.1.0", "boot"))
        assert await peer.closed() == 1002


async def test_who_does_not_wait_for_answers_is_cut_off(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        flood = wire.encode(wire.Output(str(uuid.uuid4()), "stdout", 0, b"x" * 65_536))
        with contextlib.suppress(ConnectionClosed):
            for _ in range(200):
                await peer.socket.send(flood)
        assert await peer.closed() in (4429, 1006)  # the reset may overtake the reason


async def test_a_socket_without_a_hello_is_not_kept(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.2)
    async with harbour.dial(await harbour.device(), hello=False) as peer:
        assert await peer.closed() == 4408
    async with harbour.dial(await harbour.device("beta")) as peer:
        with pytest.raises(TimeoutError):
            await peer.hear(wire.Bye, 0.5)  # whoever said hello may be silent


async def test_who_does_not_read_what_it_is_sent_is_cut_off_and_nobody_else(harbour: Harbour) -> None:
    deaf, good = await harbour.device("deaf"), await harbour.device("good")
    async with harbour.dial(good) as neighbour, harbour.dial(deaf) as peer:
        peer.socket.transport.pause_reading()
        held = harbour.hubs[0].held[deaf]
        sent = 0
        while held.send_text("x" * 2**20):
            sent += 1
            assert sent < 100, "a hundred megabytes are kept for a device that does not read"
        await until(lambda: deaf not in harbour.hubs[0].held)
        await harbour.job("good")
        assert (await neighbour.order()).device_id == str(good)


async def test_a_newer_connection_takes_the_place_of_an_older_one(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as old, harbour.dial(device) as new:
        assert await old.closed() == 4409
        await harbour.job("alpha")
        await new.order()
        async with harbour.db.begin() as tx:
            assert (await devices.get_device(tx, harbour.scene.admin, device)).online


async def test_a_result_is_stored_before_it_is_acknowledged(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        _, occurrence = await harbour.job("alpha")
        order = await peer.order()
        assert (order.device_id, order.interpreter, order.content) == (str(device), "bash", "true")
        await peer.say(wire.Accepted(order.execution_id))
        await peer.say(wire.Started(order.execution_id, order.issued_at))
        await peer.say(wire.Output(order.execution_id, "stdout", 0, b"hello"))
        ack = await peer.hear(wire.OutputAck)
        assert (ack.stream, ack.offset) == ("stdout", 5)
        result = wire.Result(order.execution_id, "exited", order.issued_at, exit_code=0, stdout_bytes=5)
        await peer.say(result)
        assert (await peer.hear(wire.ResultAck)).execution_id == order.execution_id
        assert await harbour.state(occurrence) == (S.SUCCESS, None)
        await peer.say(result)
        await peer.hear(wire.ResultAck)
        assert await harbour.state(occurrence) == (S.SUCCESS, None)


async def test_an_order_that_never_arrived_is_sent_again_with_the_same_id(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        _, occurrence = await harbour.job("alpha")
        first = await peer.order()
    async with harbour.dial(device) as peer:
        assert (await peer.order()).execution_id == first.execution_id
        assert await harbour.state(occurrence) == (S.DISPATCHED, None)


async def test_an_order_that_the_device_has_is_not_sent_again(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        _, occurrence = await harbour.job("alpha")
        order = await peer.order()
        await peer.say(wire.Accepted(order.execution_id))
        await peer.say(wire.Started(order.execution_id, order.issued_at))
        await harbour.becomes(occurrence, S.RUNNING, None)
    async with harbour.dial(device, wire.Delivery(order.execution_id, "running")) as peer:
        with pytest.raises(TimeoutError):
            await peer.hear(wire.Execute, seconds=0.5)


async def test_what_a_device_accepted_and_forgot_is_never_run_twice(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        _, occurrence = await harbour.job("alpha")
        order = await peer.order()
        await peer.say(wire.Accepted(order.execution_id))
        await peer.say(wire.Started(order.execution_id, order.issued_at))
        await harbour.becomes(occurrence, S.RUNNING, None)
    async with harbour.dial(device) as peer:
        await harbour.becomes(occurrence, S.FAILED, "interrupted")
        with pytest.raises(TimeoutError):
            await peer.hear(wire.Execute, seconds=0.5)


async def test_output_that_is_sent_again_after_a_reconnect_is_kept_once(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        await harbour.job("alpha")
        order = await peer.order()
        await peer.say(wire.Accepted(order.execution_id))
        await peer.say(wire.Output(order.execution_id, "stdout", 0, b"abcd"))
        await peer.hear(wire.OutputAck)
    async with harbour.dial(device, wire.Delivery(order.execution_id, "running")) as peer:
        await peer.say(wire.Output(order.execution_id, "stdout", 2, b"cdefgh"))
        assert (await peer.hear(wire.OutputAck)).offset == 8
        await peer.say(wire.Output(order.execution_id, "stdout", 50, b"tail"))
        assert (await peer.hear(wire.OutputAck)).offset == 54
    async with harbour.db.begin() as tx:
        pieces = await runs.read_output(tx, uuid.UUID(order.execution_id), "stdout", 0)
    assert [(one.offset, one.skipped, one.data) for one in pieces] == [
        (0, 0, b"abcd"),
        (4, 0, b"efgh"),
        (50, 42, b"tail"),
    ]


async def test_a_stop_is_passed_on_and_again_when_the_device_comes_back(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        _, occurrence = await harbour.job("alpha")
        order = await peer.order()
        await peer.say(wire.Accepted(order.execution_id))
        async with harbour.db.begin() as tx:
            await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=harbour.scene.now)
        assert (await peer.hear(wire.Cancel)).execution_id == order.execution_id
    async with harbour.dial(device, wire.Delivery(order.execution_id, "running")) as peer:
        await peer.hear(wire.Cancel)
        await peer.say(wire.CancelAnswer(order.execution_id, "killed"))
        await peer.say(wire.Result(order.execution_id, "cancelled", order.issued_at, tree="stopped"))
        await harbour.becomes(occurrence, S.CANCELLED, None)


async def test_a_stop_reaches_a_device_that_was_away_for_longer_than_it_was_waited_for(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        _, occurrence = await harbour.job("alpha")
        order = await peer.order()
        await peer.say(wire.Accepted(order.execution_id))
        await peer.say(wire.Started(order.execution_id, order.issued_at))
        await harbour.becomes(occurrence, S.RUNNING, None)
    async with harbour.db.begin() as tx:
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=harbour.scene.now)
        await runs.reap(tx, harbour.scene.now + timedelta(hours=1))
    assert await harbour.state(occurrence) == (S.LOST, "no_answer")
    async with harbour.dial(device, wire.Delivery(order.execution_id, "running")) as peer:
        assert (await peer.hear(wire.Cancel)).execution_id == order.execution_id
        await peer.say(wire.Result(order.execution_id, "cancelled", order.issued_at, tree="stopped"))
        await harbour.becomes(occurrence, S.CANCELLED, None)


async def test_work_that_is_released_while_a_device_connects_reaches_it(harbour: Harbour) -> None:
    """Neither the release nor the greeting may miss the other, whichever commits first."""
    for number in range(20):
        name = f"d{number}"
        device = await harbour.device(name)
        async with harbour.dial(device, hello=False) as peer:
            await peer.say(wire.Hello("0.1.0", "boot"))
            await harbour.job(name)
            await peer.order()


async def test_what_waits_behind_a_result_follows_it_at_once(harbour: Harbour) -> None:
    """Two occurrences of one job: the second goes out when the first has ended, not at the next sweep."""
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        async with harbour.db.begin() as tx:
            job = await harbour.scene.job(tx, "alpha")
            batch = [harbour.scene.opening(job, minutes) for minutes in (0, 5)]
            await runs.open_occurrences(tx, batch, harbour.scene.now)
            for run in await runs.runs_of(tx, [one.id for one in batch]):
                await runs.release(tx, run.id, harbour.scene.site, harbour.scene.now)
        for one in batch:
            order = await peer.order()
            assert order.labels["occurrence_id"] == str(one.id)
            await peer.say(wire.Result(order.execution_id, "exited", order.issued_at, exit_code=0))
            await harbour.becomes(one.id, S.SUCCESS, None)


async def test_an_inventory_that_cannot_be_stored_costs_its_sender_the_connection_only(harbour: Harbour) -> None:
    good, bad = await harbour.device("good"), await harbour.device("bad")
    async with harbour.dial(good) as neighbour, harbour.dial(bad) as peer:
        await peer.socket.send(
            json.dumps({"type": "inventory", "digest": "d", "inventory": {"hostname": "bad", "deep": _deep(15)}})
        )
        await peer.socket.send(json.dumps({"type": "inventory", "digest": "e", "inventory": {"nul": "a\0b"}}))
        await harbour.job("good")
        order = await neighbour.order()
        await neighbour.say(wire.Result(order.execution_id, "exited", order.issued_at, exit_code=0))
        await neighbour.hear(wire.ResultAck)


def _deep(levels: int) -> object:
    value: object = "bottom"
    for _ in range(levels):
        value = [value]
    return value


async def test_a_script_sets_a_custom_value_of_its_device_with_its_result(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.db.begin() as tx:
        draft = FieldDraft("asset_number", "Asset", FieldType.TEXT, "", settable_by_scripts=True)
        await custom_fields.create_field(tx, harbour.scene.admin, draft, now=harbour.scene.now)
    async with harbour.dial(device) as peer:
        await harbour.job("alpha")
        order = await peer.order()
        line = b"::watchbill set asset_number=A-1\n"
        await peer.say(wire.Output(order.execution_id, "stdout", 0, line))
        ended = datetime.now(UTC)
        await peer.say(wire.Result(order.execution_id, "exited", ended, exit_code=0, stdout_bytes=len(line)))
        await peer.hear(wire.ResultAck)
        await peer.say(wire.Inventory("d1", {"software": {"dpkg": [["bash", "5"]]}, "cpu": {"count": 3}}))

        async def known() -> bool:
            async with harbour.db.begin() as tx:
                return (await devices.get_device(tx, ENGINE, device)).cpu_count == 3

        await until(known)
    async with harbour.db.begin() as tx:
        there = await devices.get_device(tx, ENGINE, device)
        assert there.custom_values["asset_number"].value == "A-1"
        # Where it came from, what its script set, and its first inventory.
        assert (there.external_address, there.inventory_revision) == ("127.0.0.1", 3)


async def _two_components(harbour: Harbour) -> uuid.UUID:
    async with harbour.db.begin() as tx:
        part = {"assembly_id": str(harbour.scene.script)}
        return await harbour.scene.open(tx, await harbour.scene.job(tx, "alpha", components=[part, part]))


def _ended(order: wire.EnvelopePayload) -> wire.Result:
    return wire.Result(order.execution_id, "exited", order.issued_at, exit_code=0)


async def test_the_next_component_is_sent_at_once_and_once(harbour: Harbour) -> None:
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        occurrence = await _two_components(harbour)
        first = await peer.order()
        await peer.say(_ended(first))
        second = await peer.order()
        assert second.execution_id != first.execution_id
        assert (first.labels["component"], second.labels["component"]) == ("0", "1")
        await peer.say(_ended(second))
        await harbour.becomes(occurrence, S.SUCCESS, None)
        orders = [one for one in peer.heard if isinstance(one, wire.Execute)]
        assert len(orders) == 2


async def test_a_component_that_was_written_and_never_sent_is_sent_when_its_device_comes_back(harbour: Harbour) -> None:
    """As if the gateway had died between storing a result and sending what follows on it."""
    device = await harbour.device()
    async with harbour.dial(device) as peer:
        occurrence = await _two_components(harbour)
        first = await peer.order()
    async with harbour.db.begin() as tx:
        await runs.finished(tx, [report_of(_ended(first), device)], harbour.scene.now)
    async with harbour.dial(device) as peer:
        second = await peer.order()
        assert second.labels["component"] == "1"
    taken = wire.Delivery(second.execution_id, "running")
    async with harbour.dial(device, taken) as peer:
        await peer.say(_ended(second))
        await harbour.becomes(occurrence, S.SUCCESS, None)
        assert [one for one in peer.heard if isinstance(one, wire.Execute)] == []

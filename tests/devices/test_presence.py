"""Who is connected to which gateway."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from tests.factories.places import make_device, make_site
from watchbill.devices import DeviceStatus, presence
from watchbill.devices.tables import device_presence, devices
from watchbill.kit import events
from watchbill.kit.events import Cursor

GATEWAY, OTHER_GATEWAY = uuid4(), uuid4()


@pytest.fixture
async def now(db, clock):
    async with db.begin() as tx:
        return await clock.now(tx)


@pytest.fixture
async def site(db, now):
    async with db.begin() as tx:
        return await make_site(tx, "Harbour", now=now)


@pytest.fixture
async def device(db, now, site) -> UUID:
    async with db.begin() as tx:
        return await make_device(tx, "web-1", site, now=now)


async def told(db) -> list[tuple[object, object, int | None]]:
    async with db.begin() as tx:
        found = await events.read_after(tx, Cursor(0, 0))
    assert {event.kind for event in found} <= {"device.online"}
    return [(event.payload["device_id"], event.payload["online"], event.site_id) for event in found]


async def row(db, device_id: UUID):
    async with db.begin() as tx:
        return (await tx.execute(select(device_presence).where(device_presence.c.device_id == device_id))).one_or_none()


async def test_a_device_that_connects_is_online_and_its_site_is_told(db, now, site, device):
    connection = uuid4()
    async with db.begin() as tx:
        (answer,) = await presence.connected(tx, GATEWAY, [(device, connection)], now)
    assert answer.is_accepted
    assert (answer.site_id, answer.inventory_digest, answer.replaced_connection_id) == (site, None, None)
    there = await row(db, device)
    assert (there.gateway_id, there.connection_id, there.connected_at) == (GATEWAY, connection, now)
    assert await told(db) == [(str(device), True, site)]


async def test_where_a_device_comes_from_is_kept_and_grows_its_revision_once(db, now, device):
    seen = []
    for address in ("203.0.113.9", "::ffff:203.0.113.9", None, "a proxy", "2001:db8::1%eth0"):
        connection = uuid4()
        async with db.begin() as tx:
            known = {connection: address} if address else {}
            await presence.connected(tx, GATEWAY, [(device, connection)], now, addresses=known)
            query = select(devices.c.external_address, devices.c.inventory_revision).where(devices.c.id == device)
            row = (await tx.execute(query)).one()
            seen.append((str(row.external_address), row.inventory_revision))
    assert seen == [("203.0.113.9", 1)] * 4 + [("2001:db8::1", 2)]


async def test_a_device_that_comes_again_replaces_its_connection_without_news(db, now, site, device):
    first, second = uuid4(), uuid4()
    async with db.begin() as tx:
        await presence.connected(tx, GATEWAY, [(device, first)], now)
        (answer,) = await presence.connected(tx, OTHER_GATEWAY, [(device, second)], now)
    assert (answer.replaced_gateway_id, answer.replaced_connection_id) == (GATEWAY, first)
    assert len(await told(db)) == 1


async def test_the_end_of_an_old_connection_does_not_put_a_device_offline(db, now, device):
    first, second = uuid4(), uuid4()
    async with db.begin() as tx:
        await presence.connected(tx, GATEWAY, [(device, first)], now)
        await presence.connected(tx, GATEWAY, [(device, second)], now)
        await presence.disconnected(tx, [(device, first)], now)
    assert (await row(db, device)).connection_id == second
    async with db.begin() as tx:
        await presence.disconnected(tx, [(device, second)], now + timedelta(seconds=5))
    gone = await row(db, device)
    assert (gone.gateway_id, gone.connection_id, gone.last_seen_at) == (None, None, now + timedelta(seconds=5))
    assert [online for _, online, _ in await told(db)] == [True, False]


@pytest.mark.parametrize("status", ["disabled", "revoked"])
async def test_a_device_that_may_not_connect_is_told_so_and_nothing_is_written(db, now, site, status):
    async with db.begin() as tx:
        device = await make_device(tx, "x", site, now=now, status=status)
        (answer,) = await presence.connected(tx, GATEWAY, [(device, uuid4())], now)
    assert (answer.is_accepted, answer.status) == (False, DeviceStatus(status))
    assert await row(db, device) is None
    assert await told(db) == []


async def test_an_unknown_device_is_missing_in_the_answer(db, now, device):
    async with db.begin() as tx:
        answers = await presence.connected(tx, GATEWAY, [(uuid4(), uuid4()), (device, uuid4())], now)
    assert [answer.device_id for answer in answers] == [device]


async def test_a_device_twice_in_one_batch_keeps_its_last_connection(db, now, device):
    first, second = uuid4(), uuid4()
    async with db.begin() as tx:
        await presence.connected(tx, GATEWAY, [(device, first), (device, second)], now)
    assert (await row(db, device)).connection_id == second


async def test_signs_of_life_count_only_for_devices_that_are_still_ones_own(db, now, site, device):
    later = now + timedelta(seconds=20)
    async with db.begin() as tx:
        elsewhere = await make_device(tx, "web-2", site, now=now)
        await presence.connected(tx, GATEWAY, [(device, uuid4())], now)
        await presence.connected(tx, OTHER_GATEWAY, [(elsewhere, uuid4())], now)
        assert await presence.seen(tx, GATEWAY, [device, elsewhere, uuid4()], later) == {device}
        assert await presence.seen(tx, GATEWAY, [device], now) == {device}
    assert (await row(db, device)).last_seen_at == later  # never backwards
    assert (await row(db, elsewhere)).last_seen_at == now
    assert len(await told(db)) == 2


async def test_a_gateway_that_died_leaves_its_devices_offline_and_others_alone(db, now, site, device):
    async with db.begin() as tx:
        more = [await make_device(tx, f"h{number}", site, now=now) for number in range(3)]
        await presence.connected(tx, GATEWAY, [(one, uuid4()) for one in (device, *more[:2])], now)
        await presence.connected(tx, OTHER_GATEWAY, [(more[2], uuid4())], now)
        assert await presence.gateway_gone(tx, GATEWAY, now) == 3
        assert await presence.gateway_gone(tx, GATEWAY, now) == 0
    assert (await row(db, more[2])).gateway_id == OTHER_GATEWAY
    assert [online for _, online, _ in await told(db)].count(False) == 3


async def test_nothing_to_note_is_no_fault(db, now):
    async with db.begin() as tx:
        assert await presence.connected(tx, GATEWAY, [], now) == []
        assert await presence.seen(tx, GATEWAY, [], now) == set()
        await presence.disconnected(tx, [], now)


async def test_connecting_waits_for_a_disabling_that_is_under_way_and_sees_it(db, now, device):
    """Otherwise the NOTIFY of the disabling could come before the connection is known, and nobody would close it."""
    import asyncio

    async with db.begin() as disabling:
        await disabling.execute(text("UPDATE devices SET status = 'disabled' WHERE id = :id"), {"id": device})

        async def connect():
            async with db.begin() as tx:
                return await presence.connected(tx, GATEWAY, [(device, uuid4())], now)

        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(connect())
            await _until_blocked(db)
            await disabling.commit()
    assert connecting.result()[0].is_accepted is False


async def _until_blocked(db) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(2000):
        async with db.begin() as tx:
            if (await tx.execute(query)).scalar_one():
                return
    raise AssertionError("nobody waits for a lock")

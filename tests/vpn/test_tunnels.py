"""Tunnels at the face: keys, addresses, what is wanted and what is ready; each change tells whom it concerns."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from uuid import UUID

import psycopg
import pytest

from tests.factories import places
from watchbill import devices, vpn
from watchbill.core.vpn_rules import REST, HubState
from watchbill.devices import DeviceStatus
from watchbill.identity import ENGINE
from watchbill.kit.clock import Clock
from watchbill.kit.secrets import KeyRing, SecretError
from watchbill.vpn import HubDraft, ReadyState, Seen, TunnelReported, TunnelState

MINUTE = timedelta(minutes=1)
SMALL = IPv4Network("100.96.0.0/29")


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def draft(subnet: IPv4Network = SMALL) -> HubDraft:
    return HubDraft(subnet, "engine.example.org:51820", 25, "wbhub", "here")


@pytest.fixture
async def now(db, clock: Clock) -> datetime:
    async with db.begin() as tx:
        return await clock.now(tx)


@pytest.fixture
async def site(db, now) -> int:
    async with db.begin() as tx:
        return await places.make_site(tx, "Harbour", now=now)


@pytest.fixture
async def hub(db, keys: KeyRing, now) -> vpn.OpenedHub:
    async with db.begin() as tx:
        opened = await vpn.open_hub(tx, keys, draft(), now)
        await vpn.note_hub(tx, HubState.UP, None, "here", now)
        return opened


@pytest.fixture
def make(db, now, site) -> Callable[[str], Awaitable[UUID]]:
    async def made(name: str) -> UUID:
        async with db.begin() as tx:
            return await places.make_device(tx, name, site, now=now)

    return made


async def report(db, now, told: Mapping[UUID, str | None], state: TunnelState = TunnelState.DOWN) -> None:
    async with db.begin() as tx:
        await vpn.note_reported(tx, {one: TunnelReported(told[one], state) for one in told}, now)


async def judged(db, device_id: UUID, now: datetime) -> vpn.Readiness:
    async with db.begin() as tx:
        return (await vpn.readiness(tx, [device_id], now))[device_id]


@asynccontextmanager
async def hearing(db, channel: str) -> AsyncIterator[Callable[[], Awaitable[set[str]]]]:
    """What is told on a channel from now on."""
    async with await psycopg.AsyncConnection.connect(db.conninfo, autocommit=True) as connection:
        await connection.execute(f"LISTEN {channel}".encode())

        async def heard() -> set[str]:
            return {note.payload async for note in connection.notifies(timeout=1, stop_after=1)}

        yield heard


async def test_the_hub_has_one_key_for_ever_and_it_lies_sealed(db, keys, now, hub):
    async with db.begin() as tx:
        again = await vpn.open_hub(tx, keys, draft(), now)
        stored = await tx.exec_driver_sql("SELECT private_key_sealed, vpn_hub::text FROM vpn_hub")
        sealed, row = stored.one()
    assert (again.public_key, again.private_key.reveal()) == (hub.public_key, hub.private_key.reveal())
    assert keys.open(sealed, "vpn_hub.private_key").decode() == hub.private_key.reveal()
    assert hub.private_key.reveal() not in row
    assert hub.private_key.reveal() not in repr(hub)


async def test_a_hub_whose_key_is_lost_is_not_given_another_unseen(db, now, hub):
    async with db.begin() as tx:
        with pytest.raises(SecretError):
            await vpn.open_hub(tx, KeyRing("other", {"other": bytes(32)}), draft(), now)


async def test_the_hubs_key_moves_to_a_new_key_of_the_ring(db, keys, now, hub):
    ring = KeyRing("k2", {**keys.keys, "k2": secrets.token_bytes(32)})
    async with db.begin() as tx:
        assert await vpn.reseal(tx, ring) == 1
        assert await vpn.reseal(tx, ring) == 0
        only_new = KeyRing("k2", {"k2": ring.keys["k2"]})
        assert (await vpn.open_hub(tx, only_new, draft(), now)).public_key == hub.public_key


async def test_with_its_first_key_a_device_gets_an_address_and_keeps_it(db, now, hub, make):
    first, second = await make("web-1"), await make("web-2")
    told = {first: key(), second: key()}
    await report(db, now, told)
    addresses = {(await judged(db, one, now)).address for one in told}
    assert addresses == {"100.96.0.2", "100.96.0.3"}
    before = (await judged(db, first, now)).address
    await report(db, now, {first: key()})
    assert (await judged(db, first, now)).address == before


async def test_one_key_is_one_device(db, now, hub, make):
    owner, thief = await make("web-1"), await make("web-2")
    stolen = key()
    await report(db, now, {owner: stolen})
    await report(db, now, {thief: stolen})
    refused = await judged(db, thief, now)
    assert (refused.state, refused.detail) == (ReadyState.UNAVAILABLE, "another device has told the same key")
    async with db.begin() as tx:
        assert [one.public_key for one in await vpn.peers_to_apply(tx, now)] == [stolen]
    await report(db, now, {thief: key()})
    assert (await judged(db, thief, now)).state is ReadyState.NOT_READY


async def test_two_devices_that_tell_one_key_at_once_share_no_tunnel(db, now, hub, make):
    both = sorted([await make("web-1"), await make("web-2")])
    same = key()
    await report(db, now, dict.fromkeys(both, same))
    assert [(await judged(db, one, now)).state for one in both] == [ReadyState.NOT_READY, ReadyState.UNAVAILABLE]


async def test_what_is_no_key_hurts_only_who_told_it(db, now, hub, make):
    bad, good = await make("web-1"), await make("web-2")
    await report(db, now, {bad: "\nPrivateKey = x", good: key()})
    assert "something else than a key" in ((await judged(db, bad, now)).detail or "")
    assert (await judged(db, good, now)).address is not None


async def test_two_gateways_at_once_give_no_address_twice(db, now, hub, make):
    some = [await make(f"web-{number}") for number in range(4)]
    await asyncio.gather(*(report(db, now, {one: key()}) for one in some))
    assert len({(await judged(db, one, now)).address for one in some} - {None}) == 4


async def revoke(db, device_id: UUID, now: datetime) -> None:
    async with db.begin() as tx:
        await devices.set_status(tx, ENGINE, device_id, DeviceStatus.REVOKED, now=now)
        await vpn.remove(tx, [device_id], now)


async def test_addresses_of_revoked_devices_rest_before_others_get_them(db, now, hub, make):
    some = [await make(f"web-{number}") for number in range(5)]
    await report(db, now, {one: key() for one in some})
    freed = (await judged(db, some[0], now)).address
    await revoke(db, some[0], now)
    late = await make("late")
    await report(db, now, {late: key()})
    assert (await judged(db, late, now)).detail == "all addresses of the VPN are given"
    async with db.begin() as tx:
        assert late not in await vpn.wanted(tx, [late], now)
    later = now + REST + MINUTE
    await report(db, later, {late: key()})
    assert (await judged(db, late, later)).address == freed


async def test_removing_what_is_not_revoked_changes_nothing(db, now, hub, make):
    device = await make("web-1")
    await report(db, now, {device: key()})
    async with db.begin() as tx:
        await vpn.remove(tx, [device], now)
    assert (await judged(db, device, now)).address is not None


async def test_a_revoked_device_tells_nothing_any_more(db, now, hub, make):
    device = await make("web-1")
    await report(db, now, {device: key()})
    await revoke(db, device, now)
    await report(db, now, {device: key()})
    async with db.begin() as tx:
        assert await vpn.peers_to_apply(tx, now) == []
        assert await vpn.wanted(tx, [device], now) == {}


async def test_another_subnet_gives_everybody_another_address(db, keys, now, hub, make):
    some = [await make(f"web-{number}") for number in range(3)]
    await report(db, now, {one: key() for one in some})
    async with db.begin() as tx:
        await vpn.open_hub(tx, keys, draft(IPv4Network("10.77.0.0/24")), now)
    addresses = [(await judged(db, one, now)).address for one in some]
    assert sorted(str(one) for one in addresses) == ["10.77.0.2", "10.77.0.3", "10.77.0.4"]


async def test_a_tunnel_is_wanted_while_somebody_has_asked_for_it(db, now, hub, make):
    device = await make("web-1")
    await report(db, now, {device: key()})
    async with db.begin() as tx:
        assert await vpn.wanted(tx, [device], now) == {}
        await vpn.prepare(tx, [device], now + 5 * MINUTE, now)
        await vpn.prepare(tx, [device], now + 2 * MINUTE, now)
        tunnel = (await vpn.wanted(tx, [device], now))[device]
        assert await vpn.wanted(tx, [device], now + 6 * MINUTE) == {}
    assert tunnel == vpn.TunnelWanted(
        "100.96.0.2/32", hub.public_key, "engine.example.org:51820", ("100.96.0.1/32",), 25, now + 5 * MINUTE
    )


async def test_a_disabled_device_is_no_peer_and_has_its_address_afterwards(db, now, hub, make):
    device = await make("web-1")
    await report(db, now, {device: key()})
    for status, number in ((DeviceStatus.DISABLED, 0), (DeviceStatus.ACTIVE, 1)):
        async with db.begin() as tx:
            await devices.set_status(tx, ENGINE, device, status, now=now)
            assert len(await vpn.peers_to_apply(tx, now)) == number


async def ready(db, device: UUID, told: str, now: datetime) -> None:
    """All that a tunnel needs, one after the other, and the reason before each."""
    await report(db, now, {device: told})
    assert "does not know" in ((await judged(db, device, now)).detail or "")
    async with db.begin() as tx:
        await vpn.note_applied(tx, [told])
    assert "nothing has asked" in ((await judged(db, device, now)).detail or "")
    async with db.begin() as tx:
        await vpn.prepare(tx, [device], now + 60 * MINUTE, now)
    assert "not opened its end" in ((await judged(db, device, now)).detail or "")
    await report(db, now, {device: told}, TunnelState.UP)
    assert "no handshake" in ((await judged(db, device, now)).detail or "")
    async with db.begin() as tx:
        assert await vpn.note_seen(tx, [Seen(told, "203.0.113.7:40000", 3.0, 1.0, 148, 92)], now) == [device]
    assert (await judged(db, device, now)).state is ReadyState.READY


async def test_a_tunnel_becomes_ready_step_by_step(db, now, hub, make):
    device, told = await make("web-1"), key()
    await ready(db, device, told, now)
    one = await judged(db, device, now)
    assert one.handshake_at == now - timedelta(seconds=3)
    # A new key is a new peer, of which nothing is known.
    await report(db, now, {device: key()}, TunnelState.UP)
    assert "does not know" in ((await judged(db, device, now)).detail or "")


async def test_a_hub_that_fell_silent_makes_nothing_ready(db, now, hub, make):
    device = await make("web-1")
    await ready(db, device, key(), now)
    assert (await judged(db, device, now + MINUTE)).state is ReadyState.UNAVAILABLE
    async with db.begin() as tx:
        await vpn.note_hub(tx, HubState.FAILED, "no right", "here", now)
    assert "no right" in ((await judged(db, device, now)).detail or "")


async def test_only_news_of_a_peer_are_written(db, now, hub, make):
    device, told = await make("web-1"), key()
    await ready(db, device, told, now)

    async def revision() -> str:
        async with db.begin() as tx:
            return str((await tx.exec_driver_sql("SELECT xmin::text FROM vpn_peers")).scalar_one())

    async def see(now: datetime, shaken: float, heard: float) -> bool:
        before = await revision()
        async with db.begin() as tx:
            await vpn.note_seen(tx, [Seen(told, "203.0.113.7:40000", shaken, heard, 200, 92)], now)
        return await revision() != before

    assert not await see(now + timedelta(seconds=10), 13.4, 1.0)  # the same handshake, packets just before
    assert await see(now + timedelta(seconds=30), 33.0, 1.0)  # packets a keepalive later
    assert await see(now + timedelta(seconds=40), 2.0, 1.0)  # another handshake


async def test_the_hub_is_looked_at_closely_while_somebody_waits(db, now, hub, make):
    device, told = await make("web-1"), key()
    await report(db, now, {device: told})

    async def interest(at: datetime) -> tuple[int, int]:
        async with db.begin() as tx:
            found = await vpn.interest(tx, at)
        return found.awaited, found.open

    assert await interest(now) == (0, 0)
    async with db.begin() as tx:
        await vpn.prepare(tx, [device], now + 10 * MINUTE, now)
    assert await interest(now) == (1, 1)
    assert await interest(now + 3 * MINUTE) == (0, 1)  # nobody waits for so long
    async with db.begin() as tx:
        await vpn.note_seen(tx, [Seen(told, None, 0.0, 0.0, 148, 92)], now)
    assert await interest(now) == (0, 1)
    assert await interest(now + 11 * MINUTE) == (0, 0)


async def test_who_holds_sockets_and_who_waits_are_told(db, now, hub, make):
    device, told = await make("web-1"), key()
    await report(db, now, {device: told})
    async with hearing(db, vpn.DESIRED_CHANNEL) as heard:
        async with db.begin() as tx:
            await vpn.prepare(tx, [device], now + MINUTE, now)
        assert await heard() == {str(device)}
    async with hearing(db, vpn.HUB_CHANNEL) as heard:
        await revoke(db, device, now)
        assert await heard() == {""}
    other = await make("web-2")
    async with hearing(db, vpn.CHANGED_CHANNEL) as heard:
        await report(db, now, {other: key()})
        assert await heard() == {str(other)}


async def test_many_devices_are_told_of_in_payloads_that_fit(db, now, hub):
    async with db.begin() as tx:
        site = await places.make_site(tx, "Large", now=now)
        many = [await places.make_device(tx, f"h{number}", site, now=now) for number in range(450)]
        await vpn.note_reported(tx, {one: TunnelReported(None, TunnelState.UNAVAILABLE, "none") for one in many}, now)
        await vpn.prepare(tx, many, now + MINUTE, now)
        judged = await vpn.readiness(tx, many, now)
    assert {one.state for one in judged.values()} == {ReadyState.UNAVAILABLE}


async def test_without_a_hub_nothing_is_ready_and_devices_may_tell_all_the_same(db, keys, now, make):
    device = await make("web-1")
    await report(db, now, {device: key()})
    assert (await judged(db, device, now)).detail == vpn.NO_HUB
    async with db.begin() as tx:
        assert await vpn.wanted(tx, [device], now) == {}
        await vpn.open_hub(tx, keys, draft(), now)
    assert (await judged(db, device, now)).address == "100.96.0.2"

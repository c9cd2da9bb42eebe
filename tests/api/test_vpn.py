"""The VPN over HTTP: the hub, its pool, and each device's tunnel for those who see the device."""

import base64
import secrets
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from tests.api.conftest import codes
from watchbill import vpn
from watchbill.core.vpn_rules import HubState
from watchbill.vpn import HubDraft, Seen, TunnelReported, TunnelState

HUB = HubDraft(IPv4Network("100.96.0.0/24"), "engine.example.org:51820", 25, "wbhub", "quay")


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
async def hub(db, clock, keys):
    async with db.begin() as tx:
        now = await clock.now(tx)
        opened = await vpn.open_hub(tx, keys, HUB, now)
        await vpn.note_hub(tx, HubState.UP, None, "quay", now)
        return opened


@pytest.fixture
async def fleet(db, clock, make_device, world, hub):
    """Two devices with tunnels at site A, of which `web-1` is ready, one at site B, and one that has told of none."""
    made = {
        name: await make_device(name, site)
        for name, site in (
            ("web-1", world.site_a),
            ("Web-2", world.site_a),
            ("lamp", world.site_b),
            ("old", world.site_a),
        )
    }
    told = {name: key() for name in ("web-1", "Web-2", "lamp")}
    async with db.begin() as tx:
        now = await clock.now(tx)
        reports = {made[name]: TunnelReported(told[name], TunnelState.UP) for name in told}
        await vpn.note_reported(tx, reports, now)
        await vpn.note_applied(tx, list(told.values()))
        await vpn.prepare(tx, [made["web-1"]], now + timedelta(hours=1), now)
        await vpn.note_seen(tx, [Seen(told["web-1"], "203.0.113.7:40000", 1.0, 1.0, 148, 92)], now)
    return made


async def test_without_a_hub_it_says_so(admin):
    assert (await admin.get("/api/vpn")).json() == {"lack": vpn.NO_HUB, "hub": None, "pool": None, "tunnels": None}
    assert (await admin.get("/api/vpn/peers")).json() == {"items": [], "next_cursor": None}


async def test_the_hub_its_pool_and_its_tunnels_in_numbers(admin, hub, fleet):
    found = (await admin.get("/api/vpn")).json()
    assert found["lack"] is None
    assert found["hub"]["public_key"] == hub.public_key
    assert found["hub"] | {"heard_at": ""} == {
        "state": "up",
        "detail": None,
        "host": "quay",
        "interface": "wbhub",
        "public_key": hub.public_key,
        "endpoint": "engine.example.org:51820",
        "heard_at": "",
    }
    assert found["pool"] == {"subnet": "100.96.0.0/24", "capacity": 253, "used": 3, "resting": 0}
    assert found["tunnels"] == {"known": 3, "applied": 3, "open": 1, "connected": 1, "refused": 0}
    assert hub.private_key.reveal() not in (await admin.get("/api/vpn")).text


async def test_the_hub_is_for_those_who_see_every_site(operator, fleet):
    assert (await operator.get("/api/vpn")).status_code == 403


async def test_tunnels_are_listed_by_host_name_for_who_sees_the_device(admin, viewer, fleet):
    async def names(client, **params):
        found = (await client.get("/api/vpn/peers", params=params)).json()
        return [one["hostname"] for one in found["items"]]

    assert await names(admin) == ["lamp", "web-1", "Web-2"]
    assert await names(viewer) == ["web-1", "Web-2"]
    assert await names(viewer, q="EB-2") == ["Web-2"]
    first = (await admin.get("/api/vpn/peers", params={"limit": 2})).json()
    assert await names(admin, cursor=first["next_cursor"]) == ["Web-2"]
    assert codes(await admin.get("/api/vpn/peers", params={"cursor": "x"})) == {"cursor": "invalid"}


async def test_a_tunnel_says_whether_it_can_be_used_and_if_not_why(viewer, fleet):
    ready, other = (await viewer.get("/api/vpn/peers")).json()["items"]
    assert (ready["state"], ready["detail"], ready["address"]) == ("ready", None, ready["address"])
    assert (ready["endpoint"], ready["rx_bytes"], ready["tx_bytes"]) == ("203.0.113.7:40000", 148, 92)
    assert (other["state"], other["detail"]) == ("not_ready", "the tunnel is closed: nothing has asked for it")


async def test_a_device_shows_its_tunnel(viewer, fleet):
    shown = (await viewer.get(f"/api/devices/{fleet['web-1']}")).json()["tunnel"]
    assert (shown["state"], shown["reported"]) == ("ready", "up")
    assert (await viewer.get(f"/api/devices/{fleet['old']}")).json()["tunnel"] is None


async def test_a_revoked_device_has_none_any_more_and_its_address_rests(admin, fleet, db, clock):
    assert (await admin.post(f"/api/devices/{fleet['web-1']}/revoke")).is_success
    assert (await admin.get(f"/api/devices/{fleet['web-1']}")).json()["tunnel"] is None
    found = (await admin.get("/api/vpn")).json()
    assert (found["pool"]["used"], found["pool"]["resting"]) == (2, 1)
    async with db.begin() as tx:
        assert len(await vpn.peers_to_apply(tx, await clock.now(tx))) == 2


async def test_a_disabled_device_is_no_peer_until_it_is_enabled(admin, fleet, db, clock):
    for verb, number in (("disable", 2), ("enable", 3)):
        assert (await admin.post(f"/api/devices/{fleet['web-1']}/{verb}")).is_success
        async with db.begin() as tx:
            assert len(await vpn.peers_to_apply(tx, await clock.now(tx))) == number

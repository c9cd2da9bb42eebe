"""Devices over HTTP."""

from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from watchbill import devices


@pytest.fixture
async def fleet(make_device, world):
    return {
        "db-1": await make_device("db-1", world.site_a, online=True),
        "web-1": await make_device("web-1", world.site_a, os_family="windows"),
        "Web-2": await make_device("Web-2", world.site_b, online=True),
        "old": await make_device("old", world.site_a, status="revoked"),
    }


async def names(client, **params) -> list[str]:
    reply = await client.get("/api/devices", params=params)
    assert reply.status_code == 200, reply.text
    return [device["hostname"] for device in reply.json()["items"]]


async def test_the_list_shows_the_callers_sites_and_no_revoked_devices(admin, operator, other, fleet):
    assert await names(admin) == ["db-1", "web-1", "Web-2"]
    assert await names(operator) == ["db-1", "web-1"]
    assert await names(other) == ["Web-2"]


async def test_every_filter_narrows_the_list(admin, fleet, world):
    assert await names(admin, q="WEB") == ["web-1", "Web-2"]
    assert await names(admin, site_id=world.site_b) == ["Web-2"]
    assert await names(admin, os_family="windows") == ["web-1"]
    assert await names(admin, online="true") == ["db-1", "Web-2"]
    assert await names(admin, online="false") == ["web-1"]
    assert await names(admin, status="revoked") == ["old"]
    assert await names(admin, online="true", q="web") == ["Web-2"]


async def test_a_filter_for_a_foreign_site_finds_nothing(operator, fleet, world):
    assert await names(operator, site_id=world.site_b) == []


@pytest.mark.parametrize("sort", ["hostname", "-hostname", "last_seen", "-last_seen"])
async def test_paging_by_any_sort_meets_every_device_once_in_order(admin, make_device, world, db, sort):
    for number in range(5):
        device_id = await make_device(f"h{number % 2}", world.site_a, online=number != 3)
        async with db.begin() as tx:
            seen = text(
                "UPDATE device_presence SET last_seen_at = now() - :n * interval '1 second' WHERE device_id = :d"
            )
            await tx.execute(seen, {"n": number % 3, "d": device_id})
    whole = (await admin.get("/api/devices", params={"sort": sort})).json()["items"]
    met, cursor = [], None
    while True:
        page = await admin.get(
            "/api/devices", params={"sort": sort, "limit": 2} | ({"cursor": cursor} if cursor else {})
        )
        met += page.json()["items"]
        if (cursor := page.json()["next_cursor"]) is None:
            break
    assert [device["id"] for device in met] == [device["id"] for device in whole]
    keys = [device["hostname" if "hostname" in sort else "last_seen_at"] or "" for device in whole]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


async def test_a_cursor_of_another_sort_is_refused(admin, fleet):
    cursor = (await admin.get("/api/devices?limit=1")).json()["next_cursor"]
    reply = await admin.get("/api/devices", params={"cursor": cursor, "sort": "-last_seen"})
    assert codes(reply) == {"cursor": "invalid"}
    assert codes(await admin.get("/api/devices", params={"cursor": cursor, "sort": "-hostname"})) == {
        "cursor": "invalid"
    }


async def test_misspelt_and_bad_filters_are_all_told(admin):
    reply = await admin.get("/api/devices", params={"onlin": "true", "status": "asleep", "limit": 501, "site_id": 0})
    assert set(codes(reply)) == {"onlin", "status", "limit", "site_id"}


async def test_one_device_comes_with_its_inventory(viewer, fleet, db, clock):
    async with db.begin() as tx:
        report = {
            "hostname": "db-1",
            "interpreters": {"bash": {"path": "/bin/bash"}, "powershell": None},
            "timezone": "Australia/Lord_Howe",
        }
        await devices.inventory.record(tx, [(fleet["db-1"], "d1", report)], await clock.now(tx))
    device = (await viewer.get(f"/api/devices/{fleet['db-1']}")).json()
    assert (device["online"], device["site_name"], device["interpreters"]) == (True, "Harbour", ["bash"])
    assert device["timezone"] == "Australia/Lord_Howe"
    assert device["inventory"] == report
    assert "public_key" not in device


async def test_a_foreign_device_is_absent_for_every_verb(operator, fleet, world):
    path = f"/api/devices/{fleet['Web-2']}"
    assert (await operator.get(path)).status_code == 404
    assert (await operator.patch(path, json={"description": "x"})).status_code == 404
    for verb in ("disable", "enable", "revoke"):
        assert (await operator.post(f"{path}/{verb}")).status_code == 404
    assert (await operator.get(f"{path}/software")).status_code == 404
    assert (await operator.put(f"{path}/tags", json={"tags": ["x"]})).status_code == 404
    assert (await operator.put(f"{path}/custom_values", json={"values": {}})).status_code == 404
    assert (await operator.get(f"/api/devices/{uuid4()}")).status_code == 404


async def test_a_viewer_changes_nothing(viewer, fleet):
    path = f"/api/devices/{fleet['db-1']}"
    assert (await viewer.patch(path, json={"description": "x"})).status_code == 403
    for verb in ("disable", "enable", "revoke"):
        assert (await viewer.post(f"{path}/{verb}")).status_code == 403
    assert (await viewer.put(f"{path}/tags", json={"tags": ["x"]})).status_code == 403
    assert (await viewer.put(f"{path}/custom_values", json={"values": {}})).status_code == 403
    change = {"device_ids": [str(fleet["db-1"])], "add": ["x"], "dry_run": True}
    assert (await viewer.post("/api/devices/tags", json=change)).status_code == 403


async def test_a_device_moves_only_to_a_site_that_the_caller_sees(admin, operator, fleet, world):
    path = f"/api/devices/{fleet['db-1']}"
    assert codes(await operator.patch(path, json={"site_id": world.site_b})) == {"site_id": "unknown_site"}
    moved = await admin.patch(path, json={"site_id": world.site_b, "description": "the big one"})
    assert (moved.json()["site_name"], moved.json()["description"]) == ("Lighthouse", "the big one")
    assert (await operator.get(path)).status_code == 404


async def test_a_device_is_disabled_and_enabled_again_but_revoked_for_ever(operator, fleet):
    path = f"/api/devices/{fleet['web-1']}"
    assert (await operator.post(f"{path}/disable")).json()["status"] == "disabled"
    assert (await operator.post(f"{path}/enable")).json()["status"] == "active"
    assert (await operator.post(f"{path}/revoke")).json()["status"] == "revoked"
    assert (await operator.post(f"{path}/revoke")).status_code == 200
    refused = await operator.post(f"{path}/enable")
    assert (refused.status_code, refused.json()["code"]) == (409, "device_revoked")


async def test_gateways_hear_of_a_device_that_may_no_longer_be_connected(operator, fleet, db):
    async with await psycopg.AsyncConnection.connect(db.conninfo, autocommit=True) as ear:
        await ear.execute(f"LISTEN {devices.REFUSED_CHANNEL}".encode())
        await operator.post(f"/api/devices/{fleet['db-1']}/disable")
        heard = [note.payload async for note in ear.notifies(timeout=10, stop_after=1)]
    assert heard == [str(fleet["db-1"])]


async def test_changes_are_audited_with_site_and_address(operator, admin, fleet, world):
    await operator.post(f"/api/devices/{fleet['db-1']}/disable")
    entry = (await admin.get("/api/audit?object_kind=device")).json()["items"][0]
    assert (entry["action"], entry["actor"], entry["site_id"]) == ("device.disabled", "otto", world.site_a)
    assert (entry["object_id"], entry["remote_addr"]) == (str(fleet["db-1"]), "192.0.2.1")


async def test_a_device_tells_who_is_signed_in_or_that_it_does_not_say(operator, other, fleet, db):
    path = f"/api/devices/{fleet['db-1']}"
    assert (await operator.get(path)).json()["sessions"] is None
    async with db.begin() as tx:
        row = await tx.execute(
            text("SELECT connection_id FROM device_presence WHERE device_id = :d"), {"d": fleet["db-1"]}
        )
        ada = devices.UserSession("c2", "ada", "tty2", True, None)
        await devices.greeted(tx, [devices.SignedIn(fleet["db-1"], row.scalar_one(), [ada])])
    (shown,) = (await operator.get(path)).json()["sessions"]
    assert (shown["id"], shown["user"], shown["place"], shown["is_remote"]) == ("c2", "ada", "tty2", True)
    assert (await other.get(path)).status_code == 404

"""A person's yes or no to new devices."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import select

from tests.api.conftest import codes
from tests.factories.machines import Machine
from watchbill.devices.tables import devices
from watchbill.kit import events
from watchbill.kit.events import Cursor


@pytest.fixture
async def code(operator, world) -> str:
    return str((await operator.get(f"/api/sites/{world.site_a}")).json()["enrolment_code"])


@pytest.fixture
async def code_b(other, world) -> str:
    return str((await other.get(f"/api/sites/{world.site_b}")).json()["enrolment_code"])


@pytest.fixture
async def enrol(connect):
    """`await enrol(code, hostname)` -> (machine, path of its approval)."""

    async def new(code: str, hostname: str = "web-1", machine: Machine | None = None) -> tuple[Machine, str]:
        machine = machine or Machine(await connect(), hostname)
        machine.hostname = hostname
        reply = await machine.enrol(code)
        assert reply.status_code == 202, reply.text
        return machine, f"/api/device_approvals/{reply.json()['enrolment_id']}"

    return new


@pytest.fixture
async def known(enrol, code, operator) -> tuple[Machine, str]:
    """A machine `web-1` that is a device already, and the device's id."""
    machine, path = await enrol(code, "web-1")
    return machine, (await operator.post(f"{path}/approve")).json()["device_id"]


async def hostnames(client, status: str | None = None) -> list[str]:
    reply = await client.get("/api/devices", params={"status": status} if status else {})
    return [device["hostname"] for device in reply.json()["items"]]


async def test_a_request_is_announced_to_its_site_and_shows_what_a_person_needs(enrol, code, operator, db, world):
    _, path = await enrol(code)
    shown = (await operator.get(path)).json()
    assert (shown["hostname"], shown["site_name"], shown["conflict"]) == ("web-1", "Harbour", None)
    assert shown["key_fingerprint"].startswith("sha256:")
    assert "poll_token" not in str(shown)
    async with db.begin() as tx:
        told = await events.read_after(tx, Cursor(0, 0))
    assert [(event.kind, event.site_id) for event in told] == [("approval.created", world.site_a)]


async def test_a_decision_is_announced_to_the_site(enrol, code, operator, db, world):
    _, path = await enrol(code)
    assert (await operator.post(f"{path}/deny")).status_code == 200
    async with db.begin() as tx:
        told = await events.read_after(tx, Cursor(0, 0))
    assert [(one.kind, one.site_id, one.payload.get("state")) for one in told][1:] == [
        ("approval.decided", world.site_a, "denied")
    ]


async def test_requests_of_another_site_are_absent(enrol, code, other, viewer):
    _, path = await enrol(code)
    assert (await other.get("/api/device_approvals")).json()["items"] == []
    assert (await other.get(path)).status_code == 404
    assert (await other.post(f"{path}/approve")).status_code == 404
    assert (await other.post(f"{path}/deny")).status_code == 404
    assert (await viewer.get(path)).status_code == 200


async def test_a_viewer_looks_but_does_not_decide(enrol, code, viewer):
    _, path = await enrol(code)
    assert (await viewer.post(f"{path}/approve")).status_code == 403
    assert (await viewer.post(f"{path}/deny")).status_code == 403
    bulk = {"ids": [path.rpartition("/")[2]], "decision": "approve"}
    assert (await viewer.post("/api/device_approvals/bulk", json=bulk)).status_code == 403


async def test_a_decision_is_made_once(enrol, code, operator, world):
    _, path = await enrol(code)
    decided = (await operator.post(f"{path}/deny", json={"reason": "unknown"})).json()
    assert (decided["state"], decided["reason"], decided["decided_by"]) == ("denied", "unknown", world.operator.id)
    again = await operator.post(f"{path}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "approval_decided")


async def test_two_people_who_approve_at_once_make_one_device(enrol, code, operator, admin):
    _, path = await enrol(code)
    replies = await asyncio.gather(operator.post(f"{path}/approve"), admin.post(f"{path}/approve"))
    assert sorted(reply.status_code for reply in replies) == [200, 409]
    assert await hostnames(operator) == ["web-1"]


async def test_a_known_name_waits_for_a_choice_and_says_so(known, enrol, code, operator):
    _, path = await enrol(code, "WEB-1")
    assert (await operator.get(path)).json()["conflict"] == "hostname"
    refused = await operator.post(f"{path}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_conflict")
    assert '"replace" or "new"' in refused.json()["errors"][0]["message"]
    assert codes(await operator.post(f"{path}/approve", json={"resolve": "merge"})) == {"resolve": "enum"}


async def test_replacing_revokes_the_known_device(known, enrol, code, operator):
    machine, device_id = known
    _, path = await enrol(code, "web-1")
    approved = (await operator.post(f"{path}/approve", json={"resolve": "replace"})).json()
    assert approved["device_id"] != device_id
    assert (await operator.get(f"/api/devices/{device_id}")).json()["status"] == "revoked"
    assert (await machine.token(device_id)).status_code == 403


async def test_new_keeps_both_devices(known, enrol, code, operator):
    _, path = await enrol(code, "web-1")
    assert (await operator.post(f"{path}/approve", json={"resolve": "new"})).status_code == 200
    assert await hostnames(operator) == ["web-1", "web-1"]


async def test_a_name_that_another_site_uses_is_no_conflict(known, enrol, code_b, other):
    _, path = await enrol(code_b, "web-1")
    assert (await other.post(f"{path}/approve")).status_code == 200


async def test_a_conflict_that_arose_after_the_request_is_found_at_the_decision(enrol, code, operator):
    _, first = await enrol(code, "web-1")
    _, second = await enrol(code, "web-1")
    assert (await operator.post(f"{first}/approve")).status_code == 200
    assert (await operator.get(second)).json()["conflict"] is None
    assert (await operator.post(f"{second}/approve")).json()["code"] == "approval_conflict"


async def test_a_known_key_can_only_replace_its_device(known, enrol, code, operator, db):
    machine, _device_id = known
    _, path = await enrol(code, "renamed", machine)
    assert (await operator.get(path)).json()["conflict"] == "key"
    assert (await operator.post(f"{path}/approve", json={"resolve": "new"})).status_code == 409
    assert (await operator.post(f"{path}/approve", json={"resolve": "replace"})).status_code == 200
    assert await hostnames(operator) == ["renamed"]
    async with db.begin() as tx:
        keys = (await tx.execute(select(devices.c.public_key).where(devices.c.status != "revoked"))).scalars().all()
    assert len(keys) == 1


async def test_a_revoked_key_comes_back_only_by_a_persons_choice(known, enrol, code, operator, world):
    machine, device_id = known
    await operator.post(f"/api/devices/{device_id}/revoke")
    await operator.post(f"/api/sites/{world.site_a}/auto_approval", json={"minutes": 10})
    _, path = await enrol(code, "web-1", machine)
    waiting = (await operator.get(path)).json()
    assert (waiting["state"], waiting["conflict"]) == ("pending", "key")
    assert (await operator.post(f"{path}/approve", json={"resolve": "new"})).status_code == 200


async def test_a_key_of_a_device_out_of_sight_is_decided_by_somebody_who_sees_it(known, enrol, code_b, other, admin):
    machine, device_id = known
    _, path = await enrol(code_b, "web-1", machine)
    refused = await other.post(f"{path}/approve", json={"resolve": "replace"})
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_conflict_elsewhere")
    assert device_id not in refused.text
    assert (await admin.get(f"/api/devices/{device_id}")).json()["status"] == "active"
    assert (await admin.post(f"{path}/approve", json={"resolve": "replace"})).status_code == 200


async def test_in_the_auto_approval_window_a_machine_is_let_in_by_the_engine(enrol, code, operator, admin, world):
    await operator.post(f"/api/sites/{world.site_a}/auto_approval", json={"minutes": 10})
    _, path = await enrol(code)
    shown = (await operator.get(path)).json()
    assert (shown["state"], shown["decided_by"]) == ("approved", None)
    entry = (await admin.get("/api/audit?object_kind=device_approval")).json()["items"][0]
    assert (entry["actor"], entry["action"]) == ("engine", "device_approval.approved")


async def test_a_conflict_waits_even_in_the_auto_approval_window(known, enrol, code, operator, world):
    await operator.post(f"/api/sites/{world.site_a}/auto_approval", json={"minutes": 10})
    _, path = await enrol(code, "web-1")
    assert (await operator.get(path)).json()["state"] == "pending"


async def test_machines_of_one_name_that_come_at_once_in_the_window_are_not_both_let_in(connect, code, operator, world):
    await operator.post(f"/api/sites/{world.site_a}/auto_approval", json={"minutes": 10})
    machines = [Machine(await connect(), "twin") for _ in range(4)]
    replies = await asyncio.gather(*(machine.enrol(code) for machine in machines))
    assert sorted(reply.json()["state"] for reply in replies) == ["approved", "pending", "pending", "pending"]


async def test_a_closed_window_lets_nobody_in(enrol, code, operator, world):
    for minutes in (10, 0):
        await operator.post(f"/api/sites/{world.site_a}/auto_approval", json={"minutes": minutes})
    _, path = await enrol(code)
    assert (await operator.get(path)).json()["state"] == "pending"


async def test_a_bulk_decision_tells_for_each_what_became_of_it(known, enrol, code, code_b, operator):
    paths = [(await enrol(code, name))[1] for name in ("a", "b", "web-1")] + [(await enrol(code_b, "c"))[1]]
    ids = [path.rpartition("/")[2] for path in paths] + [str(uuid4())]
    await operator.post(f"{paths[1]}/deny")
    reply = await operator.post("/api/device_approvals/bulk", json={"ids": ids, "decision": "approve"})
    items = reply.json()["items"]
    assert [item["id"] for item in items] == ids
    assert [item["code"] for item in items] == [None, "approval_decided", "approval_conflict", "not_found", "not_found"]
    assert items[0]["approval"]["state"] == "approved"
    assert await hostnames(operator) == ["a", "web-1"]


async def test_many_are_denied_with_one_reason(enrol, code, operator):
    ids = [(await enrol(code, name))[1].rpartition("/")[2] for name in ("a", "b")]
    bulk = {"ids": ids, "decision": "deny", "reason": "wrong network"}
    items = (await operator.post("/api/device_approvals/bulk", json=bulk)).json()["items"]
    assert [item["approval"]["reason"] for item in items] == ["wrong network"] * 2


async def test_the_list_is_filtered_and_paged_newest_first(enrol, code, operator, admin):
    for name in ("one", "two", "three"):
        await enrol(code, name)
    first = (await operator.get("/api/device_approvals?state=pending&limit=2")).json()
    second = (
        await operator.get("/api/device_approvals", params={"state": "pending", "cursor": first["next_cursor"]})
    ).json()
    assert [one["hostname"] for one in first["items"] + second["items"]] == ["three", "two", "one"]
    assert [one["hostname"] for one in (await admin.get("/api/device_approvals?q=TW")).json()["items"]] == ["two"]
    assert (await operator.get("/api/device_approvals?state=denied")).json()["items"] == []
    assert codes(await operator.get("/api/device_approvals?cursor=WyJ4Il0")) == {"cursor": "invalid"}

"""Service accounts over HTTP: for one device, for many, and who may."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.conftest import codes
from watchbill import agents
from watchbill_wire import AccountState, ServiceAccountReported


@pytest.fixture
def tells(deps):
    """`await tells(device_id, state)`, as its gateway stores it."""

    async def tell(device_id: UUID, state: AccountState) -> None:
        async with deps.db.begin() as tx:
            (wish,) = (await agents.service_accounts_wanted(tx, [device_id])).values()
            told = {device_id: ServiceAccountReported(state, wish.generation)}
            await agents.service_accounts_told(tx, deps.keys, told, await deps.clock.now(tx))

    return tell


@pytest.fixture
async def crane(make_device, world):
    return await make_device("crane", world.site_a)


def allowed(account: dict[str, Any]) -> list[str]:
    assert all((one["reason"] is None) == one["allowed"] for one in account["allowed_actions"])
    return [one["action"] for one in account["allowed_actions"] if one["allowed"]]


async def test_one_is_made_rotated_and_removed_and_the_device_shows_it(admin, crane, tells):
    path = f"/api/devices/{crane}/service_account"
    before = (await admin.get(path)).json()
    assert (before["state"], allowed(before), before["requested_at"]) == ("none", ["create"], None)
    made = (await admin.post(path)).json()
    assert (made["state"], made["username"], made["requested_by"]) == ("creating", "svc-watchbill", "ada")
    assert (await admin.post(path)).json() == made, "twice is once"
    await tells(crane, "present")
    shown = (await admin.get(f"/api/devices/{crane}")).json()["service_account"]
    assert (shown["state"], allowed(shown)) == ("present", ["rotate", "remove"])
    assert (await admin.post(f"{path}/rotate")).json()["state"] == "rotating"
    await tells(crane, "present")
    assert (await admin.delete(path)).json()["state"] == "removing"
    await tells(crane, "absent")
    assert (await admin.get(path)).json()["state"] == "none"


async def test_what_is_not_there_cannot_be_rotated_and_a_revoked_device_is_not_reached(
    admin, make_device, world, crane
):
    refused = await admin.post(f"/api/devices/{crane}/service_account/rotate")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_service_account")
    gone = await make_device("gone", world.site_a, status="revoked")
    for reply in (
        await admin.post(f"/api/devices/{gone}/service_account"),
        await admin.delete(f"/api/devices/{gone}/service_account"),
    ):
        assert (reply.status_code, reply.json()["code"]) == (409, "device_revoked")


async def test_an_operator_who_may_not_run_as_system_makes_no_login(admin, operator, world, crane):
    path = f"/api/devices/{crane}/service_account"
    assert (await operator.post(path)).status_code == 200
    denied = {"denied_permissions": ["run_as_system"]}
    assert (await admin.patch(f"/api/operators/{world.operator.id}", json=denied)).status_code == 200
    reasons = {one["reason"] for one in (await operator.get(path)).json()["allowed_actions"]}
    assert reasons == {"This needs the permission `run_as_system`."}
    for reply in (await operator.post(path), await operator.post(f"{path}/rotate"), await operator.delete(path)):
        assert reply.status_code == 403
    body = {"action": "create", "device_ids": [str(crane)]}
    assert (await operator.post("/api/devices/service_accounts", json=body)).status_code == 403


async def test_many_are_changed_by_their_ids_counted_before_and_all_or_none(
    admin, operator, make_device, world, crane, tells
):
    pump, far = await make_device("pump", world.site_a), await make_device("far", world.site_b)
    path, body = "/api/devices/service_accounts", {"action": "create", "device_ids": [str(crane), str(pump)]}
    counted = (await operator.post(path, json={**body, "dry_run": True})).json()
    assert counted == {"action": "create", "devices": 2, "changed": 2, "dry_run": True}
    assert (await operator.get(f"/api/devices/{crane}")).json()["service_account"]["state"] == "none"
    refused = await operator.post(path, json={**body, "device_ids": [str(crane), str(far), str(uuid4())]})
    assert codes(refused) == {"device_ids.1": "unknown_device", "device_ids.2": "unknown_device"}
    assert (await operator.get(f"/api/devices/{crane}")).json()["service_account"]["state"] == "none"
    assert (await operator.post(path, json=body)).json()["changed"] == 2
    assert (await operator.post(path, json=body)).json()["changed"] == 0
    await tells(crane, "present")
    rotated = (await operator.post(path, json={**body, "action": "rotate"})).json()
    assert (rotated["devices"], rotated["changed"]) == (2, 1)
    assert (await operator.post(path, json={**body, "action": "remove"})).json()["changed"] == 2
    assert (await admin.get(f"/api/devices/{far}")).json()["service_account"]["state"] == "none"


async def test_many_are_changed_by_a_filter_as_far_as_the_caller_sees_its_devices(
    admin, operator, make_device, world, crane
):
    far = await make_device("crane-2", world.site_b)
    criteria = {"all": [{"field": "hostname", "operator": "starts_with", "value": "crane"}]}
    made = await admin.post("/api/device_filters", json={"name": "Cranes", "criteria": criteria})
    assert made.status_code == 201, made.text
    body = {"action": "create", "filter_id": made.json()["id"]}
    assert (await operator.post("/api/devices/service_accounts", json=body)).json()["changed"] == 1
    assert (await admin.get(f"/api/devices/{far}")).json()["service_account"]["state"] == "none"
    assert (await admin.post("/api/devices/service_accounts", json=body)).json()["changed"] == 1


@pytest.mark.parametrize("body", [{}, {"device_ids": [str(uuid4())], "filter_id": 1}])
async def test_it_is_either_ids_or_a_filter(admin, body):
    refused = await admin.post("/api/devices/service_accounts", json={"action": "create", **body})
    assert codes(refused) == {"device_ids": "one_of"}

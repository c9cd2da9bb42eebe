"""What waits for a device when its machine is denied, asks again, is let in again or is revoked: it ends with the reason, or goes on."""

from typing import Any

import httpx
import pytest

from tests.api.jobs import PATH, device
from tests.factories.machines import Machine

FAR = {"type": "daily", "start": "2031-05-04T07:00", "timezone": "UTC"}
REVOKED = ("skipped", "not_approved", "The device was revoked while this waited for it.")


@pytest.fixture
async def code(operator: httpx.AsyncClient, world) -> str:
    return str((await operator.get(f"/api/sites/{world.site_a}")).json()["enrolment_code"])


async def _asks(machine: Machine, code: str) -> str:
    reply = await machine.enrol(code)
    assert reply.status_code == 202, reply.text
    return f"/api/device_approvals/{reply.json()['enrolment_id']}"


@pytest.fixture
async def known(connect, code: str, operator: httpx.AsyncClient) -> tuple[Machine, str]:
    """A machine `web-1` that is a device, and the device's id."""
    machine = Machine(await connect(), "web-1")
    approved = await operator.post(f"{await _asks(machine, code)}/approve")
    return machine, str(approved.json()["device_id"])


@pytest.fixture
async def job(operator: httpx.AsyncClient, known: tuple[Machine, str]) -> int:
    """A job of which a row waits for `web-1`."""
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await operator.post("/api/assemblies", json=script)).json()["id"]
    body = {
        "name": "Clean",
        "components": [{"assembly_id": assembly}],
        "targets": [device(known[1])],
        "schedule": FAR,
    }
    made = (await operator.post(PATH, json=body)).json()
    started = await operator.post(f"{PATH}/{made['id']}/rerun", json={})
    assert started.status_code == 202, started.text
    return int(made["id"])


async def _row(client: httpx.AsyncClient, job: int) -> tuple[str, Any, Any]:
    (row,) = (await client.get(f"{PATH}/{job}/devices")).json()["items"]
    return row["state"], row["reason"], row["detail"]


async def _waiting(client: httpx.AsyncClient) -> int:
    return len((await client.get("/api/waiting")).json()["items"])


async def test_what_waits_ends_with_the_reason_when_its_device_is_revoked(operator, known, job) -> None:
    assert await _waiting(operator) == 1
    assert (await operator.post(f"/api/devices/{known[1]}/revoke")).status_code == 200
    assert await _row(operator, job) == REVOKED
    (one,) = (await operator.get(f"{PATH}/{job}/runs")).json()["items"]
    assert (one["state"], one["outcome"], one["counts"]) == ("closed", "skipped", {"skipped": 1})
    assert await _waiting(operator) == 0
    again = await operator.get(f"{PATH}/{job}/occurrences/{one['id']}/rerun")
    assert again.json()["never_started"] == 0, "a second try changes nothing"


async def test_a_machine_that_asks_again_changes_nothing_until_a_person_decides(operator, code, known, job) -> None:
    path = await _asks(known[0], code)
    assert (await operator.get(path)).json()["conflict"] == "key"
    assert ((await _row(operator, job))[0], await _waiting(operator)) == ("pending", 1)
    denied = await operator.post(f"{path}/deny", json={"reason": "not expected"})
    assert denied.status_code == 200
    assert ((await _row(operator, job))[0], await _waiting(operator)) == ("pending", 1), "the device it was stays"
    assert (await operator.get(f"/api/devices/{known[1]}")).json()["status"] == "active"


async def test_a_machine_let_in_again_is_another_device_and_what_waited_ends(operator, code, known, job) -> None:
    path = await _asks(known[0], code)
    approved = await operator.post(f"{path}/approve", json={"resolve": "replace"})
    assert approved.status_code == 200, approved.text
    assert approved.json()["device_id"] != known[1]
    assert await _row(operator, job) == REVOKED
    rerun = await operator.post(f"{PATH}/{job}/rerun", json={})
    assert rerun.status_code == 202, rerun.text
    assert (await _row(operator, job))[:2] == ("skipped", "not_approved"), "the job still names the device that it was"


async def test_many_let_in_at_once_leave_what_waits_for_a_known_device(operator, code, known, job) -> None:
    """A conflict is never decided in bulk, so nobody's work ends by it."""
    path = await _asks(known[0], code)
    body = {"ids": [path.rpartition("/")[2]], "decision": "approve"}
    (decided,) = (await operator.post("/api/device_approvals/bulk", json=body)).json()["items"]
    assert (decided["code"], await _waiting(operator)) == ("approval_conflict", 1)


async def test_a_revoked_device_whose_machine_asks_again_gets_nothing_that_waited(operator, code, known, job) -> None:
    await operator.post(f"/api/devices/{known[1]}/revoke")
    path = await _asks(known[0], code)
    approved = await operator.post(f"{path}/approve", json={"resolve": "new"})
    assert approved.status_code == 200, approved.text
    assert (await _row(operator, job), await _waiting(operator)) == (REVOKED, 0)

"""A machine that asks to enrol again: what waits for the device it was ends with its reason, or stays its own; the new one gets none of it."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from tests.flows.fleet import AGENT, Agent, Fleet, until


async def _asks_again(fleet: Fleet, folder: Path) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    """Another key on the same machine asks to be let in; the process that waits, and what a person is asked."""
    code = str(fleet.site["enrolment_command"]).split("--code ")[1].split()[0]
    asking = await asyncio.create_subprocess_exec(
        AGENT, "enroll", "--server", str(fleet.http.base_url).rstrip("/"), "--code", code,
        "--data-dir", str(folder), "--wait", "60",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip

    async def pending() -> dict[str, Any] | None:
        found = (await fleet.http.get("/api/device_approvals", params={"state": "pending"})).json()["items"]
        return found[0] if found else None

    return asking, dict(await until(pending))


async def _decide(fleet: Fleet, asked: dict[str, Any], verb: Literal["approve", "deny"], **body: str) -> dict[str, Any]:
    reply = await fleet.http.post(f"/api/device_approvals/{asked['id']}/{verb}", json=body)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def _leave_work_behind(fleet: Fleet) -> tuple[Agent, dict[str, Any], dict[str, Any]]:
    """A device that went away in the middle of a script, with another one waiting for it."""
    old = await fleet.enrol("old")
    running = await fleet.job(await fleet.script(f"echo old >> {fleet.folder}/ran; sleep 600"), old)
    await fleet.in_state(running, "running")
    await old.stop(9)

    async def is_away() -> bool:
        return not await fleet.is_online(old)

    await until(is_away)
    waiting = await fleet.job(await fleet.script(f"echo waited >> {fleet.folder}/ran"), old)
    await fleet.in_state(waiting, "waiting_online")
    return old, running, waiting


async def test_what_waits_for_the_device_that_is_replaced_ends_and_never_reaches_the_new_one(fleet: Fleet) -> None:
    old, running, waiting = await _leave_work_behind(fleet)
    asking, asked = await _asks_again(fleet, fleet.folder / "new")
    approved = await _decide(fleet, asked, "approve", resolve="replace")
    assert await asyncio.wait_for(asking.wait(), 60) == 0
    assert (await fleet.http.get(f"/api/devices/{old.device_id}")).json()["status"] == "revoked"
    row = await fleet.row(waiting)
    assert (row["state"], row["reason"]) == ("skipped", "not_approved")
    assert row["detail"] == "The device was revoked while this waited for it."
    assert (await fleet.closed(waiting))["state"] == "closed"
    new = Agent(fleet.folder / "new", device_id=approved["device_id"])
    fleet.agents.append(new)
    await new.start()
    await until(lambda: fleet.is_online(new))
    # It does work of its own, after which anything that was on its way to it would have come.
    own = await fleet.job(await fleet.script(f"echo new >> {fleet.folder}/ran"), new)
    assert (await fleet.closed(own))["outcome"] == "success"
    assert (fleet.folder / "ran").read_text().split() == ["old", "new"]
    row = await fleet.row(
        running
    )  # that device may still run it: its row waits for its bound, as for any that is silent
    assert (row["state"], len(row["executions"])) == ("running", 1)
    # The device of before is not let in any more, whatever it still has to tell.
    await old.start()
    log = fleet.folder / "old.log"
    await until(lambda: "link.refused" in log.read_text())
    assert not await fleet.is_online(old)
    assert (await fleet.row(waiting))["executions"] == []


async def test_what_waits_for_a_device_stays_its_own_when_another_machine_of_its_name_is_denied(fleet: Fleet) -> None:
    old, running, waiting = await _leave_work_behind(fleet)
    asking, asked = await _asks_again(fleet, fleet.folder / "stranger")
    await _decide(fleet, asked, "deny", reason="not ours")
    assert await asyncio.wait_for(asking.wait(), 60) == 5
    assert (await fleet.row(waiting))["state"] == "waiting_online"
    assert (await fleet.http.get(f"/api/devices/{old.device_id}")).json()["status"] == "active"
    await old.start()
    assert (await fleet.closed(waiting))["outcome"] == "success"
    assert (fleet.folder / "ran").read_text().split() == ["old", "waited"]
    assert (await fleet.row(running))["state"] == "running"
    await fleet.http.post(f"/api/scheduled_jobs/{running['id']}/occurrences/latest/cancel")
    await fleet.in_state(running, "cancelled")

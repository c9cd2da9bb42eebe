"""Offline is a planned state: devices that are away wait, run when they return, and are told apart from failures."""

from typing import Any

from tests.flows.fleet import Agent, Fleet, until


async def test_an_offline_device_waits_and_runs_when_it_returns(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    await agent.stop()
    await until(lambda: _is_offline(fleet, agent))
    job = await fleet.job(await fleet.script("echo at last"), agent)
    row = await fleet.in_state(job, "waiting_online")
    assert row["deadline_at"] == row["expires_at"]
    await agent.start()
    assert (await fleet.closed(job))["outcome"] == "success"
    assert await fleet.output(await fleet.row(job)) == "at last\n"


async def test_a_waiting_row_is_withdrawn_by_a_stop_at_once(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha", start=False)
    job = await fleet.job(await fleet.script("echo never"), agent)
    await fleet.in_state(job, "waiting_online")
    await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/occurrences/latest/cancel")
    row = await fleet.in_state(job, "cancelled")
    assert (row["reason"], row["executions"]) == ("not_started_cancelled", [])
    await agent.start()
    await until(lambda: fleet.is_online(agent))
    assert (await fleet.row(job))["state"] == "cancelled"


async def test_a_newer_occurrence_supersedes_a_row_that_never_started(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha", start=False)
    job = await fleet.job(await fleet.script("echo once"), agent)
    await fleet.in_state(job, "waiting_online")
    again = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun")
    assert again.status_code == 202, again.text
    old = (await fleet.occurrences(job))[-1]
    (row,) = await fleet.rows(job, occurrence=old["id"])
    assert (row["state"], row["reason"]) == ("expired", "superseded")
    await agent.start()
    await fleet.closed(job)
    newest = await fleet.row(job)
    assert (newest["state"], len(newest["executions"])) == ("success", 1)


async def test_by_policy_an_offline_device_is_skipped(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha", start=False)
    job = await fleet.job(await fleet.script("echo never"), agent, policies={"offline": "skip"})
    occurrence = await fleet.closed(job)
    assert (occurrence["state"], occurrence["reason"]) == ("skipped", "no_eligible_targets")
    assert (await fleet.row(job))["reason"] == "offline_skip"


async def test_a_device_that_runs_an_earlier_occurrence_is_passed_over(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    busy = fleet.folder / "busy"
    busy.touch()
    job = await fleet.job(await fleet.script(f"while [ -e {busy} ]; do sleep 0.1; done"), agent)
    await fleet.in_state(job, "running")
    await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun")
    assert (await fleet.row(job))["reason"] == "previous_run_active"
    busy.unlink()
    (first,) = [one for one in await fleet.occurrences(job) if one["kind"] == "manual"]
    await until(lambda: _has_ended(fleet, job, first["id"]))


async def _has_ended(fleet: Fleet, job: dict[str, Any], occurrence: str) -> bool:
    (row,) = await fleet.rows(job, occurrence=occurrence)
    return bool(row["state"] == "success")


async def _is_offline(fleet: Fleet, agent: Agent) -> bool:
    return not await fleet.is_online(agent)

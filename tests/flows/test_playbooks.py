"""Playbook jobs from the API to device rows: two schedulers, gateways and workers, real agents, a real sshd that all devices share."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executors.sshd import Sshd, sshd
from tests.flows.fleet import Agent, Fleet, until
from watchbill.executors import Login
from watchbill.kit.secrets import Secret


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
async def crew(fleet: Fleet, server: Sshd) -> AsyncIterator[list[Agent]]:
    """Three devices that can be entered, and a fourth that cannot."""
    fleet.access.login = Login(server.user, server.port, private_key=Secret(server.private_key))
    some = [await fleet.enrol(name) for name in ("alpha", "beta", "gamma", "delta")]
    for agent in some[:3]:
        fleet.access.addresses[agent.device_id] = "127.0.0.1"
    yield some


def _playbook(*tasks: str) -> str:
    listed = "\n".join(f"    - {task}" for task in tasks)
    python = f"  vars: {{ansible_python_interpreter: {sys.executable}}}\n"
    return f"- hosts: all\n  gather_facts: false\n{python}  tasks:\n{listed}\n"


SAY = "ansible.builtin.debug: {msg: 'hello {{ watchbill_device_id }}'}"
TOUCH = "ansible.builtin.command: 'true'"


async def _job(
    fleet: Fleet, content: str, *agents: Agent, context: str = "ssh_individual", **more: Any
) -> dict[str, Any]:
    component = {"kind": "playbook", **more.pop("component", {})}
    assembly = await fleet.playbook(content, **more.pop("assembly", {}))
    return await fleet.job(
        assembly, *agents, execution_context=context, component=component, use_service_account=True, **more
    )


@pytest.mark.parametrize("context", ["ssh", "ssh_individual"])
async def test_every_device_has_its_row_output_and_recap(fleet: Fleet, crew: list[Agent], context: str) -> None:
    fails = f"{{ansible.builtin.command: 'false', when: watchbill_device_id == '{crew[1].device_id}'}}"
    job = await _job(fleet, _playbook(SAY, TOUCH, fails), *crew, context=context)
    occurrence = await fleet.closed(job, patience=60)
    assert occurrence["outcome"] == "failed"
    rows = {row["device"]["id"]: row for row in await fleet.rows(job)}
    alpha, beta, gamma, delta = (rows[agent.device_id] for agent in crew)
    assert [row["state"] for row in (alpha, beta, gamma)] == ["success", "failed", "success"]
    assert (delta["state"], delta["reason"], delta["detail"]) == (
        "skipped",
        "wireguard_unavailable",
        "It has no tunnel.",
    )
    counts = {"ok": 2, "changed": 1, "unreachable": 0, "failed": 0, "skipped": 1, "rescued": 0, "ignored": 0}
    assert alpha["recap"] == alpha["executions"][0]["recap"] == counts
    assert beta["recap"] == {**counts, "skipped": 0, "failed": 1}
    assert f"hello {crew[2].device_id}" in await fleet.output(gamma)
    assert f"hello {crew[0].device_id}" not in await fleet.output(gamma)
    recap = (await fleet.http.get(f"/api/runs/{alpha['run_id']}/recap")).json()
    assert recap["total"] == {**counts, "ok": 6, "changed": 3, "skipped": 2, "failed": 1}
    assert recap["devices_told"] == 3
    assert {one["device_id"]: one["recap"] for one in recap["items"]} == {
        row["device"]["id"]: row["recap"] for row in rows.values()
    }


async def test_a_stop_reaches_the_controller(fleet: Fleet, crew: list[Agent]) -> None:
    job = await _job(fleet, _playbook(SAY, "ansible.builtin.pause: {seconds: 600}"), crew[0])
    await fleet.in_state(job, "running")
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/occurrences/latest/cancel")
    assert reply.status_code == 202, reply.text
    assert (await fleet.closed(job))["outcome"] == "cancelled"
    row = await fleet.row(job)
    # The controller is gone; of what it had begun on the device nobody knows.
    assert (row["state"], row["cancel_answer"]) == ("cancelled", "could_not")


async def test_playbooks_run_one_after_another_and_are_tried_again(
    fleet: Fleet, crew: list[Agent], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    flaky = _playbook(f"ansible.builtin.shell: 'test -e {mark} || (touch {mark}; exit 1)'")
    first, second = await fleet.playbook(flaky), await fleet.playbook(_playbook(TOUCH))
    parts = [{"assembly_id": one, "kind": "playbook"} for one in (first, second)]
    more: dict[str, Any] = {"components": parts, "policies": {"retries": 1, "retry_delay_seconds": 1}}
    job = await fleet.job(first, crew[0], execution_context="ssh_individual", use_service_account=True, **more)
    assert (await fleet.closed(job, patience=60))["outcome"] == "success"
    row = await fleet.row(job)
    assert (row["state"], row["attempt"]) == ("success", 2)
    done = [
        (one["component"], one["attempt"], one["exit_code"]) for one in row["executions"] if one["outcome"] == "exited"
    ]
    assert done == [(0, 1, 2), (0, 2, 0), (1, 2, 0)]


async def test_a_device_that_is_away_is_entered_when_it_is_back(fleet: Fleet, crew: list[Agent]) -> None:
    await crew[0].stop(9)
    await until(lambda: _is_offline(fleet, crew[0]))
    job = await _job(fleet, _playbook(SAY), crew[0], crew[1])
    await until(lambda: _is_done(fleet, job, crew[1]))
    assert {row["state"] for row in await fleet.rows(job)} == {"waiting_online", "success"}
    await crew[0].start()
    assert (await fleet.closed(job, patience=60))["outcome"] == "success"


async def test_typed_variables_and_secrets(fleet: Fleet, crew: list[Agent]) -> None:
    declared = [
        {"name": "hours", "type": "number", "default": 8},
        {"name": "token", "type": "secret", "required": True},
    ]
    content = _playbook("ansible.builtin.debug: {msg: '{{ hours + 1 }} {{ token | length }} {{ token }}'}")
    given = {"variables": {"token": "s3cr3t-value"}}
    job = await _job(fleet, content, crew[0], assembly={"variables": declared}, component=given)
    await fleet.closed(job, patience=60)
    row = await fleet.row(job)
    text = await fleet.output(row)
    assert "9 12 ***" in text
    assert "s3cr3t" not in text


async def test_the_time_limit_stops_a_play(fleet: Fleet, crew: list[Agent]) -> None:
    content = _playbook("ansible.builtin.command: sleep 600")
    job = await _job(fleet, content, crew[0], duration={"time_limit_seconds": 3})
    await fleet.closed(job, patience=60)
    assert (await fleet.row(job))["state"] == "timed_out"


async def _is_offline(fleet: Fleet, agent: Agent) -> bool:
    return not await fleet.is_online(agent)


async def _is_done(fleet: Fleet, job: dict[str, Any], agent: Agent) -> bool:
    rows = await fleet.rows(job)
    return any(row["device"]["id"] == agent.device_id and row["state"] == "success" for row in rows)

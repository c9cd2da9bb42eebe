"""Machines that are visited again: managed and waiting ones are left as they are, broken and revoked ones put in order."""

import asyncio
import json
from dataclasses import replace

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.fleet import until
from tests.lab.host import Host
from tests.lab.sshd import User
from tests.onboarding.acting import credential
from tests.onboarding.stage import Ended, Stage, agent, traces
from watchbill.core.onboarding_states import OnboardingReason as R
from watchbill.core.onboarding_states import OnboardingState as S
from watchbill.onboarding.base import Known

pytestmark = [needs_lab, pytest.mark.timeout(120)]
PASSWORD = "quay-7-harbour"
ADA = User("ada", PASSWORD, may_sudo=True)


async def _visit(stage: Stage, host: Host) -> Ended:
    return await stage.install(host, credential(password=PASSWORD))


async def _managed(stage: Stage) -> tuple[Host, str]:
    """A machine with an approved agent, and its device."""
    host = stage.machine(ADA)
    assert (await _visit(stage, host)).done
    device_id = stage.engine.approve_all()
    await asyncio.to_thread(until, "it is approved", lambda: device_id in agent(host, "status", "--json"), 30)
    stage.engine.codes.clear()
    return host, device_id


def _status(host: Host) -> dict[str, object]:
    read: dict[str, object] = json.loads(agent(host, "service", "status", "--json"))
    return read


async def test_a_machine_that_waits_for_this_target_is_done_already(stage: Stage) -> None:
    host = stage.machine(ADA)
    assert (await _visit(stage, host)).done
    before = traces(host)
    again = await _visit(stage, host)
    assert again.done.is_already
    assert len(stage.engine.codes) == len(stage.engine.requests) == 1
    assert traces(host) == before


async def test_a_machine_that_waits_for_another_is_left_to_it(stage: Stage) -> None:
    host = stage.machine(ADA)
    assert (await _visit(stage, host)).done
    stage.engine.codes.clear()
    assert (await _visit(stage, host)).end == (S.SKIPPED, R.ALREADY_PENDING)


async def test_a_managed_machine_is_named_and_left_as_it_is(stage: Stage) -> None:
    host, device_id = await _managed(stage)
    ended = await _visit(stage, host)
    assert ended.end == (S.SKIPPED, R.ALREADY_MANAGED)
    assert "web-1" in str(ended.error)
    assert device_id in str(ended.error)
    assert stage.engine.codes == []


@pytest.mark.parametrize("harm", ["service", "files", "half of the files", "the link", "files under its feet"])
async def test_a_broken_agent_is_repaired_and_keeps_its_identity(stage: Stage, harm: str) -> None:
    host, device_id = await _managed(stage)
    identity = host.run("cat", "/var/lib/watchbill-agent/identity.json").stdout
    if harm != "files under its feet":
        agent(host, "service", "remove")
    if "files" in harm and "half" not in harm:
        host.run("rm", "-rf", "/opt/watchbill-agent", "/usr/local/bin/watchbill-agent")
    elif harm == "half of the files":
        host.run("rm", "-f", "/opt/watchbill-agent/9.9.1/watchbill-agent")
    elif harm == "the link":
        host.run("ln", "-sfn", "8.8.8", "/opt/watchbill-agent/current")
    ended = await _visit(stage, host)
    assert ended.done.repaired == device_id
    assert "enrol" not in ended.story.names
    assert "asked" not in ended.story.names
    assert stage.engine.codes == []
    assert host.run("cat", "/var/lib/watchbill-agent/identity.json").stdout == identity
    assert (_status(host)["running"], _status(host)["device_id"]) == (True, device_id)
    assert (await _visit(stage, host)).end == (S.SKIPPED, R.ALREADY_MANAGED)


async def test_an_agent_that_is_connected_and_came_some_other_way_is_left_alone(stage: Stage) -> None:
    host, device_id = await _managed(stage)
    agent(host, "service", "remove")
    host.run("rm", "-rf", "/opt/watchbill-agent")
    stage.engine.devices[device_id] = replace(stage.engine.devices[device_id], is_online=True)
    assert (await _visit(stage, host)).end == (S.SKIPPED, R.ALREADY_MANAGED)


async def test_an_identity_that_cannot_be_read_is_given_up(stage: Stage) -> None:
    host, _ = await _managed(stage)
    host.run("tee", "/var/lib/watchbill-agent/identity.json", given="{}")
    ended = await _visit(stage, host)
    assert ended.done, ended.story.text
    assert len(stage.engine.requests) == 2


@pytest.mark.parametrize("why", ["revoked", "unknown", "revoked, its files gone"])
async def test_a_device_that_is_revoked_or_unknown_is_enrolled_anew(stage: Stage, why: str) -> None:
    host, device_id = await _managed(stage)
    if "files" in why:
        host.run("rm", "-rf", "/opt/watchbill-agent")
    if "revoked" in why:
        stage.engine.devices[device_id] = Known("web-1", is_accepted=False, is_online=False)
    else:
        stage.engine.devices.clear()
    ended = await _visit(stage, host)
    assert ended.done.repaired is None
    assert len(stage.engine.requests) == 2
    assert (_status(host)["running"], _status(host)["enrolment"]) == (True, "pending")
    assert ("revoked" if "revoked" in why else "not known here") in next(
        one.detail for one in ended.story.told if one.name == "existing agent"
    )


async def test_an_older_version_is_replaced_only_where_something_is_to_be_done(stage: Stage) -> None:
    host, device_id = await _managed(stage)
    stage.package("9.9.2")
    assert (await _visit(stage, host)).end == (S.SKIPPED, R.ALREADY_MANAGED)
    agent(host, "service", "remove")
    ended = await _visit(stage, host)
    assert (ended.done.repaired, ended.done.version) == (device_id, "9.9.2")
    assert host.run("readlink", "/opt/watchbill-agent/current").stdout == "9.9.2\n"


async def test_a_repair_that_fails_leaves_the_older_agent_in_its_place(stage: Stage) -> None:
    host, _ = await _managed(stage)
    agent(host, "service", "remove")
    host.run("mkdir", "-p", "/etc/init.d/watchbill-agent/in-the-way")
    for version in ("9.9.2", "9.9.1"):
        stage.package(version)
        ended = await _visit(stage, host)
        assert ended.end == (S.FAILED, R.STEP_FAILED), ended.story.text
        assert host.run("readlink", "/opt/watchbill-agent/current").stdout == "9.9.1\n"
        assert host.run("ls", "-A", "/opt/watchbill-agent").stdout.split() == ["9.9.1", "current"]
        assert '"state": "approved"' in agent(host, "status", "--json")


async def test_what_a_cut_off_install_left_is_put_right(stage: Stage) -> None:
    host = stage.machine(ADA)
    base = "/opt/watchbill-agent"
    folder = f"/var/tmp/.watchbill-agent-{host.run('id', '-u', 'ada').stdout.strip()}-abc"
    host.run("sh", "-c", f"mkdir -p {base}/.staging-x {base}/.old-9.9.0 {folder}; ln -s 9.9.9 {base}/current")
    host.run("chown", "ada:", folder)
    ended = await _visit(stage, host)
    assert ended.done
    assert "Remains of an install" in next(one.detail for one in ended.story.told if one.name == "existing agent")
    assert sorted(host.run("ls", "-A", base).stdout.split()) == ["9.9.0", "9.9.1", "current"]
    assert not [one for one in traces(host) if "tmp" in one]

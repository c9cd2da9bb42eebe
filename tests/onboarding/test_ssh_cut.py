"""The wire is cut, or the work is cancelled, at every step: it is said where, nothing is half there, and the next try comes through."""

import asyncio

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.sshd import User, start_sshd
from tests.onboarding.acting import MemoryStory, credential
from tests.onboarding.stage import Stage, agent, traces
from tests.onboarding.test_ssh_install import ALL_STEPS
from watchbill.core.onboarding_states import OnboardingReason as R
from watchbill.core.onboarding_states import OnboardingState as S

pytestmark = [needs_lab, pytest.mark.timeout(120)]
PASSWORD = "quay-7-harbour"
ADA = User("ada", PASSWORD, may_sudo=True)
#: Steps in which nothing is said to the machine: the cut shows in the one that follows.
SILENT = {"package": "egress", "clock": "egress", "space": "upload"}


@pytest.mark.parametrize("step", ALL_STEPS[:-1])
async def test_a_cut_wire_is_told_at_its_step_and_the_next_try_comes_through(stage: Stage, step: str) -> None:
    host = stage.machine(ADA)

    async def cut(name: str) -> None:
        if name == step:
            stage.lab.unplug(host)

    ended = await stage.install(host, credential(password=PASSWORD), when=cut)
    assert ended.end == (S.FAILED, R.CONNECTION_LOST), ended.story.text
    assert f"“{SILENT.get(step, step)}”" in str(ended.error)
    stage.lab.plug_in(host)
    again = await stage.install(host, credential(password=PASSWORD))
    assert again.done, again.story.text
    assert '"running": true' in agent(host, "service", "status", "--json")
    assert len(stage.engine.requests) == 1, "who has asked goes on with that"
    assert not [one for one in traces(host) if "tmp" in one or ".staging" in one or ".old" in one]


@pytest.mark.parametrize("step", ["look", "upload", "verify", "install", "enrol", "service"])
async def test_who_is_cancelled_takes_back_what_was_begun(stage: Stage, step: str) -> None:
    host = stage.machine(ADA)
    begun = asyncio.Event()

    async def tell(name: str) -> None:
        if name == step:
            begun.set()

    story = MemoryStory(tell)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(stage.install(host, credential(password=PASSWORD), story=story))
        await begun.wait()
        await asyncio.sleep(0.02)
        work.cancel()
    assert work.cancelled()
    assert story.told[-1].state == "cut"
    assert traces(host) == []
    assert host.run("pgrep", "-f", "watchbill_agent", is_checked=False).stdout == ""


async def test_a_machine_that_loses_its_power_in_the_middle_is_installed_by_the_next_try(stage: Stage) -> None:
    host = stage.machine(ADA)

    async def pull(name: str) -> None:
        if name == "install":
            host.power_off()

    ended = await stage.install(host, credential(password=PASSWORD), when=pull)
    assert ended.end == (S.FAILED, R.CONNECTION_LOST), ended.story.text
    stage.lab.turn_on(host)
    start_sshd(host)
    stage.lab.hosts[0].run("ip", "neigh", "flush", "all")  # it has another network card now
    stage.engine.host_key = None
    assert (await stage.install(host, credential(password=PASSWORD))).done

"""What becomes of a machine when an install does not come to its end, and of one that has an agent already."""

import asyncio
import time
from typing import Any

import pytest

from tests.onboarding.windows.world import SERVER, STEPS, World, credential, machine, state_of
from tests.winrm.endpoint import Endpoint, Fault
from watchbill.core.credential_rules import Transport
from watchbill.onboarding.base import Known, OnboardingError

DEVICE = "0b6f5a52-0000-4000-8000-000000000001"
#: Steps of the timeline by the script that each one runs last; `command` is that of two.
SCRIPTS = {"look": "look", "egress": "reach", "upload": "upload", "verify": "hash", "install": "install"}


def _is_clean(world: World) -> bool:
    """Nothing of an install that failed is there."""
    windows = world.windows
    return not (windows.staging or windows.versions or windows.current or windows.is_service)


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STATUS_500, Fault.NONSENSE])
@pytest.mark.parametrize("step", SCRIPTS)
async def test_a_connection_that_breaks_in_a_step_is_said_with_the_step(
    server: Endpoint, world: World, step: str, fault: Fault
) -> None:
    server.faults[f"Receive {SCRIPTS[step]}"] = fault
    error = await world.ends(machine(server), credential(transport=Transport.BASIC))
    assert state_of(error) == ("failed", "connection_lost")
    assert SCRIPTS[step] in str(error)
    assert world.tasks[-1][:2] == (step, "failed")
    assert _is_clean(world), "a line of its own clears away"
    assert server.shells == {}


async def test_a_machine_that_broke_off_is_finished_by_the_next_try(server: Endpoint, world: World) -> None:
    server.faults["Receive install"] = Fault.CUT
    server.faults["Receive clean"] = Fault.CUT
    world.windows.errors["clean"] = "It was cut off."
    await world.ends(machine(server))
    assert world.windows.staging, "the test has left something behind"
    server.faults.clear()
    world.windows.errors.clear()
    found = await world.install(machine(server))
    assert found.version == "1.2.3"
    assert "Remains of an install that was cut off were removed." in world.said("existing agent").detail
    assert world.windows.staging == {}
    assert world.windows.is_running


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP])
async def test_a_machine_that_never_answers_has_its_time(server: Endpoint, world: World, fault: Fault) -> None:
    world.step_seconds = 1.5
    server.faults["Receive install"] = fault
    begun = time.monotonic()
    error = await world.ends(machine(server), credential(transport=Transport.BASIC))
    assert state_of(error) == ("failed", "timed_out")
    assert "install took longer than 2 seconds" in str(error)
    assert time.monotonic() - begun < 15
    assert _is_clean(world)
    assert server.shells == {}


async def test_a_server_that_says_without_end_is_left(server: Endpoint, world: World) -> None:
    server.faults["Receive look"] = Fault.FLOOD
    error = await world.ends(machine(server), credential(transport=Transport.BASIC))
    assert state_of(error) == ("failed", "connection_lost")


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STATUS_500, Fault.NONSENSE])
async def test_a_sign_in_that_breaks_is_no_wrong_password(server: Endpoint, world: World, fault: Fault) -> None:
    server.faults["Create"] = fault
    error = await world.ends(machine(server))
    assert state_of(error)[1] in {"connection_lost", "no_way_in"}
    assert world.tries == []


# What the machine makes of it.


async def test_a_damaged_package_is_not_unpacked(server: Endpoint, world: World) -> None:
    world.windows.is_damaging = True
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", "package_refused")
    assert "another SHA-256" in str(error)
    assert "unpack" not in world.windows.names
    assert _is_clean(world)


async def test_a_package_that_the_agent_refuses_is_not_installed(server: Endpoint, world: World) -> None:
    world.windows.refuses_package = "The signature is not the Engine's."
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", "package_refused")
    assert error.snippet == "The signature is not the Engine's."
    assert "install" not in world.windows.names
    assert _is_clean(world)


async def test_a_disk_that_fills_up_meanwhile_is_said(server: Endpoint, world: World) -> None:
    world.windows.errors["unpack"] = "There is not enough space on the disk."
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", "no_space")
    assert _is_clean(world)


async def test_an_agent_that_becomes_no_service_is_taken_back_with_its_words(server: Endpoint, world: World) -> None:
    world.windows.refuses_service = "this build has no service on win32"
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", "step_failed")
    assert error.snippet == "this build has no service on win32"
    assert world.tasks[-1][:2] == ("service", "failed")
    assert _is_clean(world)


@pytest.mark.parametrize(
    ("code", "reason"), [(7, "no_egress"), (8, "certificate"), (5, "not_enrolled"), (1, "step_failed")]
)
async def test_an_agent_that_cannot_ask_is_taken_back(server: Endpoint, world: World, code: int, reason: str) -> None:
    world.windows.enroll_says = (code, "it did not work")
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", reason)
    assert error.snippet == "it did not work"
    assert _is_clean(world)


async def test_an_agent_whose_request_does_not_come_stays_and_is_said(server: Endpoint, world: World) -> None:
    world.is_deaf = True
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", "not_enrolled")
    assert world.windows.is_running


@pytest.mark.parametrize("script", ["look", "upload", "install", "command"])
async def test_who_is_cancelled_takes_back_what_was_begun(server: Endpoint, world: World, script: str) -> None:
    world.windows.hangs.add(script)
    installing = asyncio.ensure_future(world.install(machine(server)))
    async with asyncio.timeout(20):
        while script not in world.windows.names:
            await asyncio.sleep(0.02)
    installing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await installing
    assert _is_clean(world)
    assert server.shells == {}, "and with its shell ends what ran in it"


# An agent that is there.


def _has_agent(world: World, version: str = "1.0.0", **more: Any) -> None:
    windows = world.windows
    windows.versions[version], windows.current = b"old", version
    windows.is_service = windows.is_running = True
    windows.state, windows.server, windows.device_id = "approved", SERVER, DEVICE
    for name, value in more.items():
        setattr(windows, name, value)


async def _skipped(world: World, server: Endpoint) -> OnboardingError:
    error = await world.ends(machine(server))
    assert world.windows.names == ["look"]
    assert world.codes == 0
    return error


@pytest.mark.parametrize("is_online", [True, False])
async def test_a_device_that_runs_is_left_alone(server: Endpoint, world: World, is_online: bool) -> None:
    _has_agent(world, is_running=not is_online)
    world.known[DEVICE] = Known("win-1", is_accepted=True, is_online=is_online)
    error = await _skipped(world, server)
    assert state_of(error) == ("skipped", "already_managed")
    assert "win-1" in str(error)


async def test_a_request_that_waits_is_left_alone(server: Endpoint, world: World) -> None:
    _has_agent(world, state="pending", device_id=None)
    world.is_deaf = True
    assert state_of(await _skipped(world, server)) == ("skipped", "already_pending")


async def test_a_target_that_has_asked_has_nothing_left_to_do(server: Endpoint, world: World) -> None:
    _has_agent(world, state="pending", device_id=None)
    found = await world.install(machine(server))
    assert found.is_already
    assert found.version == "1.0.0"
    assert world.windows.names == ["look"]


async def test_a_device_whose_agent_does_not_run_is_repaired_and_keeps_its_identity(
    server: Endpoint, world: World
) -> None:
    _has_agent(world, is_running=False)
    world.known[DEVICE] = Known("win-1", is_accepted=True, is_online=False)
    found = await world.install(machine(server))
    assert found.repaired == DEVICE
    assert world.windows.state == "approved"
    assert (world.windows.current, world.windows.is_running) == ("1.2.3", True)
    assert world.codes == 0
    assert {"enrol", "asked"}.isdisjoint(world.steps)


@pytest.mark.parametrize("known", [None, Known("win-1", is_accepted=False, is_online=False)])
async def test_a_device_that_is_revoked_or_of_another_engine_is_enrolled_anew(
    server: Endpoint, world: World, known: Known | None
) -> None:
    _has_agent(world)
    if known:
        world.known[DEVICE] = known
    found = await world.install(machine(server))
    assert (found.repaired, found.is_already) == (None, False)
    asked = [told["words"] for name, told in world.windows.ran if name == "command" and told["words"][0] == "enroll"]
    assert [words[-1] for words in asked] == ["--force"]
    assert world.steps == list(STEPS)


@pytest.mark.parametrize("version", ["1.0.0", "1.2.3"])
async def test_the_agent_of_before_is_put_back_where_the_new_one_fails(
    server: Endpoint, world: World, version: str
) -> None:
    _has_agent(world, version, state="not enrolled", device_id=None)
    world.windows.refuses_service = "no"
    await world.ends(machine(server))
    assert world.windows.versions == {version: b"old"}
    assert world.windows.current == version
    assert world.windows.staging == {}

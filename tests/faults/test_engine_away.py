"""Everything of the Engine is away, its database too, while scripts end on real devices: their disks keep what happened, and all of it comes in."""

import asyncio
import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.world import World, standing, until
from tests.flows.fleet import Agent

pytestmark = pytest.mark.timeout(240)

#: With `make storm`: both cases, of which the second one is the harder.
IS_LONG = int(os.environ.get("WATCHBILL_TEST_KILLS", "0")) >= 50

#: Seconds between the beats of a device: the least that can be set. It is away for longer than two of them, and by the Engine's clock, in
#: one of two cases, for longer than every lease.
HEARTBEAT = 5
#: How often each agent has to have found nobody before the Engine is back.
ATTEMPTS = 3
LINES = 3000
STDOUT = "begun\n" + "".join(f"line {number}\n" for number in range(1, LINES + 1))


def _script(folder: Path, code: int) -> str:
    """Leaves a line each time it runs, says something, waits to be let go, says much more on both streams."""
    return f"""
echo ran >> {folder}/ran-$(basename $(dirname $PWD))
echo begun
while [ ! -e {folder}/go ]; do sleep 0.1; done
for n in $(seq {LINES}); do echo line $n; done
echo the end >&2
exit {code}
"""


def _said(world: World, agent: Agent, *words: str) -> int:
    """How many lines of an agent's log begin so, after the time."""
    log = agent.data_dir.parent / f"{agent.data_dir.name}.log"
    return sum(line.split()[1 : 1 + len(words)] == list(words) for line in log.read_text().splitlines())


async def _begun(world: World, agent: Agent, codes: list[int]) -> list[dict[str, Any]]:
    """A job for each exit code, its script at work and its first line with the Engine."""
    jobs = [await world.fleet.job(await world.fleet.script(_script(world.folder, code)), agent) for code in codes]
    for job in jobs:
        await world.fleet.in_state(job, "running", patience=60)
        await until(partial(_is_said, world, job), patience=60)
    return jobs


async def _is_said(world: World, job: dict[str, Any]) -> bool:
    return await world.fleet.output(await world.fleet.row(job)) == "begun\n"


def _has_tried(world: World, agent: Agent, times: int) -> bool:
    return _said(world, agent, "link.unreachable") >= times


async def _restart(agent: Agent) -> None:
    """kill -9 and a start, with nobody to dial."""
    await agent.stop(9)
    await agent.start()


async def _has_ended(world: World, job: dict[str, Any], code: int) -> None:
    async def is_known() -> bool:
        row = await world.fleet.row(job)
        return bool(row["state"] == ("failed" if code else "success") and row["exit_code"] == code)

    await until(is_known, patience=120)
    occurrence = await world.fleet.closed(job)
    assert occurrence["outcome"] == ("failed" if code else "success")
    row = await world.fleet.row(job)
    assert len(row["executions"]) == 1
    assert await world.fleet.output(row) == STDOUT
    assert await world.fleet.output(row, "stderr") == "the end\n"


@pytest.mark.parametrize("hours", [0, 3] if IS_LONG else [3])
async def test_what_ends_while_the_engine_is_away_comes_in_whole_and_once(hours: int) -> None:
    """`hours` by the Engine's clock: after three, it has given up what runs, and takes the truth when it comes."""
    async with standing(WATCHBILL_HEARTBEAT_SECONDS=str(HEARTBEAT)) as world:
        stays, dies = [await world.fleet.enrol(name) for name in ("stays", "dies")]
        jobs = dict(zip((0, 3), await _begun(world, stays, [0, 3]), strict=True))
        jobs |= dict(zip((4, 5), await _begun(world, dies, [4, 5]), strict=True))
        for process in world.processes.values():
            process.kill()
        world.postgres.stop()
        await dies.stop(9)
        (world.folder / "go").touch()
        # One agent sees its scripts end; the other is not there and finds what they left behind, still with nobody to tell.
        await until(lambda: _said(world, stays, "execution.ended") == 2, patience=60)
        await dies.start()
        await until(lambda: _said(world, dies, "execution.ended") == 2, patience=60)
        # Both are killed once more with results that nobody has.
        for agent in (stays, dies):
            await _restart(agent)
        tried = {agent.device_id: _said(world, agent, "link.unreachable") for agent in (stays, dies)}
        await asyncio.sleep(HEARTBEAT * 2.5)
        for agent in (stays, dies):
            await until(partial(_has_tried, world, agent, tried[agent.device_id] + ATTEMPTS), patience=60)
        world.postgres.start()
        for process in world.processes.values():
            process.start(WATCHBILL_CLOCK_OFFSET_SECONDS=str(hours * 3600))
        await until(lambda: _answers(world), patience=90)
        for code, job in jobs.items():
            await _has_ended(world, job, code)
        ran = [path.read_text() for path in world.folder.glob("ran-*")]
        assert ran == ["ran\n"] * len(jobs)
        await until(lambda: _is_sound(world, hours), patience=60)


async def _answers(world: World) -> bool:
    try:
        return (await world.fleet.http.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def _is_sound(world: World, hours: int) -> bool:
    return not await world.findings(timedelta(hours=hours))

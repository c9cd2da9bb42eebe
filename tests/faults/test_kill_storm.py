"""A storm of kill -9 over everything at once while ten jobs run on twenty agents: nothing is lost, nothing is done twice.

Twenty kills with all tests, more by `make storm KILLS=200`: `WATCHBILL_TEST_KILLS` says how many, `WATCHBILL_TEST_SEED` repeats a choice.
"""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.world import World, until
from tests.flows.fleet import AGENT, Agent

KILLS = int(os.environ.get("WATCHBILL_TEST_KILLS", "20"))
pytestmark = pytest.mark.timeout(300 + 6 * KILLS)
JOBS = 10
AGENTS = 20
#: Of what kind a victim is, out of twenty.
KINDS = ("agent",) * 9 + ("gateway",) * 4 + ("scheduler",) * 3 + ("site-worker",) * 2 + ("api",) * 2
#: Seconds between two kills, at most.
PAUSE = 0.7


async def _enrol(world: World, number: int) -> list[Agent]:
    """Many at once: the machine's name is the same for all, so each is approved as a new device."""
    site, base = world.fleet.site, str(world.fleet.http.base_url).rstrip("/")
    code = str(site["enrolment_command"]).split("--code ")[1].split()[0]
    agents = [Agent(world.folder / f"agent-{one}") for one in range(number)]
    asking = [
        await asyncio.create_subprocess_exec(
            AGENT, "enroll", "--server", base, "--code", code, "--data-dir", str(agent.data_dir), "--wait", "60",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        for agent in agents
    ]  # fmt: skip

    async def approve_all() -> bool:
        pending = await world.fleet.http.get("/api/device_approvals", params={"state": "pending"})
        for one in pending.json()["items"]:
            await world.fleet.http.post(f"/api/device_approvals/{one['id']}/approve", json={"resolve": "new"})
        return all(process.returncode is not None for process in asking)

    said = asyncio.gather(*[process.communicate() for process in asking])
    await until(approve_all, patience=90, every=0.2)
    for agent, (output, _) in zip(agents, await said, strict=True):
        found = re.search(r"Approved as device (\S+)\.", output.decode())
        assert found, output.decode()
        agent.device_id = found[1]
        await agent.start()
    world.fleet.agents += agents
    return agents


async def _insist(request: Callable[[], Any]) -> httpx.Response:
    """Ask until the API is there to answer."""

    async def answered() -> httpx.Response | None:
        try:
            reply: httpx.Response = await request()
        except httpx.TransportError:
            return None
        return reply if reply.status_code < 500 else None

    found: httpx.Response = await until(answered, patience=120, every=0.1)
    return found


async def _start_job(world: World, script: str, agents: list[Agent], number: int) -> int:
    """Asked for again and again with one key: a reply that a kill swallowed starts no second job."""
    body = {
        "name": f"Storm {number}",
        "components": [{"assembly_id": script}],
        "targets": [{"kind": "device", "device_id": agent.device_id} for agent in agents],
        "schedule": {"type": "immediately"},
    }
    post = world.fleet.http.post
    reply = await _insist(
        lambda: post("/api/scheduled_jobs", json=body, headers={"Idempotency-Key": f"storm-{number}"})
    )
    assert reply.status_code == 201, reply.text
    return int(reply.json()["id"])


async def _strike(world: World, agents: list[Agent], kind: str, dice: random.Random) -> bool:
    """Kill one of a kind and start it again; False when there is none, which only workers can be."""
    if kind == "agent":
        agent = dice.choice(agents)
        await agent.stop(9)
        await agent.start()
    elif kind == "site-worker":
        there = sorted(world.site_workers(), key=lambda one: one.pid)
        if not there:
            return False
        dice.choice(there).kill()  # its scheduler starts another one when there is work
    else:
        if kind == "api" and not await _answers(world):
            return False  # one that is killed before it ever answers would only keep the others from their work
        name = dice.choice([one for one in world.processes if one.startswith(kind)])
        world.processes[name].kill()
        world.processes[name].start()
    return True


async def _answers(world: World) -> bool:
    try:
        return (await world.fleet.http.get("/readyz", timeout=1)).status_code == 200
    except httpx.TransportError:
        return False


async def _storm(world: World, agents: list[Agent], script: str, dice: random.Random) -> tuple[list[int], Counter[str]]:
    jobs: list[int] = []
    struck: Counter[str] = Counter()
    starting: list[asyncio.Task[int]] = []
    async with asyncio.TaskGroup() as group:
        while sum(struck.values()) < KILLS:
            if len(starting) * KILLS <= sum(struck.values()) * JOBS and len(starting) < JOBS:
                starting.append(group.create_task(_start_job(world, script, agents, len(starting))))
            await asyncio.sleep(dice.uniform(0.0, PAUSE))
            kind = dice.choice(KINDS)
            struck[kind] += await _strike(world, agents, kind, dice)
    jobs += [task.result() for task in starting]
    return jobs, struck


async def _all_rows(world: World, job: int) -> list[dict[str, Any]]:
    reply = await _insist(lambda: world.fleet.http.get(f"/api/scheduled_jobs/{job}/devices", params={"limit": 500}))
    assert reply.status_code == 200, reply.text
    return list(reply.json()["items"])


async def _rows_at_the_end(world: World, jobs: list[int]) -> list[dict[str, Any]]:
    async def ended() -> bool:
        for job in jobs:
            reply = await _insist(partial(world.fleet.http.get, f"/api/scheduled_jobs/{job}/runs"))
            (one,) = reply.json()["items"]
            if one["state"] != "closed":
                return False
        return True

    await until(ended, patience=200, every=0.5)
    return [row for job in jobs for row in await _all_rows(world, job)]


def _side_effects(folder: Path) -> Counter[str]:
    """How often each execution did what it does, as the devices themselves wrote it down."""
    return Counter({path.name: len(path.read_text().splitlines()) for path in folder.iterdir()})


async def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("WATCHBILL_TEST_SEED", random.SystemRandom().randrange(10**9)))
    print(f"seed {seed}")
    dice = random.Random(seed)
    did = world.folder / "did"
    did.mkdir(mode=0o777)
    agents = await _enrol(world, AGENTS)
    content = f"echo did >> {did}/$WATCHBILL_EXECUTION_ID; sleep $((RANDOM % 3)); echo end"
    script = await world.fleet.script(content)
    jobs, struck = await _storm(world, agents, script, dice)
    rows = await _rows_at_the_end(world, jobs)

    effects = _side_effects(did)
    states = Counter(row["state"] for row in rows)
    reasons = Counter(row["reason"] for row in rows if row["state"] != "success")
    executions = [one for row in rows for one in row["executions"]]
    doubled = [name for name, times in effects.items() if times > 1]
    lost = [row["target_id"] for row in rows if row["state"] == "lost"]
    without = [
        row["target_id"] for row in rows if row["state"] == "success" and not effects[row["executions"][0]["id"]]
    ]
    told = (
        f"seed {seed}: {sum(struck.values())} kills {dict(sorted(struck.items()))}, {len(jobs)} jobs on {AGENTS} agents,"
        f" {len(rows)} rows {dict(states)}, not success because {dict(reasons)}, {sum(effects.values())} side effects;"
        f" {len(lost)} lost, {len(doubled)} doubled"
    )
    record_property("counted", told)
    print(told)
    assert len(rows) == JOBS * AGENTS, told
    assert (lost, doubled, without) == ([], [], []), told
    assert all(len(row["executions"]) == 1 for row in rows), told
    assert set(effects) <= {one["id"] for one in executions}, told
    # Killed between the note that it starts and the supervisor's first breath: nobody can know, so never again.
    assert set(states) <= {"success", "failed"}, told
    assert set(reasons) <= {"interrupted"}, told
    assert states["failed"] <= struck["agent"], told
    for row in rows[:: len(rows) // 20]:
        if row["state"] == "success":
            assert await world.fleet.output(row) == "end\n"
    assert all(row["executions"][0]["stdout_bytes"] == 4 for row in rows if row["state"] == "success"), told
    await until(world.is_healthy, patience=60)

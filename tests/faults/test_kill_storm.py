"""A storm of kill -9 over everything at once while jobs run on many agents: nothing is lost, nothing is done twice.

Twelve kills with all tests; ten jobs on twenty agents by `make storm KILLS=200`. `WATCHBILL_TEST_KILLS` says how many,
`WATCHBILL_TEST_SEED` repeats a choice. Every second job goes to a few devices at a time, so that site workers have work as long as it
lasts; one is killed with an item in its hands where that can be. That this test can fail is shown by `test_storm_evidence.py`, and
by `python -m tests.faults.mutations`, which runs it against a product that breaks a promise.
"""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import text

from tests.faults.storm_evidence import LAST_WORDS, Evidence, broken
from tests.faults.world import World, until
from tests.flows.fleet import AGENT, Agent
from watchbill.kit.db import Database

KILLS = int(os.environ.get("WATCHBILL_TEST_KILLS", "12"))
IS_LONG = KILLS >= 50
pytestmark = pytest.mark.timeout(300 + 6 * KILLS)
JOBS, AGENTS = (10, 20) if IS_LONG else (4, 6)
#: Devices at a time of every second job.
PLACES = 3
#: Of what kind a victim is, out of twenty.
KINDS = ("agent",) * 9 + ("gateway",) * 2 + ("scheduler",) * 2 + ("site-worker",) * 5 + ("api",) * 2
#: Seconds between two kills, at most.
PAUSE = 0.7
#: Seconds in which a site worker is looked for that has an item in its hands while there is one, and in which any is.
IN_HAND, ANY = 8, 20
#: An item is struck so often at most: one that has killed its workers five times is given up, and rightly.
TRIES = 2
#: Seconds in which the work may catch up with the kills: too dense a storm would have everything done when it is over.
CATCH_UP = 3

#: Letting a device go takes a while, as on a slow disk: else site workers would have an item for milliseconds only.
_SLOW_FUNCTION = text(
    "CREATE FUNCTION storm_slow() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM pg_sleep(0.03); RETURN NEW; END $$"
)
_SLOW_TRIGGER = text(
    "CREATE TRIGGER storm_slow BEFORE UPDATE ON run_targets FOR EACH ROW"
    " WHEN (OLD.released_at IS NULL AND NEW.released_at IS NOT NULL) EXECUTE FUNCTION storm_slow()"
)
#: Work there is; `pid` is who has it.
_ITEMS = text(
    "SELECT w.id, w.attempt, s.pid FROM work_items w LEFT JOIN services s ON s.id = w.leased_by AND w.state = 'leased'"
    " WHERE w.state IN ('queued', 'leased') ORDER BY w.id"
)
_RUNNING = text("SELECT DISTINCT device_id FROM executions WHERE state = 'running'")
_ENDED = text("SELECT id FROM executions WHERE state = 'finished'")
_STILL_LEASED = text("SELECT 1 FROM work_items WHERE id = :id AND state = 'leased'")


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


async def _start_job(world: World, script: str, agents: list[Agent], number: int) -> str:
    """Asked for again and again with one key: a reply that a kill swallowed starts no second job."""
    body = {
        "name": f"Storm {number}",
        "components": [{"assembly_id": script}],
        "targets": [{"kind": "device", "device_id": agent.device_id} for agent in agents],
        "schedule": {"type": "immediately"},
        "policies": {"concurrency": PLACES} if number % 2 else {},
    }
    post = world.fleet.http.post
    reply = await _insist(
        lambda: post("/api/scheduled_jobs", json=body, headers={"Idempotency-Key": f"storm-{number}"})
    )
    assert reply.status_code == 201, reply.text
    return str(reply.json()["name"])


async def _strike(world: World, agents: list[Agent], kind: str, dice: random.Random, db: Database) -> str | None:
    """Kill one of a kind and start it again; what it was, None when there is none that lives."""
    if kind == "agent":
        return await _strike_agent(agents, dice, db)
    if kind == "site-worker":
        return await _strike_worker(world, dice, db)
    if kind == "api" and not await _answers(world):
        return None  # one that is killed before it ever answers would only keep the others from their work
    name = dice.choice([one for one in world.processes if one.startswith(kind)])
    world.processes[name].kill()
    world.processes[name].start()
    return kind


async def _let_catch_up(db: Database, kills: int) -> None:
    """Wait a little while less work has ended than the kills so far would have it."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + CATCH_UP
    while loop.time() < ends and len(await _rows(db, _ENDED)) * KILLS < 0.7 * kills * JOBS * AGENTS:
        await asyncio.sleep(0.1)


async def _strike_agent(agents: list[Agent], dice: random.Random, db: Database) -> str:
    """One that runs something, if any does."""
    busy = {str(row.device_id) for row in await _rows(db, _RUNNING)}
    at_work = [one for one in agents if one.device_id in busy]
    agent = dice.choice(at_work or agents)
    await agent.stop(9)
    await agent.start()
    return "agent at work" if at_work else "agent"


async def _strike_worker(world: World, dice: random.Random, db: Database) -> str | None:
    """One that has an item in its hands, if there is any work; else any. Its scheduler starts another one when there is work."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    there: dict[int, psutil.Process] = {}
    while loop.time() < began + ANY:
        items = await _rows(db, _ITEMS)
        spared = {item.pid for item in items if item.attempt > TRIES}
        if at_work := [item for item in items if item.pid in there.keys() - spared]:
            there[at_work[0].pid].kill()
            return "site-worker at work" if await _rows(db, _STILL_LEASED, id=at_work[0].id) else "site-worker"
        if there.keys() - spared and (not items or loop.time() > began + IN_HAND):
            there[dice.choice(sorted(there.keys() - spared))].kill()
            return "site-worker"
        if not there or dice.random() < 0.1:  # looking through all processes takes as long as an item
            there = {one.pid: one for one in world.site_workers()}
        await asyncio.sleep(0.02)
    return None


async def _rows(db: Database, statement: Any, **values: object) -> list[Any]:
    async with db.begin() as tx:
        return list(await tx.execute(statement, values))


async def _answers(world: World) -> bool:
    try:
        return (await world.fleet.http.get("/readyz", timeout=1)).status_code == 200
    except httpx.TransportError:
        return False


async def _storm(
    world: World, agents: list[Agent], script: str, dice: random.Random, db: Database
) -> tuple[list[str], Counter[str]]:
    struck: Counter[str] = Counter()
    starting: list[asyncio.Task[str]] = []
    async with asyncio.TaskGroup() as group:
        while sum(struck.values()) < KILLS:
            if len(starting) * KILLS <= sum(struck.values()) * JOBS and len(starting) < JOBS:
                starting.append(group.create_task(_start_job(world, script, agents, len(starting))))
            await asyncio.sleep(dice.uniform(0.0, PAUSE))
            await _let_catch_up(db, sum(struck.values()))
            victim = await _strike(world, agents, dice.choice(KINDS), dice, db)
            struck.update([victim] if victim else [])
    return [task.result() for task in starting], struck


async def _get(world: World, path: str, **query: Any) -> list[dict[str, Any]]:
    reply = await _insist(lambda: world.fleet.http.get(path, params={"limit": 500, **query}))
    assert reply.status_code == 200, reply.text
    return list(reply.json()["items"])


async def _occurrences(world: World) -> dict[str, list[list[dict[str, Any]]]]:
    """Those of each job, by its name; a name twice is a job that was saved twice."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for job in await _get(world, "/api/scheduled_jobs"):
        found.setdefault(job["name"], []).append(await _get(world, f"/api/scheduled_jobs/{job['id']}/runs"))
    return found


async def _at_the_end(world: World) -> dict[str, list[list[dict[str, Any]]]]:
    async def ended() -> bool:
        found = await _occurrences(world)
        return all(one["state"] == "closed" for of_name in found.values() for of_job in of_name for one in of_job)

    try:
        await until(ended, patience=200, every=0.5)
    except AssertionError:
        await _tell_what_is_open(world)
        raise
    return await _occurrences(world)


async def _tell_what_is_open(world: World) -> None:
    for name, of_name in sorted((await _occurrences(world)).items()):
        for one in [one for of_job in of_name for one in of_job if one["state"] != "closed"]:
            print(f"open for ever: {name} is {one['state']} with {one['counts']}")


async def _evidence(world: World, names: list[str], agent_kills: int, did: Path) -> Evidence:
    by_name = await _at_the_end(world)
    rows = [
        {**row, "occurrence": one["id"]}
        for of_name in by_name.values()
        for of_job in of_name
        for one in of_job
        for row in await _get(world, f"/api/scheduled_jobs/{one['job_id']}/devices", occurrence=one["id"])
    ]
    some = [row for row in rows[:: max(len(rows) // 20, 1)] if row["state"] == "success"]
    return Evidence(
        names=names,
        devices=AGENTS,
        occurrences={name: [len(one) for one in of_name] for name, of_name in by_name.items()},
        rows=rows,
        effects={path.name: len(path.read_text().splitlines()) for path in did.iterdir()},
        outputs={row["executions"][-1]["id"]: await world.fleet.output(row) for row in some},
        agent_kills=agent_kills,
    )


async def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("WATCHBILL_TEST_SEED", random.SystemRandom().randrange(10**9)))
    print(f"seed {seed}")
    did = world.folder / "did"
    did.mkdir(mode=0o777)
    agents = await _enrol(world, AGENTS)
    content = f"echo did >> {did}/$WATCHBILL_EXECUTION_ID; sleep $((2 + RANDOM % 6)); echo {LAST_WORDS.strip()}"
    script = await world.fleet.script(content)
    db = Database(world.environment["WATCHBILL_DATABASE_URL"], pool_size=1)
    async with db.begin() as tx:
        await tx.execute(_SLOW_FUNCTION)
        await tx.execute(_SLOW_TRIGGER)
    try:
        names, struck = await _storm(world, agents, script, random.Random(seed), db)
        ended = len(await _rows(db, _ENDED))
    finally:
        await db.close()
    print(f"seed {seed}: {sum(struck.values())} kills {dict(sorted(struck.items()))}")
    found = await _evidence(world, names, struck["agent"] + struck["agent at work"], did)
    wrong = broken(found)
    told = (
        f"seed {seed}: {sum(struck.values())} kills {dict(sorted(struck.items()))}, {len(names)} jobs on {AGENTS} agents,"
        f" {ended} executions had ended at the last kill, {len(found.rows)} rows {dict(found.states)}, {sum(found.effects.values())} side effects; {len(wrong)} wrong"
    )
    record_property("counted", told)
    print("\n".join([told, *[f"broken: {one}" for one in wrong]]))
    assert wrong == [], told
    if IS_LONG:
        assert set(struck) >= {*KINDS} - {"agent"} | {"site-worker at work", "agent at work"}, told
        assert ended * 2 > len(found.rows), f"most of the work was done when the storm was over: {told}"
    await until(world.is_healthy, patience=60)

"""kill -9 of each process in the middle of a running job: it ends right, nothing runs twice, the doctor finds nothing."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.faults.world import World, until
from tests.flows.fleet import Agent

pytestmark = pytest.mark.timeout(300)


async def _started_everywhere(world: World, script: str, *agents: Agent) -> dict[str, object]:
    job = await world.fleet.job(await world.fleet.script(script), *agents)

    async def running() -> bool:
        rows = await world.fleet.rows(job)
        return len(rows) == len(agents) and all(row["state"] == "running" for row in rows)

    await until(running, patience=60)
    return job


def _script(folder: Path) -> str:
    """Leaves a line each time it runs, and waits to be let go."""
    return f"echo ran >> {folder}/ran-$(basename $(dirname $PWD))-$$; while [ ! -e {folder}/go ]; do sleep 0.1; done; echo done"


def _times_run(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.glob("ran-*"))


async def _ends_right(world: World, job: dict[str, object], number: int, *, folder: Path | None = None) -> None:
    folder = folder or world.folder
    (folder / "go").touch()
    occurrence = await world.fleet.closed(job, patience=90)
    assert (occurrence["outcome"], occurrence["counts"]) == ("success", {"success": number})
    assert _times_run(folder) == number
    for row in await world.fleet.rows(job):
        assert len(row["executions"]) == 1
        assert await world.fleet.output(row) == "done\n"
    await until(world.is_healthy, patience=60)


async def test_killing_each_process_of_the_engine(world: World) -> None:
    agents = [await world.fleet.enrol(name) for name in ("alpha", "beta")]
    for victim in ("api", "gateway-1", "gateway-2", "scheduler-1", "scheduler-2"):
        print(victim)
        folder = world.folder / victim
        folder.mkdir()
        folder.chmod(0o777)
        job = await _started_everywhere(world, _script(folder), *agents)
        world.processes[victim].kill()
        world.processes[victim].start()
        await until(lambda: _answers(world))
        await _ends_right(world, job, 2, folder=folder)


async def test_killing_both_gateways_and_both_schedulers_at_once(world: World) -> None:
    agents = [await world.fleet.enrol(name) for name in ("alpha", "beta")]
    job = await _started_everywhere(world, _script(world.folder), *agents)
    victims = [name for name in world.processes if name != "api"]
    for name in victims:
        world.processes[name].kill()
    (world.folder / "go").touch()
    for name in victims:
        world.processes[name].start()
    await _ends_right(world, job, 2)


async def test_killing_both_gateways_between_two_components(world: World) -> None:
    """The first component ends while nobody listens; each runs once, in order, whatever was on its way."""
    agent = await world.fleet.enrol("alpha")
    first = await world.fleet.script(_script(world.folder))
    then = [await world.fleet.script(f"echo {word} >> {world.folder}/then") for word in ("two", "three")]
    job = await world.fleet.job(first, agent, components=[{"assembly_id": one} for one in (first, *then)])
    await world.fleet.in_state(job, "running", patience=60)
    for name in ("gateway-1", "gateway-2"):
        world.processes[name].kill()
    (world.folder / "then").touch()
    (world.folder / "then").chmod(0o666)
    (world.folder / "go").touch()
    for name in ("gateway-1", "gateway-2"):
        world.processes[name].start()
    occurrence = await world.fleet.closed(job, patience=90)
    assert (occurrence["outcome"], occurrence["counts"]) == ("success", {"success": 1})
    assert _times_run(world.folder) == 1
    assert (world.folder / "then").read_text().split() == ["two", "three"]
    row = await world.fleet.row(job)
    assert [(one["component"], one["attempt"]) for one in row["executions"]] == [(0, 1), (1, 1), (2, 1)]
    await until(world.is_healthy, patience=60)


async def test_killing_postgresql(world: World) -> None:
    agents = [await world.fleet.enrol(name) for name in ("alpha", "beta")]
    job = await _started_everywhere(world, _script(world.folder), *agents)
    world.kill_postgres()
    await until(lambda: _answers(world), patience=60)
    await _ends_right(world, job, 2)
    later = await world.fleet.job(await world.fleet.script("true"), *agents)
    assert (await world.fleet.closed(later, patience=60))["outcome"] == "success"


async def test_killing_an_agent(world: World) -> None:
    agents = [await world.fleet.enrol(name) for name in ("alpha", "beta")]
    job = await _started_everywhere(world, _script(world.folder), *agents)
    await agents[0].stop(9)
    await agents[0].start()
    await _ends_right(world, job, 2)


async def test_killing_the_site_worker_before_it_lets_go(world: World) -> None:
    """The worker dies at the claim: another one gets the item when its lease lapses."""
    agents = [await world.fleet.enrol("alpha")]
    first = await _started_everywhere(world, _script(world.folder), *agents)
    await until(world.site_workers)
    for worker in world.site_workers():
        worker.suspend()
    second = await world.fleet.job(await world.fleet.script("echo second"), *agents)
    await asyncio.sleep(1)  # time for a claim by a suspended worker, were it still able to
    for worker in world.site_workers():
        worker.kill()
    occurrence = await world.fleet.closed(second, patience=90)
    assert occurrence["outcome"] == "success"
    await _ends_right(world, first, 1)


async def _answers(world: World) -> bool:
    try:
        return (await world.fleet.http.get("/api/sites")).status_code == 200
    except httpx.TransportError:
        return False

"""A bounded number of site workers serves any number of sites, and each ends when its site has nothing more."""

import pytest

from tests.faults.world import standing, until

pytestmark = pytest.mark.timeout(180)


async def test_one_worker_a_scheduler_serves_three_sites() -> None:
    async with standing(WATCHBILL_SITE_WORKERS="1", WATCHBILL_SITE_WORKER_IDLE_SECONDS="600") as world:
        jobs = []
        for name in ("Harbour II", "Lighthouse", "Shipyard"):
            world.fleet.site = (await world.fleet.http.post("/api/sites", json={"name": name})).json()
            agent = await world.fleet.enrol(name.split()[0].lower())
            jobs.append(await world.fleet.job(await world.fleet.script("true"), agent))
        for job in jobs:
            assert (await world.fleet.closed(job, patience=90))["outcome"] == "success"
        assert len(world.site_workers()) <= 2
        assert await world.findings() == []


async def test_an_idle_worker_ends_and_a_new_one_comes_with_new_work() -> None:
    async with standing(WATCHBILL_SITE_WORKER_IDLE_SECONDS="5") as world:
        agent = await world.fleet.enrol("alpha")
        script = await world.fleet.script("true")
        await world.fleet.closed(await world.fleet.job(script, agent), patience=60)
        await until(lambda: not world.site_workers(), patience=40)
        assert (await world.fleet.closed(await world.fleet.job(script, agent), patience=60))["outcome"] == "success"

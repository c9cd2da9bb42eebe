"""An Engine that was away for hours, as real processes: killed, set ahead, killed again while it recovers, decided by a person."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.factories import places
from tests.faults.world import World, standing, until

pytestmark = pytest.mark.timeout(180)

AWAY = timedelta(hours=3)
JOBS = 6
SCHEDULERS = ("scheduler-1", "scheduler-2")


async def make_jobs(world: World) -> None:
    """Jobs due every five minutes on a device that never comes; the guard goes up for three of them."""
    engine = world.engine()
    async with engine.db.begin() as tx:
        device = await places.make_device(tx, "alpha", world.fleet.site["id"], now=await engine.clock.now(tx))
    await engine.db.close()
    http = world.fleet.http
    script = (await http.post("/api/assemblies", json={"name": "x", "interpreter": "bash", "content": "true"})).json()[
        "id"
    ]
    for number in range(JOBS):
        body = {
            "name": f"Job {number}",
            "components": [{"assembly_id": script}],
            "targets": [{"kind": "device", "device_id": str(device)}],
            "schedule": {"type": "every_5_minutes", "start": "2026-01-01T00:00", "timezone": "UTC"},
            "policies": {"catch_up": "all", "catch_up_window_seconds": 1800, "overlap": "allow"},
        }
        reply = await http.post("/api/scheduled_jobs", json=body)
        assert reply.status_code == 201, reply.text
    guard = {"enabled": True, "after_seconds": 600, "least_jobs": 3, "trickle_per_minute": None}
    assert (await http.put("/api/storm_guard", json=guard)).status_code == 200


async def rows(world: World, statement: str) -> list[Any]:
    engine = world.engine()
    async with engine.db.begin() as tx:
        found = (await tx.execute(text(statement))).all()
    await engine.db.close()
    return list(found)


async def test_what_was_late_waits_for_a_word_and_then_runs_once_for_each_job() -> None:
    chance = random.Random(20261122)
    async with standing("api", *SCHEDULERS) as world:
        await make_jobs(world)
        await until(lambda: rows(world, "SELECT 1 FROM scheduler_pulse WHERE ticked_at IS NOT NULL"))
        for name in ("api", *SCHEDULERS):
            world.processes[name].kill()
        ahead = {"WATCHBILL_CLOCK_OFFSET_SECONDS": str(int(AWAY.total_seconds()))}
        for name in ("api", *SCHEDULERS):
            world.processes[name].start(**ahead)
        for _ in range(3):
            victim = world.processes[chance.choice(SCHEDULERS)]
            await asyncio.sleep(chance.uniform(0.2, 1.5))  # wherever it is by then
            victim.kill()
            victim.start(**ahead)

        async def is_recovered() -> bool:
            overdue = "SELECT 1 FROM jobs, outages WHERE guard = 'up' AND next_due_at <= to_at"
            return bool(await rows(world, "SELECT 1 FROM outages WHERE guard = 'up'")) and not await rows(
                world, overdue
            )

        await until(is_recovered, patience=60)
        await until(lambda: _answers(world))
        found = (await world.fleet.http.get("/api/outages/latest")).json()
        noticed = await rows(world, "SELECT kind FROM outages")
        assert [(one.kind,) for one in noticed] == [("outage",)]
        assert {job["proposed"] for job in found["jobs"]} == {"run_all"}
        assert {(job["held"] > 0, job["late"]) for job in found["jobs"]} == {(True, 0)}
        assert len(found["jobs"]) == JOBS
        assert (
            timedelta(hours=2, minutes=50)
            < _at(found["to_at"]) - _at(found["from_at"])
            < timedelta(hours=3, minutes=10)
        )
        decided = {"jobs": "all", "action": "latest", "reason": "back again"}
        done = (await world.fleet.http.post("/api/outages/latest/release", json=decided)).json()
        assert (done["released"], done["left"]) == (JOBS, 0)
        assert (await world.fleet.http.get("/api/outages/latest")).json()["guard"] == "released"
        twice = (
            "SELECT job_id, scheduled_for_at FROM occurrences WHERE kind = 'schedule' GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert await rows(world, twice) == []

        async def is_sound() -> bool:
            codes = {one.code for one in await world.findings(AWAY)}
            return not codes - {"service_silent", "work_without_doorbell", "job_overdue"}

        await until(is_sound, patience=60)


async def _answers(world: World) -> bool:
    try:
        return (await world.fleet.http.get("/readyz")).is_success
    except httpx.HTTPError:
        return False


def _at(text_: str) -> datetime:
    return datetime.fromisoformat(text_)

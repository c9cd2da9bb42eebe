"""Waves when processes die: what they are about to do is in the database, and whoever is left does it, once."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.world import standing, until

pytestmark = pytest.mark.timeout(240)


async def test_killing_the_site_worker_and_a_scheduler_in_the_middle_of_a_soak() -> None:
    async with standing() as world:
        agents = [await world.fleet.enrol(name) for name in ("alpha", "beta", "gamma")]
        marks = world.folder / "ran"
        marks.touch()
        marks.chmod(0o666)
        script = await world.fleet.script(f'hostname >> "{marks}"')
        waves = {"sizes": [1, 1], "soak_seconds": 6}
        job = await world.fleet.job(script, *agents, policies={"waves": waves, "concurrency": 1})

        async def soaks(wave: int) -> dict[str, Any] | None:
            (found,) = await world.fleet.occurrences(job)
            rollout = found["rollout"]
            return found if (rollout["phase"], rollout["wave"]) == ("soaking", wave) else None

        await until(lambda: soaks(1), patience=90)
        assert _lines(marks) == 1
        await until(world.site_workers)
        for worker in world.site_workers():
            worker.kill()
        world.processes["scheduler-1"].kill()
        closed = await world.fleet.closed(job, patience=120)
        assert closed["outcome"] == "success"
        assert [one["counts"] for one in closed["waves"]] == [{"success": 1}] * 3
        assert _lines(marks) == 3
        begun = [one["starts_at"] for one in closed["waves"]]
        assert begun == sorted(begun)
        world.processes["scheduler-1"].start()
        await until(world.is_healthy, patience=60)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())

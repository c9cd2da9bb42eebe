"""kill -9 of both schedulers at every change of a running workflow on real agents: it ends the same way, and nothing is done twice."""

import pytest

from tests.faults.world import standing, until
from tests.flows.workflow_demo import follow, prepare, unexpected
from tests.notifications.sinks import http

#: Changes of nodes at which both are killed.
MOMENTS = frozenset(
    ("check running", "check failed", "fix running", "ask awaiting_approval", "ask success", "roll running")
)


@pytest.mark.timeout(420)
async def test_schedulers_are_killed_in_the_middle_of_a_workflow(record_property) -> None:
    async with http() as told, standing(WATCHBILL_WEBHOOK_PRIVATE="on") as world:
        folder = world.folder / "signs"
        folder.mkdir()
        folder.chmod(0o777)
        workflow = await prepare(world, told, folder)
        killed: list[str] = []

        async def seen(change: str) -> None:
            if change not in MOMENTS:
                return
            killed.append(change)
            for name in ("scheduler-1", "scheduler-2"):
                world.processes[name].kill()
                world.processes[name].start()

        run = await follow(world, workflow, seen)
        await until(lambda: told.requests, patience=60)
        assert not unexpected(run, told, folder)
        assert len(killed) >= 4
        await until(world.is_healthy, patience=60)
        record_property("counted", f"schedulers killed at {len(killed)} moments of a workflow")

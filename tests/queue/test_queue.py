"""Work items: queued with what they are about, claimed by one, fenced by term, given back when a worker goes silent."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories.scene import Scene
from watchbill import queue, runs
from watchbill.core.states import WorkItemState
from watchbill.kit.db import Database
from watchbill.queue import Lane, worker
from watchbill.queue.worker import SiteQueue

ONE, TWO = uuid.uuid4(), uuid.uuid4()


async def _item(tx, scene: Scene) -> int:
    await scene.device(tx, f"d-{uuid.uuid4().hex[:6]}")
    job = await scene.job(tx, *scene.devices)
    await runs.open_occurrences(tx, [scene.opening(job)], scene.now)
    return int((await tx.execute(text("SELECT max(id) FROM work_items"))).scalar_one())


async def test_a_worker_that_lost_its_lease_can_write_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        item = await _item(tx, scene)
        first = await queue.claim(tx, item, ONE, scene.now)
        second = await queue.claim(tx, item, TWO, scene.now)
        assert first is not None
        assert second is not None
        assert second.term == first.term + 1
        assert not await queue.holds(tx, first)
        assert not await queue.settle(tx, first, WorkItemState.DONE, scene.now)
        assert await queue.settle(tx, second, WorkItemState.DONE, scene.now)
        assert await queue.claim(tx, item, ONE, scene.now) is None


async def test_only_work_that_nobody_has_is_withdrawn(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        item = await _item(tx, scene)
        lease = await queue.claim(tx, item, ONE, scene.now)
        assert lease is not None
        assert await queue.sites_with_work(tx, scene.now) == {}
        assert await queue.sites_with_work(tx, scene.now + timedelta(minutes=1)) == {scene.site: 1}
        await queue.cancel(tx, [lease.run_id], scene.now)
        assert await queue.holds(tx, lease), "its holder has things to stop, and to tell"
        await queue.put(tx, [queue.NewItem(lease.run_id, scene.site, Lane.SCHEDULED_JOB)], scene.now)
        await queue.cancel(tx, [lease.run_id], scene.now)
        other = int((await tx.execute(text("SELECT max(id) FROM work_items"))).scalar_one())
        assert await queue.claim(tx, other, ONE, scene.now) is None


async def _serve(db: Database, site: int, handle, stop: asyncio.Event) -> SiteQueue:
    work = SiteQueue(db.conninfo, site, {Lane.SCHEDULED_JOB: 10}, handle)
    await work.run(stop)
    return work


async def test_each_item_goes_to_one_worker_of_its_own_site(db: Database, scene: Scene) -> None:
    taken: list[tuple[str, int]] = []
    stop = asyncio.Event()

    def named(name: str):
        async def handle(item: int) -> None:
            taken.append((name, item))

        return handle

    async with asyncio.TaskGroup() as group:
        for name, site in (("one", scene.site), ("two", scene.site), ("stranger", scene.site + 1)):
            group.create_task(_serve(db, site, named(name), stop))
        async with db.begin() as tx:
            items = [await _item(tx, scene) for _ in range(6)]
        async with asyncio.timeout(20):
            while len(taken) < len(items):
                await asyncio.sleep(0.02)
        stop.set()
    assert sorted(item for _, item in taken) == items
    assert "stranger" not in {name for name, _ in taken}


async def test_what_a_silent_worker_held_is_handed_to_another(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LEASE", timedelta(seconds=1))
    async with db.begin() as tx:
        item = await _item(tx, scene)
        # As a worker leaves it that was killed at work: picked, and its heart has stopped.
        await tx.execute(
            text(
                "UPDATE pgqueuer SET status = 'picked', queue_manager_id = :id, heartbeat = now() - interval '1 minute'"
            ),
            {"id": ONE},
        )
    taken = asyncio.Event()
    stop = asyncio.Event()

    async def handle(got: int) -> None:
        assert got == item
        taken.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(db, scene.site, handle, stop))
        async with asyncio.timeout(20):
            await taken.wait()
        stop.set()


async def test_a_retry_comes_back_after_its_delay(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _item(tx, scene)
    attempts: list[float] = []
    stop = asyncio.Event()

    async def handle(_: int) -> None:
        attempts.append(asyncio.get_running_loop().time())
        if len(attempts) == 1:
            raise worker.RetryError(timedelta(seconds=0.5))
        stop.set()

    async with asyncio.timeout(20):
        await _serve(db, scene.site, handle, stop)
    assert len(attempts) == 2
    assert attempts[1] - attempts[0] >= 0.5

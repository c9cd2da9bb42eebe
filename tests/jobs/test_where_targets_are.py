"""The site that is kept with each named device: it is the device's own after every save and every move, whoever comes first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.jobs.conftest import World, device, make_world
from watchbill import jobs
from watchbill.identity import Permission
from watchbill.kit.db import Database

_WRONG = """
SELECT count(*) FROM job_targets t LEFT JOIN devices d ON d.id = t.device_id
WHERE t.at_site IS DISTINCT FROM CASE WHEN t.device_id IS NOT NULL AND NOT t.is_exclusion THEN coalesce(d.site_id, 0) END
"""
_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def places_of(tx: AsyncConnection, job_id: int) -> list[int | None]:
    query = "SELECT at_site FROM job_targets WHERE job_id = :job ORDER BY is_exclusion, position"
    return list((await tx.execute(text(query), {"job": job_id})).scalars())


async def move(tx: AsyncConnection, device_id: object, site: int | None) -> None:
    await tx.execute(text("UPDATE devices SET site_id = :site WHERE id = :id"), {"site": site, "id": device_id})


@pytest.fixture
async def committed(db: Database, clock) -> World:
    async with db.begin() as tx:
        return await make_world(tx, await clock.now(tx))


async def test_a_named_device_is_kept_with_its_site_and_what_is_left_out_or_a_rule_with_none(tx, world, keys):
    rules = [{"kind": "site", "site_id": world.lighthouse}]
    named = [device(world.crane), device(world.loner), *rules]
    body = world.job(targets=named, exclusions=[device(world.lamp)])
    made = (await jobs.create(tx, world.admin, body, keys=keys, now=world.now)).job
    assert await places_of(tx, made.id) == [world.harbour, 0, None, None]


@pytest.mark.parametrize("to", ["lighthouse", None])
async def test_a_device_takes_its_jobs_along_when_it_moves(tx, world, keys, to):
    job = (await jobs.create(tx, world.admin, world.job(targets=[device(world.crane)]), keys=keys, now=world.now)).job
    assert (await jobs.get(tx, world.operator, job.id)).id == job.id
    site = getattr(world, to) if to else None
    await move(tx, world.crane, site)
    assert await places_of(tx, job.id) == [site or 0]
    assert (await jobs.list_jobs(tx, world.operator, jobs.JobFilter(), limit=5, cursor=None)).items == []


@asynccontextmanager
async def one_after_the_other(db: Database, first, second) -> AsyncIterator[None]:
    """`second` begins in a connection of its own while `first` is not committed, and has to wait for it."""

    async def behind() -> None:
        async with db.begin() as tx:
            await second(tx)

    async with asyncio.TaskGroup() as group, db.begin() as tx:
        await first(tx)
        waiting = group.create_task(behind())
        async with db.engine.connect() as watcher:
            auto = await watcher.execution_options(isolation_level="AUTOCOMMIT")
            while not (await auto.execute(text(_WAITS))).scalar_one():
                assert not waiting.done(), "it did not wait"
    yield


@pytest.mark.parametrize("is_saved_first", [True, False])
async def test_a_save_and_a_move_at_once_agree_in_either_order(db, committed, keys, is_saved_first):
    world = committed
    named = [device(world.crane), device(world.pump)]

    async def save(tx: AsyncConnection) -> None:
        await jobs.create(tx, world.admin, world.job(targets=named), keys=keys, now=world.now)

    async def moved(tx: AsyncConnection) -> None:
        await move(tx, world.pump, world.lighthouse)

    first, second = (save, moved) if is_saved_first else (moved, save)
    async with one_after_the_other(db, first, second), db.begin() as tx:
        (job,) = (await jobs.list_jobs(tx, world.admin, jobs.JobFilter(), limit=5, cursor=None)).items
        assert await places_of(tx, job.id) == [world.harbour, world.lighthouse]
        assert (await tx.execute(text(_WRONG))).scalar_one() == 0


@pytest.mark.parametrize("is_saved_first", [True, False])
async def test_an_edit_and_a_move_at_once_wait_and_do_not_lock_each_other_out(db, committed, keys, is_saved_first):
    world = committed
    named = [device(world.crane), device(world.pump)]
    async with db.begin() as tx:
        job = (await jobs.create(tx, world.admin, world.job(targets=named), keys=keys, now=world.now)).job

    async def edit(tx: AsyncConnection) -> None:
        before = await jobs.lock(tx, world.admin, job.id, Permission.JOBS_WRITE)
        body = world.job(name="Anew", targets=named[::-1])
        await jobs.update(tx, world.admin, before, body, keys=keys, now=world.now)

    async def moved(tx: AsyncConnection) -> None:
        await move(tx, world.pump, world.lighthouse)

    first, second = (edit, moved) if is_saved_first else (moved, edit)
    async with one_after_the_other(db, first, second), db.begin() as tx:
        assert await places_of(tx, job.id) == [world.lighthouse, world.harbour]
        assert (await tx.execute(text(_WRONG))).scalar_one() == 0

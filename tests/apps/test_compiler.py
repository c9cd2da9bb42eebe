"""A scheduler that starts compiles anew what an older compiler wrote, before its first tick."""

import asyncio

from sqlalchemy import text

from tests.filters.conftest import device_filter, named
from watchbill import filters
from watchbill.apps.scheduler import Ticker
from watchbill.filters.compile import COMPILER


async def test_filters_of_an_older_compiler_are_compiled_anew_when_a_scheduler_starts(engine_at, scene, db):
    async with db.begin() as tx:
        device = await scene.device(tx, "crane")
        saved = await filters.create(tx, scene.admin, device_filter(named("crane")), now=scene.now)
        await tx.execute(text("UPDATE device_filters SET compiler = 0, condition = 'false'"))
    ticker = Ticker(engine_at())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(ticker.run(stop))
        async with asyncio.timeout(10):
            while await compiler_of(db, saved.id) != COMPILER:
                continue
        stop.set()
        ticker.wake.ring()
    async with db.begin() as tx:
        found = await tx.execute(text("SELECT filter_members(:id, :now)"), {"id": saved.id, "now": scene.now})
        assert found.scalars().all() == [device]


async def compiler_of(db, filter_id):
    async with db.begin() as tx:
        found = await tx.execute(text("SELECT compiler FROM device_filters WHERE id = :id"), {"id": filter_id})
        return found.scalar_one()

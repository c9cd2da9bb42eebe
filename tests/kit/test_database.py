from sqlalchemy import text

from watchbill.kit import db as kit_db
from watchbill.kit import events
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database, SoleLock
from watchbill.kit.events import Cursor, Event


async def test_migrating_twice_changes_nothing(db: Database, database_url: str) -> None:
    async with db.begin() as tx:
        before = (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    assert kit_db.migrate(database_url) == before


async def test_a_late_commit_is_never_jumped_over(db: Database, clock: Clock) -> None:
    """The first writer commits after the second: a reader must see neither, then both."""
    async with db.begin() as slow:
        now = await clock.now(slow)
        await events.publish(slow, [Event("first", {"n": 1})], now)
        async with db.begin() as quick:
            await events.publish(quick, [Event("second", {"n": 2})], now)
        async with db.begin() as reader:
            assert await events.read_after(reader, Cursor(0, 0)) == []
    async with db.begin() as reader:
        seen = await events.read_after(reader, Cursor(0, 0))
    assert [event.kind for event in seen] == ["first", "second"]


async def test_a_lock_is_one_holders_until_its_connection_ends(db: Database) -> None:
    one, two = SoleLock(db.conninfo, 77), SoleLock(db.conninfo, 77)
    assert await one.take()
    assert not await two.take()
    assert await one.is_held()
    async with db.begin() as tx:
        lost = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND granted"
        await tx.execute(text(lost))
    assert not await one.is_held()
    assert await two.take()
    await one.release()
    await two.release()
    assert await one.take(), "who let go may come again"
    await one.release()

"""Limits on failed attempts."""

from datetime import timedelta

from sqlalchemy import text

from watchbill import identity
from watchbill.identity import Limit

LIMIT = Limit("test", 3, timedelta(minutes=10))


async def test_attempts_beyond_the_limit_are_told_how_long_to_wait(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        assert [await LIMIT.hit(tx, "me", now) for _ in range(3)] == [None, None, None]
        assert await LIMIT.hit(tx, "me", now + timedelta(minutes=4)) == 360
        assert await LIMIT.hit(tx, "you", now) is None


async def test_a_window_that_has_passed_counts_from_one_again(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        for _ in range(5):
            await LIMIT.hit(tx, "me", now)
        later = now + timedelta(minutes=10)
        assert await LIMIT.blocked_for(tx, "me", later) is None
        assert await LIMIT.hit(tx, "me", later) is None
        assert await LIMIT.blocked_for(tx, "me", later) is None


async def test_asking_whether_one_is_blocked_counts_nothing(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        for _ in range(3):
            await LIMIT.hit(tx, "me", now)
        assert await LIMIT.blocked_for(tx, "me", now) == 600
        assert await LIMIT.blocked_for(tx, "me", now) == 600
        await LIMIT.take_back(tx, "me")
        assert await LIMIT.blocked_for(tx, "me", now) is None


async def test_pruning_forgets_ended_windows_sessions_and_replies_but_not_live_ones(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        await LIMIT.hit(tx, "old", now - timedelta(days=2))
        await LIMIT.hit(tx, "new", now)
        await identity.prune(tx, now)
        left = (await tx.execute(text("SELECT subject FROM rate_limits"))).scalars().all()
    assert left == ["new"]

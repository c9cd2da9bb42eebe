"""The outbound heartbeat: given while schedulers do their work, by one of them, and withheld when they do not."""

import asyncio

import pytest
from sqlalchemy import text

from tests.notifications import sinks
from tests.notifications.conftest import Watch
from watchbill.apps.notifying import SignOfLife


async def _ticked(watch: Watch) -> None:
    async with watch.db.begin() as tx:
        await tx.execute(text("UPDATE scheduler_pulse SET ticked_at = :now"), {"now": watch.now})


async def test_one_of_many_schedulers_gives_it_at_each_interval(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.http() as receiver:
        environment["WATCHBILL_OUTBOUND_HEARTBEAT_URL"] = receiver.url("/ping/6b1c")
        await _ticked(watch)
        await asyncio.gather(*(SignOfLife(watch.engine()).step() for _ in range(4)))
        assert [one.path for one in receiver.requests] == ["/ping/6b1c"]
        watch.go(minutes=4)
        await _ticked(watch)
        assert 59 <= await SignOfLife(watch.engine()).step() <= 60
        watch.go(minutes=1)
        await _ticked(watch)
        await SignOfLife(watch.engine()).step()
    assert len(receiver.requests) == 2


async def test_it_is_withheld_when_nobody_ticks_or_what_is_due_is_not_taken(
    watch: Watch, environment: dict[str, str]
) -> None:
    async with sinks.http() as receiver:
        environment["WATCHBILL_OUTBOUND_HEARTBEAT_URL"] = receiver.url()
        await SignOfLife(watch.engine()).step()
        await watch.job()
        watch.go(minutes=10)
        await SignOfLife(watch.engine()).step()
        await _ticked(watch)
        await SignOfLife(watch.engine()).step()
        assert receiver.requests == [], "a tick alone is not enough: the job has been due for nine minutes"
        async with watch.db.begin() as tx:
            await watch.scene.tick(tx, watch.now)
        await SignOfLife(watch.engine()).step()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("answer", [500, 302])
async def test_an_answer_that_is_no_yes_is_kept(watch: Watch, environment: dict[str, str], answer: int) -> None:
    async with sinks.http(answer) as receiver:
        environment["WATCHBILL_OUTBOUND_HEARTBEAT_URL"] = receiver.url()
        await _ticked(watch)
        await SignOfLife(watch.engine()).step()
    (row,) = await watch.rows("SELECT last_success_at, last_error FROM outbound_heartbeat")
    assert (row.last_success_at, row.last_error) == (None, f"The receiver answered with status {answer}.")


async def test_without_a_url_nothing_is_asked(watch: Watch) -> None:
    await _ticked(watch)
    await SignOfLife(watch.engine()).step()
    assert await watch.rows("SELECT 1 FROM outbound_heartbeat WHERE next_at IS NOT NULL") == []

"""The event log: in commit order, with nothing jumped over, resumable from any place."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.kit import events
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database, Listener
from watchbill.kit.events import Cursor, Event

BEGIN = Cursor(0, 0)


async def publish(db: Database, clock: Clock, *kinds: str, site_id: int | None = None) -> None:
    async with db.begin() as tx:
        made = [Event(kind, {"kind": kind}, site_id) for kind in kinds]
        await events.publish(tx, made, await clock.now(tx))


async def kinds_after(db: Database, cursor: Cursor, **options: int) -> list[str]:
    async with db.begin() as tx:
        return [event.kind for event in await events.read_after(tx, cursor, **options)]


async def test_events_come_back_as_they_were_written(db: Database, clock: Clock) -> None:
    payload = {"id": 7, "name": "Größe ✓", "nested": {"list": [1, None, True]}}
    async with db.begin() as tx:
        now = await clock.now(tx)
        await events.publish(tx, [Event("job.changed", payload, 3), Event("tick", {})], now)
    async with db.begin() as tx:
        first, second = await events.read_after(tx, BEGIN)
    assert (first.kind, first.payload, first.site_id, first.at) == ("job.changed", payload, 3, now)
    assert (second.kind, second.payload, second.site_id) == ("tick", {}, None)
    assert first.cursor < second.cursor


async def test_what_was_rolled_back_was_never_said(db: Database, clock: Clock) -> None:
    with pytest.raises(RuntimeError):
        async with db.begin() as tx:
            await events.publish(tx, [Event("lie", {})], await clock.now(tx))
            raise RuntimeError
    assert await kinds_after(db, BEGIN) == []


async def test_any_place_resumes_with_the_next_event(db: Database, clock: Clock) -> None:
    await publish(db, clock, "a", "b")
    await publish(db, clock, "c")
    async with db.begin() as tx:
        everything = await events.read_after(tx, BEGIN)
    for number, event in enumerate(everything, 1):
        assert await kinds_after(db, event.cursor) == ["a", "b", "c"][number:]
        assert await kinds_after(db, Cursor.parse(str(event.cursor))) == ["a", "b", "c"][number:]


async def test_pages_join_without_a_gap(db: Database, clock: Clock) -> None:
    names = [f"e{number:02}" for number in range(23)]
    for start in range(0, 23, 4):
        await publish(db, clock, *names[start : start + 4])
    seen, cursor = list[str](), BEGIN
    while True:
        async with db.begin() as tx:
            page = await events.read_after(tx, cursor, limit=5)
        if not page:
            break
        seen += [event.kind for event in page]
        cursor = page[-1].cursor
    assert seen == names


async def test_the_end_is_after_everything_and_before_what_comes(db: Database, clock: Clock) -> None:
    await publish(db, clock, "before")
    async with db.begin() as tx:
        end = await events.end(tx)
    await publish(db, clock, "after")
    assert await kinds_after(db, end) == ["after"]


async def test_an_open_transaction_hides_what_came_after_it_and_one_is_told(db: Database, clock: Clock) -> None:
    async with db.begin() as slow:
        await events.publish(slow, [Event("slow", {})], await clock.now(slow))
        await publish(db, clock, "quick")
        async with db.begin() as tx:
            assert await events.read_after(tx, BEGIN) == []
            assert await events.has_unreadable(tx)
    assert await kinds_after(db, BEGIN) == ["slow", "quick"]
    async with db.begin() as tx:
        assert not await events.has_unreadable(tx)


async def test_many_writers_lose_nothing_for_a_reader_that_follows(db: Database, clock: Clock) -> None:
    """Writers commit in any order; a reader that goes on from where it was sees each event exactly once."""
    expected = {f"{writer}-{number}" for writer in range(4) for number in range(12)}

    async def write(writer: int) -> None:
        for number in range(12):
            await publish(db, clock, f"{writer}-{number}")

    async def follow() -> list[str]:
        seen, cursor = list[str](), BEGIN
        while len(seen) < len(expected):
            async with db.begin() as tx:
                page = await events.read_after(tx, cursor, limit=7)
            seen += [event.kind for event in page]
            cursor = page[-1].cursor if page else cursor
        return seen

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        for writer in range(4):
            group.create_task(write(writer))
    assert sorted(following.result()) == sorted(expected)


async def test_readers_are_woken_by_the_commit(db: Database, clock: Clock) -> None:
    heard, stop = asyncio.Event(), asyncio.Event()
    listener = Listener(db.conninfo)
    listener.on(events.CHANNEL, lambda _: heard.set())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(listener.run(stop))
        await listener.is_listening.wait()
        await heard.wait()  # "look for yourself", once after connecting
        heard.clear()
        await publish(db, clock, "news")
        await heard.wait()
        stop.set()


async def test_old_events_go_and_the_rest_stays(db: Database, clock: Clock) -> None:
    await publish(db, clock, "old")
    later = Clock(timedelta(hours=2))
    await publish(db, later, "new")
    async with db.begin() as tx:
        assert await events.prune(tx, now=await later.now(tx), keep=timedelta(hours=1)) == 1
        oldest = await events.oldest(tx)
    assert await kinds_after(db, BEGIN) == ["new"]
    assert oldest is not None


async def test_an_empty_log_has_no_oldest_event(db: Database) -> None:
    async with db.begin() as tx:
        assert await events.oldest(tx) is None
        await events.publish(tx, [], await Clock().now(tx))
    assert await kinds_after(db, BEGIN) == []


@pytest.mark.parametrize("cursor", ["18446744073709551615-0", "99999999999999999999-1", "1-99999999999999999999"])
async def test_a_place_beyond_everything_is_read_from(db: Database, clock: Clock, cursor: str) -> None:
    """Whoever can send a Last-Event-ID can send this."""
    await publish(db, clock, "here")
    try:
        place = Cursor.parse(cursor)
    except ValueError:
        return
    assert await kinds_after(db, place) in ([], ["here"])


@given(st.integers(0, 2**63), st.integers(0, 2**62))
def test_a_cursor_comes_back_from_its_text(tx: int, number: int) -> None:
    cursor = Cursor(tx, number)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.tuples(st.integers(0, 99), st.integers(0, 99)), st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_cursors_are_ordered_by_transaction_then_number(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (Cursor(*one) < Cursor(*other)) == (one < other)


@pytest.mark.parametrize(
    "text", ["", "-", "1", "1-", "-1", "1-2-3", "a-b", "1-²", "٣-1", " 1-1", "1-1 ", "1" * 39 + "-1"]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Last-Event-ID"):
        Cursor.parse(text)

"""One at a time: on a device or in a whole job, the oldest first; and whoever gets out of the way rings, once somebody waits."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import runs, windows
from watchbill.core.states import TargetEvent
from watchbill.core.states import TargetState as S
from watchbill.devices import presence
from watchbill.kit.db import Database
from watchbill.runs import taking
from watchbill.runs.moves import Move, move

OTHER = uuid.UUID("00000000-0000-4000-8000-00000000000b")


@asynccontextmanager
async def _listening(db: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection that hears what both gateways hear."""
    connection = await psycopg.AsyncConnection.connect(db.conninfo, autocommit=True)
    async with connection:
        for channel in (runs.GATEWAYS, runs.gateway_channel(GATEWAY), runs.gateway_channel(OTHER)):
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield connection


async def _heard(connection: psycopg.AsyncConnection) -> list[tuple[str, str]]:
    """Everything that was committed before; nothing more is waited for."""
    await connection.execute("SELECT 1")
    return [(note.channel, note.payload) async for note in connection.notifies(timeout=0)]


async def _open(tx, scene: Scene, job: int, number: int, **changes: Any) -> list[uuid.UUID]:
    """Occurrences opened together: none of them gives way to another."""
    batch = [scene.opening(job, minutes, **changes) for minutes in range(number)]
    await runs.open_occurrences(tx, batch, scene.now)
    return [one.id for one in batch]


async def _release(tx, scene: Scene, occurrences: Sequence[uuid.UUID], *sites: int) -> None:
    for run in await runs.runs_of(tx, list(occurrences)):
        for site in sites or (scene.site,):
            await runs.release(tx, run.id, site, scene.now)


async def _look(db: Database, scene: Scene, *names: str, gateway: uuid.UUID = GATEWAY) -> list[runs.Delivery]:
    """As a gateway does it: take, commit, and mark whom the rest waits for."""
    devices = [scene.devices[name] for name in names or scene.devices]
    while True:
        async with db.begin() as tx:
            found = await runs.take(tx, gateway, scene.now, runs.Look(device_ids=devices))
        if not found.behind:
            return found.deliveries
        async with db.begin() as tx:
            if await runs.await_turn(tx, found.behind, scene.now):
                return found.deliveries


async def _end(db: Database, scene: Scene, delivery: runs.Delivery) -> None:
    async with db.begin() as tx:
        await runs.finished(tx, [scene.report(delivery)], scene.now)


async def test_the_oldest_goes_first_even_when_a_newer_one_is_looked_at_alone(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        first, second = await _open(tx, scene, await scene.job(tx, "alpha"), 2)
        ids = {run.occurrence_id: run.id for run in await runs.runs_of(tx, [first, second])}
        await runs.release(tx, ids[second], scene.site, scene.now)
        found = await runs.take(tx, GATEWAY, scene.now, runs.Look(run_id=ids[second]))
        (target,) = (
            await tx.execute(text("SELECT id FROM run_targets WHERE run_id = :id"), {"id": ids[first]})
        ).scalars()
        assert (found.deliveries, found.behind) == ([], {target})


async def test_whatever_ends_rings_for_what_waits_behind_it_and_only_then(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("alpha", "beta"):
            await scene.device(tx, name)
        alone = await scene.open(tx, await scene.job(tx, "beta"))
        occurrences = await _open(tx, scene, await scene.job(tx, "alpha"), 2)
        await _release(tx, scene, occurrences)
    first, other = sorted(await _look(db, scene), key=lambda one: one.occurrence_id == alone)
    assert other.occurrence_id == alone
    async with _listening(db) as ear:
        await _end(db, scene, other)
        assert await _heard(ear) == [], "nobody waits behind it"
        await _end(db, scene, first)
        told = [(channel, runs.devices_in(payload)) for channel, payload in await _heard(ear)]
    assert told == [(runs.gateway_channel(GATEWAY), [scene.devices["alpha"]])]
    (second,) = await _look(db, scene, "alpha")
    assert second.occurrence_id == occurrences[1]


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (TargetEvent.SUPERSEDE, {}),
        (TargetEvent.EXPIRE, {"reason": "offline"}),
        (TargetEvent.SKIP, {"reason": "blackout"}),
        (TargetEvent.CANCEL, {"reason": "not_started_cancelled"}),
    ],
)
async def test_a_row_that_never_started_rings_too_when_it_ends(
    db: Database, scene: Scene, event: TargetEvent, changes: dict[str, Any]
) -> None:
    """It was ahead because it was not released yet."""
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        first, second = await _open(tx, scene, await scene.job(tx, "alpha"), 2)
        await _release(tx, scene, [second])
        (target,) = (
            await tx.execute(text("SELECT id FROM run_targets WHERE occurrence_id = :id"), {"id": first})
        ).scalars()
    assert await _look(db, scene) == []
    async with _listening(db) as ear:
        async with db.begin() as tx:
            await move(tx, [Move(target, event, **changes)], scene.now)
        assert [channel for channel, _ in await _heard(ear)] == [runs.gateway_channel(GATEWAY)]
    assert [one.occurrence_id for one in await _look(db, scene)] == [second]


async def test_a_turn_that_comes_while_it_is_waited_for_is_not_lost(db: Database, scene: Scene) -> None:
    """The result is being stored at the very moment in which the next row is found to wait: one of both sees the other."""
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        first, second = await _open(tx, scene, await scene.job(tx, "alpha"), 2)
        await _release(tx, scene, [first, second])
    (delivery,) = (await _take(db, scene)).deliveries
    async with db.begin() as ending:
        await runs.finished(ending, [scene.report(delivery)], scene.now)
        found = await _take(db, scene)
        assert found.deliveries == [], "the end is not committed"
        marking = asyncio.ensure_future(_mark(db, scene, found.behind))
        await _waits_for_a_lock(db)
    assert await marking is False, "look again"
    assert [one.occurrence_id for one in (await _take(db, scene)).deliveries] == [second]


async def _take(db: Database, scene: Scene) -> runs.Taken:
    async with db.begin() as tx:
        return await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=list(scene.devices.values())))


async def _mark(db: Database, scene: Scene, behind: set[int]) -> bool:
    async with db.begin() as tx:
        return await runs.await_turn(tx, behind, scene.now)


async def _waits_for_a_lock(db: Database) -> None:
    async with asyncio.timeout(10):
        while True:
            async with db.begin() as tx:
                number = await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
                if number.scalar_one():
                    return
            await asyncio.sleep(0.01)


async def test_a_turn_that_comes_in_the_middle_of_a_look_is_told(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody had marked the row ahead, so it rings for nobody: the look itself says that it is worth to look again."""
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        occurrences = await _open(tx, scene, job, 2)
        await _release(tx, scene, occurrences)
    (first,) = await _take_only(db, scene)
    ask = taking._left

    async def ends_first(*given: Any, **more: Any) -> bool:
        await _end(db, scene, first)
        return await ask(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(taking, "_left", ends_first)
        async with db.begin() as tx:
            found = await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=[scene.devices["alpha"]]))
    assert (found.deliveries, found.behind, found.has_turn) == ([], set(), True)
    (second,) = await _take_only(db, scene)
    assert second.occurrence_id != first.occurrence_id


async def _take_only(db: Database, scene: Scene) -> list[runs.Delivery]:
    """One look, which marks nothing."""
    async with db.begin() as tx:
        return (await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=[scene.devices["alpha"]]))).deliveries


async def test_hundreds_of_devices_are_told_in_few_words(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for number in range(230):
            await scene.device(tx, f"d{number}")
        await _release(tx, scene, await _open(tx, scene, await scene.job(tx, *scene.devices), 2))
    deliveries = await _look(db, scene)
    assert len(deliveries) == 230
    async with _listening(db) as ear:
        async with db.begin() as tx:
            await runs.finished(tx, [scene.report(one) for one in deliveries], scene.now)
        named = [runs.devices_in(payload) or [] for _, payload in await _heard(ear)]
    assert sorted(len(some) for some in named) == [30, 200]
    assert {device for some in named for device in some} == set(scene.devices.values())
    assert len(await _look(db, scene)) == 230


async def test_a_backfill_lets_everything_else_go_first(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        until = scene.now + timedelta(hours=1)
        past = [scene.opening(job, -minutes, kind="backfill", request_id="b", expires_at=until) for minutes in (70, 65)]
        await runs.open_occurrences(tx, past, scene.now)
        await _release(tx, scene, [one.id for one in past])
    (oldest,) = await _look(db, scene)
    assert oldest.occurrence_id == past[0].id
    async with db.begin() as tx:
        today = await scene.open(tx, job, overlap="queue_one")
    order = [oldest.occurrence_id]
    running = [oldest]
    while running:
        await _end(db, scene, running[0])
        running = await _look(db, scene)
        assert len(running) <= 1
        order += [one.occurrence_id for one in running]
    assert order == [past[0].id, today, past[1].id]
    async with db.begin() as tx:
        await counters_hold(tx)


async def test_a_row_that_a_window_puts_off_keeps_nobody_waiting(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        start = (scene.now - timedelta(minutes=60)).strftime("2026-01-01T%H:%M")
        span = {"schedule": {"type": "daily", "start": start, "timezone": "UTC"}, "duration_seconds": 5400}
        definition = {"name": "w", "kind": "deny", "spans": [span], "when_closed": "defer"}
        await windows.create(tx, scene.admin, {**definition, "attachments": [{"kind": "global"}]}, now=scene.now)
        first, second = [
            scene.opening(job, 0, kind="backfill", request_id="1"),
            scene.opening(job, 1, kind="backfill", request_id="2", ignores_windows=True),
        ]
        await runs.open_occurrences(tx, [first, second], scene.now)
        await _release(tx, scene, [first.id, second.id])
    assert [one.occurrence_id for one in await _look(db, scene)] == [second.id]
    async with db.begin() as tx:
        assert await scene.states(tx, first.id) == {"alpha": (S.PENDING, "blackout")}


# One run of the whole job at a time.


async def _wide(tx, scene: Scene, number: int = 2) -> list[uuid.UUID]:
    """Occurrences of a job that wants to be alone, on a device at each of two gateways."""
    await scene.device(tx, "alpha")
    await scene.device(tx, "beta")
    await scene.connect(tx, "beta", OTHER)
    return await _open(
        tx, scene, await scene.job(tx, "alpha", "beta"), number, overlap="queue_one", overlap_scope="job"
    )


async def test_no_run_of_a_lone_job_begins_while_another_one_is_active_anywhere(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        first, second = await _wide(tx, scene)
        await _release(tx, scene, [first, second])
    (here,) = await _look(db, scene, "alpha")
    (there,) = await _look(db, scene, "beta", gateway=OTHER)
    assert here.occurrence_id == there.occurrence_id == first
    await _end(db, scene, here)
    assert await _look(db, scene, "alpha") == [], "the other device is still at it"
    async with _listening(db) as ear:
        await _end(db, scene, there)
        assert runs.GATEWAYS in {channel for channel, _ in await _heard(ear)}
    (next_here,) = await _look(db, scene, "alpha")
    (next_there,) = await _look(db, scene, "beta", gateway=OTHER)
    assert next_here.occurrence_id == next_there.occurrence_id == second


async def test_an_older_row_that_comes_late_does_not_break_into_a_newer_run(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        first, second = await _wide(tx, scene)
        await presence.gateway_gone(tx, OTHER, scene.now)
        await _release(tx, scene, [first, second])
    (early,) = await _look(db, scene, "alpha")
    await _end(db, scene, early)
    (running,) = await _look(db, scene, "alpha")
    assert running.occurrence_id == second, "a row that never started keeps nobody waiting"
    async with db.begin() as tx:
        await scene.connect(tx, "beta", OTHER)
    assert await _look(db, scene, "beta", gateway=OTHER) == []
    await _end(db, scene, running)
    assert [one.occurrence_id for one in await _look(db, scene, "beta", gateway=OTHER)] == [first]


async def test_two_gateways_that_look_at_two_runs_of_a_lone_job_begin_one(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        first, second = await _wide(tx, scene)
        await _withdraw(tx, scene, first, "alpha")
        await _withdraw(tx, scene, second, "beta")
        await _release(tx, scene, [first, second])

    async def look(name: str, gateway: uuid.UUID) -> list[runs.Delivery]:
        async with db.begin() as tx:
            found = await runs.take(tx, gateway, scene.now, runs.Look(device_ids=[scene.devices[name]]))
            await asyncio.sleep(0.05)
            return found.deliveries

    taken = await asyncio.gather(look("alpha", GATEWAY), look("beta", OTHER))
    assert sorted(len(some) for some in taken) == [0, 1]


async def _withdraw(tx, scene: Scene, occurrence: uuid.UUID, name: str) -> None:
    statement = text("SELECT id FROM run_targets WHERE occurrence_id = :occurrence AND device_id = :device")
    values = {"occurrence": occurrence, "device": scene.devices[name]}
    (target,) = (await tx.execute(statement, values)).scalars()
    await move(tx, [Move(target, TargetEvent.CANCEL)], scene.now)


async def test_a_lone_run_waits_for_an_older_one_that_is_not_released_yet(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        first, second = await _wide(tx, scene)
        await _release(tx, scene, [second])
    assert await _look(db, scene, "alpha") == []
    async with _listening(db) as ear:
        async with db.begin() as tx:
            await _release(tx, scene, [first])
        (run,) = await _runs(db, [first])
        heard = await _heard(ear)
    own = heard.index((runs.gateway_channel(GATEWAY), str(run.id)))
    later = [runs.job_in(payload) for channel, payload in heard[own + 1 :] if channel == runs.GATEWAYS]
    assert later[-1] is not None, "the whole job is looked at once its oldest run is there"
    assert [one.occurrence_id for one in await _look(db, scene, "alpha")] == [first]


async def _runs(db: Database, occurrences: Sequence[uuid.UUID]) -> Sequence[runs.Run]:
    async with db.begin() as tx:
        return await runs.runs_of(tx, list(occurrences))


# Two transactions at one row.


async def test_a_row_that_is_being_taken_is_not_superseded(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        first = await scene.open(tx, job)
    async with db.begin() as taking:
        (delivery,) = await scene.take(taking)
        superseding = asyncio.ensure_future(_newer(db, scene, job))
        await _waits_for_a_lock(db)
    second = await superseding
    async with db.begin() as tx:
        assert delivery.occurrence_id == first
        assert await scene.states(tx, first) == {"alpha": (S.DISPATCHED, None)}
        assert await scene.states(tx, second) == {"alpha": (S.PENDING, None)}
        assert await scene.take(tx) == [], "it waits for its turn"
        await counters_hold(tx)


async def _newer(db: Database, scene: Scene, job: int) -> uuid.UUID:
    async with db.begin() as tx:
        return await scene.open(tx, job, 5, overlap="queue_one")


async def test_a_row_that_is_being_superseded_is_not_taken(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        first = await scene.open(tx, job)
    async with db.begin() as opening:
        second = await scene.open(opening, job, 5, overlap="queue_one")
        async with db.begin() as taking:
            assert await scene.take(taking) == [], "the row is passed over, not waited for"
    async with db.begin() as tx:
        assert [one.occurrence_id for one in await scene.take(tx)] == [second]
        assert await scene.states(tx, first) == {"alpha": (S.EXPIRED, "superseded")}
        await counters_hold(tx)

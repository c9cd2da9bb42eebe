"""Overlap: what a new occurrence does to the rows before it, per device and per job, and what it leaves alone."""

import asyncio
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import runs
from watchbill.core.states import TargetState as S
from watchbill.kit.db import Database
from watchbill.runs import Again, Range

HOUR = timedelta(hours=1)


async def _fleet(tx, scene: Scene, *names: str, offline: tuple[str, ...] = ()) -> int:
    for name in (*names, *offline):
        await scene.device(tx, name, online=name not in offline)
    return await scene.job(tx, *names, *offline)


async def _opened(tx, scene: Scene, job: int, minutes: int, overlap: str, scope: str = "device", **changes) -> UUID:
    return await scene.open(tx, job, minutes, overlap=overlap, overlap_scope=scope, **changes)


async def _finish(tx, scene: Scene, deliveries) -> None:
    await runs.finished(tx, [scene.report(one) for one in deliveries], scene.now)


async def test_in_a_queue_of_one_the_newest_waits_and_whoever_waited_before_gives_way(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha")
        first = await _opened(tx, scene, job, 0, "queue_one")
        running = await scene.take(tx)
        second = await _opened(tx, scene, job, 5, "queue_one")
        assert await scene.take(tx) == []
        third = await _opened(tx, scene, job, 10, "queue_one")
        assert await scene.states(tx, first) == {"alpha": (S.DISPATCHED, None)}
        assert await scene.states(tx, second) == {"alpha": (S.EXPIRED, "superseded")}
        assert await scene.states(tx, third) == {"alpha": (S.PENDING, None)}
        await _finish(tx, scene, running)
        assert [one.occurrence_id for one in await scene.take(tx)] == [third]
        await counters_hold(tx)


async def test_a_straggler_and_a_laptop_that_is_away_keep_nobody_else_waiting(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "quick", "slow", offline=("away",))
        await _opened(tx, scene, job, 0, "queue_one")
        quick = [one for one in await scene.take(tx) if one.device_id == scene.devices["quick"]]
        await _finish(tx, scene, quick)
        second = await _opened(tx, scene, job, 5, "queue_one")
        assert [one.device_id for one in await scene.take(tx)] == [scene.devices["quick"]]
        assert await scene.states(tx, second) == {
            "quick": (S.DISPATCHED, None),
            "slow": (S.PENDING, None),
            "away": (S.WAITING_ONLINE, None),
        }


async def test_replace_stops_what_runs_and_starts_when_it_has_ended(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha", "beta", offline=("away",))
        first = await _opened(tx, scene, job, 0, "replace")
        (delivery,) = await scene.take(tx, "alpha")
        second = await _opened(tx, scene, job, 5, "replace", device_ids=[scene.devices["alpha"], scene.devices["away"]])
        assert await scene.states(tx, first) == {
            "alpha": (S.CANCELLING, "replaced"),
            "beta": (S.PENDING, None),
            "away": (S.EXPIRED, "superseded"),
        }
        assert (delivery.execution_id, delivery.device_id) in await runs.to_cancel(tx, GATEWAY)
        assert await scene.take(tx, "alpha") == []
        await runs.finished(tx, [scene.report(delivery, outcome="cancelled", exit_code=None)], scene.now)
        assert (await scene.states(tx, first))["alpha"] == (S.CANCELLED, "replaced")
        assert [one.occurrence_id for one in await scene.take(tx, "alpha")] == [second]
        await counters_hold(tx)


async def test_gateways_hear_that_something_is_to_be_replaced(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha")
        await _opened(tx, scene, job, 0, "replace")
        await scene.take(tx)
    with psycopg.connect(db.conninfo, autocommit=True) as listener:
        listener.execute(f"LISTEN {runs.gateway_channel(GATEWAY)}")
        async with db.begin() as tx:
            await _opened(tx, scene, job, 5, "replace")
        heard = [one.payload for one in listener.notifies(timeout=5, stop_after=1)]
    assert "cancel" in heard


@pytest.mark.parametrize("overlap", ["skip", "queue_one", "replace"])
async def test_a_row_that_never_started_gives_way_under_every_policy_but_allow(
    db: Database, scene: Scene, overlap
) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, offline=("away",))
        first = await _opened(tx, scene, job, 0, overlap)
        second = await _opened(tx, scene, job, 5, overlap)
        assert await scene.states(tx, first) == {"away": (S.EXPIRED, "superseded")}
        assert await scene.states(tx, second) == {"away": (S.WAITING_ONLINE, None)}


async def test_one_active_device_skips_the_whole_occurrence_where_the_job_runs_one_at_a_time(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha", "beta")
        await _opened(tx, scene, job, 0, "skip", "job")
        (busy, done) = await scene.take(tx)
        await _finish(tx, scene, [done])
        second = await _opened(tx, scene, job, 5, "skip", "job")
        row = await scene.occurrence(tx, job, second)
        assert (row.state, row.reason, row.counts) == ("skipped", "overlap", {})
        assert "was still active" in (row.detail or "")
        assert row.closed_at is not None
        assert row.opened_at is None
        assert await runs.runs_of(tx, [second]) == []
        await _finish(tx, scene, [busy])
        third = await _opened(tx, scene, job, 10, "skip", "job")
        assert (await scene.occurrence(tx, job, third)).state == "open"


async def test_rows_that_only_wait_do_not_make_a_whole_job_skip(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, offline=("away", "gone"))
        first = await _opened(tx, scene, job, 0, "skip", "job")
        second = await _opened(tx, scene, job, 5, "skip", "job", device_ids=None)
        assert set((await scene.states(tx, first)).values()) == {(S.EXPIRED, "superseded")}
        assert set((await scene.states(tx, second)).values()) == {(S.WAITING_ONLINE, None)}


async def test_a_whole_job_in_a_queue_of_one_waits_for_its_last_device(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha", "beta", offline=("away",))
        first = await _opened(tx, scene, job, 0, "queue_one", "job")
        alpha, beta = await scene.take(tx)
        await scene.connect(tx, "away")
        second = await _opened(tx, scene, job, 5, "queue_one", "job")
        assert (await scene.states(tx, first))["away"] == (S.EXPIRED, "superseded")
        assert await scene.take(tx) == []
        await _finish(tx, scene, [alpha])
        assert await scene.take(tx) == [], "also the devices that are free wait for the whole run before"
        await _finish(tx, scene, [beta])
        assert {one.occurrence_id for one in await scene.take(tx)} == {second}
        await counters_hold(tx)


async def test_waiting_rows_of_devices_that_left_the_job_give_way_with_the_rest_of_it(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha", offline=("away",))
        first = await _opened(tx, scene, job, 0, "queue_one", "job")
        await tx.execute(text("DELETE FROM job_targets WHERE device_id = :id"), {"id": scene.devices["away"]})
        await _opened(tx, scene, job, 5, "queue_one", "job")
        assert (await scene.states(tx, first))["away"] == (S.EXPIRED, "superseded")


async def test_replacing_a_whole_job_stops_all_of_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha", "beta", offline=("away",))
        first = await _opened(tx, scene, job, 0, "replace", "job")
        deliveries = await scene.take(tx)
        second = await _opened(tx, scene, job, 5, "replace", "job")
        assert await scene.states(tx, first) == {
            "alpha": (S.CANCELLING, "replaced"),
            "beta": (S.CANCELLING, "replaced"),
            "away": (S.EXPIRED, "superseded"),
        }
        ends = [scene.report(one, outcome="cancelled", exit_code=None) for one in deliveries]
        await runs.finished(tx, ends, scene.now)
        assert {one.occurrence_id for one in await scene.take(tx)} == {second}
        assert (await scene.occurrence(tx, job, first)).outcome == "failed", "one of it never came to run"


async def test_a_rerun_of_some_devices_leaves_the_waiting_rows_of_the_others(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("bad", "away"):
            await scene.device(tx, name, online=name == "bad")
        job = await scene.job(tx, "bad", "away", policies={"overlap": "queue_one", "overlap_scope": "job"})
        first = await _opened(tx, scene, job, 0, "queue_one", "job")
        (delivery,) = await scene.take(tx)
        await runs.finished(tx, [scene.report(delivery, exit_code=1)], scene.now)
        again = await runs.rerun(tx, scene.admin, job, Again("failed", first), now=scene.now + HOUR)
        assert (await scene.states(tx, first))["away"] == (S.WAITING_ONLINE, None)
        assert await scene.states(tx, again.id) == {"bad": (S.PENDING, None)}


async def test_what_a_person_starts_obeys_overlap_too(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha", "beta")
        first = await _opened(tx, scene, job, 0, "skip")
        await scene.take(tx, "alpha")
        again = await runs.rerun(tx, scene.admin, job, Again(), now=scene.now + HOUR)
        assert await scene.states(tx, again.id) == {
            "alpha": (S.SKIPPED, "previous_run_active"),
            "beta": (S.PENDING, None),
        }
        assert (await scene.states(tx, first))["beta"] == (S.EXPIRED, "superseded")


@pytest.mark.parametrize("scope", ["device", "job"])
async def test_backfilled_rows_neither_take_a_turn_nor_lose_it(db: Database, scene: Scene, scope) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        job = await scene.job(tx, "away", policies={"overlap": "queue_one", "overlap_scope": scope})
        await tx.execute(
            text(
                "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,start}', '\"2026-01-01T00:00\"') WHERE id = :id"
            ),
            {"id": job},
        )
        first = await _opened(tx, scene, job, 0, "queue_one", scope)
        past = scene.now.replace(minute=0, second=0, microsecond=0) - HOUR
        made = await runs.backfill(tx, scene.admin, job, Range(past, past), now=scene.now)
        (filled,) = made.opened
        assert await scene.states(tx, first) == {"away": (S.WAITING_ONLINE, None)}
        second = await _opened(tx, scene, job, 5, "replace", scope)
        assert await scene.states(tx, first) == {"away": (S.EXPIRED, "superseded")}
        assert await scene.states(tx, filled) == {"away": (S.PENDING, None)}
        assert (await scene.states(tx, second))["away"][0] == S.WAITING_ONLINE


async def test_replace_leaves_a_backfill_that_runs(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha", policies={"overlap": "replace"})
        filled = await _opened(tx, scene, job, 0, "queue_one", kind="backfill")
        running = await scene.take(tx)
        second = await _opened(tx, scene, job, 5, "replace")
        assert await scene.states(tx, filled) == {"alpha": (S.DISPATCHED, None)}
        assert await scene.take(tx) == []
        await _finish(tx, scene, running)
        assert [one.occurrence_id for one in await scene.take(tx)] == [second]


async def test_whoever_is_passed_over_is_judged_by_all_active_rows_of_the_job(db: Database, scene: Scene) -> None:
    """Among many devices and occurrences only those that are active themselves are left out."""
    async with db.begin() as tx:
        names = [f"d{number:02}" for number in range(40)]
        job = await _fleet(tx, scene, *names)
        await _opened(tx, scene, job, 0, "allow", device_ids=[scene.devices[name] for name in names[:10]])
        await _opened(tx, scene, job, 5, "allow", device_ids=[scene.devices[name] for name in names[5:20]])
        await scene.take(tx, *names[:15])
        third = await _opened(tx, scene, job, 10, "skip")
        states = await scene.states(tx, third)
        assert {name for name, state in states.items() if state == (S.SKIPPED, "previous_run_active")} == set(
            names[:15]
        )
        await counters_hold(tx)


async def test_replace_stops_what_a_gateway_takes_at_that_very_moment(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _fleet(tx, scene, "alpha")
        old = await _opened(tx, scene, job, 0, "replace")

    async def open_the_next() -> UUID:
        async with db.begin() as tx:
            return await _opened(tx, scene, job, 5, "replace")

    async with asyncio.TaskGroup() as group, db.begin() as gateway:
        assert [one.occurrence_id for one in await scene.take(gateway)] == [old]
        opening = group.create_task(open_the_next())
        async with asyncio.timeout(20):
            while not await _somebody_waits_for_a_lock(db):
                await asyncio.sleep(0.01)
    async with db.begin() as tx:
        assert await scene.states(tx, old) == {"alpha": (S.CANCELLING, "replaced")}
        assert await scene.states(tx, opening.result()) == {"alpha": (S.PENDING, None)}
        await counters_hold(tx)


async def _somebody_waits_for_a_lock(db: Database) -> bool:
    async with db.begin() as tx:
        waiting = text(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool((await tx.execute(waiting)).scalar_one())

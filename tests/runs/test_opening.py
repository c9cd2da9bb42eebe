"""Opening an occurrence: once, all or nothing, every considered device with its reason."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import runs
from watchbill.core.states import TargetState as S
from watchbill.kit.db import Database


async def test_every_considered_device_is_kept_with_its_reason(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
        kinds: dict[str, dict[str, Any]] = {
            "ready": {"interpreters": ["bash", "python"]},
            "unknown": {"interpreters": None},
            "bare": {"interpreters": ["python"]},
            "off": {"status": "active"},
            "moved": {},
            "left-out": {},
        }
        for name, more in kinds.items():
            await scene.device(tx, name, **more)
        job = await scene.job(
            tx, *scene.devices, exclusions=[{"kind": "device", "device_id": str(scene.devices["left-out"])}]
        )
        await tx.execute(text("UPDATE devices SET status = 'disabled' WHERE id = :id"), {"id": scene.devices["off"]})
        await tx.execute(
            text("UPDATE devices SET site_id = :site WHERE id = :id"), {"site": elsewhere, "id": scene.devices["moved"]}
        )
        occurrence = scene.opening(job, allowed_site_ids=[scene.site])
        await runs.open_occurrences(tx, [occurrence], scene.now)
        assert await scene.states(tx, occurrence.id) == {
            "ready": (S.PENDING, None),
            "unknown": (S.PENDING, None),
            "bare": (S.SKIPPED, "interpreter_missing"),
            "off": (S.SKIPPED, "device_disabled"),
            "moved": (S.SKIPPED, "out_of_scope"),
            "left-out": (S.SKIPPED, "excluded"),
        }
        await counters_hold(tx)


async def test_two_schedulers_that_open_the_same_instant_open_it_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")

    async def race() -> int:
        async with db.begin() as tx:
            return len(await runs.open_occurrences(tx, [scene.opening(job)], scene.now))

    assert sorted(await asyncio.gather(race(), race(), race())) == [0, 0, 1]
    async with db.begin() as tx:
        for table in ("occurrences", "runs", "run_targets", "work_items", "pgqueuer"):
            number = (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
            assert (table, number) == (table, 1)


async def test_a_crash_before_the_commit_leaves_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
    async with db.engine.connect() as tx:
        await runs.open_occurrences(tx, [scene.opening(job)], scene.now)
        await tx.rollback()
    async with db.begin() as tx:
        for table in ("occurrences", "runs", "run_targets", "occurrence_counts", "work_items", "pgqueuer"):
            assert (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0


async def test_an_occurrence_without_a_device_to_run_on_ends_as_skipped_and_says_why(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha", interpreters=["python"])
        job = await scene.job(tx, "alpha")
        none, some = scene.opening(job), scene.opening(job, 5, device_ids=[])
        await runs.open_occurrences(tx, [none, some], scene.now)
        ends = [await scene.occurrence(tx, job, one.id) for one in (none, some)]
        assert [(end.state, end.reason) for end in ends] == [
            ("skipped", "no_eligible_targets"),
            ("skipped", "no_devices_targeted"),
        ]
        assert (await tx.execute(text("SELECT count(*) FROM work_items"))).scalar_one() == 0


async def test_a_row_that_never_started_gives_way_to_a_newer_one_and_a_running_one_is_left_alone(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        await scene.device(tx, "busy")
        job = await scene.job(tx, "away", "busy")
        first = await scene.open(tx, job)
        await scene.take(tx)
        second = await scene.open(tx, job, 5)
        assert await scene.states(tx, first) == {"away": (S.EXPIRED, "superseded"), "busy": (S.DISPATCHED, None)}
        assert await scene.states(tx, second) == {
            "away": (S.WAITING_ONLINE, None),
            "busy": (S.SKIPPED, "previous_run_active"),
        }
        await counters_hold(tx)


async def test_where_overlap_is_allowed_nothing_is_superseded_or_skipped(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        await scene.device(tx, "busy")
        job = await scene.job(tx, "away", "busy", policies={"overlap": "allow"})
        first = await scene.open(tx, job, overlap="allow")
        await scene.take(tx)
        second = await scene.open(tx, job, 5, overlap="allow")
        assert (await scene.states(tx, first))["away"] == (S.WAITING_ONLINE, None)
        assert (await scene.states(tx, second))["busy"] == (S.PENDING, None)
        assert len(await scene.take(tx, "busy")) == 1


async def test_occurrences_that_are_caught_up_together_run_one_after_another(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        batch = [scene.opening(job, minutes) for minutes in (0, 5, 10)]
        await runs.open_occurrences(tx, batch, scene.now)
        for run in await runs.runs_of(tx, [one.id for one in batch]):
            await runs.release(tx, run.id, scene.site, scene.now)
        order = []
        for _ in batch:
            (delivery,) = await scene.take(tx)
            assert await scene.take(tx) == []
            order.append(delivery.occurrence_id)
            await runs.finished(tx, [scene.report(delivery)], scene.now)
        assert order == [one.id for one in batch]


async def test_missed_instants_are_one_row_a_range(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        one = scene.opening(job)
        gap = runs.Missed(
            one.id, job, 1, one.scheduled_for, one.scheduled_for + timedelta(days=30), 8641, "catch_up_window"
        )
        await runs.record_missed(tx, [gap], scene.now)
        await runs.record_missed(tx, [gap], scene.now)
        found = await scene.occurrence(tx, job, one.id)
        assert (found.state, found.reason, found.range_count, found.range_end_at) == (
            "missed",
            "catch_up_window",
            8641,
            gap.last,
        )


async def test_work_is_released_in_batches_and_only_its_own_gateway_takes_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for number in range(5):
            await scene.device(tx, f"d{number}")
        job = await scene.job(tx, *scene.devices)
        one = scene.opening(job)
        await runs.open_occurrences(tx, [one], scene.now)
        (run,) = await runs.runs_of(tx, [one.id])
        assert [await runs.release(tx, run.id, scene.site, scene.now, limit=2) for _ in range(4)] == [2, 2, 1, 0]
        stranger = GATEWAY.int + 1
        assert await scene.take(tx, gateway=type(GATEWAY)(int=stranger)) == []
        assert len((await runs.take(tx, GATEWAY, scene.now, runs.Look(run_id=run.id), limit=3)).deliveries) == 3
        assert len((await runs.take(tx, GATEWAY, scene.now, runs.Look(run_id=run.id), limit=3)).deliveries) == 2
        await counters_hold(tx)

"""Runs go by whole weeks: their partitions are there before them, closed behind them, and dropped when they are old."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import queue, runs
from watchbill.apps import doctor
from watchbill.apps.scheduler import Reaper, Ticker
from watchbill.apps.wiring import Engine
from watchbill.core.states import TargetEvent, WorkItemState
from watchbill.core.states import TargetState as S
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings
from watchbill.runs import Delivery, moves, record, retention, stopping, taking

MONTH = timedelta(days=30)
WEEK = timedelta(weeks=1)

Watch = Callable[[AsyncConnection], Awaitable[None]]


async def retained(db: Database, now: datetime, *, watch: Watch | None = None) -> int:
    """Let the duty do all it finds at `now`, as if its clock had always been right; how many steps. `watch` sees each."""
    async with db.begin() as tx:
        await tx.execute(text("UPDATE retention SET looked_at = NULL, clock_at = NULL"))
    for steps in range(500):
        async with db.begin() as tx:
            if not await runs.retain(tx, now, keep=MONTH):
                return steps
            if watch:
                await watch(tx)
    raise AssertionError("the duty does not come to an end")


async def partitions(tx: AsyncConnection, table: str = "run_targets") -> list[str]:
    found = await tx.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:of AS regclass)"), {"of": table}
    )
    return sorted(found.scalars())


def name(day: datetime, table: str = "run_targets") -> str:
    """Of the partition that `day` is in."""
    begins = retention.FIRST_DAY + WEEK * ((day - retention.FIRST_DAY) // WEEK)
    return f"{table}_{begins:%Y%m%d}"


async def scalar(tx: AsyncConnection, statement: str, **values: Any) -> Any:
    return (await tx.execute(text(statement), values)).scalar_one()


async def opened(
    db: Database, scene: Scene, job: int, at: datetime, **changes: Any
) -> tuple[uuid.UUID, list[Delivery]]:
    """An occurrence of that day, its work handed out."""
    scene.now = at
    async with db.begin() as tx:
        one = await scene.open(tx, job, **changes)
        return one, await scene.take(tx)


async def ended(db: Database, scene: Scene, deliveries: Sequence[Delivery]) -> None:
    """Each with a line of output."""
    async with db.begin() as tx:
        chunks = [runs.Chunk(one.execution_id, one.device_id, "stdout", 0, b"hello") for one in deliveries]
        await runs.store_output(tx, chunks, limit_bytes=1000)
        reports = [scene.report(one, stdout_bytes=5) for one in deliveries]
        outputs = runs.Outputs(await runs.summarise_output(tx, reports))
        await runs.finished(tx, reports, scene.now, outputs)


@pytest.fixture(autouse=True)
def in_the_middle_of_a_week(scene: Scene) -> None:
    """So that what happens within minutes happens within one week."""
    scene.now = retention.FIRST_DAY + WEEK * ((scene.now - retention.FIRST_DAY) // WEEK) + timedelta(days=3, hours=7)


@pytest.fixture
async def job(db: Database, scene: Scene) -> int:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.device(tx, "beta")
        return await scene.job(tx, "alpha", "beta")


# --- making ------------------------------------------------------------------------------------------------------------


async def test_weeks_have_their_partitions_before_they_come(db: Database, scene: Scene) -> None:
    assert await retained(db, scene.now) == 1
    async with db.begin() as tx:
        for table in ("run_targets", "executions", "output_chunks", "output_texts"):
            made = [name(scene.now + WEEK * ahead, table) for ahead in range(5)]
            assert await partitions(tx, table) == [*made, f"{table}_rest"]
    assert await retained(db, scene.now) == 0
    await retained(db, scene.now + WEEK)
    async with db.begin() as tx:
        assert name(scene.now + WEEK * 5) in await partitions(tx)


async def test_what_belongs_to_a_run_lies_in_the_week_that_its_id_names(db: Database, scene: Scene, job: int) -> None:
    for weeks in (0, 2):
        now = scene.now + WEEK * weeks
        await retained(db, now)
        _, deliveries = await opened(db, scene, job, now)
        await ended(db, scene, deliveries)
        async with db.begin() as tx:
            run = deliveries[0].run_id
            assert 2**27 < run < 2**53
            for table in ("run_targets", "executions", "output_chunks", "output_texts"):
                lies = await tx.execute(
                    text(f"SELECT DISTINCT tableoid::regclass::text FROM {table} WHERE run_id = :run"), {"run": run}
                )
                assert lies.scalars().all() == [name(now, table)]


async def test_what_came_before_its_partition_stays_where_it_is_and_is_deleted_when_old(
    db: Database, scene: Scene, job: int
) -> None:
    begins = scene.now
    _, deliveries = await opened(db, scene, job, begins)
    await ended(db, scene, deliveries)
    await retained(db, begins)
    async with db.begin() as tx:
        assert name(begins) not in await partitions(tx)
        assert name(begins + WEEK) in await partitions(tx)
    _, deliveries = await opened(db, scene, job, begins + WEEK)
    await ended(db, scene, deliveries)
    await retained(db, begins + WEEK * 6)
    async with db.begin() as tx:
        assert await scalar(tx, "SELECT count(*) FROM run_targets_rest") == 0


async def test_of_several_schedulers_one_does_it_and_none_waits(db: Database, scene: Scene) -> None:
    async with db.begin() as first, db.begin() as second:
        assert await runs.retain(first, scene.now, keep=MONTH)
        assert not await runs.retain(second, scene.now, keep=MONTH)
    async with db.begin() as tx:
        assert len(await partitions(tx)) == 6


async def test_it_gives_way_to_who_uses_the_tables_and_comes_again_later(db: Database, scene: Scene) -> None:
    async with db.begin() as reader:
        await reader.execute(text("SELECT count(*) FROM run_targets"))
        async with asyncio.timeout(10):
            assert await retained(db, scene.now) == 0
    soon, later = scene.now + timedelta(minutes=1), scene.now + retention.RETRY
    async with db.begin() as tx:
        assert not await runs.retain(tx, soon, keep=MONTH)
    async with db.begin() as tx:
        assert await runs.retain(tx, later, keep=MONTH)


# --- sealing -----------------------------------------------------------------------------------------------------------


async def is_sealed(tx: AsyncConnection, partition: str) -> bool:
    found = "SELECT count(*) FROM pg_constraint WHERE conrelid = CAST(:of AS regclass) AND conname = 'sealed' AND convalidated"
    return bool(await scalar(tx, found, of=partition))


async def test_a_week_is_sealed_once_it_is_over_and_nothing_in_it_is_unfinished(
    db: Database, scene: Scene, job: int
) -> None:
    begins = scene.now
    await retained(db, begins)
    _, deliveries = await opened(db, scene, job, begins)
    await ended(db, scene, deliveries[:1])
    scene.now = begins + WEEK + timedelta(days=2)
    for is_over, expected in ((False, False), (True, True)):
        if is_over:
            await ended(db, scene, deliveries[1:])
        await retained(db, scene.now)
        async with db.begin() as tx:
            assert await is_sealed(tx, name(begins)) is expected
            assert await is_sealed(tx, name(begins, "executions")) is expected
            assert not await is_sealed(tx, name(scene.now + WEEK))


async def plan_of(tx: AsyncConnection, statement: TextClause, **values: Any) -> str:
    rows = await tx.execute(text(f"EXPLAIN {statement.text}"), values)
    return "\n".join(rows.scalars())


_MOVE_VALUES: Mapping[str, Any] = {
    **moves._RULES,
    **moves._columns([moves.Move(1, TargetEvent.SUCCEED)]),
}


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (
            taking._OF_GATEWAY.take["devices"],
            {
                "gateway_id": GATEWAY,
                "limit": 1,
                "silence": WEEK,
                "connecting": WEEK,
                "item_id": None,
                "devices": [GATEWAY],
                "again": False,
            },
        ),
        (stopping._OVERDUE, {"limit": 1}),
        (stopping._NEXT_DEADLINE, {}),
        (moves._BOUNDED[0], {"ids": [1]}),
        (moves._BOUNDED[1], _MOVE_VALUES),
        (record._START, {"ids": [GATEWAY], "devices": [GATEWAY], "times": [retention.FIRST_DAY], "item_id": None}),
        (record._NEVER_CAME, {"ids": [GATEWAY], "reason": "x"}),
    ],
)
async def test_sealed_weeks_are_left_out_of_what_asks_for_unfinished_work(
    db: Database, scene: Scene, job: int, statement: TextClause, values: Mapping[str, Any]
) -> None:
    await retained(db, scene.now)
    sealed, current = scene.now, scene.now + WEEK + timedelta(days=2)
    await retained(db, current)
    async with db.begin() as tx:
        needed = {"now": current, **values} if ":now" in statement.text else dict(values)
        plan = await plan_of(tx, statement, **needed)
    tables = [table for table in ("run_targets", "executions") if f"{table}_" in plan]
    assert tables
    for table in tables:
        assert name(sealed, table) not in plan
        assert name(current, table) in plan


async def test_a_lost_target_of_a_sealed_week_still_learns_the_truth(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    occurrence, deliveries = await opened(db, scene, job, begins)
    scene.now = begins + WEEK + timedelta(days=2)
    async with db.begin() as tx:
        assert await runs.reap(tx, scene.now) == 2
        assert await scene.states(tx, occurrence) == dict.fromkeys(("alpha", "beta"), (S.LOST, "no_answer"))
    await retained(db, scene.now)
    async with db.begin() as tx:
        assert await is_sealed(tx, name(begins))
    await ended(db, scene, deliveries)
    async with db.begin() as tx:
        assert await scene.states(tx, occurrence) == dict.fromkeys(("alpha", "beta"), (S.SUCCESS, None))
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "success"
        await counters_hold(tx)


async def test_a_clock_that_was_set_back_opens_nothing_in_a_sealed_week(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    await retained(db, begins + WEEK * 2)
    _, deliveries = await opened(db, scene, job, begins)
    async with db.begin() as tx:
        lies = await scalar(tx, "SELECT DISTINCT tableoid::regclass::text FROM run_targets")
    assert lies > name(begins)
    await ended(db, scene, deliveries)


# --- dropping ----------------------------------------------------------------------------------------------------------


async def test_an_old_week_is_dropped_and_not_deleted_row_by_row(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    for _ in range(2):  # one that goes, and one that stays as the job's newest
        _, deliveries = await opened(db, scene, job, scene.now + timedelta(minutes=1))
        await ended(db, scene, deliveries)
    async with db.begin() as tx:
        await tx.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''row by row''; END'"
            )
        )
        await tx.execute(
            text("CREATE TRIGGER no_row BEFORE DELETE ON run_targets FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
    assert await retained(db, begins + MONTH + WEEK + timedelta(days=2))
    async with db.begin() as tx:
        for table in ("run_targets", "executions", "output_chunks", "output_texts"):
            assert await scalar(tx, "SELECT to_regclass(:name)", name=name(begins, table)) is None
            assert await scalar(tx, f"SELECT count(*) FROM {table}") == 0
        assert await scalar(tx, "SELECT count(*) FROM occurrences") == 1
        assert await scalar(tx, "SELECT count(*) FROM runs") == 1


async def test_an_unfinished_row_keeps_its_week_and_those_after_it(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    first, deliveries = await opened(db, scene, job, begins)
    _, more = await opened(db, scene, job, begins + WEEK, overlap="allow")
    await ended(db, scene, [*deliveries[:1], *more])
    old = begins + WEEK * 8
    await retained(db, old)
    async with db.begin() as tx:
        assert {name(begins), name(begins + WEEK)} <= set(await partitions(tx))
        assert (await scene.occurrence(tx, job, first)).state == "open"
    await ended(db, scene, deliveries[1:])
    await retained(db, old)
    async with db.begin() as tx:
        assert not {name(begins), name(begins + WEEK)} & set(await partitions(tx))
        assert await scalar(tx, "SELECT count(*) FROM occurrences") == 1


async def test_the_newest_of_each_job_stays_and_so_does_what_is_held(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    made = []
    async with db.begin() as tx:
        other = await scene.job(tx, "alpha")
        gone = await scene.job(tx, "alpha")
    for one in (job, job, other, gone):
        occurrence, deliveries = await opened(db, scene, one, scene.now + timedelta(minutes=1))
        await ended(db, scene, deliveries)
        made.append(occurrence)
    async with db.begin() as tx:
        held = uuid.uuid4()
        await tx.execute(
            text(
                "INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, reason, job_revision, created_at)"
                " VALUES (:id, :job, 'schedule', :at, 'held', 'misfire_hold', 1, :at)"
            ),
            {"id": held, "job": other, "at": begins - timedelta(days=1)},
        )
        await tx.execute(text("UPDATE jobs SET deleted_at = :now WHERE id = :id"), {"now": scene.now, "id": gone})
    await retained(db, begins + MONTH * 2)
    async with db.begin() as tx:
        kept = set((await tx.execute(text("SELECT id FROM occurrences"))).scalars())
        assert kept == {made[1], made[2], held}
        assert (await scene.occurrence(tx, job, None)).counts == {"success": 2}
        assert await scene.states(tx, made[1]) == {}


async def test_old_occurrences_go_in_batches(
    db: Database, scene: Scene, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = scene.now
    await retained(db, begins)
    for _ in range(6):
        _, deliveries = await opened(db, scene, job, scene.now + timedelta(minutes=1))
        await ended(db, scene, deliveries)
    monkeypatch.setattr(retention, "BATCH", 2)
    left = [6]
    await retained(db, begins + MONTH * 2, watch=lambda tx: _number_left(tx, left))
    assert list(dict.fromkeys(left)) == [6, 4, 2, 1]


async def _number_left(tx: AsyncConnection, left: list[int]) -> None:
    left.append(await scalar(tx, "SELECT count(*) FROM occurrences"))


async def test_a_clock_that_jumps_ahead_does_not_take_the_history_with_it(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    for _ in range(2):
        _, deliveries = await opened(db, scene, job, scene.now + timedelta(minutes=1))
        await ended(db, scene, deliveries)
    year = begins + timedelta(days=365)
    for hour in range(20):
        for _ in range(20):
            async with db.begin() as tx:
                if not await runs.retain(tx, year + retention.REST * hour, keep=MONTH):
                    break
    async with db.begin() as tx:
        assert name(begins) in await partitions(tx)
        assert await scalar(tx, "SELECT count(*) FROM occurrences") == 2
        assert name(year) in await partitions(tx)


# --- what holds all the while ------------------------------------------------------------------------------------------


async def test_months_of_life_leave_a_sound_database(
    db: Database, scene: Scene, settings: Settings, keys: KeyRing
) -> None:
    """Schedules, results, outages and retention as time goes by: the doctor finds nothing, the ledger has no gap."""
    start = scene.now
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.device(tx, "away", online=False)
        for kind in ("daily", "weekly", "monthly"):
            await scene.job(tx, "alpha", "away", schedule=scene.every(kind))
        await scene.job(tx, "alpha", schedule=scene.every("hourly"), policies={"catch_up": "skip"})
    async with db.begin() as tx:
        ahead = start - await Clock().now(tx)
    for week in range(14):
        engine = Engine(settings, db, Clock(ahead + WEEK * week + timedelta(minutes=3)), keys)
        scene.now = start + WEEK * week + timedelta(minutes=3)
        await Reaper(engine).reap()
        await Ticker(engine).tick()
        await _work(db, scene)
        if week % 3 == 2:
            await retained(db, scene.now)
            assert await doctor.check(engine) == []
    async with db.begin() as tx:
        assert len(await partitions(tx)) <= 12
        assert (
            await scalar(tx, "SELECT min(scheduled_for_at) FROM occurrences WHERE state = 'closed'") > start + WEEK * 6
        )
        assert await scalar(tx, "SELECT count(*) FROM ledger_starts") >= 3


async def _work(db: Database, scene: Scene) -> None:
    """Everything that waits is released, handed out and done."""
    async with db.begin() as tx:
        for item in (await tx.execute(text("SELECT id FROM work_items WHERE state = 'queued'"))).scalars().all():
            lease = await queue.claim(tx, item, uuid.uuid4(), scene.now)
            assert lease is not None
            await runs.release(tx, lease.run_id, lease.site_id, scene.now)
            await queue.settle(tx, lease, WorkItemState.DONE, scene.now)
    async with db.begin() as tx:
        deliveries = await scene.take(tx, "alpha")
    await ended(db, scene, deliveries)


@pytest.mark.parametrize(
    "again",
    [
        """INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, expires_at)
        SELECT run_id, occurrence_id, job_id, device_id, site_id, hostname, 'success', expires_at FROM run_targets""",
        """INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, start_by_at, dispatched_at)
        SELECT gen_random_uuid(), target_id, run_id, device_id, site_id, component, attempt, term, 'running', start_by_at, dispatched_at
        FROM executions""",
        "INSERT INTO output_chunks SELECT * FROM output_chunks",
        "UPDATE run_targets SET run_id = run_id + 1",
    ],
)
async def test_the_same_thing_is_still_kept_once(db: Database, scene: Scene, job: int, again: str) -> None:
    await retained(db, scene.now)
    _, deliveries = await opened(db, scene, job, scene.now)
    await ended(db, scene, deliveries)
    with pytest.raises(IntegrityError):
        async with db.begin() as tx:
            await tx.execute(text(again))


async def test_a_cleared_history_takes_its_rows_from_every_week(db: Database, scene: Scene, job: int) -> None:
    begins = scene.now
    await retained(db, begins)
    for weeks in range(3):
        _, deliveries = await opened(db, scene, job, begins + WEEK * weeks)
        await ended(db, scene, deliveries)
    async with db.begin() as tx:
        assert await runs.clear(tx, job, scene.now) == 3
        for table in (
            "occurrence_counts",
            "runs",
            "run_targets",
            "executions",
            "output_chunks",
            "output_texts",
            "work_items",
        ):
            assert (table, await scalar(tx, f"SELECT count(*) FROM {table}")) == (table, 0)

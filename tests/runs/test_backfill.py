"""Backfill: each instant of a range once for a request, counted before, one after another, and without a trace in the cadence."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import Scene, counters_hold
from watchbill import jobs, runs
from watchbill.core.states import TargetState as S
from watchbill.identity import Role, SiteScope
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError
from watchbill.runs import Range

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
HOURLY = {"type": "hourly", "start": "2026-06-01T00:00", "timezone": "UTC"}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    scene.now = NOW
    return scene


def at(hour: int, day: int = 9) -> datetime:
    return datetime(2026, 6, day, hour, tzinfo=UTC)


async def _job(tx, scene: Scene, *names: str, **changes) -> int:
    for name in names or ("alpha",):
        if name not in scene.devices:
            await scene.device(tx, name)
    return await scene.job(tx, *(names or ("alpha",)), **{"schedule": HOURLY, **changes})


async def _fill(tx, scene: Scene, job: int, begin, end, **more) -> runs.Backfilled:
    overlap = more.pop("overlap", None)
    return await runs.backfill(tx, scene.admin, job, Range(begin, end, overlap), now=scene.now, **more)


async def _refused(tx, scene: Scene, job: int, begin, end) -> list[tuple[str, str]]:
    with pytest.raises(InvalidError) as refused:
        await _fill(tx, scene, job, begin, end)
    return [(problem.field, problem.code) for problem in refused.value.problems]


async def test_a_dry_run_counts_and_changes_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, "alpha", "beta", "gamma")
        await tx.execute(text("UPDATE devices SET status = 'disabled' WHERE hostname = 'gamma'"))
        told = await _fill(tx, scene, job, at(0), at(5), is_dry_run=True)
        assert (told.count, told.first_at, told.last_at) == (6, at(0), at(5))
        assert (told.devices, told.rows, told.opened) == (2, 18, frozenset())
        assert await scene.ledger(tx, job) == []


async def test_both_ends_belong_to_the_range_and_each_instant_is_opened(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        before = await jobs.get(tx, scene.admin, job)
        made = await _fill(tx, scene, job, at(3), at(6))
        ledger = await scene.ledger(tx, job)
        assert [(one.kind, one.scheduled_for_at, one.state) for one in ledger] == [
            ("backfill", at(hour), "open") for hour in (3, 4, 5, 6)
        ]
        assert made.opened == {one.id for one in ledger}
        (row,) = (await scene.rows(tx, ledger[0].id)).values()
        assert (row.expires_at, row.starts_at) == (NOW + timedelta(days=7), None)
        after = await jobs.get(tx, scene.admin, job)
        assert (after.next_due_at, after.mark_at, after.state) == (before.next_due_at, before.mark_at, before.state)
        await counters_hold(tx)


async def test_the_rows_of_a_device_run_one_after_another_the_oldest_first(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"overlap": "allow"})
        made = await _fill(tx, scene, job, at(0), at(2))
        order = []
        for run in await runs.runs_of(tx, list(made.opened)):
            await runs.release(tx, run.id, scene.site, scene.now)
        while deliveries := await scene.take(tx):
            (delivery,) = deliveries
            assert await scene.take(tx) == []
            order.append(delivery.occurrence_id)
            await runs.finished(tx, [scene.report(delivery)], scene.now)
        assert order == [one.id for one in await scene.ledger(tx, job)]


async def test_overlap_can_be_chosen_for_the_backfill_alone(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        made = await _fill(tx, scene, job, at(0), at(2), overlap="allow")
        for run in await runs.runs_of(tx, list(made.opened)):
            await runs.release(tx, run.id, scene.site, scene.now)
        assert len(await scene.take(tx)) == 3


async def test_a_request_that_is_repeated_makes_nothing_twice_and_a_new_one_repeats_every_instant(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        first = await _fill(tx, scene, job, at(0), at(2), request_id="monday")
        again = await _fill(tx, scene, job, at(0), at(2), request_id="monday")
        assert (len(first.opened), again.opened, again.count) == (3, frozenset(), 3)
        other = await _fill(tx, scene, job, at(0), at(2), request_id="tuesday")
        third = await _fill(tx, scene, job, at(0), at(2))
        assert len(other.opened) == len(third.opened) == 3
        assert len(await scene.ledger(tx, job)) == 9


async def test_the_same_request_from_two_sides_is_opened_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)

    async def fill() -> int:
        async with db.begin() as tx:
            return len((await _fill(tx, scene, job, at(0), at(3), request_id="one")).opened)

    assert sorted(await asyncio.gather(fill(), fill(), fill())) == [0, 0, 4]


async def test_an_instant_that_ran_can_be_asked_for_again(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        due = scene.now + timedelta(hours=1)
        (ran,) = await scene.tick(tx, due)
        scene.now = due + timedelta(hours=1)
        made = await _fill(tx, scene, job, due, due)
        assert len(made.opened) == 1
        assert [(one.kind, one.scheduled_for_at) for one in await scene.ledger(tx, job)] == [
            ("schedule", due),
            ("backfill", due),
        ]
        assert ran not in made.opened


async def test_a_paused_job_is_filled_all_the_same(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, enabled=False)
        assert len((await _fill(tx, scene, job, at(0), at(1))).opened) == 2
        assert (await jobs.get(tx, scene.admin, job)).state == "paused"


async def test_what_cannot_be_filled_is_refused_with_every_reason_at_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        naive = datetime(2026, 6, 9)
        assert await _refused(tx, scene, job, naive, naive) == [
            ("from", "timezone_missing"),
            ("to", "timezone_missing"),
        ]
        assert await _refused(tx, scene, job, at(5, 12), at(4, 12)) == [("to", "before_from"), ("to", "in_the_future")]
        assert await _refused(tx, scene, job, at(1, 8) + timedelta(minutes=1), at(1, 8) + timedelta(minutes=2)) == [
            ("from", "no_instants")
        ]
        once = await _job(tx, scene, schedule={"type": "immediately"})
        assert await _refused(tx, scene, once, at(0), at(1)) == [("from", "no_instants")]
        often = await _job(tx, scene, schedule={**HOURLY, "type": "every_5_minutes"})
        assert await _refused(tx, scene, often, at(0, 1), at(0, 9)) == [("to", "too_many_instants")]
        assert (await _fill(tx, scene, often, at(0, 1), at(0, 4), is_dry_run=True)).count == 865
        assert (await tx.execute(text("SELECT count(*) FROM occurrences"))).scalar_one() == 0


async def test_a_thousand_instants_are_the_most_and_the_message_names_the_last_that_fits(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, schedule={**HOURLY, "type": "every_5_minutes"})
        begin, last = at(0, 1), at(0, 1) + timedelta(minutes=5 * 999)
        assert (await _fill(tx, scene, job, begin, last, is_dry_run=True)).count == 1000
        with pytest.raises(InvalidError) as refused:
            await _fill(tx, scene, job, begin, last + timedelta(minutes=5))
        assert f"{last:%Y-%m-%dT%H:%M:%SZ}" in refused.value.problems[0].message


async def test_more_than_a_million_rows_are_refused_before_anything_is_opened(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        await tx.execute(
            text("""
            WITH made AS (
              INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, created_at, updated_at)
              SELECT gen_random_uuid(), :site, 'd' || n, 'active', decode(md5(n::text), 'hex'), 'linux', :now, :now
              FROM generate_series(1, 1500) n RETURNING id
            )
            INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id)
            SELECT :job, 1 + row_number() OVER (), 'device', false, id FROM made
            """),
            {"site": scene.site, "now": scene.now, "job": job},
        )
        often = {**HOURLY, "type": "every_5_minutes"}
        await tx.execute(
            text(
                "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,type}', to_jsonb(CAST(:type AS text))) WHERE id = :id"
            ),
            {"type": often["type"], "id": job},
        )
        with pytest.raises(InvalidError) as refused:
            await _fill(tx, scene, job, at(0, 1), at(6, 4))
        (problem,) = refused.value.problems
        assert (problem.field, problem.code) == ("to", "too_many_rows")
        assert "ask for at most 666 instants" in problem.message
        assert await scene.ledger(tx, job) == []
        assert (await _fill(tx, scene, job, at(0, 1), at(0, 3), is_dry_run=True)).rows == 577 * 1501


async def test_a_job_that_follows_zones_is_filled_by_its_local_dates(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "kiwi", timezone="Pacific/Auckland")
        await scene.device(tx, "apple", timezone="America/New_York")
        schedule = {"type": "daily", "start": "2026-06-01T03:00", "timezone_source": "device"}
        job = await _job(tx, scene, "kiwi", "apple", schedule=schedule)
        made = await _fill(tx, scene, job, datetime(2026, 6, 5), datetime(2026, 6, 8, 3))
        assert (made.count, made.first_local_time, made.last_local_time) == (
            4,
            datetime(2026, 6, 5, 3),
            datetime(2026, 6, 8, 3),
        )
        ledger = await scene.ledger(tx, job)
        assert [one.local_time for one in ledger] == [datetime(2026, 6, day, 3) for day in (5, 6, 7, 8)]
        rows = await scene.rows(tx, ledger[0].id)
        assert {(row.wave, row.starts_at, row.state) for row in rows.values()} == {(1, None, S.PENDING)}, (
            "all of it now"
        )
        assert (await scene.occurrence(tx, job, ledger[0].id)).waves == ()
        aware = at(0)
        assert await _refused(tx, scene, job, aware, aware) == [
            ("from", "offset_not_allowed"),
            ("to", "offset_not_allowed"),
        ]
        # It is 12:00 on the tenth in Greenwich, and midnight between the ninth and the tenth in the last zone on Earth.
        assert await _refused(tx, scene, job, datetime(2026, 6, 10, 3), datetime(2026, 6, 10, 3)) == [
            ("to", "in_the_future")
        ]
        assert (await _fill(tx, scene, job, datetime(2026, 6, 9, 3), datetime(2026, 6, 9, 3))).count == 1


async def test_a_backfill_is_not_spread_and_has_no_end_but_its_own(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        limits = {"run_limit_seconds": 600, "time_limit_seconds": 600}
        job = await _job(tx, scene, policies={"splay_seconds": 1800}, duration=limits)
        await _fill(tx, scene, job, at(0), at(0))
        found = await tx.execute(text("SELECT starts_at, stop_by_at, expires_at FROM run_targets"))
        assert found.one() == (None, None, NOW + timedelta(days=7))


async def test_a_backfill_reaches_no_further_than_the_sites_of_whoever_asks(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
        await scene.device(tx, "mine")
        await scene.device(tx, "theirs", site=elsewhere)
        job = await _job(tx, scene, "mine", "theirs")
        operator = replace(scene.admin, role=Role.OPERATOR, scope=SiteScope(frozenset({scene.site})))
        told = await runs.backfill(tx, operator, job, Range(at(0), at(0)), now=scene.now)
        assert (told.devices, told.rows) == (1, 2)
        (occurrence,) = told.opened
        assert (await scene.states(tx, occurrence))["theirs"] == (S.SKIPPED, "out_of_scope")

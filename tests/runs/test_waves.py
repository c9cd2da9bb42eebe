"""Jobs that follow the clocks of their targets: one occurrence, a wave for each zone, and every day its own turn everywhere."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import Scene, counters_hold
from watchbill import runs
from watchbill.core.states import TargetState as S
from watchbill.kit.db import Database

MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
AT_THREE = {"type": "daily", "start": "2026-06-02T03:00", "timezone_source": "device"}
#: Host name -> zone, in the order in which their clocks come to a time of the day.
WORLD = {"kiwi": "Pacific/Auckland", "bear": "Europe/Berlin", "tower": "Europe/London", "apple": "America/New_York"}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    scene.now = MIDNIGHT
    return scene


def at(hour: float, day: int = 1) -> datetime:
    return MIDNIGHT + timedelta(days=day - 1, hours=hour)


async def _world(tx, scene: Scene, **changes) -> int:
    for name, zone in WORLD.items():
        await scene.device(tx, name, timezone=zone)
    return await scene.job(tx, *WORLD, **{"schedule": AT_THREE, **changes})


async def test_each_zone_is_a_wave_that_starts_by_its_own_clocks(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _world(tx, scene)
        assert await scene.tick(tx, at(14.9)) == set()
        (occurrence,) = await scene.tick(tx, at(15))
        rows = await scene.rows(tx, occurrence)
        assert {name: (row.wave, row.starts_at) for name, row in rows.items()} == {
            "kiwi": (1, at(15)),
            "bear": (2, at(25)),
            "tower": (3, at(26)),
            "apple": (4, at(31)),
        }
        assert {row.state for row in rows.values()} == {S.PENDING}
        assert all(row.starts_at == row.expires_at - timedelta(hours=24) for row in rows.values())
        found = await scene.occurrence(tx, job, occurrence)
        assert (found.local_time, found.is_late) == (datetime(2026, 6, 2, 3), False)
        assert [(one.wave, one.timezone, one.starts_at, one.counts) for one in found.waves] == [
            (1, "Pacific/Auckland", at(15), {"pending": 1}),
            (2, "Europe/Berlin", at(25), {"pending": 1}),
            (3, "Europe/London", at(26), {"pending": 1}),
            (4, "America/New_York", at(31), {"pending": 1}),
        ]
        await counters_hold(tx)


async def test_the_same_wall_clock_is_opened_once_however_many_zones_come_to_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _world(tx, scene)
        for hour in (15, 15.5, 25, 26, 31, 38.9):
            await scene.tick(tx, at(hour))
        assert [one.local_time for one in await scene.ledger(tx, job)] == [datetime(2026, 6, 2, 3)]
        await scene.tick(tx, at(39))
        assert [one.local_time.day for one in await scene.ledger(tx, job) if one.local_time] == [2, 3]


async def test_a_device_without_a_zone_follows_its_site_and_one_without_a_site_follows_utc(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        tokyo = await places.make_site(tx, "Lantern", now=scene.now, timezone="Asia/Tokyo")
        await scene.device(tx, "own", site=tokyo, timezone="Europe/Berlin")
        await scene.device(tx, "plain", site=tokyo)
        await scene.device(tx, "loner", site=None)
        await scene.device(tx, "odd", site=tokyo, timezone="Moon/Base")
        by_device = await scene.job(tx, *scene.devices, schedule=AT_THREE)
        by_site = await scene.job(tx, *scene.devices, schedule={**AT_THREE, "timezone_source": "site"})
        await scene.tick(tx, at(18))
        starts = {}
        for job in (by_device, by_site):
            (one,) = await scene.ledger(tx, job)
            starts[job] = {name: row.starts_at for name, row in (await scene.rows(tx, one.id)).items()}
        assert starts[by_device] == {"own": at(25), "plain": at(18), "loner": at(27), "odd": at(27)}
        assert starts[by_site] == {"own": at(18), "plain": at(18), "loner": at(27), "odd": at(18)}


@pytest.mark.parametrize(
    ("catch_up", "window", "expected"),
    [
        ("skip", None, {"bear": "late_start", "tower": "late_start", "apple": None}),
        ("latest", None, {"bear": "late_start", "tower": None, "apple": None}),
        ("latest", 7200, {"bear": None, "tower": None, "apple": None}),
        ("all", None, {"bear": "late_start", "tower": None, "apple": None}),
    ],
)
async def test_lateness_is_judged_wave_by_wave(db: Database, scene: Scene, catch_up, window, expected) -> None:
    """Nobody looked until half an hour after London's turn; Auckland's was long before, New York's is still to come."""
    async with db.begin() as tx:
        policies = {"catch_up": catch_up, "catch_up_window_seconds": window}
        job = await _world(tx, scene, policies=policies)
        await scene.tick(tx, at(26.5))
        (one,) = await scene.ledger(tx, job)
        assert not one.is_late
        rows = await scene.rows(tx, one.id)
        assert {name: row.reason for name, row in rows.items()} == {"kiwi": "late_start", **expected}
        assert rows["kiwi"].detail == "2026-06-02 03:00 in Pacific/Auckland had passed when this occurrence was opened."
        assert rows["apple"].starts_at == at(31)
        if expected["tower"] is None:
            assert (rows["tower"].starts_at, rows["tower"].expires_at) == (at(26.5), at(50.5)), (
                "made up for from now on"
            )
        await counters_hold(tx)


async def test_a_time_that_the_clocks_of_a_zone_skip_is_left_out_there_with_a_sentence(
    db: Database, scene: Scene
) -> None:
    """A whole day was skipped in Samoa at the end of 2011: no cron job makes up for that."""
    scene.now = datetime(2011, 12, 28, tzinfo=UTC)
    async with db.begin() as tx:
        await scene.device(tx, "palm", timezone="Pacific/Apia")
        await scene.device(tx, "tower", timezone="Europe/London")
        rule = {"type": "cron", "expression": "0 12 30 12 *", "timezone_source": "device"}
        job = await scene.job(tx, "palm", "tower", schedule=rule)
        await scene.tick(tx, datetime(2011, 12, 30, 12, tzinfo=UTC))
        (one,) = await scene.ledger(tx, job)
        rows = await scene.rows(tx, one.id)
        assert (rows["palm"].state, rows["palm"].reason) == (S.SKIPPED, "outside_window")
        assert "2011-12-30 12:00 in Pacific/Apia is not shown by any clock there" in (rows["palm"].detail or "")
        assert rows["tower"].state == S.PENDING
        assert len(one.waves) == 0, "a list tells no waves"
        assert len((await scene.occurrence(tx, job, one.id)).waves) == 2


async def test_a_gap_moves_a_daily_job_within_its_own_zone_only(db: Database, scene: Scene) -> None:
    scene.now = datetime(2026, 3, 27, tzinfo=UTC)
    async with db.begin() as tx:
        await scene.device(tx, "bear", timezone="Europe/Berlin")
        await scene.device(tx, "kiwi", timezone="Pacific/Auckland")
        daily = {"type": "daily", "start": "2026-03-29T02:30", "timezone_source": "device"}
        await scene.job(tx, "bear", "kiwi", schedule=daily)
        (occurrence,) = await scene.tick(tx, datetime(2026, 3, 28, 13, 30, tzinfo=UTC))
        starts = {name: row.starts_at for name, row in (await scene.rows(tx, occurrence)).items()}
        # 02:30 does not exist in Berlin that night: 03:30 there, by the offset before the gap.
        assert starts == {
            "kiwi": datetime(2026, 3, 28, 13, 30, tzinfo=UTC),
            "bear": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        }


async def test_the_next_day_never_takes_a_turn_that_is_still_to_come(db: Database, scene: Scene) -> None:
    """The next day's occurrence opens in Auckland while New York has not come to today's: both days run there."""
    async with db.begin() as tx:
        for name, zone in {"kiwi": "Pacific/Kiritimati", "last": "Pacific/Pago_Pago"}.items():
            await scene.device(tx, name, timezone=zone)
        job = await scene.job(tx, "kiwi", "last", schedule=AT_THREE, duration={"expires_after_seconds": 7 * 86_400})
        first, second = [(await scene.tick(tx, at(13, day))).pop() for day in (1, 2)]
        before, after = await scene.rows(tx, first), await scene.rows(tx, second)
        assert before["last"].starts_at == at(14, 2) > at(13, 2)
        assert (before["last"].state, after["last"].state) == (S.PENDING, S.PENDING)
        assert before["last"].expires_at == after["last"].starts_at == at(14, 3), (
            "it gives way when the next one starts"
        )
        assert (before["kiwi"].state, before["kiwi"].reason) == (S.EXPIRED, "superseded")
        (third,) = await scene.tick(tx, at(13, 3))
        before, after = await scene.rows(tx, first), await scene.rows(tx, second)
        assert (before["last"].expires_at, after["last"].expires_at) == (at(14, 3), at(14, 4))
        assert (await scene.rows(tx, third))["last"].expires_at == at(14, 4) + timedelta(days=7)
        assert len(await scene.ledger(tx, job)) == 3
        await counters_hold(tx)


async def test_what_runs_when_the_next_day_opens_keeps_nobody_from_a_turn_that_is_to_come(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _world(tx, scene, policies={"overlap": "skip"})
        (first,) = await scene.tick(tx, at(15))
        for run in await runs.runs_of(tx, [first]):
            await runs.release(tx, run.id, scene.site, at(15))
        scene.now = at(31)
        assert {one.occurrence_id for one in await scene.take(tx, *WORLD)} == {first}
        (second,) = await scene.tick(tx, at(15, 2))
        states = await scene.states(tx, second)
        assert states["kiwi"] == (S.SKIPPED, "previous_run_active"), "its turn is now, and the run before is active"
        assert {name: states[name] for name in ("bear", "tower", "apple")} == dict.fromkeys(
            ("bear", "tower", "apple"), (S.PENDING, None)
        )
        assert len(await scene.ledger(tx, job)) == 2


async def test_a_replaced_run_is_stopped_when_its_own_next_turn_comes(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _world(tx, scene, policies={"overlap": "replace"})
        (first,) = await scene.tick(tx, at(15))
        for run in await runs.runs_of(tx, [first]):
            await runs.release(tx, run.id, scene.site, at(15))
        scene.now = at(31)
        await scene.take(tx, *WORLD)
        await scene.tick(tx, at(15, 2))
        assert (await scene.states(tx, first))["kiwi"] == (S.CANCELLING, "replaced")
        found = await tx.execute(
            text("SELECT hostname, stop_by_at, stop_reason FROM run_targets WHERE occurrence_id = :id AND wave = 4"),
            {"id": first},
        )
        assert found.one() == ("apple", at(31, 2), "replaced")
        assert (await scene.states(tx, first))["apple"] == (S.DISPATCHED, None)


async def test_who_is_away_now_is_judged_when_its_own_turn_comes(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name, zone in WORLD.items():
            await scene.device(tx, name, timezone=zone, online=False)
        await scene.job(tx, *WORLD, schedule=AT_THREE, policies={"offline": "skip"})
        (occurrence,) = await scene.tick(tx, at(15))
        rows = await scene.rows(tx, occurrence)
        assert (rows["kiwi"].state, rows["kiwi"].reason) == (S.SKIPPED, "offline_skip")
        assert (rows["apple"].state, rows["apple"].expires_at) == (S.PENDING, at(31) + timedelta(minutes=5))


async def test_a_run_limit_counts_from_the_start_of_each_wave(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _world(tx, scene, duration={"run_limit_seconds": 7200})
        (occurrence,) = await scene.tick(tx, at(15))
        found = await tx.execute(
            text("SELECT hostname, stop_by_at, expires_at FROM run_targets WHERE occurrence_id = :id"),
            {"id": occurrence},
        )
        ends = {"kiwi": at(17), "bear": at(27), "tower": at(28), "apple": at(33)}
        assert {row.hostname: row.stop_by_at for row in found} == ends


async def test_only_zones_of_its_own_targets_are_waves(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _world(tx, scene)
        few = await scene.job(tx, "bear", "apple", schedule=AT_THREE)
        await scene.tick(tx, at(15))
        (one,) = await scene.ledger(tx, few)
        found = await scene.occurrence(tx, few, one.id)
        assert [(wave.wave, wave.timezone) for wave in found.waves] == [(1, "Europe/Berlin"), (2, "America/New_York")]


async def test_a_pause_made_up_for_by_the_latest_runs_one_instant_in_every_zone_it_passed(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "kiwi", timezone=WORLD["kiwi"])
        hourly = {"type": "cron", "expression": "0 3,4 * * *", "timezone_source": "device"}
        job = await scene.job(tx, "kiwi", schedule=hourly, policies={"catch_up": "skip", "overlap": "allow"})
        since, now = scene.now, scene.now + timedelta(days=2)
        opened = await runs.catch_up_pause(tx, job, since, "latest", now)
        (one,) = [row for row in await scene.ledger(tx, job) if row.state == "open"]
        assert opened == {one.id}
        assert {row.reason for row in (await scene.rows(tx, one.id)).values()} == {None}


async def test_the_storm_guard_leaves_out_a_late_wave_and_the_others_keep_their_turns(
    db: Database, scene: Scene
) -> None:
    """The guard went up half an hour after London's turn; New York's is still to come."""
    async with db.begin() as tx:
        job = await _world(tx, scene, policies={"catch_up": "latest", "catch_up_window_seconds": 7200})
        now = at(26.5)
        (occurrence,) = await scene.tick(tx, now, guard_until=now)
        rows = await scene.rows(tx, occurrence)
        assert {name: row.reason for name, row in rows.items()} == {
            "kiwi": "late_start",
            "bear": "late_start",
            "tower": "late_start",
            "apple": None,
        }
        assert "storm guard" not in (rows["kiwi"].detail or ""), "its own policy says so"
        assert "storm guard" in (rows["tower"].detail or "")
        assert (rows["apple"].state, rows["apple"].starts_at) == (S.PENDING, at(31))
        assert not (await scene.occurrence(tx, job, occurrence)).is_late
        again = runs.Again(of=occurrence, which=[scene.devices["tower"]])
        rerun = await runs.rerun(tx, scene.admin, job, again, now=now)
        assert {name: row.state for name, row in (await scene.rows(tx, rerun.id)).items()} == {"tower": S.PENDING}


async def test_a_wave_that_is_late_since_the_guard_went_up_is_caught_up_as_ever(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _world(tx, scene, policies={"catch_up": "latest", "catch_up_window_seconds": 7200})
        (occurrence,) = await scene.tick(tx, at(26.5), guard_until=at(25.5))
        rows = await scene.rows(tx, occurrence)
        assert {name: row.reason for name, row in rows.items() if name != "kiwi"} == {
            "bear": "late_start",
            "tower": None,
            "apple": None,
        }


async def test_where_every_turn_of_its_targets_was_late_the_whole_occurrence_is_held(
    db: Database, scene: Scene
) -> None:
    """No matter what other zones are in use: nobody of this job is in UTC, whose clocks come to the time later."""
    async with db.begin() as tx:
        for name in ("bear", "tower"):
            await scene.device(tx, name, timezone="Europe/Berlin")
        await scene.device(tx, "apple", timezone="America/New_York")
        job = await scene.job(tx, "bear", "tower", schedule=AT_THREE, policies={"catch_up_window_seconds": 7200})
        now = at(26)
        assert await scene.tick(tx, now, guard_until=now) == set()
        (held,) = await scene.ledger(tx, job)
        assert (held.state, held.reason, held.local_time) == ("held", "storm_guard", datetime(2026, 6, 2, 3))
        assert await runs.release_held(tx, [held.id], now) == {held.id}
        rows = await scene.rows(tx, held.id)
        assert {(row.state, row.starts_at) for row in rows.values()} == {(S.PENDING, None)}

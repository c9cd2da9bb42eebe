"""Coming back: outages, jumping clocks and rules that cost too much, with real ticks on a clock that moves."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.apps.conftest import EngineAt
from tests.factories import places
from tests.factories.scene import Scene
from watchbill import jobs, runs
from watchbill.apps import doctor
from watchbill.apps.scheduler import Housekeeper, Pulse, Reaper, Starter, Ticker, Trickle, plan_within
from watchbill.kit.db import Database, Listener
from watchbill.runs import Around, away, outages
from watchbill.runs.outages import GuardSettings

_ROWS = text(
    "SELECT job_id, state, reason, is_late, range_count, opened_at FROM occurrences ORDER BY scheduled_for_at, job_id"
)


async def make_jobs(db: Database, scene: Scene, number: int, **changes: Any) -> list[int]:
    async with db.begin() as tx:
        if "alpha" not in scene.devices:
            await scene.device(tx, "alpha")
        return [await scene.job(tx, "alpha", name=f"Job {one}", **changes) for one in range(number)]


async def set_guard(db: Database, scene: Scene, **changes: Any) -> None:
    values = {"enabled": True, "after_seconds": 600, "least_jobs": 3, "trickle_per_minute": None, **changes}
    async with db.begin() as tx:
        await outages.set_guard(tx, scene.admin, GuardSettings(**values), scene.now)


async def states(db: Database) -> list[tuple[str, str | None]]:
    async with db.begin() as tx:
        return [(row.state, row.reason) for row in await tx.execute(_ROWS)]


async def test_after_a_long_outage_the_guard_holds_what_is_late_and_lets_the_present_run(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await set_guard(db, scene)
    await make_jobs(db, scene, 3)
    await Ticker(engine_at()).tick()
    await Ticker(engine_at(hours=3, minutes=4)).tick()
    assert sorted(await states(db)) == [("held", "storm_guard")] * 3 + [("missed", "catch_up_window")] * 3
    await Ticker(engine_at(hours=3, minutes=6)).tick()
    assert [one for one in await states(db) if one[0] == "open"] == [("open", None)] * 3
    assert await doctor.check(engine_at(hours=3, minutes=6)) == []


async def test_fewer_jobs_than_make_a_storm_are_made_up_for_as_they_say(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await set_guard(db, scene)
    await make_jobs(db, scene, 2)
    await Ticker(engine_at()).tick()
    await Ticker(engine_at(hours=3, minutes=4)).tick()
    assert sorted(await states(db)) == [("missed", "catch_up_window")] * 2 + [("open", None)] * 2


async def test_two_schedulers_that_come_back_at_once_hold_everything_once(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await set_guard(db, scene)
    await make_jobs(db, scene, 6)
    await Ticker(engine_at()).tick()
    tickers = [Ticker(engine_at(hours=3, minutes=4)) for _ in range(3)]
    await asyncio.gather(*[ticker.tick() for ticker in tickers])
    await asyncio.gather(*[ticker.tick() for ticker in tickers])
    assert sorted(await states(db)) == [("held", "storm_guard")] * 6 + [("missed", "catch_up_window")] * 6
    async with db.begin() as tx:
        assert len((await outages.list_outages(tx, scene.admin, limit=9, cursor=None)).items) == 1


async def test_a_crash_in_the_recovering_tick_leaves_it_to_the_next(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await set_guard(db, scene)
    await make_jobs(db, scene, 3)
    await Ticker(engine_at()).tick()
    back = engine_at(hours=3, minutes=4)
    with pytest.raises(ZeroDivisionError):
        async with Pulse(back).step(is_tick=True) as step:
            assert step.guard.until is not None
            raise ZeroDivisionError
    async with db.begin() as tx:
        assert (await outages.list_outages(tx, scene.admin, limit=9, cursor=None)).items == []
    await Ticker(back).tick()
    assert sorted(await states(db)) == [("held", "storm_guard")] * 3 + [("missed", "catch_up_window")] * 3


async def test_others_do_not_beat_for_a_ticker_that_fails(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    await Ticker(engine_at()).tick()
    for minutes in range(0, 40, 1):
        engine = engine_at(minutes=minutes)
        await Starter(engine, Pulse(engine)).step()
        await Trickle(engine, Pulse(engine)).step()
    await Ticker(engine_at(minutes=40)).tick()
    async with db.begin() as tx:
        (found,) = (await outages.list_outages(tx, scene.admin, limit=9, cursor=None)).items
    assert found.to_at - found.from_at == timedelta(minutes=40)


async def test_a_jump_of_the_clock_holds_automatic_runs_for_a_minute_and_by_hand_goes_on(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    first, *_ = await make_jobs(db, scene, 1)
    moments = iter((100.0, 101.0, 101.5))
    pulse = Pulse(engine_at(), monotonic=lambda: next(moments))
    await Ticker(engine_at(), pulse=pulse).tick()
    pulse.engine = engine_at(hours=3)
    jumped = Ticker(engine_at(hours=3), pulse=pulse)
    assert 58 < await jumped.tick() <= 60
    assert await states(db) == []
    async with db.begin() as tx:
        await runs.open_manual(tx, scene.admin, first, now=scene.now + timedelta(hours=3))
    assert 50 < await Ticker(engine_at(hours=3, seconds=5)).tick() <= 55, "another process heeds it too"
    assert [state for state, _ in await states(db)] == ["open"]
    await Ticker(engine_at(hours=3, seconds=61)).tick()
    assert len(await states(db)) > 1


async def test_a_jump_that_a_failed_tick_saw_is_seen_again(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    moments = iter((100.0, 101.0, 102.0))
    pulse = Pulse(engine_at(), monotonic=lambda: next(moments))
    await Ticker(engine_at(), pulse=pulse).tick()
    pulse.engine = engine_at(hours=3)
    with pytest.raises(ZeroDivisionError):
        async with pulse.step(is_tick=True):
            raise ZeroDivisionError
    async with pulse.step() as step:
        assert [one.kind for one in step.guard.noticed] == ["clock_jump"]


async def test_a_tick_feels_the_pulse_once_a_second_and_what_others_heeded_is_not_felt(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    async def pulses(*steps: tuple[float, bool]) -> list[float]:
        """When the pulse is as old as each of these steps makes it; `seconds` by both clocks, and whether it is a tick."""
        moments = iter([seconds for seconds, _ in steps])
        pulse, written = Pulse(engine_at(), monotonic=lambda: next(moments)), []
        for seconds, is_tick in steps:
            async with db.begin() as tx:
                old = scene.now + timedelta(seconds=seconds - 60)
                await tx.execute(text("UPDATE scheduler_pulse SET ticked_at = :old"), {"old": old})
            pulse.engine = engine_at(seconds=seconds)
            async with pulse.step(is_tick=is_tick):
                pass
            async with db.begin() as tx:
                at = (await tx.execute(text("SELECT ticked_at FROM scheduler_pulse"))).scalar_one()
            written.append((at - scene.now).total_seconds() == seconds)
        return written

    assert await pulses((0, True), (0.5, True), (0.97, True), (1, True), (1.2, True), (0.9, True)) == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert await pulses((0, False), (0.1, True), (0.2, False), (0.3, True)) == [False, True, False, False]


async def test_a_pause_that_ends_is_over_at_once(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    await make_jobs(db, scene, 1)
    moments = iter((100.0, 101.0, 160.5, 161.0))
    pulse = Pulse(engine_at(), monotonic=lambda: next(moments))
    ticker = Ticker(engine_at(), pulse=pulse)
    await ticker.tick()
    rests = []
    for seconds in (1, 60.5, 61):
        pulse.engine = engine_at(hours=3, seconds=seconds)
        rests.append(await ticker.tick())
    assert 59 < rests[0] <= 60
    assert 0 < rests[1] <= 0.5
    assert [state for state, _ in await states(db)] != []


@pytest.mark.parametrize("hours", [1, 3])
async def test_a_clock_that_jumps_and_comes_back_runs_every_instant_once(
    db: Database, scene: Scene, engine_at: EngineAt, hours: int
) -> None:
    (job,) = await make_jobs(db, scene, 1, policies={"overlap": "allow", "catch_up": "all"})
    for minutes in (1, 6, 60 * hours + 6, 11, 16):
        await Ticker(engine_at(minutes=minutes)).tick()
    async with db.begin() as tx:
        rows = (
            await tx.execute(
                text("SELECT scheduled_for_at, state FROM occurrences WHERE scheduled_for_at <= :now ORDER BY 1"),
                {"now": scene.now + timedelta(minutes=16)},
            )
        ).all()
        assert (await jobs.get(tx, scene.admin, job)).state == "active"
    assert [row.state for row in rows] == ["open"] * 4
    assert len({row.scheduled_for_at for row in rows}) == 4


async def test_what_a_window_held_is_opened_by_the_starter_when_its_time_comes(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    (job,) = await make_jobs(db, scene, 1)
    at = (scene.now + timedelta(minutes=1)).replace(microsecond=0)
    async with db.begin() as tx:
        one = runs.Held(scene.opening(job, 1).id, job, 1, at, "held_by_window", "closed", at + timedelta(minutes=9))
        await runs.record_held(tx, [one], scene.now)

    async def step(**ahead: float) -> float:
        engine = engine_at(**ahead)
        return await Starter(engine, Pulse(engine)).step()

    assert await step() == 60
    assert 30 < await step(minutes=9, seconds=20) <= 41
    assert await states(db) == [("held", "held_by_window")]
    await asyncio.gather(*[step(minutes=10, seconds=1) for _ in range(3)])
    assert [state for state, _ in await states(db)] == ["open"]


async def test_what_a_changed_window_no_longer_holds_the_starter_opens_at_once(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    (job,) = await make_jobs(db, scene, 1)
    at = (scene.now + timedelta(minutes=1)).replace(microsecond=0)
    async with db.begin() as tx:
        one = runs.Held(scene.opening(job, 1).id, job, 1, at, "held_by_window", "closed", at + timedelta(hours=9))
        await runs.record_held(tx, [one], scene.now)
        await scene.window(tx, 600, 30, when_closed="defer")
    engine = engine_at(minutes=2)
    assert await Starter(engine, Pulse(engine)).step() == 60
    assert [state for state, _ in await states(db)] == ["open"]


async def test_what_a_window_held_waits_for_the_tick_that_notices_the_outage_and_counts_for_the_storm(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await set_guard(db, scene)
    found = await make_jobs(db, scene, 3, schedule=scene.every("daily"))
    at = (scene.now + timedelta(minutes=1)).replace(microsecond=0)
    await Ticker(engine_at()).tick()
    await Ticker(engine_at(minutes=2)).tick()
    async with db.begin() as tx:
        await tx.execute(text("DELETE FROM occurrences"))
        until = at + timedelta(minutes=30)
        rows = [runs.Held(scene.opening(job, 1).id, job, 1, at, "held_by_window", "closed", until) for job in found]
        await runs.record_held(tx, rows, scene.now)
    back = engine_at(hours=3)
    starter = Starter(back, Pulse(back))
    assert await starter.step() == 1.0
    assert await states(db) == [("held", "held_by_window")] * 3
    await Ticker(back).tick()
    await starter.step()
    assert await states(db) == [("held", "storm_guard")] * 3
    async with db.begin() as tx:
        outage = await outages.get_outage(tx, scene.admin, None)
        assert outage.guard == "up"
        now = await back.clock.now(tx)
        done = await away.decide(tx, scene.admin, outage, "release", job_ids=None, reason=None, now=now)
        assert done.released == 3


async def test_the_trickle_lets_go_what_the_guard_holds_one_by_one(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await set_guard(db, scene, trickle_per_minute=30)
    await make_jobs(db, scene, 3)
    await Ticker(engine_at()).tick()
    await Ticker(engine_at(hours=3, minutes=4)).tick()

    async def step(seconds: float) -> float:
        engine = engine_at(hours=3, minutes=4, seconds=seconds)
        return await Trickle(engine, Pulse(engine)).step()

    gone = []
    for seconds in (0, 3, 3.5, 6, 9, 12, 15):
        rest = await step(seconds)
        assert 0 <= rest <= 60
        gone.append(len([one for one in await states(db) if one[0] == "open"]))
    assert gone == [0, 1, 1, 2, 3, 3, 3]
    await Housekeeper(engine_at(hours=3, minutes=4, seconds=20)).watch_time()
    async with db.begin() as tx:
        assert (await outages.get_outage(tx, scene.admin, None)).guard == "released"


async def test_a_resting_starter_hears_of_what_a_tick_has_held(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    """Held rows with an end ring for whoever lets them go; so do settings and guards for the trickle."""
    await set_guard(db, scene)
    await make_jobs(db, scene, 3)
    await Ticker(engine_at()).tick()
    engine = engine_at(hours=3, minutes=4)
    trickle, rung = Trickle(engine, Pulse(engine)), asyncio.Event()
    listener = Listener(db.conninfo)
    listener.on(jobs.CHANNEL, lambda _: rung.set())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(listener.run(stop))
        await listener.is_listening.wait()
        rung.clear()
        await Ticker(engine).tick()
        async with asyncio.timeout(5):
            await rung.wait()
        stop.set()
    assert await trickle.step() == 60, "no pace is set"


async def test_any_fault_in_one_jobs_evaluation_breaks_that_job_only(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    broken, *sound = await make_jobs(db, scene, 3)
    now = scene.now + timedelta(minutes=1)
    async with db.begin() as tx:
        due = await jobs.take_due(tx, now)

    class Faulty(frozenset[int]):
        def __len__(self) -> int:
            raise KeyError("nowhere")

    whole = plan_within(due, now, Around(covering={broken: Faulty()}))
    assert {one.job_id: one.state for one in whole.advances} == {broken: "error", **dict.fromkeys(sound, "active")}
    assert {one.state_reason for one in whole.advances if one.job_id == broken} == {
        "Its due times cannot be computed: KeyError: 'nowhere'"
    }
    assert {one.job_id for one in whole.openings} == set(sound)


async def test_a_rule_that_takes_too_long_is_interrupted_and_the_others_are_planned(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await make_jobs(db, scene, 3)
    now = scene.now + timedelta(minutes=1)
    async with db.begin() as tx:
        due = await jobs.take_due(tx, now)

    class Endless(frozenset[int]):
        """What covers one of the jobs, according to a set of windows that never comes to an end."""

        def __len__(self) -> int:
            for _ in itertools.count():
                sum(range(1000))
            return 0

    around = Around(covering={due[1].id: Endless()})
    whole = plan_within(due[:2], now, around)
    whole.join(plan_within(due[2:], now, around))
    assert [one.state for one in whole.advances] == ["active", "error", "active"]
    assert "250 ms" in (whole.advances[1].state_reason or "")
    assert {one.job_id for one in whole.openings} == {due[0].id, due[2].id}


async def test_a_tick_evaluates_for_a_bounded_time_and_takes_the_rest_next(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await make_jobs(db, scene, 8)
    now = scene.now + timedelta(minutes=1)
    async with db.begin() as tx:
        due = await jobs.take_due(tx, now)

    class Slow(frozenset[int]):
        def __len__(self) -> int:
            for _ in range(300):
                sum(range(5000))
            return 0

    whole = plan_within(due, now, Around(covering={one.id: Slow() for one in due} | {due[0].id: ()}))
    assert 1 <= len(whole.advances) <= 8
    assert [one.job_id for one in whole.advances] == [one.id for one in due[: len(whole.advances)]]


async def test_a_zone_further_ahead_brings_following_jobs_forward(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    (job,) = await make_jobs(
        db, scene, 1, schedule={"type": "daily", "start": "2026-05-04T03:00", "timezone_source": "site"}
    )
    await Housekeeper(engine_at()).watch_time()

    async def due() -> Any:
        async with db.begin() as tx:
            return (await jobs.get(tx, scene.admin, job)).next_due_at

    before = await due()
    async with db.begin() as tx:
        await places.make_site(tx, "Pier", now=scene.now, timezone="Pacific/Kiritimati")
    await Housekeeper(engine_at()).watch_time()
    assert await due() < before


async def test_a_person_lets_the_latest_of_each_job_go(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    await set_guard(db, scene)
    await make_jobs(db, scene, 3, policies={"catch_up": "all", "catch_up_window_seconds": 1200, "overlap": "allow"})
    await Ticker(engine_at()).tick()
    await Ticker(engine_at(hours=3, minutes=4)).tick()
    held = [one for one in await states(db) if one == ("held", "storm_guard")]
    assert len(held) > 3
    now = scene.now + timedelta(hours=3, minutes=5)
    async with db.begin() as tx:
        outage = await outages.get_outage(tx, scene.admin, None)
        done = await away.decide(tx, scene.admin, outage, "latest", job_ids=None, reason="back", now=now)
        assert (done.released, done.skipped, done.left) == (3, len(held) - 3, 0)
        assert (await outages.get_outage(tx, scene.admin, None)).guard == "released"
    await Reaper(engine_at(hours=3, minutes=5)).reap()
    assert await doctor.check(engine_at(hours=3, minutes=5)) == []

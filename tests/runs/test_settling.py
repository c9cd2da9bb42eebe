"""Settling: what a tick writes, what one job owes before it changes, what a pause is made up for, and how a fault stays alone."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories.scene import Scene
from watchbill import jobs, runs
from watchbill.jobs import saving
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError
from watchbill.runs import settling

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def _due(scene: Scene, hours: float = 0) -> datetime:
    return (scene.now + MINUTE).replace(second=0, microsecond=0) + hours * HOUR


async def _job(tx, scene: Scene, **changes) -> int:
    if "alpha" not in scene.devices:
        await scene.device(tx, "alpha")
    return await scene.job(tx, "alpha", **{"schedule": scene.every("hourly"), **changes})


async def _told(tx, scene: Scene, job: int) -> list[tuple[str, str | None, int]]:
    return [(one.state, one.reason, one.range_count) for one in await scene.ledger(tx, job)]


async def test_settling_one_job_is_its_next_tick(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        policies = {"catch_up": "latest", "catch_up_window_seconds": 2 * 3600}
        settled, ticked = [await _job(tx, scene, policies=policies) for _ in range(2)]
        now = _due(scene, 5.5)
        (opened,) = await runs.settle_job(tx, settled, now)
        after = await jobs.get(tx, scene.admin, settled)
        assert (after.mark_at, after.next_due_at) == (now, _due(scene, 6))
        await scene.tick(tx, now)
        assert await _told(tx, scene, settled) == await _told(tx, scene, ticked)
        assert (await scene.occurrence(tx, settled, opened)).scheduled_for_at == _due(scene, 5)
        assert await runs.settle_job(tx, settled, now) == set(), "nothing is owed twice"


async def test_a_job_that_is_not_due_paused_or_gone_owes_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        early, paused, gone = await _job(tx, scene), await _job(tx, scene, enabled=False), await _job(tx, scene)
        assert await runs.settle_job(tx, early, scene.now) == set()
        assert await runs.settle_job(tx, paused, _due(scene, 2)) == set()
        await jobs.delete(tx, scene.admin, await jobs.lock(tx, scene.admin, gone), now=scene.now)
        assert await runs.settle_job(tx, gone, _due(scene, 2)) == set()
        assert await runs.settle_job(tx, 999_999, scene.now) == set()


async def test_the_storm_guard_holds_what_an_edit_settles_too(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "latest", "catch_up_window_seconds": 6 * 3600})
        now = _due(scene, 3.5)
        await tx.execute(
            text("""INSERT INTO outages (kind, from_at, to_at, noticed_at, guard)
            VALUES ('outage', :begin, :now, :now, 'up')"""),
            {"begin": scene.now, "now": now},
        )
        assert await runs.settle_job(tx, job, now) == set()
        assert (await _told(tx, scene, job))[-1] == ("held", "storm_guard", 1)


async def _outage(tx, scene: Scene, kind: str, now: datetime, guard: str = "down") -> None:
    await tx.execute(
        text("""INSERT INTO outages (kind, from_at, to_at, noticed_at, guard)
        VALUES (:kind, :begin, :now, :now, :guard)"""),
        {"kind": kind, "begin": scene.now, "now": now, "guard": guard},
    )


@pytest.mark.parametrize(("guard", "reason"), [("down", "misfire_hold"), ("up", "storm_guard")])
async def test_while_ticks_wait_after_a_jump_of_the_clock_an_edit_starts_nothing(
    db: Database, scene: Scene, guard: str, reason: str
) -> None:
    async with db.begin() as tx:
        policies = {"catch_up": "all", "catch_up_window_seconds": 6 * 3600}
        job, untouched = [await _job(tx, scene, policies=policies) for _ in range(2)]
        now = _due(scene, 2) + timedelta(seconds=30)
        await _outage(tx, scene, "clock_jump", now - timedelta(seconds=40), guard)
        assert await runs.settle_job(tx, job, now) == set()
        # The last of them would be on time, were the clock right.
        assert await _told(tx, scene, job) == [("held", reason, 1)] * 3
        over = now + MINUTE
        assert len(await runs.settle_job(tx, untouched, over)) == (3 if guard == "down" else 0)


@pytest.mark.parametrize(("is_enabled", "opened"), [(True, 0), (False, 1)])
async def test_what_an_edit_settles_before_any_tick_has_judged_an_absence_waits_as_if_the_guard_were_up(
    db: Database, scene: Scene, is_enabled: bool, opened: int
) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "latest", "catch_up_window_seconds": 6 * 3600})
        pulse = "UPDATE scheduler_pulse SET ticked_at = :now, guard_enabled = :enabled"
        await tx.execute(text(pulse), {"now": scene.now, "enabled": is_enabled})
        assert len(await runs.settle_job(tx, job, _due(scene, 3.5))) == opened
        told = await _told(tx, scene, job)
        assert told[-1] == (("open", None, 1) if opened else ("held", "storm_guard", 1))


#: Each of its 288 instants a day is looked at one by one.
OFTEN = {
    "type": "rrule",
    "rule": f"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0,5,10,15,20,25,30,35,40,45,50,55",
    "start": "2020-01-01T00:00",
    "timezone": "Europe/Berlin",
}


async def test_a_rule_that_takes_too_long_to_settle_breaks_its_job_and_not_the_request(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "EVALUATION_SECONDS", 0.02)
    async with db.begin() as tx:
        job = await _job(tx, scene, schedule=OFTEN)
        assert await runs.settle_job(tx, job, scene.now + timedelta(days=3650)) == set()
        after = await jobs.get(tx, scene.admin, job)
        assert (after.state, after.next_due_at, after.mark_at) == ("error", None, scene.now)
        assert "20 ms" in (after.state_reason or "")
        assert await _told(tx, scene, job) == []


async def test_a_pause_whose_instants_take_too_long_to_find_is_not_made_up_for_and_the_refusal_names_the_field(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "EVALUATION_SECONDS", 0.02)
    async with db.begin() as tx:
        job = await _job(tx, scene, schedule=OFTEN)
        with pytest.raises(InvalidError) as refused:
            await runs.catch_up_pause(tx, job, scene.now, "all", scene.now + timedelta(days=3650))
        assert [(one.field, one.code) for one in refused.value.problems] == [("catch_up", "too_slow")]
        assert await _told(tx, scene, job) == []


async def test_a_job_whose_next_instant_takes_too_long_to_find_is_resumed_into_an_error(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_: object) -> None:
        while True:
            sum(range(1000))

    async with db.begin() as tx:
        job = await _job(tx, scene, enabled=False)
        monkeypatch.setattr(saving, "started", endless)
        before = await jobs.lock(tx, scene.admin, job)
        resumed = (await jobs.toggle(tx, scene.admin, before, {"enabled": True}, now=scene.now)).job
        assert (resumed.enabled, resumed.state, resumed.next_due_at) == (True, "error", None)
        assert "250 ms" in (resumed.state_reason or "")


async def test_an_edit_and_a_tick_at_once_settle_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)

    async def edit() -> int:
        async with db.begin() as tx:
            await jobs.lock(tx, scene.admin, job)
            return len(await runs.settle_job(tx, job, _due(scene)))

    async def tick() -> int:
        async with db.begin() as tx:
            return len(await scene.tick(tx, _due(scene)))

    assert sum(await asyncio.gather(edit(), tick(), edit(), tick())) == 1
    async with db.begin() as tx:
        assert await _told(tx, scene, job) == [("open", None, 1)]


@pytest.mark.parametrize(("catch_up", "hours"), [("latest", [5]), ("all", [1, 2, 3, 4, 5])])
async def test_a_pause_is_made_up_for_as_asked_and_nothing_of_it_was_missed(
    db: Database, scene: Scene, catch_up, hours
) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        since, now = _due(scene, 0.5), _due(scene, 5.5)
        opened = await runs.catch_up_pause(tx, job, since, catch_up, now)
        ledger = await scene.ledger(tx, job)
        assert [one.scheduled_for_at for one in ledger] == [_due(scene, hour) for hour in hours]
        assert {(one.state, one.is_late) for one in ledger} == {("open", True)}
        assert opened == {one.id for one in ledger}
        assert await runs.catch_up_pause(tx, job, since, catch_up, now) == set()


async def test_of_a_long_pause_the_last_seven_days_count(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, schedule=scene.every("daily"))
        now = _due(scene) + timedelta(days=30, hours=1)
        await runs.catch_up_pause(tx, job, scene.now, "all", now)
        ledger = await scene.ledger(tx, job)
        assert [one.scheduled_for_at for one in ledger] == [_due(scene) + timedelta(days=day) for day in range(24, 31)]


async def test_what_a_window_closes_stays_closed_when_a_pause_is_made_up_for(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        now = _due(scene, 1.5)
        await scene.window(tx, 80, 60, when_closed="skip")
        await runs.catch_up_pause(tx, job, scene.now, "latest", now)
        assert await _told(tx, scene, job) == [("skipped", "blackout", 1)]


async def test_a_count_that_stopped_at_its_cap_says_so(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        often = scene.every("every_5_minutes")
        job = await _job(tx, scene, schedule=often, policies={"catch_up": "skip"})
        await scene.tick(tx, scene.now + timedelta(days=12 * 365))
        missed = [one for one in await scene.ledger(tx, job) if one.is_range_capped]
        assert [(one.reason, one.range_count) for one in missed] == [("catch_up_window", 1_000_000)]


async def test_a_fault_in_one_job_leaves_the_others_and_nothing_half(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        broken, sound = await _job(tx, scene), await _job(tx, scene)
        await tx.execute(
            text(
                "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,timezone}', '\"Moon/Base\"') WHERE id = :id"
            ),
            {"id": broken},
        )
        assert len(await scene.tick(tx, _due(scene))) == 1
        after = await jobs.get(tx, scene.admin, broken)
        assert (after.state, after.next_due_at) == ("error", None)
        assert "Moon/Base" in (after.state_reason or "")
        assert await _told(tx, scene, broken) == []
        assert await _told(tx, scene, sound) == [("open", None, 1)]


async def test_the_limit_of_a_whole_run_counts_from_its_instant_or_from_when_it_is_started(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        limits = {"run_limit_seconds": 1800, "time_limit_seconds": 60, "expires_after_seconds": 7200}
        job = await _job(tx, scene, duration=limits, policies={"catch_up_window_seconds": 7200, "overlap": "allow"})
        late = _due(scene, 1) + 20 * MINUTE
        await scene.tick(tx, _due(scene) + timedelta(seconds=5))
        await scene.tick(tx, late)
        await runs.open_manual(tx, scene.admin, job, now=late + MINUTE)
        found = await tx.execute(text("SELECT stop_by_at, expires_at, starts_at FROM run_targets ORDER BY id"))
        ends = [_due(scene) + 30 * MINUTE, late + 30 * MINUTE, (late + MINUTE).replace(microsecond=0) + 30 * MINUTE]
        assert found.all() == [(end, end, None) for end in ends]


async def test_without_a_limit_a_run_ends_by_itself(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _job(tx, scene, duration={"expires_after_seconds": 7200})
        await scene.tick(tx, _due(scene))
        found = await tx.execute(text("SELECT stop_by_at, expires_at FROM run_targets"))
        assert found.one() == (None, _due(scene, 2))


async def test_what_has_a_row_already_is_not_missed_again_and_the_rest_of_the_range_is(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "skip", "overlap": "allow"})
        for hours in (0, 2):
            await scene.tick(tx, _due(scene, hours))
            await tx.execute(text("UPDATE jobs SET mark_at = :to"), {"to": _due(scene, hours + 0.5)})
        back = {"to": _due(scene, -0.5), "due": _due(scene)}
        await tx.execute(text("DELETE FROM occurrences WHERE state = 'missed'"))
        await tx.execute(text("UPDATE jobs SET mark_at = :to, next_due_at = :due"), back)
        await scene.tick(tx, _due(scene, 5.5))
        told = [
            (one.scheduled_for_at, one.range_end_at, one.state, one.range_count) for one in await scene.ledger(tx, job)
        ]
    assert told == [
        (_due(scene, 0), None, "open", 1),
        (_due(scene, 1), _due(scene, 1), "missed", 1),
        (_due(scene, 2), None, "open", 1),
        (_due(scene, 3), _due(scene, 4), "missed", 2),
        (_due(scene, 5), _due(scene, 5), "missed", 1),
    ]

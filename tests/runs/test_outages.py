"""The pulse: what counts as an outage, when the guard goes up, and what a clock that moves leaves behind."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import people, places
from tests.factories.scene import Scene
from watchbill import jobs, runs
from watchbill.core.occurrence import public_id
from watchbill.core.states import OccurrenceReason
from watchbill.core.zones import Zone
from watchbill.identity import Role
from watchbill.kit import events
from watchbill.kit.db import Database
from watchbill.kit.errors import NotFoundError
from watchbill.kit.events import Cursor
from watchbill.runs import Held, Missed, away, outages
from watchbill.runs.outages import Drift, Guard, GuardSettings, Outage

SOON = timedelta(seconds=1)
FAR = timedelta(hours=3)


async def feel(db: Database, now: datetime, **more: Any) -> Guard:
    async with db.begin() as tx:
        return await outages.notice(tx, now, **more)


async def kept(db: Database, scene: Scene) -> Sequence[Outage]:
    async with db.begin() as tx:
        return (await outages.list_outages(tx, scene.admin, limit=50, cursor=None)).items


async def ticked_at(db: Database) -> datetime:
    async with db.begin() as tx:
        found: datetime = (await tx.execute(text("SELECT ticked_at FROM scheduler_pulse"))).scalar_one()
        return found


async def set_guard(db: Database, scene: Scene, **changes: Any) -> None:
    values = {"enabled": True, "after_seconds": 600, "least_jobs": 3, "trickle_per_minute": None, **changes}
    async with db.begin() as tx:
        await outages.set_guard(tx, scene.admin, GuardSettings(**values), scene.now)


async def make_jobs(tx: AsyncConnection, scene: Scene, number: int, **changes: Any) -> list[int]:
    if "alpha" not in scene.devices:
        await scene.device(tx, "alpha")
    return [await scene.job(tx, "alpha", name=f"Job {one}", **changes) for one in range(number)]


async def hold(tx: AsyncConnection, scene: Scene, job_id: int, at: datetime, now: datetime) -> Any:
    at = at.replace(microsecond=0)
    one = public_id(job_id, "schedule", at, "")
    assert await runs.record_held(tx, [Held(one, job_id, 1, at, OccurrenceReason.STORM_GUARD, "held")], now) == {one}
    return one


async def test_the_first_look_of_a_new_engine_is_no_outage(db: Database, scene: Scene) -> None:
    assert await feel(db, scene.now) == Guard()
    assert await kept(db, scene) == []
    assert await ticked_at(db) == scene.now


async def test_the_pulse_is_written_at_most_every_five_seconds(db: Database, scene: Scene) -> None:
    written = []
    for seconds in (0, 2, 4.9, 5, 7, 11):
        await feel(db, scene.now + timedelta(seconds=seconds))
        written.append((await ticked_at(db) - scene.now).total_seconds())
    assert written == [0, 0, 0, 5, 5, 11]


async def test_a_long_silence_is_an_outage_and_a_short_one_is_none(db: Database, scene: Scene) -> None:
    await feel(db, scene.now)
    await feel(db, scene.now + timedelta(minutes=10))
    assert await kept(db, scene) == []
    guard = await feel(db, scene.now + timedelta(minutes=20, seconds=1))
    (found,) = await kept(db, scene)
    assert [one.id for one in guard.noticed] == [found.id]
    assert (found.kind, found.guard) == ("outage", "down")
    assert (found.from_at, found.to_at) == (
        scene.now + timedelta(minutes=10),
        scene.now + timedelta(minutes=20, seconds=1),
    )
    assert "10 min" in found.detail


async def test_live_views_are_told_of_an_outage(db: Database, scene: Scene) -> None:
    await feel(db, scene.now)
    await feel(db, scene.now + FAR)
    async with db.begin() as tx:
        told = [one for one in await events.read_after(tx, Cursor(0, 0)) if one.kind == "outage.noticed"]
    assert [(one.payload["kind"], one.payload["guard"]) for one in told] == [("outage", "down")]


async def test_the_restart_of_one_of_two_schedulers_is_no_outage(db: Database, scene: Scene) -> None:
    for minutes in range(0, 60, 5):  # the other one goes on looking
        await feel(db, scene.now + timedelta(minutes=minutes))
    await feel(db, scene.now + timedelta(minutes=58))
    assert await kept(db, scene) == []


async def test_of_schedulers_that_come_back_together_one_notices_and_all_heed(db: Database, scene: Scene) -> None:
    await set_guard(db, scene)
    async with db.begin() as tx:
        await make_jobs(tx, scene, 3)
    await feel(db, scene.now)
    felt = await asyncio.gather(*[feel(db, scene.now + FAR + n * timedelta(milliseconds=7)) for n in range(4)])
    (found,) = await kept(db, scene)
    assert found.guard == "up"
    assert [guard.until for guard in felt] == [found.to_at] * 4
    assert sum(len(guard.noticed) for guard in felt) == 1


@pytest.mark.parametrize(
    ("number", "changes", "settings", "guard"),
    [
        (3, {}, {}, "up"),
        (2, {}, {}, "down"),
        (3, {}, {"enabled": False}, "down"),
        (3, {"policies": {"catch_up": "skip"}}, {}, "down"),
        (3, {"policies": {"catch_up": "hold", "catch_up_window_seconds": 86_400}}, {}, "down"),
        (3, {"policies": {"catch_up": "all", "catch_up_window_seconds": 86_400}}, {}, "up"),
    ],
)
async def test_the_guard_goes_up_for_many_jobs_that_are_owed_late_runs(
    db: Database, scene: Scene, number: int, changes: dict[str, Any], settings: dict[str, Any], guard: str
) -> None:
    await set_guard(db, scene, **settings)
    async with db.begin() as tx:
        await make_jobs(tx, scene, number, **changes)
    await feel(db, scene.now)
    felt = await feel(db, scene.now + FAR + timedelta(minutes=2))
    (found,) = await kept(db, scene)
    assert found.guard == guard
    assert felt.until == (found.to_at if guard == "up" else None)


async def test_what_lies_beyond_its_catch_up_window_raises_no_guard(db: Database, scene: Scene) -> None:
    await set_guard(db, scene)
    async with db.begin() as tx:
        await make_jobs(tx, scene, 3, schedule=scene.every("daily"))  # due in the first minute, window one hour
    await feel(db, scene.now)
    await feel(db, scene.now + FAR)
    assert [one.guard for one in await kept(db, scene)] == ["down"]


async def test_a_second_outage_takes_the_guard_over(db: Database, scene: Scene) -> None:
    await set_guard(db, scene)
    async with db.begin() as tx:
        await make_jobs(tx, scene, 3)
    await feel(db, scene.now)
    await feel(db, scene.now + FAR)
    felt = await feel(db, scene.now + 2 * FAR)
    newer, older = await kept(db, scene)
    assert (newer.guard, older.guard) == ("up", "released")
    assert felt.until == newer.to_at


async def test_the_guard_comes_down_once_nothing_is_held_and_nothing_is_overdue(db: Database, scene: Scene) -> None:
    await set_guard(db, scene)
    later = scene.now + FAR
    async with db.begin() as tx:
        (job, *_) = await make_jobs(tx, scene, 3)
    await feel(db, scene.now)
    await feel(db, later)
    async with db.begin() as tx:
        assert await outages.settle_guard(tx, later) is None, "jobs are still to be looked at"
        await tx.execute(text("UPDATE jobs SET next_due_at = :at"), {"at": later + SOON})
        held = await hold(tx, scene, job, scene.now + timedelta(minutes=1), later)
        assert await outages.settle_guard(tx, later) is None, "one is held"
        await runs.skip_held(tx, [held], later, by=None, detail=None)
        assert await outages.settle_guard(tx, later) is not None
        assert await outages.settle_guard(tx, later) is None
    assert (await feel(db, later + SOON)).until is None
    assert [one.guard for one in await kept(db, scene)] == ["released"]


def test_a_drift_is_noticed_against_the_clock_that_nobody_sets() -> None:
    drift, start = Drift(), datetime.fromisoformat("2026-05-04T02:00:00+00:00")
    assert drift.jumped_from(start, 100.0) is None
    drift.seen(start, 100.0)
    assert drift.jumped_from(start + timedelta(hours=5), 100.0 + 5 * 3600) is None, "the process slept"
    assert drift.jumped_from(start + timedelta(minutes=10), 100.0) is None
    assert drift.jumped_from(start + timedelta(minutes=10, seconds=2), 101.0) == start
    assert drift.jumped_from(start + timedelta(hours=-5), 101.0) is None
    drift.seen(start + timedelta(hours=3), 101.0)
    assert drift.jumped_from(start + timedelta(hours=3, seconds=1), 102.0) is None


async def test_a_jump_of_the_clock_is_written_once_and_makes_everyone_wait_a_minute(db: Database, scene: Scene) -> None:
    await feel(db, scene.now)
    jumped = scene.now + FAR
    felt = [
        await feel(db, jumped, jumped_from=scene.now),
        await feel(db, jumped + SOON, jumped_from=scene.now),
        await feel(db, jumped + 2 * SOON),
    ]
    assert [guard.paused_until for guard in felt] == [jumped + timedelta(seconds=60)] * 3
    (found,) = await kept(db, scene)
    assert (found.kind, found.from_at, found.to_at) == ("clock_jump", scene.now, jumped)
    assert (await feel(db, jumped + timedelta(seconds=60))).paused_until is None


async def test_a_process_that_slept_while_others_looked_saw_no_jump(db: Database, scene: Scene) -> None:
    for minutes in range(0, 181, 5):
        await feel(db, scene.now + timedelta(minutes=minutes))
    felt = await feel(db, scene.now + FAR + SOON, jumped_from=scene.now)
    assert felt == Guard()
    assert await kept(db, scene) == []


async def test_a_jump_that_is_taken_back_leaves_no_pause_and_no_guard(db: Database, scene: Scene) -> None:
    await set_guard(db, scene)
    async with db.begin() as tx:
        await make_jobs(tx, scene, 3)
    await feel(db, scene.now)
    felt = await feel(db, scene.now + FAR, jumped_from=scene.now)
    assert felt.until == scene.now + FAR + timedelta(seconds=60)
    back = await feel(db, scene.now)
    assert back.paused_until is None
    async with db.begin() as tx:
        assert await outages.settle_guard(tx, scene.now) is not None
    assert {one.kind for one in await kept(db, scene)} == {"clock_jump", "clock_regressed"}


async def test_a_clock_that_goes_back_by_a_little_is_not_worth_a_row(db: Database, scene: Scene) -> None:
    for seconds in (0, 240, 0):
        await feel(db, scene.now + timedelta(seconds=seconds))
    assert await kept(db, scene) == []
    assert await ticked_at(db) == scene.now


async def test_jobs_settled_beyond_the_present_go_on_from_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        ahead, near = await make_jobs(tx, scene, 2)
        await tx.execute(
            text("UPDATE jobs SET mark_at = :mark, next_due_at = :due WHERE id = :id"),
            [
                {"id": ahead, "mark": scene.now + FAR, "due": scene.now + FAR + SOON},
                {"id": near, "mark": scene.now + timedelta(minutes=4), "due": scene.now + timedelta(minutes=5)},
            ],
        )
    await feel(db, scene.now + FAR)
    await feel(db, scene.now)
    async with db.begin() as tx:
        there = {one: await jobs.get(tx, scene.admin, one) for one in (ahead, near)}
    assert there[ahead].mark_at == scene.now
    due = there[ahead].next_due_at
    assert due is not None
    assert scene.now < due <= scene.now + timedelta(minutes=1)
    assert there[near].mark_at == scene.now + timedelta(minutes=4), "a few minutes are waited for"
    (found,) = await kept(db, scene)
    assert (found.kind, found.from_at, found.to_at) == ("clock_regressed", scene.now + FAR, scene.now)
    assert found.detail == "The clock went back by 3 h. 1 job goes on from where it stands now."


async def test_a_reader_is_told_of_the_jobs_of_their_own_sites_only(db: Database, scene: Scene) -> None:
    """Also by rows of an earlier version, which counted all jobs in their text."""
    old = "The clock went back by 2 h; 7 jobs go on from where it stands now."
    async with db.begin() as tx:
        pier = await places.make_site(tx, "Pier", now=scene.now)
        await scene.device(tx, "lamp", site=pier)
        await make_jobs(tx, scene, 2)
        await scene.job(tx, "lamp", name="Lamp")
        await tx.execute(text("UPDATE jobs SET mark_at = :at, next_due_at = :at"), {"at": scene.now + FAR})
        readers = {
            name: await people.make_actor(tx, name, Role.OPERATOR, now=scene.now, site_ids=sites)
            for name, sites in {"otto": (scene.site,), "bruno": (pier,), "nemo": ()}.items()
        }
        await tx.execute(
            text(
                "INSERT INTO outages (kind, from_at, to_at, noticed_at, detail) VALUES ('clock_regressed', :at, :at, :at, :detail)"
            ),
            {"at": scene.now, "detail": old},
        )
    await feel(db, scene.now + FAR)
    await feel(db, scene.now)
    told = {}
    async with db.begin() as tx:
        for name, reader in {"ada": scene.admin, **readers}.items():
            page = await outages.list_outages(tx, reader, limit=50, cursor=None)
            told[name] = [one.detail for one in page.items if one.kind == "clock_regressed"]
            one = await outages.get_outage(tx, reader, page.items[0].id)
            assert one.detail == page.items[0].detail
    back = "The clock went back by 3 h."
    assert told == {
        "ada": [f"{back} 3 jobs go on from where it stands now.", old],
        "otto": [f"{back} 2 jobs of your sites go on from where it stands now.", "The clock went back by 2 h."],
        "bruno": [f"{back} 1 job of your sites goes on from where it stands now.", "The clock went back by 2 h."],
        "nemo": [back, "The clock went back by 2 h."],
    }


async def test_what_a_clock_that_was_ahead_called_missed_is_looked_at_again(db: Database, scene: Scene) -> None:
    start = (scene.now + timedelta(minutes=1)).replace(second=0, microsecond=0)
    step = timedelta(minutes=5)

    def missed(first: datetime, number: int) -> Missed:
        last = first + (number - 1) * step
        return Missed(public_id(job, "schedule", first, ""), job, 1, first, last, number, "catch_up_window")

    ahead, now = start + 20 * step, start + 6 * step + SOON
    async with db.begin() as tx:
        (job,) = await make_jobs(tx, scene, 1)
        await runs.record_missed(tx, [missed(start, 2)], start + 3 * step)
        await runs.record_missed(tx, [missed(start + 4 * step, 15)], ahead)
        await tx.execute(text("UPDATE jobs SET mark_at = :mark"), {"mark": ahead})
    await feel(db, ahead)
    await feel(db, now)
    async with db.begin() as tx:
        rows = await tx.execute(text("SELECT scheduled_for_at, range_count FROM occurrences"))
        assert [tuple(row) for row in rows] == [(start, 2)], "what was missed in truth stays"
        after = await jobs.get(tx, scene.admin, job)
    assert after.next_due_at == start + 4 * step


async def test_a_clock_that_differs_is_told_of_once_an_hour_for_each_host(db: Database, scene: Scene) -> None:
    ahead, sure = timedelta(seconds=3.2), timedelta(milliseconds=1)
    async with db.begin() as tx:

        async def told(host: str, minutes: int, by: timedelta = ahead, uncertain: timedelta = sure) -> bool:
            at = scene.now + timedelta(minutes=minutes)
            return await outages.notice_skew(tx, at, host, by, uncertain) is not None

        assert [await told("a", 0), await told("a", 59), await told("b", 59), await told("a", 61)] == [
            True,
            False,
            True,
            True,
        ]
        assert not await told("c", 0, timedelta(seconds=1.9))
        assert not await told("c", 0, timedelta(seconds=2.5), timedelta(seconds=1)), "too slow an answer proves nothing"
        assert await told("c", 0, timedelta(seconds=-90))
    details = [one.detail for one in await kept(db, scene)]
    assert details[0] == "The clock of c is 1 min 30 s behind the database's."
    assert "The clock of a is 3.2 s ahead of the database's." in details


async def test_the_latest_absence_is_none_of_the_clocks_that_differ(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        with pytest.raises(NotFoundError):
            await outages.get_outage(tx, scene.admin, None)
    await feel(db, scene.now)
    await feel(db, scene.now + FAR)
    async with db.begin() as tx:
        await outages.notice_skew(tx, scene.now + FAR, "a", FAR, SOON)
        assert (await outages.get_outage(tx, scene.admin, None)).kind == "outage"
        with pytest.raises(NotFoundError):
            await outages.get_outage(tx, scene.admin, 10**9)


async def test_jobs_that_follow_clocks_are_computed_anew_when_a_zone_comes_into_use(db: Database, scene: Scene) -> None:
    schedule = {"type": "daily", "start": "2026-05-04T03:00", "timezone_source": "site"}
    async with db.begin() as tx:
        await make_jobs(tx, scene, 1, schedule=schedule)
        before = (await tx.execute(text("SELECT next_due_at FROM jobs"))).scalar_one()
        assert await outages.adopt_zones(tx, await jobs.zones_in_use(tx), scene.now) == 0
        assert await outages.adopt_zones(tx, await jobs.zones_in_use(tx), scene.now) is None
        await places.make_site(tx, "Pier", now=scene.now, timezone="Pacific/Kiritimati")
        assert await outages.adopt_zones(tx, await jobs.zones_in_use(tx), scene.now) == 1
        after = (await tx.execute(text("SELECT next_due_at FROM jobs"))).scalar_one()
    assert after < before


class TestTheTrickle:
    """`Trickle` lets go of what is held evenly, the oldest first, once whoever asks."""

    async def begin(
        self, db: Database, scene: Scene, number: int, per_minute: int | None
    ) -> tuple[datetime, list[Any]]:
        """An outage with so many held occurrences, oldest first; returns when it was noticed."""
        await set_guard(db, scene, trickle_per_minute=per_minute, least_jobs=1)
        later = scene.now + FAR
        async with db.begin() as tx:
            (job,) = await make_jobs(tx, scene, 1, policies={"overlap": "allow"})
        await feel(db, scene.now)
        await feel(db, later)
        async with db.begin() as tx:
            await tx.execute(text("UPDATE jobs SET next_due_at = :at"), {"at": later + FAR})
            ids = [
                await hold(tx, scene, job, scene.now + timedelta(minutes=one + 1), later)
                for one in reversed(range(number))
            ]
        return later, ids[::-1]

    async def step(self, db: Database, now: datetime) -> away.Trickled:
        async with db.begin() as tx:
            return await away.trickle(tx, now)

    async def states(self, db: Database) -> list[str]:
        async with db.begin() as tx:
            rows = await tx.execute(text("SELECT state FROM occurrences ORDER BY scheduled_for_at"))
            return ["held" if state == "held" else "gone" for state in rows.scalars()]

    async def test_goes_evenly_and_oldest_first(self, db: Database, scene: Scene) -> None:
        later, _ = await self.begin(db, scene, 4, 20)
        released = []
        for tenths in range(0, 100, 5):
            done = await self.step(db, later + timedelta(seconds=tenths / 10))
            released.append(done.released)
            assert done.next_at is not None
        assert [n for n, one in enumerate(released) if one] == [6, 12, 18], "every three seconds one"
        assert await self.states(db) == ["gone", "gone", "gone", "held"]

    async def test_asks_to_be_woken_when_the_next_is_due(self, db: Database, scene: Scene) -> None:
        later, _ = await self.begin(db, scene, 2, 20)
        assert (await self.step(db, later)).next_at == later + timedelta(seconds=3)
        done = await self.step(db, later + timedelta(seconds=3))
        assert (done.released, done.next_at) == (1, later + timedelta(seconds=6))

    async def test_two_schedulers_keep_one_pace(self, db: Database, scene: Scene) -> None:
        later, ids = await self.begin(db, scene, 12, 60)
        total = 0
        for second in range(1, 7):
            at = later + timedelta(seconds=second)
            done = await asyncio.gather(*[self.step(db, at) for _ in range(4)])
            assert sum(one.released for one in done) == 1
            total += sum(one.released for one in done)
        assert total == 6
        assert (await self.states(db)).count("gone") == 6
        async with db.begin() as tx:
            opened = await tx.execute(text("SELECT count(*) FROM runs WHERE occurrence_id = ANY(:ids)"), {"ids": ids})
            assert opened.scalar_one() == 6

    async def test_makes_no_burst_of_what_nobody_let_go_in_time(self, db: Database, scene: Scene) -> None:
        later, _ = await self.begin(db, scene, 12, 180)
        done = await self.step(db, later + timedelta(minutes=5))
        assert done.released == 3, "three a second"

    async def test_does_nothing_where_no_pace_is_set_or_no_guard_is_up(self, db: Database, scene: Scene) -> None:
        assert await self.step(db, scene.now) == away.Trickled()
        later, _ = await self.begin(db, scene, 2, None)
        assert await self.step(db, later + FAR) == away.Trickled()
        assert await self.states(db) == ["held", "held"]

    async def test_freezes_no_more_targets_at_once_than_a_transaction_should(
        self, db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later, _ = await self.begin(db, scene, 6, 180)
        monkeypatch.setattr(away, "MOST_TARGETS", 2)
        done = [(await self.step(db, later + timedelta(seconds=second))).released for second in (1, 2)]
        assert done == [2, 2], "three a second, were it not for their targets"
        monkeypatch.setattr(away, "MOST_TARGETS", 1)
        assert (await self.step(db, later + timedelta(seconds=3))).released == 1

    async def test_takes_the_guard_down_at_the_end(self, db: Database, scene: Scene) -> None:
        later, _ = await self.begin(db, scene, 2, 60)
        for second in range(1, 5):
            await self.step(db, later + timedelta(seconds=second))
        assert await self.states(db) == ["gone", "gone"]
        (found,) = await kept(db, scene)
        assert found.guard == "released"


async def test_a_job_that_a_clock_ahead_completed_goes_on_from_the_present(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        (once,) = await make_jobs(tx, scene, 1, schedule=scene.every("once"))
        later = {"mark": scene.now + FAR, "id": once}
        await tx.execute(
            text("UPDATE jobs SET mark_at = :mark, next_due_at = NULL, state = 'completed' WHERE id = :id"), later
        )
    await feel(db, scene.now + FAR)
    await feel(db, scene.now)
    async with db.begin() as tx:
        there = await jobs.get(tx, scene.admin, once)
    assert there.state == "active"
    assert there.next_due_at is not None
    assert scene.now < there.next_due_at <= scene.now + timedelta(minutes=1)


@pytest.mark.parametrize(("zone", "guard"), [("Europe/Berlin", "up"), ("America/New_York", "down")])
async def test_jobs_that_follow_clocks_make_a_storm_where_their_own_devices_were_to_start_meanwhile(
    db: Database, scene: Scene, zone: str, guard: str
) -> None:
    """Somebody is in Berlin, but only the zone of a job's own devices counts."""
    await set_guard(db, scene)
    async with db.begin() as tx:
        await scene.device(tx, "bear", timezone="Europe/Berlin")
        await scene.device(tx, "alpha", timezone=zone)
        wall = Zone("Europe/Berlin").wall(scene.now + timedelta(minutes=30))
        schedule = {"type": "daily", "start": f"{wall:%Y-%m-%dT%H:%M}", "timezone_source": "device"}
        await make_jobs(tx, scene, 3, schedule=schedule, policies={"catch_up_window_seconds": 7200})
    await feel(db, scene.now)
    await feel(db, scene.now + timedelta(hours=2))
    (found,) = await kept(db, scene)
    assert (found.kind, found.guard) == ("outage", guard)

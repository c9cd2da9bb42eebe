"""Held occurrences: kept with their reason, let go once, frozen when they are let go, and never stuck."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.core.states_page import PAGE
from tests.factories.scene import Scene, counters_hold
from watchbill import jobs, runs, windows
from watchbill.core.states import OCCURRENCE_REASONS, OccurrenceReason
from watchbill.core.states import TargetState as S
from watchbill.identity import Permission
from watchbill.kit.db import Database
from watchbill.kit.errors import ConflictError
from watchbill.runs import reviewing

MINUTE = timedelta(minutes=1)


def _due(scene: Scene, hours: int = 0) -> datetime:
    return (scene.now + MINUTE).replace(second=0, microsecond=0) + timedelta(hours=hours)


async def _job(tx, scene: Scene, **changes) -> int:
    if "alpha" not in scene.devices:
        await scene.device(tx, "alpha")
    return await scene.job(tx, "alpha", **{"schedule": scene.every("hourly"), **changes})


async def _held_by_window(tx, scene: Scene, minutes: int = 30, **changes) -> tuple[int, int, UUID]:
    """A job whose first instant a blackout holds: the job, the window, the occurrence."""
    job = await _job(tx, scene, **changes)
    window = await scene.window(tx, -10, 10 + minutes, when_closed="defer")
    assert await scene.tick(tx, _due(scene)) == set()
    (held,) = await scene.ledger(tx, job)
    assert (held.state, held.reason) == ("held", "held_by_window")
    return job, window, held.id


async def test_a_closed_window_holds_the_occurrence_until_it_opens(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        (held,) = await scene.ledger(tx, job)
        opens_at = scene.now.replace(second=0, microsecond=0) + 30 * MINUTE
        assert held.held_until_at == opens_at == await runs.next_held(tx)
        assert (held.counts, held.opened_at, held.closed_at, held.is_late) == ({}, None, None, False)
        assert held.detail is not None
        assert held.detail.startswith("blackout `Freeze ")
        assert await runs.open_due_held(tx, opens_at - timedelta(seconds=1)) == set()
        assert await runs.open_due_held(tx, opens_at) == {occurrence}
        (row,) = (await scene.rows(tx, occurrence)).values()
        assert (row.state, row.starts_at, row.expires_at) == (S.PENDING, None, opens_at + timedelta(hours=1))
        opened = await scene.occurrence(tx, job, occurrence)
        assert (opened.state, opened.opened_at, opened.detail) == ("open", opens_at, held.detail)
        assert await runs.next_held(tx) is None
        assert await runs.open_due_held(tx, opens_at + MINUTE) == set()
        await counters_hold(tx)


async def test_targets_and_content_are_frozen_when_it_is_let_go(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        await scene.device(tx, "beta")
        before = await jobs.lock(tx, scene.admin, job)
        new = {
            **jobs.shown(before.definition),
            "targets": [{"kind": "device", "device_id": str(scene.devices["beta"])}],
            "duration": {"time_limit_seconds": 77},
        }
        await jobs.update(tx, scene.admin, before, new, keys=scene.keys, now=scene.now + 5 * MINUTE)
        await runs.open_due_held(tx, scene.now + 31 * MINUTE)
        assert await scene.states(tx, occurrence) == {"beta": (S.PENDING, None)}
        (run,) = await runs.runs_of(tx, [occurrence])
        assert run.time_limit_seconds == 77
        assert (await scene.occurrence(tx, job, occurrence)).job_revision == 2


async def test_a_closed_window_that_skips_leaves_a_row_that_names_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        await scene.window(tx, -10, 40, name="Stocktaking", when_closed="skip")
        assert await scene.tick(tx, _due(scene)) == set()
        (row,) = await scene.ledger(tx, job)
        assert (row.state, row.reason, row.counts) == ("skipped", "blackout", {})
        assert "blackout `Stocktaking` until" in (row.detail or "")
        assert row.closed_at is not None
        assert (await tx.execute(text("SELECT count(*) FROM runs"))).scalar_one() == 0


async def test_what_would_open_beyond_the_expiry_is_skipped_at_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, duration={"expires_after_seconds": 600})
        await scene.window(tx, -10, 40, when_closed="defer")
        await scene.tick(tx, _due(scene))
        (row,) = await scene.ledger(tx, job)
        assert (row.state, row.reason) == ("skipped", "blackout")


async def test_outside_of_every_maintenance_window_it_waits_for_the_next_one(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        await scene.window(tx, 20, 60, kind="allow", when_closed="defer")
        await scene.tick(tx, _due(scene))
        (row,) = await scene.ledger(tx, job)
        assert (row.state, row.reason) == ("held", "held_by_window")
        assert row.held_until_at == scene.now.replace(second=0, microsecond=0) + 20 * MINUTE


async def test_where_devices_start_at_different_times_no_window_decides_for_all(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"splay_seconds": 1800})
        await scene.window(tx, -10, 20, when_closed="skip")
        (occurrence,) = await scene.tick(tx, _due(scene))
        assert (await scene.occurrence(tx, job, occurrence)).state == "open"


async def test_a_window_that_was_moved_holds_on_or_skips(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, first, occurrence = await _held_by_window(tx, scene)
        opens_at = scene.now.replace(second=0, microsecond=0) + 30 * MINUTE
        second = await scene.window(tx, 20, 30, when_closed="defer")
        assert await runs.open_due_held(tx, opens_at) == set()
        later = opens_at + 20 * MINUTE
        assert ((await scene.ledger(tx, job))[0].state, await runs.next_held(tx)) == ("held", later)
        await scene.window(tx, 45, 600, when_closed="defer")
        assert await runs.open_due_held(tx, later) == set()
        gone = await scene.occurrence(tx, job, occurrence)
        assert (gone.state, gone.reason) == ("skipped", "blackout")
        assert first != second


async def test_however_often_a_window_is_moved_it_waits_no_longer_than_its_expiry(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene, minutes=50)
        opens_at = scene.now.replace(second=0, microsecond=0) + 50 * MINUTE
        await scene.window(tx, 40, 30, when_closed="defer")
        assert await runs.open_due_held(tx, opens_at) == set()
        row = await scene.occurrence(tx, job, occurrence)
        assert (row.state, row.reason) == ("skipped", "blackout"), "it opens 70 minutes after, and an hour was allowed"


async def test_a_window_that_opens_earlier_after_all_lets_it_go_then(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, window, occurrence = await _held_by_window(tx, scene)
        await windows.delete(tx, scene.admin, await windows.lock(tx, scene.admin, window), now=scene.now + 5 * MINUTE)
        now = scene.now + 6 * MINUTE
        assert await runs.review_held(tx, now) == 1
        assert await runs.next_held(tx) == now
        assert await runs.open_due_held(tx, now) == {occurrence}


async def test_what_is_held_is_judged_once_for_each_change_of_windows(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, window, _ = await _held_by_window(tx, scene)
        held = await runs.next_held(tx)
        now = scene.now + MINUTE
        assert [await runs.review_held(tx, now) for _ in range(3)] == [1, 0, 0]
        before = await windows.lock(tx, scene.admin, window)
        longer = {"kind": "deny", "name": before.name, "when_closed": "defer", "attachments": [{"kind": "global"}]}
        schedule = {"type": "daily", "start": f"{scene.now - 10 * MINUTE:%Y-%m-%dT%H:%M}", "timezone": "UTC"}
        spans = [{"schedule": schedule, "duration_seconds": 90 * 60}]
        await windows.update(tx, scene.admin, before, {**longer, "spans": spans}, now=now)
        assert [await runs.review_held(tx, now) for _ in range(2)] == [1, 0]
        assert await runs.next_held(tx) == held, "that it opens later is found out when it is to go"
        await windows.delete(tx, scene.admin, await windows.lock(tx, scene.admin, window), now=now)
        assert [await runs.review_held(tx, now) for _ in range(2)] == [1, 0]
        assert await runs.next_held(tx) == now


async def _hold_many(tx, scene: Scene, number: int) -> None:
    job, at = await _job(tx, scene), _due(scene)
    held = [
        runs.Held(scene.opening(job, n).id, job, 1, at + n * MINUTE, "held_by_window", "closed", at + timedelta(days=9))
        for n in range(number)
    ]
    assert len(await runs.record_held(tx, held, scene.now)) == number


async def test_what_is_held_is_judged_some_at_a_time_and_by_two_schedulers_each_once(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await _hold_many(tx, scene, 7)
        await scene.window(tx, 300, 30, when_closed="defer")

    async def review() -> int:
        async with db.begin() as tx:
            return await runs.review_held(tx, scene.now, limit=3)

    first = await asyncio.gather(review(), review())
    assert max(first) == 3
    assert sum(first) + sum([await review() for _ in range(3)]) == 7


async def test_to_find_nothing_to_judge_is_one_look_into_an_index(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _hold_many(tx, scene, 3000)
        await scene.window(tx, 300, 30, when_closed="defer")
        assert await runs.review_held(tx, scene.now, limit=3000) == 3000
        await tx.execute(text("ANALYZE occurrences"))
        values = {"version": await windows.version(tx), "limit": 500}
        explain = text(f"EXPLAIN {reviewing._UNJUDGED.text}")
        plan = "\n".join((await tx.execute(explain, values)).scalars())
        assert "occurrences_by_windows" in plan
        assert "Sort" not in plan


async def test_nobody_there_when_the_window_opened_makes_it_late_and_beyond_its_expiry_it_is_skipped(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        assert await runs.open_due_held(tx, scene.now + 50 * MINUTE) == {occurrence}
        assert (await scene.occurrence(tx, job, occurrence)).is_late
    async with db.begin() as tx:
        other = await _job(tx, scene, name="Other")
        at = _due(scene)
        held = runs.Held(scene.opening(other).id, other, 1, at, "held_by_window", "closed", at + 20 * MINUTE)
        await runs.record_held(tx, [held], scene.now)
        assert await runs.open_due_held(tx, scene.now + timedelta(days=3)) == set()
        (row,) = await scene.ledger(tx, other)
        assert (row.state, row.reason) == ("skipped", "blackout")
        assert "until its time was over" in (row.detail or "")


async def test_what_a_window_let_go_during_an_outage_is_the_storm_guards(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        now = scene.now + 50 * MINUTE
        assert await runs.open_due_held(tx, now, guard_until=now) == set()
        row = await scene.occurrence(tx, job, occurrence)
        assert (row.state, row.reason, row.is_late, row.held_until_at) == ("held", "storm_guard", True, None)
        assert await runs.open_due_held(tx, now, guard_until=now) == set()
        assert await runs.release_held(tx, [occurrence], now) == {occurrence}


async def test_one_job_that_cannot_be_evaluated_keeps_no_other_from_going(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.begin() as tx:
        jobs_of = [await _job(tx, scene, name=name, policies={"catch_up": "hold"}) for name in "ab"]
        now = _due(scene) + 10 * MINUTE
        await scene.tick(tx, now)
        ids = [(await scene.ledger(tx, job))[0].id for job in jobs_of]

        def expiry(job, instant):
            if job.id == jobs_of[0]:
                raise KeyError("nowhere")
            return timedelta(hours=1)

        monkeypatch.setattr(runs.held, "expiry", expiry)
        assert await runs.release_held(tx, ids, now) == {ids[1]}
        gone = await scene.occurrence(tx, jobs_of[0], ids[0])
        assert (gone.state, gone.reason) == ("skipped", "job_gone")
        assert "KeyError" in (gone.detail or "")


async def test_the_storm_guard_holds_what_is_late_and_lets_pass_what_is_not(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "all", "catch_up_window_seconds": 6 * 3600})
        now = _due(scene, hours=3)
        (opened,) = await scene.tick(tx, now, guard_until=now)
        held = [one for one in await scene.ledger(tx, job) if one.state == "held"]
        assert [one.scheduled_for_at for one in held] == [_due(scene, hours=hours) for hours in (0, 1, 2)]
        assert {(one.reason, one.is_late, one.held_until_at) for one in held} == {("storm_guard", True, None)}
        assert (await scene.occurrence(tx, job, opened)).scheduled_for_at == now
        assert await runs.next_held(tx) is None, "it waits for a person"


async def test_late_instants_after_the_guard_are_caught_up_as_ever(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "all", "catch_up_window_seconds": 6 * 3600})
        await scene.tick(tx, _due(scene, hours=3), guard_until=_due(scene, hours=1))
        assert [one.state for one in await scene.ledger(tx, job)] == ["held", "held", "open", "open"]


async def test_a_misfire_waits_for_a_person_where_the_job_says_so(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "hold", "catch_up_window_seconds": 3 * 3600})
        await scene.tick(tx, _due(scene, hours=4) + 10 * MINUTE)
        ledger = await scene.ledger(tx, job)
        assert [(one.state, one.reason) for one in ledger] == [
            ("missed", "catch_up_window"),
            *[("held", "misfire_hold")] * 3,
        ]
        assert (await scene.occurrence(tx, job, ledger[-1].id)).detail is not None


async def test_two_who_let_it_go_at_once_open_it_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
    now = scene.now + 31 * MINUTE

    async def let_go() -> set[UUID]:
        async with db.begin() as tx:
            return await runs.release_held(tx, [occurrence], now)

    async def by_itself() -> set[UUID]:
        async with db.begin() as tx:
            return await runs.open_due_held(tx, now)

    opened = await asyncio.gather(let_go(), by_itself(), let_go(), by_itself())
    assert sorted(map(len, opened)) == [0, 0, 0, 1]
    async with db.begin() as tx:
        assert [one.state for one in await scene.ledger(tx, job)] == ["open"]
        for table in ("runs", "run_targets", "work_items", "pgqueuer"):
            assert (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 1, table


async def test_of_one_who_skips_and_one_who_lets_go_only_one_does(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
    now = scene.now + 31 * MINUTE

    async def let_go() -> set[UUID]:
        async with db.begin() as tx:
            return await runs.release_held(tx, [occurrence], now)

    async def skip() -> set[UUID]:
        async with db.begin() as tx:
            return await runs.skip_held(tx, [occurrence], now, by=scene.admin.operator_id, detail="not this time")

    opened, skipped = await asyncio.gather(let_go(), skip())
    assert len(opened) + len(skipped) == 1
    async with db.begin() as tx:
        (row,) = await scene.ledger(tx, job)
        assert row.state == ("open" if opened else "skipped")
        assert (row.reason, row.detail) == ("by_operator", "not this time") or opened


async def test_a_person_lets_go_with_a_reason_that_is_kept(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "hold"})
        now = _due(scene) + 10 * MINUTE
        await scene.tick(tx, now)
        (held,) = await scene.ledger(tx, job)
        done = await runs.release_held(tx, [held.id], now, actor=scene.admin, reason="the backup is through")
        opened = await scene.occurrence(tx, job, held.id)
        assert done == {held.id}
        assert (opened.state, opened.start_reason, opened.started_by, opened.ignores_windows) == (
            "open",
            "the backup is through",
            scene.admin.operator_id,
            False,
        )


async def test_a_person_needs_a_reason_and_the_permission_where_a_window_holds(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        now = scene.now + 5 * MINUTE
        weak = replace(scene.admin, permissions=scene.admin.permissions - {Permission.WINDOWS_OVERRIDE})
        for actor, reason in ((scene.admin, None), (weak, "urgent")):
            with pytest.raises(ConflictError, match="blackout") as refused:
                await runs.release_held(tx, [occurrence], now, actor=actor, reason=reason)
            assert refused.value.code == "window_closed"
        assert await runs.release_held(tx, [occurrence], now, actor=scene.admin, reason="urgent") == {occurrence}
        opened = await scene.occurrence(tx, job, occurrence)
        assert (opened.ignores_windows, opened.start_reason) == (True, "urgent")


async def test_what_the_engine_lets_go_of_a_paused_job_is_skipped_and_a_person_may_all_the_same(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        ends = {}
        for actor in (None, scene.admin):
            job = await _job(tx, scene, policies={"catch_up": "hold"})
            await scene.tick(tx, _due(scene) + 10 * MINUTE)
            (held,) = await scene.ledger(tx, job)
            pause = {"enabled": False, "reason": "holiday"}
            await jobs.toggle(
                tx, scene.admin, await jobs.lock(tx, scene.admin, job), pause, now=_due(scene) + 20 * MINUTE
            )
            await runs.release_held(tx, [held.id], _due(scene) + 30 * MINUTE, actor=actor)
            row = await scene.occurrence(tx, job, held.id)
            ends[actor is None] = (row.state, row.reason)
        assert ends == {True: ("skipped", "paused"), False: ("open", None)}


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("UPDATE jobs SET deleted_at = now(), next_due_at = NULL WHERE id = :id", "was deleted"),
        (
            "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,timezone}', '\"Moon/Base\"') WHERE id = :id",
            "can no longer be read",
        ),
    ],
)
async def test_a_held_occurrence_whose_job_is_gone_is_never_stuck(db: Database, scene: Scene, harm, why) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        await tx.execute(text(harm), {"id": job})
        assert await runs.open_due_held(tx, scene.now + 31 * MINUTE) == set()
        found = await tx.execute(
            text("SELECT state, reason, detail FROM occurrences WHERE id = :id"), {"id": occurrence}
        )
        row = found.one()
        assert (row.state, row.reason) == ("skipped", "job_gone")
        assert why in row.detail
        assert await runs.next_held(tx) is None


async def test_many_are_let_go_in_the_order_of_their_instants(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "hold", "catch_up_window_seconds": 6 * 3600})
        now = _due(scene, hours=4) + 10 * MINUTE
        await scene.tick(tx, now)
        held = [one.id for one in await scene.ledger(tx, job)]
        assert len(held) == 5
        assert await runs.release_held(tx, list(reversed(held)), now, actor=scene.admin) == set(held)
        found = await tx.execute(text("SELECT occurrence_id FROM run_targets WHERE state = 'pending' ORDER BY id"))
        assert list(found.scalars()) == held, "none of them supersedes another"


async def test_the_newest_row_is_the_jobs_last_whether_it_ran_or_not(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene)
        await scene.window(tx, 30, 60, when_closed="skip")
        for hours in (0, 1):
            await scene.tick(tx, _due(scene, hours))
        last = (await tx.execute(text("SELECT last_occurrence_id FROM jobs WHERE id = :id"), {"id": job})).scalar_one()
        ledger = await scene.ledger(tx, job)
        assert [one.state for one in ledger] == ["open", "skipped"]
        assert last == ledger[-1].id


async def test_an_instant_is_held_once_by_any_number_of_schedulers(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job = await _job(tx, scene, policies={"catch_up": "hold"})

    async def tick() -> set[UUID]:
        async with db.begin() as tx:
            return await scene.tick(tx, _due(scene) + 10 * MINUTE)

    assert not any(await asyncio.gather(tick(), tick(), tick()))
    async with db.begin() as tx:
        assert [one.reason for one in await scene.ledger(tx, job)] == ["misfire_hold"]


async def test_held_work_is_told_to_those_who_watch_its_sites(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, _, occurrence = await _held_by_window(tx, scene)
        told = await tx.execute(
            text("SELECT site_id FROM events WHERE kind = 'occurrence.changed' AND payload->>'occurrence_id' = :id"),
            {"id": str(occurrence)},
        )
        assert told.scalars().all() == [scene.site]
        assert job


def test_the_page_about_states_names_every_reason_beside_its_state() -> None:
    first, _, _ = PAGE.read_text().partition("## Target")
    lines = {line.split("`")[1]: line for line in first.splitlines() if line.startswith("| `")}
    for state, reasons in OCCURRENCE_REASONS.items():
        assert [reason for reason in reasons if f"`{reason}`" not in lines[state]] == []
    assert sorted(reason for reasons in OCCURRENCE_REASONS.values() for reason in reasons) == sorted(OccurrenceReason)

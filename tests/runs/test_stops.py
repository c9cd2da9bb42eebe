"""Work is stopped when its window ends or its run is over; its device's answer ends it, and the reason of the stop stays."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories.scene import Scene, counters_hold
from watchbill import runs
from watchbill.core.states import TargetEvent
from watchbill.core.states import TargetState as S
from watchbill.kit.db import Database
from watchbill.runs.moves import Move, move

HOUR = timedelta(hours=1)


async def _running(tx, scene: Scene, name: str = "alpha", **row: Any) -> tuple[uuid.UUID, runs.Delivery]:
    """A script that runs, with columns of its row as given."""
    await scene.device(tx, name)
    occurrence = await scene.open(tx, await scene.job(tx, name), stop_by_at=row.pop("stop_by_at", None))
    (delivery,) = await scene.take(tx, name)
    await runs.started(tx, [(delivery.execution_id, delivery.device_id, scene.now)], scene.now)
    for column, value in row.items():
        await tx.execute(
            text(f"UPDATE run_targets SET {column} = :value WHERE id = :id"), {"value": value, "id": delivery.target_id}
        )
    return occurrence, delivery


async def _row(tx, scene: Scene, occurrence: uuid.UUID) -> runs.DeviceRow:
    (row,) = (await runs.device_rows(tx, scene.admin.scope, occurrence, limit=5)).items
    return row


async def test_at_the_end_of_the_whole_run_what_still_runs_is_stopped(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        over = scene.now + HOUR
        occurrence, delivery = await _running(tx, scene, stop_by_at=over)
        assert await runs.next_deadline(tx) == over
        assert await runs.reap(tx, over - timedelta(seconds=1)) == 0
        assert await runs.reap(tx, over) == 1
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.CANCELLING, "run_limit")
        assert row.detail == "It still ran when the time for the whole run was over."
        assert row.deadline_at is not None
        assert row.deadline_at > over, "the device has its time to answer"
        assert await runs.to_cancel(tx, (await _gateway(tx))) == [(delivery.execution_id, delivery.device_id)]
        assert await runs.reap(tx, over) == 0, "it is stopped once"
        nearest = await runs.next_deadline(tx)
        assert nearest == row.deadline_at, "what is being stopped needs no second look"
        await runs.finished(tx, [scene.report(delivery, outcome="cancelled", exit_code=None, tree="stopped")], over)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.CANCELLED, "run_limit")
        assert row.detail == "It still ran when the time for the whole run was over."
        await counters_hold(tx)


async def _gateway(tx) -> uuid.UUID:
    found: uuid.UUID = (await tx.execute(text("SELECT gateway_id FROM device_presence"))).scalar_one()
    return found


@pytest.mark.parametrize("reason", ["outside_window", "replaced"])
async def test_what_set_the_end_is_the_reason_of_the_stop(db: Database, scene: Scene, reason: str) -> None:
    async with db.begin() as tx:
        over = scene.now + HOUR
        occurrence, delivery = await _running(tx, scene, stop_by_at=over, stop_reason=reason)
        await runs.reap(tx, over)
        await runs.cancel_answered(tx, [(delivery.execution_id, delivery.device_id, "stopping")], over)
        await runs.finished(tx, [scene.report(delivery, outcome="cancelled", exit_code=None, tree="survived")], over)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.CANCELLED, reason)
        assert row.detail == "Some of its processes could not be stopped and may still run."


async def test_a_device_that_never_got_it_confirms_the_stop_with_its_reason(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        occurrence = await scene.open(tx, await scene.job(tx, "alpha"), stop_by_at=scene.now + HOUR)
        (delivery,) = await scene.take(tx)
        await runs.reap(tx, scene.now + HOUR)
        await runs.cancel_answered(tx, [(delivery.execution_id, delivery.device_id, "not_known")], scene.now + HOUR)
        assert (await scene.states(tx, occurrence)) == {"alpha": (S.CANCELLED, "run_limit")}


async def test_a_stop_by_a_person_has_no_reason_of_the_calendar(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, delivery = await _running(tx, scene, stop_by_at=scene.now + HOUR, stop_reason="outside_window")
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
        await runs.finished(
            tx, [scene.report(delivery, outcome="cancelled", exit_code=None, tree="stopped")], scene.now
        )
        assert (await scene.states(tx, occurrence)) == {"alpha": (S.CANCELLED, None)}


async def test_an_answer_after_the_device_was_given_up_still_tells_why_it_was_stopped(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        over = scene.now + HOUR
        occurrence, delivery = await _running(tx, scene, stop_by_at=over)
        await runs.reap(tx, over)
        await runs.reap(tx, over + HOUR)
        assert (await scene.states(tx, occurrence)) == {"alpha": (S.LOST, "no_answer")}
        await runs.finished(
            tx, [scene.report(delivery, outcome="cancelled", exit_code=None, tree="stopped")], over + HOUR
        )
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason, row.detail) == (S.CANCELLED, "run_limit", None)


async def test_work_that_ends_by_itself_while_it_is_stopped_has_its_own_result(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, delivery = await _running(tx, scene, stop_by_at=scene.now + HOUR)
        await runs.reap(tx, scene.now + HOUR)
        await runs.finished(tx, [scene.report(delivery)], scene.now + HOUR)
        assert (await scene.states(tx, occurrence)) == {"alpha": (S.SUCCESS, None)}


async def test_a_row_whose_turn_never_came_says_so_and_not_that_its_device_was_away(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, _ = await _running(tx, scene, deadline_at=scene.now + 5 * HOUR)
        job = (await scene.occurrence(tx, 1, occurrence)).job_id
        second = await scene.open(tx, job, 5, overlap="queue_one")
        assert await scene.take(tx) == []
        await runs.reap(tx, scene.now + 2 * HOUR)
        row = await _row(tx, scene, second)
        assert (row.state, row.reason) == (S.SKIPPED, "previous_run_active")
        assert row.detail == "An earlier run of the job was still active when its latest start had come."
        await counters_hold(tx)


async def test_a_row_that_other_devices_kept_from_its_turn_says_so_too(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("alpha", "beta"):
            await scene.device(tx, name)
        job = await scene.job(tx, "alpha", "beta")
        lone: dict[str, Any] = {"overlap": "queue_one", "overlap_scope": "job"}
        first = await scene.open(tx, job, **lone, expires_at=scene.now + 9 * HOUR)
        await scene.take(tx, "alpha")
        await tx.execute(
            text("UPDATE run_targets SET deadline_at = :at WHERE state = 'dispatched'"), {"at": scene.now + 9 * HOUR}
        )
        second = await scene.open(tx, job, 5, **lone)
        await runs.reap(tx, scene.now + 2 * HOUR)
        assert (await scene.states(tx, first))["beta"] == (S.EXPIRED, "superseded")
        assert set((await scene.states(tx, second)).values()) == {(S.SKIPPED, "previous_run_active")}


async def test_what_may_not_run_any_longer_before_it_started_is_settled(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        over = scene.now + timedelta(minutes=3)
        occurrence = await scene.open(tx, await scene.job(tx, "away"), stop_by_at=over)
        assert await runs.next_deadline(tx) == over
        assert await runs.reap(tx, over) == 1
        assert await scene.states(tx, occurrence) == {"away": (S.EXPIRED, "offline")}


async def test_a_row_that_made_room_for_a_later_start_is_superseded(db: Database, scene: Scene) -> None:
    """The next run of a job that follows the clocks of its targets starts later today; until then this one may run."""
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        job = await scene.job(tx, "away")
        first = await scene.open(tx, job, overlap="allow")
        second = await scene.open(tx, job, 5, overlap="allow")
        at = scene.now + timedelta(minutes=30)
        await tx.execute(
            text("UPDATE run_targets SET starts_at = :at WHERE occurrence_id = :id"), {"at": at, "id": second}
        )
        await tx.execute(
            text("UPDATE run_targets SET expires_at = :at, deadline_at = :at WHERE occurrence_id = :id"),
            {"at": at, "id": first},
        )
        await runs.reap(tx, at)
        assert await scene.states(tx, first) == {"away": (S.EXPIRED, "superseded")}
        assert await scene.states(tx, second) == {"away": (S.WAITING_ONLINE, None)}


async def test_a_replaced_row_answers_and_the_new_one_goes_at_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, delivery = await _running(tx, scene)
        job = (await scene.occurrence(tx, 1, occurrence)).job_id
        second = await scene.open(tx, job, 5, overlap="replace")
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLING, "replaced")}
        assert await scene.take(tx) == [], "the old one has not answered"
        await runs.finished(
            tx, [scene.report(delivery, outcome="cancelled", exit_code=None, tree="stopped")], scene.now
        )
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLED, "replaced")}
        assert [one.occurrence_id for one in await scene.take(tx)] == [second]


async def test_a_stop_that_nothing_can_follow_changes_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, delivery = await _running(tx, scene, stop_by_at=scene.now + HOUR)
        await runs.finished(tx, [scene.report(delivery)], scene.now)
        assert await runs.reap(tx, scene.now + HOUR) == 0
        assert await move(tx, [Move(delivery.target_id, TargetEvent.CANCEL, reason="run_limit")], scene.now) == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}

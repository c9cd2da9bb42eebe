"""Reports of devices: believed once, from the right device, for the right term; a terminal state never changes."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.factories.scene import Scene, counters_hold
from watchbill import runs
from watchbill.apps.gateway import writer
from watchbill.core.states import TargetEvent, is_terminal, target_after
from watchbill.core.states import TargetState as S
from watchbill.kit.db import Database
from watchbill.runs.moves import Move, move


async def _delivered(tx, scene: Scene, name: str = "alpha", **changes):
    if name not in scene.devices:
        await scene.device(tx, name)
    job = await scene.job(tx, name, **changes)
    occurrence = await scene.open(tx, job)
    (delivery,) = await scene.take(tx, name)
    return job, occurrence, delivery


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exit_code": 0}, (S.SUCCESS, None)),
        ({"exit_code": 9}, (S.WARNING, None)),
        ({"exit_code": 1}, (S.FAILED, None)),
        ({"exit_code": None, "signal": 11}, (S.FAILED, "killed_by_signal_11")),
        ({"outcome": "timed_out", "exit_code": None, "tree": "stopped"}, (S.TIMED_OUT, None)),
        ({"outcome": "timed_out", "exit_code": None, "tree": "survived"}, (S.TIMED_OUT, "tree_survived")),
        ({"outcome": "interrupted", "exit_code": None}, (S.FAILED, "interrupted")),
        ({"outcome": "refused", "exit_code": None, "reason": "expired"}, (S.EXPIRED, "offline")),
        (
            {"outcome": "refused", "exit_code": None, "reason": "interpreter_missing"},
            (S.SKIPPED, "interpreter_missing"),
        ),
        ({"outcome": "refused", "exit_code": None, "reason": "bad_signature"}, (S.FAILED, "refused_bad_signature")),
    ],
)
async def test_what_a_result_means(db: Database, scene: Scene, changes, expected) -> None:
    async with db.begin() as tx:
        job, occurrence, delivery = await _delivered(tx, scene)
        await runs.finished(tx, [scene.report(delivery, **changes)], scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": expected}
        assert (await scene.occurrence(tx, job, occurrence)).state == "closed"
        await counters_hold(tx)


async def test_a_result_counts_once_whoever_brings_it_again(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, occurrence, delivery = await _delivered(tx, scene)

    async def bring(exit_code: int) -> None:
        async with db.begin() as tx:
            await runs.finished(tx, [scene.report(delivery, exit_code=exit_code)], scene.now)

    await asyncio.gather(bring(0), bring(0), bring(0))
    await bring(1)
    async with db.begin() as tx:
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        await counters_hold(tx)


async def test_a_report_from_another_device_changes_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, occurrence, delivery = await _delivered(tx, scene)
        await scene.device(tx, "mallory")
        foreign = scene.devices["mallory"]
        await runs.started(tx, [(delivery.execution_id, foreign, scene.now)], scene.now)
        await runs.finished(tx, [scene.report(delivery, device_id=foreign)], scene.now)
        await runs.cancel_answered(tx, [(delivery.execution_id, foreign, "not_known")], scene.now)
        await runs.store_output(
            tx, [runs.Chunk(delivery.execution_id, foreign, "stdout", 0, b"lies")], limit_bytes=1000
        )
        assert await scene.states(tx, occurrence) == {"alpha": (S.DISPATCHED, None)}
        assert await runs.read_output(tx, delivery.execution_id, "stdout", 0) == []


async def test_a_foreign_report_beside_the_true_one_does_not_take_its_place(db: Database, scene: Scene) -> None:
    """Both in one batch of a gateway, the foreign one last, with output that is the device's own."""
    async with db.begin() as tx:
        _, occurrence, delivery = await _delivered(tx, scene)
        await scene.device(tx, "mallory")
        true = scene.report(delivery, stdout_bytes=2, last_line="ok")
        lie = scene.report(delivery, device_id=scene.devices["mallory"], exit_code=9, last_line="lies")
        await _in_one_batch(tx, scene, [runs.Chunk(*true.told, "stdout", 0, b"ok")], [true, lie])
        (row,) = (await runs.device_rows(tx, scene.admin.scope, occurrence, limit=5)).items
        assert (row.state, row.exit_code, row.last_line) == (S.SUCCESS, 0, "ok")
        assert await _counted(tx, delivery) == (2, 2)


async def test_what_another_device_says_stands_in_for_nobodys_own_word(db: Database, scene: Scene) -> None:
    """In one batch of a gateway a start says that an order was accepted, and a result all before it: of whoever has it."""
    async with db.begin() as tx:
        _, occurrence, delivery = await _delivered(tx, scene)
        id_, own, foreign = delivery.execution_id, delivery.device_id, await scene.device(tx, "mallory")
        await writer._write(
            tx, writer.Batch(accepted=[(id_, own)], started=[(id_, foreign, scene.now)]), scene.now, 1000
        )
        state = text("SELECT state FROM executions WHERE id = :id")
        assert (await tx.execute(state, {"id": id_})).scalar_one() == "accepted"
        lie = scene.report(delivery, device_id=foreign)
        await writer._write(tx, writer.Batch(started=[(id_, own, scene.now)], reports=[lie]), scene.now, 1000)
        assert await scene.states(tx, occurrence) == {"alpha": (S.RUNNING, None)}


@pytest.mark.parametrize(("limit", "stored"), [(1000, 7), (3, 4)])
async def test_output_counts_once_whether_its_result_comes_with_it_or_counts_for_nothing(
    db: Database, scene: Scene, limit: int, stored: int
) -> None:
    async with db.begin() as tx:
        _, _, delivery = await _delivered(tx, scene)
        report = scene.report(delivery, stdout_bytes=4)
        chunks = [runs.Chunk(*report.told, "stdout", 0, b"good")]
        foreign = scene.report(delivery, device_id=await scene.device(tx, "mallory"))
        await _in_one_batch(tx, scene, chunks, [foreign])
        assert await _counted(tx, delivery) == (4, 4), "it still runs: how far its output reaches is known"
        await _in_one_batch(tx, scene, chunks, [report])
        assert await _counted(tx, delivery) == (4, 4)
        await _in_one_batch(tx, scene, [*chunks, runs.Chunk(*report.told, "stderr", 0, b"bye")], [report], limit)
        assert await _counted(tx, delivery) == (4, stored)


async def _in_one_batch(tx, scene: Scene, chunks, reports, limit: int = 1000) -> None:
    """As a gateway stores it."""
    stored = await runs.store_output(tx, chunks, limit_bytes=limit, ending={one.execution_id for one in reports})
    hashes = await runs.summarise_output(tx, reports, stored)
    await runs.finished(tx, reports, scene.now, runs.Outputs(hashes, stored))


async def _counted(tx, delivery) -> tuple[int, int]:
    statement = "SELECT stdout_bytes, stored_bytes FROM executions WHERE id = :id"
    return tuple((await tx.execute(text(statement), {"id": delivery.execution_id})).one())


async def test_a_lost_target_learns_the_truth_and_its_occurrence_is_folded_again(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, occurrence, delivery = await _delivered(tx, scene)
        later = scene.now + timedelta(days=2)
        assert await runs.reap(tx, later) == 1
        assert await scene.states(tx, occurrence) == {"alpha": (S.LOST, "no_answer")}
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "failed"
        await runs.finished(tx, [scene.report(delivery)], later)
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "success"
        await counters_hold(tx)


async def test_a_result_after_the_end_is_kept_beside_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        job, occurrence, delivery = await _delivered(tx, scene)
        await move(tx, [Move(delivery.target_id, TargetEvent.FAIL, reason="operator")], scene.now)
        await runs.finished(tx, [scene.report(delivery)], scene.now)
        (row,) = (await runs.device_rows(tx, scene.admin.scope, occurrence, limit=5)).items
        assert (row.state, row.reason) == (S.FAILED, "operator")
        assert row.late_result is not None
        assert row.late_result["outcome"] == "exited"
        assert job


async def test_a_newer_term_fences_an_older_report(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, occurrence, delivery = await _delivered(tx, scene)
        await tx.execute(text("UPDATE run_targets SET term = term + 1 WHERE id = :id"), {"id": delivery.target_id})
        await runs.finished(tx, [scene.report(delivery)], scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.DISPATCHED, None)}


async def test_the_last_two_results_at_the_same_moment_close_the_occurrence(db: Database, scene: Scene) -> None:
    """Each of the two transactions sees one result only; one of them must still notice the end."""
    async with db.begin() as tx:
        for name in ("alpha", "beta"):
            await scene.device(tx, name)
        job = await scene.job(tx, "alpha", "beta")
        occurrence = await scene.open(tx, job)
        deliveries = await scene.take(tx)

    async def bring(delivery: runs.Delivery) -> None:
        async with db.begin() as tx:
            await runs.finished(tx, [scene.report(delivery)], scene.now)
            await asyncio.sleep(0.05)

    await asyncio.gather(*[bring(delivery) for delivery in deliveries])
    async with db.begin() as tx:
        end = await scene.occurrence(tx, job, occurrence)
        assert (end.state, end.outcome, end.counts) == ("closed", "success", {"success": 2})


async def test_a_stop_withdraws_what_waits_and_waits_for_what_runs(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        await scene.device(tx, "busy")
        job = await scene.job(tx, "away", "busy")
        occurrence = await scene.open(tx, job)
        (delivery,) = await scene.take(tx)
        assert await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now) == 2
        assert await scene.states(tx, occurrence) == {
            "away": (S.CANCELLED, "not_started_cancelled"),
            "busy": (S.CANCELLING, None),
        }
        assert await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now) == 0
        await runs.cancel_answered(tx, [(delivery.execution_id, delivery.device_id, "not_known")], scene.now)
        assert (await scene.states(tx, occurrence))["busy"] == (S.CANCELLED, "not_delivered")
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "cancelled"
        await counters_hold(tx)


async def test_every_bound_has_a_keeper(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        await scene.device(tx, "silent")
        await scene.device(tx, "unreleased")
        job = await scene.job(tx, "away", "silent")
        occurrence = await scene.open(tx, job)
        await scene.take(tx)
        stuck = scene.opening(await scene.job(tx, "unreleased"))
        await runs.open_occurrences(tx, [stuck], scene.now)
        bound = await runs.next_deadline(tx)
        assert bound is not None
        assert scene.now < bound <= scene.now + timedelta(hours=2)
        assert await runs.reap(tx, scene.now) == 0
        await runs.reap(tx, scene.now + timedelta(days=1))
        assert await scene.states(tx, occurrence) == {"away": (S.EXPIRED, "offline"), "silent": (S.LOST, "no_answer")}
        assert await scene.states(tx, stuck.id) == {"unreleased": (S.SKIPPED, "late_start")}
        assert await runs.next_deadline(tx) is None


async def test_output_is_read_back_in_order_with_its_gap(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, _, delivery = await _delivered(tx, scene)

        def chunk(offset: int, data: bytes) -> runs.Chunk:
            return runs.Chunk(delivery.execution_id, delivery.device_id, "stdout", offset, data)

        await runs.store_output(tx, [chunk(3, b"def"), chunk(0, b"abc"), chunk(0, b"abc")], limit_bytes=100)
        await runs.store_output(tx, [chunk(100, b"end")], limit_bytes=100)
        pieces = await runs.read_output(tx, delivery.execution_id, "stdout", 1)
        assert [(one.offset, one.skipped, one.data) for one in pieces] == [
            (1, 0, b"bc"),
            (3, 0, b"def"),
            (100, 94, b"end"),
        ]
        await runs.store_output(tx, [chunk(200, b"x" * 100)], limit_bytes=9)
        assert len(await runs.read_output(tx, delivery.execution_id, "stdout", 0)) == 3, (
            "beyond the limit nothing is kept"
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(list(TargetEvent)), max_size=8))
async def test_the_database_follows_the_state_table_and_nothing_else(db: Database, scene: Scene, steps) -> None:
    async with db.engine.connect() as tx:
        if not scene.devices:
            await scene.device(tx, f"d-{uuid.uuid4().hex[:6]}")
        name = next(iter(scene.devices))
        job = await scene.job(tx, name)
        one = scene.opening(job)
        await runs.open_occurrences(tx, [one], scene.now)
        (row,) = (await runs.device_rows(tx, scene.admin.scope, one.id, limit=1)).items
        state = S.PENDING
        for event in steps:
            moved = await move(tx, [Move(row.target_id, event, deadline_at=scene.now)], scene.now)
            after = target_after(state, event)
            assert [(one.before, one.after) for one in moved] == ([(state, after)] if after else [])
            state = after or state
            await counters_hold(tx)
        end = await scene.occurrence(tx, job, one.id)
        assert (end.state == "closed") == is_terminal(state)
        await tx.rollback()
        scene.devices.clear()

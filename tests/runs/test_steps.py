"""Components one after another in the database: what follows is written with the result before it, and every bound holds in between."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import assemblies, runs
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.core.states import TargetEvent
from watchbill.core.states import TargetState as S
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.settings import Settings

RETRY = {"retries": 1, "retry_delay_seconds": 60}


async def _begun(tx, scene: Scene, *components: dict[str, Any], limit: int = 3600, **changes):
    await scene.device(tx, "alpha")
    parts = [{"assembly_id": str(scene.script), **one} for one in components]
    job = await scene.job(tx, "alpha", components=parts, **changes)
    occurrence = await scene.open(tx, job, time_limit_seconds=limit)
    (delivery,) = await scene.take(tx, "alpha")
    return occurrence, delivery


async def _ends(tx, scene: Scene, delivery, exit_code: int = 0, **changes) -> runs.Followed:
    return await runs.finished(tx, [scene.report(delivery, exit_code=exit_code, **changes)], scene.now)


async def _ran(tx, scene: Scene, occurrence) -> list[tuple[Any, ...]]:
    row = (await scene.rows(tx, occurrence))["alpha"]
    return [
        (one.component, one.attempt, one.is_recheck, one.reason if one.outcome == "skipped" else one.exit_code)
        for one in row.executions
    ]


async def test_the_next_component_is_written_with_the_result_before_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, limit=100)
        began = scene.now - timedelta(seconds=40)
        (second,) = (await _ends(tx, scene, first, started_at=began)).deliveries
        assert (second.component, second.device_id, second.time_limit_seconds) == (1, first.device_id, 60)
        assert second.execution_id != first.execution_id
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.started_at) == (S.RUNNING, began)
        assert row.deadline_at == scene.now + timedelta(seconds=60) + runs.KILL_GRACE + timedelta(minutes=2)
        (owed,) = await runs.owed(tx, [first.device_id])
        assert (owed.delivery, owed.target_state) == (second, S.RUNNING)
        assert (await _ends(tx, scene, first)).deliveries == []
        assert (await _ends(tx, scene, second)).deliveries == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        await counters_hold(tx)


async def test_a_failure_leaves_the_rest_out_with_the_reason(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, {})
        (second,) = (await _ends(tx, scene, first)).deliveries
        await _ends(tx, scene, second, 3, last_line="no space")
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.exit_code, row.last_line) == (S.FAILED, 3, "no space")
        assert row.detail == "Component 2 of 3 failed."
        assert await _ran(tx, scene, occurrence) == [(0, 1, False, 0), (1, 1, False, 3), (2, 1, False, "after_failure")]
        page = await runs.executions_on(tx, scene.admin.scope, first.device_id, limit=10, cursor=None)
        assert sorted(one.execution.component for one in page.items) == [0, 1]
        assert {one.occurrence_id for one in page.items} == {occurrence}
        assert {type(one.component_name) for one in page.items} == {str}


async def test_the_row_tells_of_the_component_that_failed_where_others_went_on(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, policies={"continue_on_failure": True})
        (second,) = (await _ends(tx, scene, first, 3, last_line="no space")).deliveries
        await _ends(tx, scene, second, last_line="done")
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.exit_code, row.last_line) == (S.FAILED, 3, "no space")


async def test_another_try_waits_its_time_and_begins_at_what_failed(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, policies=RETRY)
        (second,) = (await _ends(tx, scene, first)).deliveries
        followed = await _ends(tx, scene, second, 3)
        assert (followed.deliveries, followed.later_since) == ([], scene.now)
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.reason, row.starts_at) == (S.PENDING, "retrying", scene.now + timedelta(minutes=1))
        assert await runs.next_start(tx, GATEWAY, scene.now) == row.starts_at
        await counters_hold(tx)
        assert await scene.take(tx) == []
        scene.now += timedelta(minutes=1)
        (again,) = await scene.take(tx)
        assert (again.component, again.attempt) == (1, 2)
        await _ends(tx, scene, again)
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        assert await _ran(tx, scene, occurrence) == [(0, 1, False, 0), (1, 1, False, 3), (1, 2, False, 0)]
        await counters_hold(tx)


async def test_a_report_of_an_earlier_try_changes_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, policies=RETRY)
        await _ends(tx, scene, first, 3)
        scene.now += timedelta(minutes=1)
        await scene.take(tx)
        await runs.started(tx, [(first.execution_id, first.device_id, scene.now)], scene.now)
        assert (await _ends(tx, scene, first)).deliveries == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.DISPATCHED, None)}


@pytest.mark.parametrize(("exit_code", "state"), [(3, S.FAILED), (9, S.WARNING)])
async def test_a_try_that_does_not_come_about_leaves_what_the_last_one_said(
    db: Database, scene: Scene, exit_code: int, state: S
) -> None:
    async with db.begin() as tx:
        retry = {**RETRY, "retry_on": ["failed", "warning"]}
        occurrence, first = await _begun(tx, scene, {}, {}, policies={**retry, "continue_on_failure": False})
        (second,) = (await _ends(tx, scene, first)).deliveries
        await _ends(tx, scene, second, exit_code)
        await runs.reap(tx, scene.now + timedelta(hours=2))
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.reason, row.exit_code) == (state, "not_retried", exit_code)
        assert row.detail == "Another try was due, and did not come about: offline."
        await counters_hold(tx)


async def test_who_waits_for_another_try_can_be_cancelled(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, policies=RETRY)
        await _ends(tx, scene, first, 3)
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLED, None)}
        assert (1, 1, False, "cancelled") in await _ran(tx, scene, occurrence)


async def test_a_cancel_between_two_components_stops_the_rest(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {})
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
        assert (await _ends(tx, scene, first)).deliveries == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLED, None)}
        assert await _ran(tx, scene, occurrence) == [(0, 1, False, 0), (1, 1, False, "cancelled")]


async def test_a_cancel_reaches_a_component_that_its_device_never_got(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, {})
        (second,) = (await _ends(tx, scene, first)).deliveries
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
        assert await runs.to_cancel(tx, GATEWAY) == [(second.execution_id, second.device_id)]
        await runs.cancel_answered(tx, [(second.execution_id, second.device_id, "not_known")], scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLED, "not_delivered")}
        assert (2, 1, False, "cancelled") in await _ran(tx, scene, occurrence)


async def test_the_limit_of_the_run_holds_between_two_components(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {})
        await tx.execute(text("UPDATE run_targets SET stop_by_at = :now"), {"now": scene.now})
        assert (await _ends(tx, scene, first)).deliveries == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLED, "run_limit")}


async def test_a_window_that_closes_between_two_components_lets_no_other_begin(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {})
        await scene.window(tx, 10, 30)
        scene.now += timedelta(minutes=15)
        assert (await _ends(tx, scene, first)).deliveries == []
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.reason) == (S.CANCELLED, "blackout")
        assert row.detail is not None
        assert row.detail.startswith("Component 2 was not begun: ")
        assert (1, 1, False, "blackout") in await _ran(tx, scene, occurrence)


async def test_what_was_lost_between_two_components_goes_on_with_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {})
        await runs.reap(tx, scene.now + timedelta(days=2))
        assert await scene.states(tx, occurrence) == {"alpha": (S.LOST, "no_answer")}
        assert (1, 1, False, "lost") in await _ran(tx, scene, occurrence)
        assert (await _ends(tx, scene, first)).deliveries == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.FAILED, "not_completed")}
        await counters_hold(tx)


async def test_a_component_that_its_device_has_forgotten_is_never_repeated(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {}, {}, policies=RETRY)
        (second,) = (await _ends(tx, scene, first)).deliveries
        followed = await runs.never_came(tx, [second.execution_id], TargetEvent.FAIL, "interrupted", scene.now)
        assert (followed.deliveries, followed.later_since) == ([], None)
        assert await scene.states(tx, occurrence) == {"alpha": (S.FAILED, "interrupted")}


@pytest.mark.parametrize(
    ("codes", "verdict", "expected", "ran"),
    [
        ([0], "compliant", (S.SUCCESS, None), [(0, False), (1, False)]),
        ([4, 0, 0], "fixed", (S.SUCCESS, None), [(0, False), (1, False), (0, True)]),
        ([4, 0, 4], "still_wrong", (S.FAILED, "still_wrong"), [(0, False), (1, False), (0, True)]),
        ([1], None, (S.FAILED, "check_failed"), [(0, False), (1, False)]),
    ],
)
async def test_a_check_decides_whether_its_fix_runs(db: Database, scene: Scene, codes, verdict, expected, ran) -> None:
    async with db.begin() as tx:
        occurrence, delivery = await _begun(tx, scene, {"role": "check", "not_compliant_exit_codes": [4]}, {})
        left = [delivery]
        for code in codes:
            left = (await _ends(tx, scene, left[0], code)).deliveries
        assert left == []
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert ((row.state, row.reason), row.verdict) == (expected, verdict)
        assert [(one.component, one.is_recheck) for one in row.executions] == ran
        found = await runs.with_waves(tx, scene.admin.scope, [await scene.occurrence(tx, delivery.job_id, occurrence)])
        assert found[0].verdicts == ({verdict: 1} if verdict else {})
        page = await runs.device_rows(tx, scene.admin.scope, occurrence, runs.RowFilter(verdicts=["fixed"]), limit=5)
        assert [one.verdict for one in page.items] == (["fixed"] if verdict == "fixed" else [])
        words = {0: "success", 1: "failed", 4: "not_compliant"}
        assert [one.result for one in row.executions] == [words[code] for code in codes] + [None] * (
            len(ran) - len(codes)
        )
        on_it = await runs.executions_on(tx, scene.admin.scope, delivery.device_id, limit=10, cursor=None)
        assert [one.verdict for one in on_it.items] == [verdict] * len(codes)


async def test_a_device_without_the_interpreter_of_a_later_component_is_left_out(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha", interpreters=["bash"])
        script = {"name": "Snake", "kind": "script", "interpreter": "python", "content": "pass"}
        snake = (await assemblies.create(tx, scene.admin, script, now=scene.now)).id
        parts = [{"assembly_id": str(scene.script)}, {"assembly_id": str(snake)}]
        occurrence = await scene.open(tx, await scene.job(tx, "alpha", components=parts))
        assert await scene.states(tx, occurrence) == {"alpha": (S.SKIPPED, "interpreter_missing")}


async def test_the_doctor_finds_nothing_in_what_components_leave(
    db: Database, scene: Scene, settings: Settings, clock: Clock
) -> None:
    async with db.begin() as tx:
        occurrence, first = await _begun(tx, scene, {"role": "check"}, {}, {}, policies=RETRY)
        (second,) = (await _ends(tx, scene, first, 1)).deliveries
        await _ends(tx, scene, second, 1)
        scene.now += timedelta(minutes=1)
        (again,) = await scene.take(tx)
        await _ends(tx, scene, again, 1)
        assert (await scene.states(tx, occurrence))["alpha"][0] is S.FAILED
    found = await doctor.check(Engine(settings, db, clock, scene.keys))
    assert [one for one in found if one.code not in {"presence_of_dead_gateway", "work_without_doorbell"}] == []

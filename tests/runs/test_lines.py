"""Several components, checks and tries in the sessions of who is signed in: each session goes on by itself, and the device is all of them."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories.scene import Scene, counters_hold
from watchbill import runs
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.core.states import TargetState as S
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.settings import Settings

CHECK = {"role": "check"}
RETRY = {"retries": 1, "retry_delay_seconds": 60}
OVER: dict[str, Any] = {
    "outcome": "refused",
    "exit_code": None,
    "reason": "no_user_session",
    "started_at": None,
    "detail": "the session of bob in which it was to run is over",
}


async def _begun(
    tx, scene: Scene, *components: dict[str, Any], **changes: Any
) -> tuple[uuid.UUID, list[runs.Delivery]]:
    await scene.device(tx, "alpha")
    await scene.sign_in(tx, "alpha", "ada", "bob")
    parts = [{"assembly_id": str(scene.script), **one} for one in components]
    job = await scene.job(tx, "alpha", components=parts, execution_context="current_user", **changes)
    occurrence = await scene.open(tx, job, execution_context="current_user")
    return occurrence, await scene.take(tx, "alpha")


async def _ends(
    tx, scene: Scene, delivery: runs.Delivery, exit_code: int | None = 0, **changes: Any
) -> list[runs.Delivery]:
    followed = await runs.finished(tx, [scene.report(delivery, exit_code=exit_code, **changes)], scene.now)
    return followed.deliveries


async def _row(tx, scene: Scene, occurrence: uuid.UUID) -> runs.DeviceRow:
    return (await scene.rows(tx, occurrence))["alpha"]


async def _ran(tx, scene: Scene, occurrence: uuid.UUID) -> dict[str, list[tuple[Any, ...]]]:
    """By user: component, try, and the reason or the exit code."""
    found: dict[str, list[tuple[Any, ...]]] = {"ada": [], "bob": []}
    for one in (await _row(tx, scene, occurrence)).executions:
        said = one.reason if one.outcome in ("skipped", "refused") else one.exit_code
        found[str(one.session_user_name)].append((one.component, one.attempt, said))
    return found


async def test_components_run_in_order_within_each_session_and_sessions_do_not_wait(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {})
        (ada2,) = await _ends(tx, scene, ada)
        assert (ada2.component, ada2.session_id, ada2.session_user) == (1, "of-ada", "ada")
        owed = [one.delivery for one in await runs.owed(tx, [ada.device_id])]
        assert {one.execution_id for one in owed} == {ada2.execution_id, bob.execution_id}
        assert ada2 in owed, "what is handed out again is the same"
        assert await _ends(tx, scene, ada2) == []
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.late_result) == (S.RUNNING, None)
        (bob2,) = await _ends(tx, scene, bob)
        assert (bob2.component, bob2.session_user) == (1, "bob")
        later = scene.now + timedelta(minutes=1)
        await _ends(tx, scene, bob2, finished_at=later)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason, row.detail, row.finished_at) == (S.SUCCESS, None, None, later)
        assert await _ran(tx, scene, occurrence) == {"ada": [(0, 1, 0), (1, 1, 0)], "bob": [(0, 1, 0), (1, 1, 0)]}
        await counters_hold(tx)


async def test_a_failure_ends_its_own_line_and_the_device_says_whose_it_was(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {})
        assert await _ends(tx, scene, ada, 3, last_line="no space") == []
        assert (await _row(tx, scene, occurrence)).state is S.DISPATCHED, "bob's is not over"
        (bob2,) = await _ends(tx, scene, bob)
        await _ends(tx, scene, bob2, last_line="done")
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.exit_code, row.last_line) == (S.FAILED, 3, "no space")
        assert row.detail == "In 1 of 2 sessions: ada. Component 1 of 2 failed."
        assert (await _ran(tx, scene, occurrence))["ada"] == [(0, 1, 3), (1, 1, "after_failure")]
        await counters_hold(tx)


@pytest.mark.parametrize(
    ("ada", "bob", "verdict", "state"),
    [
        ([0], [0], "compliant", S.SUCCESS),
        ([0], [1, 0, 0], "fixed", S.SUCCESS),
        ([1, 0, 0], [1, 0, 1], "still_wrong", S.FAILED),
        ([0], [1, 0, 1], "still_wrong", S.FAILED),
        ([0], [5], None, S.FAILED),
    ],
)
async def test_a_check_decides_in_each_session_and_the_worst_verdict_is_the_devices(
    db: Database, scene: Scene, ada: list[int], bob: list[int], verdict: str | None, state: S
) -> None:
    async with db.begin() as tx:
        occurrence, deliveries = await _begun(tx, scene, CHECK, {})
        for delivery, codes in zip(deliveries, (ada, bob), strict=True):
            following = [delivery]
            for code in codes:
                (one,) = following
                following = await _ends(tx, scene, one, code)
            assert following == []
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.verdict) == (state, verdict)
        ran = await _ran(tx, scene, occurrence)
        assert ((1, 1, "compliant") in ran["ada"]) == (ada == [0])
        counted = await tx.execute(text("SELECT verdict, number FROM occurrence_verdicts"))
        assert [tuple(one) for one in counted] == ([(verdict, 1)] if verdict else [])


async def test_only_the_session_that_failed_is_tried_again_once_all_have_ended(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {}, policies=RETRY)
        (ada2,) = await _ends(tx, scene, ada)
        assert await _ends(tx, scene, ada2, 3) == []
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.RUNNING, None), "bob's is not over"
        scene.now += timedelta(seconds=40)
        (bob2,) = await _ends(tx, scene, bob)
        await _ends(tx, scene, bob2)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.PENDING, "retrying")
        assert row.starts_at == scene.now + timedelta(seconds=20), "the delay counts from her own end"
        assert str(row.detail).startswith("In 1 of 2 sessions: ada. Component 2 of 2 failed. It is tried again at")
        await counters_hold(tx)
        scene.now += timedelta(seconds=20)
        (again,) = await scene.take(tx, "alpha")
        assert (again.component, again.attempt, again.session_user) == (1, 2, "ada")
        await _ends(tx, scene, again)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason, row.detail) == (S.SUCCESS, None, None)
        assert await _ran(tx, scene, occurrence) == {
            "ada": [(0, 1, 0), (1, 1, 3), (1, 2, 0)],
            "bob": [(0, 1, 0), (1, 1, 0)],
        }
        await counters_hold(tx)


async def test_each_session_is_tried_again_from_its_own_first_fault(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, (ada, bob) = await _begun(tx, scene, {}, {}, policies=RETRY)
        (ada2,) = await _ends(tx, scene, ada)
        await _ends(tx, scene, ada2, 3)
        await _ends(tx, scene, bob, 3)
        scene.now += timedelta(minutes=1)
        again = await scene.take(tx, "alpha")
        assert [(one.session_user, one.component) for one in again] == [("ada", 1), ("bob", 0)]


async def test_who_has_signed_out_before_another_try_ends_as_the_last_one_did(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {}, policies=RETRY)
        await _ends(tx, scene, ada, 3)
        await _ends(tx, scene, bob, 4)
        await scene.sign_in(tx, "alpha", "bob", "eve")
        scene.now += timedelta(minutes=1)
        (again,) = await scene.take(tx, "alpha")
        assert again.session_user == "bob", "eve's session was not there when it began"
        (last,) = await _ends(tx, scene, again)
        await _ends(tx, scene, last)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason, row.exit_code) == (S.FAILED, "not_retried", 3)
        assert row.detail == "In 1 of 2 sessions: ada. Another try was due, and did not come about: no_user_session."
        assert (await _ran(tx, scene, occurrence))["ada"] == [(0, 1, 3), (1, 1, "not_retried")]


async def test_when_all_have_signed_out_before_another_try_it_ends_as_the_last_one_did(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {}, policies={**RETRY, "no_user_session": "wait"})
        await _ends(tx, scene, ada, 3)
        (bob2,) = await _ends(tx, scene, bob)
        await _ends(tx, scene, bob2)
        await scene.sign_in(tx, "alpha")
        scene.now += timedelta(minutes=1)
        assert await scene.take(tx, "alpha") == []
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.FAILED, "not_retried")
        assert (await _ran(tx, scene, occurrence))["ada"] == [(0, 1, 3), (1, 1, "not_retried")]
        await counters_hold(tx)


async def test_a_session_that_ends_in_the_middle_ends_its_own_line(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        policies = {**RETRY, "continue_on_failure": True}
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {}, {}, policies=policies)
        (bob2,) = await _ends(tx, scene, bob)
        assert await _ends(tx, scene, bob2, **OVER) == [], "nothing more is begun where nobody is"
        (ada2,) = await _ends(tx, scene, ada)
        (ada3,) = await _ends(tx, scene, ada2)
        await _ends(tx, scene, ada3)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.FAILED, "session_ended")
        assert row.detail == (
            "In 1 of 2 sessions: bob. Component 2 of 3 was not begun: the session of bob in which it was to run is over."
        )
        assert (await _ran(tx, scene, occurrence))["bob"] == [
            (0, 1, 0),
            (1, 1, "no_user_session"),
            (2, 1, "no_user_session"),
        ]


async def test_a_session_that_was_over_before_anything_ran_leaves_the_word_to_the_others(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, CHECK, {})
        await _ends(tx, scene, bob, **OVER)
        await _ends(tx, scene, ada)
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.verdict) == (S.SUCCESS, "compliant")
        assert [one[2] for one in (await _ran(tx, scene, occurrence))["bob"]] == ["no_user_session"] * 2


async def test_a_cancel_stops_what_runs_in_every_session_and_begins_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {})
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
        assert await _ends(tx, scene, ada) == []
        assert (await _row(tx, scene, occurrence)).state is S.CANCELLING
        await _ends(tx, scene, bob, outcome="cancelled", exit_code=None)
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLED, None)}
        assert await _ran(tx, scene, occurrence) == {
            "ada": [(0, 1, 0), (1, 1, "cancelled")],
            "bob": [(0, 1, None), (1, 1, "cancelled")],
        }
        await counters_hold(tx)


async def test_what_is_lost_in_one_session_is_known_when_all_have_told(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {})
        (ada2,) = await _ends(tx, scene, ada)
        await runs.reap(tx, scene.now + timedelta(hours=3))
        assert (await scene.states(tx, occurrence))["alpha"][0] is S.LOST
        await _ends(tx, scene, ada2)
        assert (await scene.states(tx, occurrence))["alpha"][0] is S.LOST
        assert await _ends(tx, scene, bob) == [], "nothing is begun any more"
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.FAILED, "not_completed")
        assert await _ran(tx, scene, occurrence) == {"ada": [(0, 1, 0), (1, 1, 0)], "bob": [(0, 1, 0), (1, 1, "lost")]}
        await counters_hold(tx)


async def test_what_a_window_has_ended_in_one_session_stays_ended_when_it_opens(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, {}, {})
        await scene.window(tx, -10, 30)
        assert await _ends(tx, scene, ada) == []
        await tx.execute(text("UPDATE windows SET enabled = false"))
        (bob2,) = await _ends(tx, scene, bob)
        assert bob2.session_user == "bob"
        await _ends(tx, scene, bob2)
        row = await _row(tx, scene, occurrence)
        assert row.state is S.CANCELLED
        assert str(row.detail).startswith("In 1 of 2 sessions: ada. Component 2 was not begun")
        assert (await _ran(tx, scene, occurrence))["bob"] == [(0, 1, 0), (1, 1, 0)]


async def test_the_ends_of_two_sessions_at_once_lose_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, deliveries = await _begun(tx, scene, {}, {})

    async def bring(delivery: runs.Delivery) -> list[runs.Delivery]:
        async with db.begin() as tx:
            return await _ends(tx, scene, delivery)

    for _ in range(2):
        found = await asyncio.gather(*(bring(one) for one in deliveries))
        deliveries = [one for some in found for one in some]
    assert deliveries == []
    async with db.begin() as tx:
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        await counters_hold(tx)


async def test_results_of_both_sessions_in_one_batch_are_followed_in_both(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence, deliveries = await _begun(tx, scene, {}, {})
        reports = [scene.report(one) for one in deliveries]
        followed = await runs.finished(tx, reports, scene.now)
        assert sorted(str(one.session_user) for one in followed.deliveries) == ["ada", "bob"]
        assert (await runs.finished(tx, reports, scene.now)).deliveries == [], "a repeat changes nothing"
        await runs.finished(tx, [scene.report(one) for one in followed.deliveries], scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}


async def test_the_doctor_finds_nothing_in_what_sessions_leave(
    db: Database, scene: Scene, settings: Settings, clock: Clock
) -> None:
    async with db.begin() as tx:
        occurrence, (ada, bob) = await _begun(tx, scene, CHECK, {}, {}, policies=RETRY)
        (ada2,) = await _ends(tx, scene, ada, 1)
        await _ends(tx, scene, ada2, 1)
        await _ends(tx, scene, bob, 0)
        await scene.sign_in(tx, "alpha", "bob")
        scene.now += timedelta(minutes=1)
        assert await scene.take(tx) == []
        row = await _row(tx, scene, occurrence)
        assert (row.state, row.reason) == (S.FAILED, "not_retried")
    found = await doctor.check(Engine(settings, db, clock, scene.keys))
    assert [one for one in found if one.code not in {"presence_of_dead_gateway", "work_without_doorbell"}] == []

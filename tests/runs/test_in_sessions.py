"""Jobs that run as who is signed in: an execution in each session, one verdict, and devices on which nobody is."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import devices, runs
from watchbill.core.states import TargetState as S
from watchbill.devices import SignedIn, UserSession
from watchbill.kit.db import Database

WAIT = {"no_user_session": "wait"}


async def _opened(tx, scene: Scene, *names: str, **changes: Any) -> tuple[int, uuid.UUID]:
    for name in names:
        if name not in scene.devices:
            await scene.device(tx, name)
    job = await scene.job(tx, *names, execution_context="current_user")
    return job, await scene.open(tx, job, execution_context="current_user", **changes)


async def _look(tx, scene: Scene, **more: Any) -> runs.Taken:
    return await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=list(scene.devices.values())), **more)


async def _detail(tx, scene: Scene, occurrence: uuid.UUID, name: str = "alpha") -> str | None:
    return (await scene.rows(tx, occurrence))[name].detail


async def test_each_session_has_an_execution_of_its_own_and_says_whose_it_is(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        _, occurrence = await _opened(tx, scene, "alpha")
        taken = await _look(tx, scene)
        assert [(one.session_id, one.session_user) for one in taken.deliveries] == [
            ("of-ada", "ada"),
            ("of-bob", "bob"),
        ]
        assert len({one.execution_id for one in taken.deliveries}) == 2
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert row.state is S.DISPATCHED
        assert [(one.session_id, one.session_user_name) for one in row.executions] == [
            ("of-ada", "ada"),
            ("of-bob", "bob"),
        ]
        assert (await _look(tx, scene)).deliveries == []
        await counters_hold(tx)


async def test_what_is_handed_out_again_names_the_same_session(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada")
        await _opened(tx, scene, "alpha")
        (delivery,) = (await _look(tx, scene)).deliveries
        (owed,) = await runs.owed(tx, [scene.devices["alpha"]])
        assert owed.delivery == delivery


async def test_jobs_that_run_as_system_do_not_ask_who_is_signed_in(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        await scene.open(tx, await scene.job(tx, "alpha"))
        (delivery,) = (await _look(tx, scene)).deliveries
        assert (delivery.session_id, delivery.session_user) == (None, None)


async def test_a_target_ends_when_its_last_session_does_and_the_worst_counts(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        job, occurrence = await _opened(tx, scene, "alpha")
        ada, bob = (await _look(tx, scene)).deliveries
        await runs.started(tx, [(ada.execution_id, ada.device_id, scene.now)], scene.now)
        later = scene.now + timedelta(minutes=30)
        before = (await scene.rows(tx, occurrence))["alpha"].deadline_at
        await runs.started(tx, [(bob.execution_id, bob.device_id, later)], later)
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert row.state is S.RUNNING
        assert before is not None
        assert row.deadline_at == before + timedelta(minutes=30), "the second one has its whole time too"
        await runs.finished(tx, [scene.report(bob, exit_code=4, last_line="no")], scene.now)
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.late_result) == (S.RUNNING, None)
        end = scene.now + timedelta(minutes=1)
        await runs.finished(tx, [scene.report(ada, finished_at=end, last_line="yes")], scene.now)
        row = (await scene.rows(tx, occurrence))["alpha"]
        assert (row.state, row.exit_code, row.last_line, row.finished_at) == (S.FAILED, 4, "no", end)
        assert (row.detail, row.late_result) == ("In 1 of 2 sessions: bob.", None)
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "failed"
        await counters_hold(tx)


async def test_results_of_one_batch_are_judged_together(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        _, occurrence = await _opened(tx, scene, "alpha")
        reports = [scene.report(one) for one in (await _look(tx, scene)).deliveries]
        await runs.finished(tx, reports, scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        assert await _detail(tx, scene, occurrence) is None


async def test_the_last_two_results_at_once_settle_it_all_the_same(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        _, occurrence = await _opened(tx, scene, "alpha")
        deliveries = (await _look(tx, scene)).deliveries

    async def bring(delivery: runs.Delivery) -> None:
        async with db.begin() as tx:
            await runs.finished(tx, [scene.report(delivery)], scene.now)

    await asyncio.gather(*(bring(one) for one in deliveries))
    async with db.begin() as tx:
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}
        await counters_hold(tx)


async def test_a_session_that_was_over_at_the_start_leaves_the_word_to_the_others(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        _, occurrence = await _opened(tx, scene, "alpha")
        ada, bob = (await _look(tx, scene)).deliveries
        over = {"outcome": "refused", "exit_code": None, "reason": "no_user_session", "started_at": None}
        await runs.finished(tx, [scene.report(ada, **over)], scene.now)
        await runs.finished(tx, [scene.report(bob)], scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.SUCCESS, None)}


async def test_when_every_session_was_over_the_device_is_left_out(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada")
        _, occurrence = await _opened(tx, scene, "alpha")
        (ada,) = (await _look(tx, scene)).deliveries
        over = {"outcome": "refused", "exit_code": None, "reason": "no_user_session", "started_at": None}
        await runs.finished(tx, [scene.report(ada, **over)], scene.now)
        assert await scene.states(tx, occurrence) == {"alpha": (S.SKIPPED, "no_user_session")}


@pytest.mark.parametrize("first", ["answer", "result"])
async def test_a_stop_is_complete_when_every_session_has_answered(db: Database, scene: Scene, first: str) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada", "bob")
        _, occurrence = await _opened(tx, scene, "alpha")
        ada, bob = (await _look(tx, scene)).deliveries
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
        assert len(await runs.to_cancel(tx, GATEWAY)) == 2

        async def answer() -> None:
            await runs.cancel_answered(tx, [(ada.execution_id, ada.device_id, "not_known")], scene.now)

        async def result() -> None:
            await runs.finished(tx, [scene.report(bob, outcome="cancelled", exit_code=None)], scene.now)

        steps = [answer, result] if first == "answer" else [result, answer]
        await steps[0]()
        assert (await scene.states(tx, occurrence))["alpha"][0] is S.CANCELLING
        await steps[1]()
        assert (await scene.states(tx, occurrence))["alpha"][0] is S.CANCELLED
        await counters_hold(tx)


# --- nobody ------------------------------------------------------------------------------------------------------------


async def test_nobody_signed_in_is_a_skip_with_a_reason_and_never_runs_as_system(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("empty", "silent", "used"):
            await scene.device(tx, name)
        await scene.sign_in(tx, "empty")
        await scene.sign_in(tx, "silent", None)
        await scene.sign_in(tx, "used", "ada")
        _, occurrence = await _opened(tx, scene, "empty", "silent", "used")
        taken = await _look(tx, scene)
        assert [one.device_id for one in taken.deliveries] == [scene.devices["used"]]
        assert await scene.states(tx, occurrence) == {
            "empty": (S.SKIPPED, "no_user_session"),
            "silent": (S.SKIPPED, "no_user_session"),
            "used": (S.DISPATCHED, None),
        }
        assert await _detail(tx, scene, occurrence, "empty") == "Nobody was signed in on this device."
        assert "does not tell" in str(await _detail(tx, scene, occurrence, "silent"))
        await counters_hold(tx)


async def test_who_waits_for_a_sign_in_says_so_and_goes_with_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha")
        _, occurrence = await _opened(tx, scene, "alpha", **WAIT)
        taken = await _look(tx, scene)
        assert (taken.deliveries, taken.unattended) == ([], {scene.devices["alpha"]})
        assert await scene.states(tx, occurrence) == {"alpha": (S.PENDING, "no_user_session")}
        assert "signs in" in str(await _detail(tx, scene, occurrence))
        again = await _look(tx, scene)
        assert (again.deliveries, again.nobody, again.unattended) == ([], set(), set()), "it is not looked at in vain"
        await scene.sign_in(tx, "alpha", "ada")
        (delivery,) = (await _look(tx, scene)).deliveries
        assert delivery.session_user == "ada"
        assert await scene.states(tx, occurrence) == {"alpha": (S.DISPATCHED, None)}
        assert await _detail(tx, scene, occurrence) is None
        await counters_hold(tx)


async def test_nobody_until_the_latest_start_is_a_skip_and_away_is_away(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("alone", "away"):
            await scene.device(tx, name)
            await scene.sign_in(tx, name)
        _, occurrence = await _opened(tx, scene, "alone", "away", **WAIT)
        await _look(tx, scene)
        await tx.execute(
            text("UPDATE device_presence SET gateway_id = NULL WHERE device_id = :id"), {"id": scene.devices["away"]}
        )
        await runs.devices_went_offline(tx, [scene.devices["away"]], scene.now)
        await runs.reap(tx, scene.now + timedelta(hours=2))
        assert await scene.states(tx, occurrence) == {
            "alone": (S.SKIPPED, "no_user_session"),
            "away": (S.EXPIRED, "offline"),
        }
        assert "until its latest start" in str(await _detail(tx, scene, occurrence, "alone"))


async def test_a_window_is_asked_before_anybody_is_looked_for(db: Database, scene: Scene) -> None:
    """Who is not signed in while it is closed may be when it opens."""
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha")
        await scene.window(tx, -10, 30, when_closed="defer")
        _, occurrence = await _opened(tx, scene, "alpha")
        assert (await _look(tx, scene)).deliveries == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.PENDING, "blackout")}
        opens = await runs.next_start(tx, GATEWAY, scene.now)
        assert opens is not None
        await runs.take(tx, GATEWAY, opens, runs.Look(since=opens))
        assert await scene.states(tx, occurrence) == {"alpha": (S.SKIPPED, "no_user_session")}
        await counters_hold(tx)


async def test_many_that_have_nobody_do_not_hide_the_others(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = [f"empty{number}" for number in range(5)]
        for name in [*names, "used"]:
            await scene.device(tx, name)
            await scene.sign_in(tx, name, *(["ada"] if name == "used" else []))
        await _opened(tx, scene, *names, "used", **WAIT)
        seen = list[runs.Delivery]()
        for _ in range(4):
            taken = await _look(tx, scene, limit=2)
            seen += taken.deliveries
            if len(taken.deliveries) + len(taken.nobody) < 2:
                break
        assert [one.device_id for one in seen] == [scene.devices["used"]]


# --- what devices tell -------------------------------------------------------------------------------------------------


async def test_a_newer_occurrence_takes_over_from_one_that_waits_for_somebody(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha")
        job, first = await _opened(tx, scene, "alpha", **WAIT)
        await _look(tx, scene)
        second = await scene.open(tx, job, 5, execution_context="current_user", **WAIT)
        assert await scene.states(tx, first) == {"alpha": (S.EXPIRED, "superseded")}
        await scene.sign_in(tx, "alpha", "ada")
        (delivery,) = (await _look(tx, scene)).deliveries
        assert delivery.occurrence_id == second


async def test_only_what_the_present_connection_says_counts(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada")
        device = scene.devices["alpha"]
        stale = SignedIn(device, uuid.uuid4(), [UserSession("x", "mallory", None, False, None)])
        assert await devices.sessions_changed(tx, [stale]) == set()
        found = await devices.sessions_of(tx, device)
        assert found is not None
        assert [(one.user, one.place) for one in found] == [("ada", "tty1")]
        await scene.connect(tx, "alpha")
        await scene.sign_in(tx, "alpha", None)
        assert await devices.sessions_of(tx, device) is None


async def test_who_is_new_is_told_apart_from_who_stays(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.sign_in(tx, "alpha", "ada")
        device = scene.devices["alpha"]
        connection = (await tx.execute(text("SELECT connection_id FROM device_presence"))).scalar_one()
        ada, bob = (UserSession(f"of-{user}", user, "tty1", False, scene.now) for user in ("ada", "bob"))
        assert await devices.sessions_changed(tx, [SignedIn(device, connection, [ada])]) == set()
        assert await devices.sessions_changed(tx, [SignedIn(device, connection, [ada, bob])]) == {device}
        assert await devices.sessions_changed(tx, [SignedIn(device, connection, [bob])]) == set()
        assert await devices.sessions_of(tx, device) == [bob]

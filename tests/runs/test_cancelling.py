"""A stop of one target, a run or a whole job, and what each device answers to it."""

import pytest

from tests.factories.scene import Scene, counters_hold
from watchbill import runs
from watchbill.core.states import TargetState as S
from watchbill.core.stop_answers import answer_of, stop_sentence
from watchbill.kit.db import Database
from watchbill.kit.errors import ConflictError, NotFoundError


async def _going(tx, scene: Scene, *names: str):
    """An occurrence that all of these have in hand, and `away`, which waits."""
    for name in names:
        await scene.device(tx, name)
    await scene.device(tx, "away", online=False)
    job = await scene.job(tx, *names, "away")
    occurrence = await scene.open(tx, job)
    return job, occurrence, {one.device_id: one for one in await scene.take(tx, *names)}


async def test_one_target_is_stopped_and_the_others_go_on(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, occurrence, _ = await _going(tx, scene, "alpha", "beta")
        rows = await scene.rows(tx, occurrence)
        stopped = await runs.cancel_target(tx, scene.admin.scope, occurrence, rows["alpha"].target_id, scene.now)
        assert (stopped.asked, stopped.withdrawn) == (1, 0)
        stopped = await runs.cancel_target(tx, scene.admin.scope, occurrence, rows["away"].target_id, scene.now)
        assert (stopped.asked, stopped.withdrawn) == (0, 1)
        assert {name: state for name, (state, _) in (await scene.states(tx, occurrence)).items()} == {
            "alpha": S.CANCELLING, "beta": S.DISPATCHED, "away": S.CANCELLED
        }  # fmt: skip
        with pytest.raises(ConflictError, match="is being stopped already"):
            await runs.cancel_target(tx, scene.admin.scope, occurrence, rows["alpha"].target_id, scene.now)
        with pytest.raises(NotFoundError):
            await runs.cancel_target(tx, scene.admin.scope, occurrence, 2**60, scene.now)
        await counters_hold(tx)


async def test_each_device_answers_and_the_answers_are_counted(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = ("killed", "done", "stuck", "silent")
        job, occurrence, given = await _going(tx, scene, *names)
        ids, stopped = await runs.cancel_all_of(tx, job, operator_id=None, now=scene.now)
        assert (ids, stopped.targets, stopped.asked, stopped.withdrawn) == ([occurrence], 5, 4, 1)
        before = await runs.stop_answers(tx, scene.admin.scope, occurrence)
        assert (before.counts, before.offline) == ({"waiting": 4, "withdrawn": 1}, 0)
        ends = {"killed": ("cancelled", "stopped"), "done": ("exited", None), "stuck": ("cancelled", "survived")}
        answers = {"killed": "killed", "done": "already_done", "stuck": "could_not"}
        by_name = {name: given[scene.devices[name]] for name in names}
        await runs.cancel_answered(
            tx, [(by_name[name].execution_id, by_name[name].device_id, one) for name, one in answers.items()], scene.now
        )
        await runs.finished(
            tx, [scene.report(by_name[name], outcome=one, tree=tree) for name, (one, tree) in ends.items()], scene.now
        )
        bound = (await scene.rows(tx, occurrence))["silent"].deadline_at
        assert bound is not None
        await runs.reap(tx, bound)
        rows = await scene.rows(tx, occurrence)
        told = {name: row.cancel_answer for name, row in rows.items()}
        assert told == {**answers, "silent": "no_answer", "away": "withdrawn"}
        assert rows["stuck"].reason == "tree_survived"
        assert rows["stuck"].cancel_sentence == "Some of its processes could not be stopped and may still run."
        found = await runs.stop_answers(tx, scene.admin.scope, occurrence)
        assert found.counts == {"killed": 1, "already_done": 1, "could_not": 1, "no_answer": 1, "withdrawn": 1}
        await counters_hold(tx)


async def test_a_run_is_stopped_whole(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, occurrence, _ = await _going(tx, scene, "alpha")
        (run,) = await runs.runs_of(tx, [occurrence])
        assert (await runs.cancel_run(tx, run.id, scene.now)).targets == 2
        assert (await runs.cancel_run(tx, run.id, scene.now)).targets == 0


def test_a_device_that_is_away_is_named_only_while_something_depends_on_it() -> None:
    assert answer_of(S.CANCELLING, None, None, None) == "waiting"
    assert "offline" in stop_sentence("waiting", is_online=False)
    assert "offline" in stop_sentence("no_answer", is_online=False)
    assert "offline" not in stop_sentence("killed", is_online=False)
    assert "offline" not in stop_sentence("waiting", is_online=True)


@pytest.mark.parametrize(
    ("outcome", "tree", "answer"),
    [("exited", None, "already_done"), ("timed_out", "stopped", "killed"), ("refused", None, "withdrawn"),
     ("timed_out", "survived", "could_not"), ("interrupted", None, "killed")],
)  # fmt: skip
def test_the_result_tells_where_the_answer_was_lost(outcome: str, tree: str | None, answer: str) -> None:
    assert answer_of(S.CANCELLED, None, outcome, tree) == answer

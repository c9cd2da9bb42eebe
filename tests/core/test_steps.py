"""What comes next on a device: any sequence of answers ends, each component at most once per try, and nothing runs that should not."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.states import TargetEvent as E
from watchbill.core.states import TargetState as S
from watchbill.core.steps import (
    Again,
    Answer,
    Ended,
    LeftOut,
    Part,
    Role,
    Rules,
    Situation,
    Start,
    Step,
    Verdict,
    Waits,
    answer,
    exit_word,
    following,
    order,
)

NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
RUN, CHECK = Part(warning_exit_codes=[9]), Part(Role.CHECK, not_compliant_exit_codes=[1])
HOUR = timedelta(hours=1)
STANDING = Situation(
    now=NOW, state=S.RUNNING, attempt=1, retried=0, expires_at=NOW + HOUR, time_limit=HOUR, stop_by_at=None
)
RETRY = Rules((RUN, RUN, RUN), retries=1, retry_delay=timedelta(seconds=60), retry_on=frozenset({E.FAIL, E.TIME_OUT}))


def exited(component: int, code: int, parts, *, attempt: int = 1, again: bool = False) -> Answer:
    told = {"outcome": "exited", "exit_code": code, "signal": None, "reason": None, "tree": None}
    return answer(Step(component, again), attempt, parts[component], told, timedelta(seconds=1))


def play(rules: Rules, codes, situation: Situation = STANDING):
    """Let a device answer by `codes`, until it ends; returns the end and the steps in order."""
    answers: list[Answer] = []
    ran: list[tuple[int, Step]] = []
    step, told = Step(0), iter(codes)
    while True:
        ran.append((situation.attempt, step))
        answers.append(
            exited(step.component, next(told), rules.parts, attempt=situation.attempt, again=step.is_recheck)
        )
        found = following(rules, answers, situation)
        match found:
            case Start(step=step, left_out=left_out):
                gone = {"outcome": "skipped", "exit_code": None, "signal": None, "tree": None}
                answers += [
                    answer(Step(one.component), situation.attempt, RUN, {**gone, "reason": one.reason}, timedelta())
                    for one in left_out
                ]
            case Again(component=component):
                situation = replace(situation, attempt=situation.attempt + 1, retried=situation.retried + 1)
                step = Step(component)
            case _:
                return found, ran


def _end(rules: Rules, answers: list[Answer], situation: Situation) -> Ended:
    found = following(rules, answers, situation)
    assert isinstance(found, Ended)
    return found


def components(ran) -> list[int]:
    return [step.component for _, step in ran]


def test_after_a_failure_the_rest_is_left_out() -> None:
    end, ran = play(Rules((RUN, RUN, RUN)), [0, 4])
    assert components(ran) == [0, 1]
    assert (end.event, end.decided_by, end.left_out) == (E.FAIL, Step(1), [LeftOut(2, "after_failure")])


def test_with_continue_on_failure_all_run_and_the_worst_counts() -> None:
    end, ran = play(Rules((RUN, RUN, RUN), continue_on_failure=True), [9, 4, 0])
    assert components(ran) == [0, 1, 2]
    assert (end.event, end.decided_by, end.left_out) == (E.FAIL, Step(1), [])


@pytest.mark.parametrize(
    ("part", "code", "word"),
    [
        (Part(warning_exit_codes=(3,)), 0, "success"),
        (Part(warning_exit_codes=(3,)), 3, "warning"),
        (Part(warning_exit_codes=(3,)), 4, "failed"),
        (Part(), None, "failed"),
        (Part(Role.CHECK, not_compliant_exit_codes=(1,)), 1, "not_compliant"),
        (Part(Role.CHECK, (3,), (1,)), 3, "failed"),
    ],
)
def test_an_exit_code_means_what_its_component_says(part: Part, code: int | None, word: str) -> None:
    assert exit_word(part, code) == word


def test_another_try_begins_at_what_failed() -> None:
    end, ran = play(RETRY, [0, 4, 0, 0])
    assert ran == [(1, Step(0)), (1, Step(1)), (2, Step(1)), (2, Step(2))]
    assert (end.event, end.left_out) == (E.SUCCEED, [])


def test_tries_are_counted() -> None:
    end, ran = play(RETRY, [4, 4])
    assert ran == [(1, Step(0)), (2, Step(0))]
    assert end.event is E.FAIL
    assert [one.reason for one in end.left_out] == ["after_failure"] * 2


@pytest.mark.parametrize(
    "bound", [{"expires_at": NOW + timedelta(seconds=60)}, {"stop_by_at": NOW + timedelta(seconds=59)}]
)
def test_another_try_does_not_outlive_the_run(bound) -> None:
    end, _ = play(RETRY, [4], replace(STANDING, **bound))
    assert (end.event, end.is_too_late_for_another) == (E.FAIL, True)


@pytest.mark.parametrize(
    "told",
    [
        {"outcome": "interrupted", "exit_code": None, "tree": None},
        {"outcome": "timed_out", "exit_code": None, "tree": "survived"},
        {"outcome": "refused", "exit_code": None, "tree": None},
    ],
)
def test_what_may_still_run_or_was_cut_short_is_not_tried_again(told) -> None:
    one = answer(Step(0), 1, RUN, {"signal": None, "reason": "x", **told}, timedelta(seconds=1))
    assert isinstance(following(RETRY, [one], STANDING), Ended)


@pytest.mark.parametrize(
    ("codes", "verdict", "event", "ran"),
    [
        ([0], Verdict.COMPLIANT, E.SUCCEED, [Step(0)]),
        ([1, 0, 0], Verdict.FIXED, E.SUCCEED, [Step(0), Step(1), Step(0, is_recheck=True)]),
        ([1, 0, 1], Verdict.STILL_WRONG, E.FAIL, [Step(0), Step(1), Step(0, is_recheck=True)]),
        ([1, 5], Verdict.STILL_WRONG, E.FAIL, [Step(0), Step(1)]),
        ([7], None, E.FAIL, [Step(0)]),
        ([1, 0, 7], Verdict.STILL_WRONG, E.FAIL, [Step(0), Step(1), Step(0, is_recheck=True)]),
    ],
)
def test_check_then_fix(codes, verdict, event, ran) -> None:
    end, steps = play(Rules((CHECK, RUN)), codes)
    assert (end.verdict, end.event, [step for _, step in steps]) == (verdict, event, ran)


def test_a_check_alone_tells_what_is_wrong() -> None:
    end, _ = play(Rules((CHECK,)), [1])
    assert (end.verdict, end.event, end.reason) == (Verdict.STILL_WRONG, E.FAIL, "still_wrong")


def test_what_is_still_wrong_is_checked_and_fixed_anew() -> None:
    rules = Rules((CHECK, RUN), retries=1, retry_delay=timedelta(seconds=1), retry_on=frozenset({E.FAIL}))
    end, ran = play(rules, [1, 0, 1, 1, 0, 0])
    assert [step.component for attempt, step in ran if attempt == 2] == [0, 1, 0]
    assert (end.verdict, end.event) == (Verdict.FIXED, E.SUCCEED)


def test_a_device_that_comes_right_between_two_tries_was_fixed() -> None:
    rules = Rules((CHECK, RUN), retries=1, retry_delay=timedelta(seconds=1), retry_on=frozenset({E.FAIL}))
    assert play(rules, [1, 0, 1, 0])[0].verdict is Verdict.FIXED


def test_the_worst_of_several_checks_is_the_verdict() -> None:
    end, ran = play(Rules((CHECK, RUN, CHECK, RUN), continue_on_failure=True), [1, 0, 1, 0])
    assert components(ran) == [0, 1, 0, 2]
    assert end.verdict is Verdict.STILL_WRONG
    assert end.left_out == [LeftOut(3, "compliant")]


def test_a_component_that_a_check_spares_does_not_keep_later_ones_from_running() -> None:
    end, ran = play(Rules((CHECK, RUN, CHECK, RUN)), [0, 1, 0, 0])
    assert components(ran) == [0, 2, 3, 2]
    assert (end.event, end.verdict) == (E.SUCCEED, Verdict.FIXED)


@pytest.mark.parametrize(
    ("changes", "event", "reason", "why"),
    [
        ({"state": S.CANCELLING}, E.STOPPED, None, "cancelled"),
        ({"state": S.LOST}, E.FAIL, "not_completed", "lost"),
        ({"stop_by_at": NOW, "stop_reason": "outside_window"}, E.STOPPED, "outside_window", "outside_window"),
        ({"stop_by_at": NOW}, E.STOPPED, "run_limit", "run_limit"),
        ({"time_limit": timedelta(seconds=1)}, E.TIME_OUT, None, "time_limit"),
    ],
)
def test_between_two_components_every_bound_holds(changes, event, reason, why) -> None:
    end = _end(RETRY, [exited(0, 0, RETRY.parts)], replace(STANDING, **changes))
    assert (end.event, end.reason) == (event, reason)
    assert end.left_out == [LeftOut(1, why), LeftOut(2, why)]


def test_a_stopped_component_ends_it_also_where_failures_do_not() -> None:
    rules = Rules((RUN, RUN), continue_on_failure=True, retries=3, retry_on=frozenset({E.FAIL}))
    told = {"outcome": "cancelled", "exit_code": None, "signal": None, "reason": None, "tree": "stopped"}
    end = _end(rules, [answer(Step(0), 1, RUN, told, timedelta())], replace(STANDING, state=S.CANCELLING))
    assert (end.event, end.left_out) == (E.STOPPED, [LeftOut(1, "cancelled")])


def test_a_component_with_several_executions_waits_for_all_and_the_worst_counts() -> None:
    rules = Rules((RUN, RUN))
    open_one = Answer(Step(0), 1, None)
    assert following(rules, [exited(0, 0, rules.parts), open_one], STANDING) == Waits()
    end = _end(rules, [exited(0, 0, rules.parts), exited(0, 3, rules.parts)], STANDING)
    assert (end.event, end.left_out) == (E.FAIL, [LeftOut(1, "after_failure")])


rules_of = st.builds(
    Rules,
    st.lists(st.sampled_from([RUN, CHECK]), min_size=1, max_size=6).map(tuple),
    continue_on_failure=st.booleans(),
    retries=st.integers(0, 3),
    retry_delay=st.just(timedelta(seconds=1)),
    retry_on=st.frozensets(st.sampled_from([E.FAIL, E.WARN, E.TIME_OUT])),
)


@given(rules_of, st.data())
def test_any_answers_come_to_an_end_with_every_component_accounted_for(rules: Rules, data) -> None:
    codes = iter(lambda: data.draw(st.sampled_from([0, 0, 1, 3, 9])), None)
    end, ran = play(rules, codes)
    assert isinstance(end, Ended)
    assert all(number == 1 for number in Counter(ran).values())
    assert max(attempt for attempt, _ in ran) <= rules.retries + 1
    # Each try goes forward only.
    places = {step: place for place, step in enumerate(order(rules.parts))}
    for attempt in {attempt for attempt, _ in ran}:
        mine = [places[step] for other, step in ran if other == attempt]
        assert mine == sorted(mine)
    # Whoever did not run in the last try was left out, ran before it, or was spared before it.
    last = max(attempt for attempt, _ in ran)
    begins = next(step.component for attempt, step in ran if attempt == last)
    told = {step.component for attempt, step in ran if attempt == last} | {one.component for one in end.left_out}
    spared = {place for place in range(begins, len(rules.parts)) if place not in told}
    assert all(rules.parts[place].role is Role.RUN for place in spared)
    if all(part.role is Role.RUN for part in rules.parts):
        assert not spared
        assert end.verdict is None


@given(rules_of, st.data())
def test_success_means_that_nothing_is_wrong(rules: Rules, data) -> None:
    codes = iter(lambda: data.draw(st.sampled_from([0, 1, 3])), None)
    end, _ = play(rules, codes)
    if end.event is E.SUCCEED:
        assert end.verdict is not Verdict.STILL_WRONG
        assert {one.reason for one in end.left_out} <= {"compliant"}
    else:
        assert end.event is E.FAIL

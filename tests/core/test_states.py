"""The state tables: what no row of them may allow, and what every row must."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import states_page
from watchbill.core.states import (
    ACTIVE_TARGET,
    NOT_STARTED_TARGET,
    TARGET,
    TERMINAL_TARGET,
    Outcome,
    SkipReason,
    TargetEvent,
    TargetState,
    fold,
    is_closed,
    is_terminal,
    target_after,
)

LIVE = frozenset(TargetState) - TERMINAL_TARGET
FAILURES = {TargetState.FAILED, TargetState.TIMED_OUT, TargetState.EXPIRED, TargetState.LOST}
BADNESS = [Outcome.SUCCESS, Outcome.WARNING, Outcome.CANCELLED, Outcome.FAILED]
counts_of = st.dictionaries(st.sampled_from(sorted(TERMINAL_TARGET)), st.integers(0, 50))
percents = st.integers(0, 100)


def exits(state: TargetState) -> set[TargetState]:
    return {after for (before, _), after in TARGET.items() if before == state}


def reachable(state: TargetState) -> set[TargetState]:
    seen, waiting = set[TargetState](), [state]
    while waiting:
        for after in exits(waiting.pop()) - seen:
            seen.add(after)
            waiting.append(after)
    return seen


def test_every_state_is_waiting_active_or_terminal_and_only_one_of_them() -> None:
    assert Counter([*NOT_STARTED_TARGET, *ACTIVE_TARGET, *TERMINAL_TARGET]) == Counter(TargetState)
    assert {state for state in TargetState if is_terminal(state)} == TERMINAL_TARGET


@pytest.mark.parametrize("state", sorted(TERMINAL_TARGET - {TargetState.LOST}))
def test_a_terminal_state_never_changes(state: TargetState) -> None:
    assert exits(state) == set()
    assert [target_after(state, event) for event in TargetEvent] == [None] * len(TargetEvent)


def test_only_a_lost_target_learns_the_truth_later_and_keeps_it() -> None:
    assert exits(TargetState.LOST) == TERMINAL_TARGET - {TargetState.LOST}
    assert target_after(TargetState.LOST, TargetEvent.LOSE) is None
    assert target_after(TargetState.LOST, TargetEvent.DISPATCH) is None
    assert target_after(TargetState.LOST, TargetEvent.CANCEL) is None


@pytest.mark.parametrize("state", sorted(LIVE))
def test_nothing_stays_open_for_ever(state: TargetState) -> None:
    """Its bound ends every live state: what has not started expires, what may be running is lost."""
    assert reachable(state) & TERMINAL_TARGET
    bound = TargetEvent.EXPIRE if state in NOT_STARTED_TARGET else TargetEvent.LOSE
    after = target_after(state, bound)
    assert after is not None
    assert is_terminal(after)


@pytest.mark.parametrize("state", sorted(LIVE - {TargetState.CANCELLING}))
def test_a_stop_withdraws_what_has_not_started_and_asks_what_may_be_running(state: TargetState) -> None:
    wanted = TargetState.CANCELLED if state in NOT_STARTED_TARGET else TargetState.CANCELLING
    assert target_after(state, TargetEvent.CANCEL) is wanted


def test_what_was_handed_out_is_handed_out_again_only_as_another_try() -> None:
    for state in (ACTIVE_TARGET | TERMINAL_TARGET) - {TargetState.CONNECTING}:
        assert target_after(state, TargetEvent.DISPATCH) is None
        assert target_after(state, TargetEvent.CONNECT) is None
    back = {
        event for (before, event), after in TARGET.items() if before in ACTIVE_TARGET and after in NOT_STARTED_TARGET
    }
    assert back == {TargetEvent.RETRY}
    assert target_after(TargetState.CANCELLING, TargetEvent.RETRY) is None
    for state in TERMINAL_TARGET:
        assert not reachable(state) & NOT_STARTED_TARGET


def test_only_what_never_started_is_superseded() -> None:
    assert {state for state in TargetState if target_after(state, TargetEvent.SUPERSEDE)} == NOT_STARTED_TARGET


def test_what_never_started_neither_succeeds_nor_is_lost() -> None:
    for state in NOT_STARTED_TARGET:
        for event in (TargetEvent.SUCCEED, TargetEvent.LOSE, TargetEvent.START, TargetEvent.RETRY):
            assert target_after(state, event) is None


def test_every_state_comes_about() -> None:
    assert reachable(TargetState.PENDING) == set(TargetState)


def test_every_event_changes_something() -> None:
    assert {event for _, event in TARGET} == set(TargetEvent)


@given(counts_of, percents)
def test_skipped_targets_are_neutral(counts: dict[TargetState, int], percent: int) -> None:
    without: dict[TargetState, int] = {
        state: number for state, number in counts.items() if state is not TargetState.SKIPPED
    }
    if any(without.values()):
        assert fold(counts, failure_threshold_percent=percent) == fold(without, failure_threshold_percent=percent)
    else:
        assert fold(counts, failure_threshold_percent=percent) is Outcome.SKIPPED


@given(counts_of, percents)
def test_success_means_that_every_target_succeeded(counts: dict[TargetState, int], percent: int) -> None:
    is_success = fold(counts, failure_threshold_percent=percent) is Outcome.SUCCESS
    took_part = {state for state, number in counts.items() if number and state is not TargetState.SKIPPED}
    assert is_success == (took_part == {TargetState.SUCCESS})


@given(counts_of, percents)
def test_failed_means_more_failures_than_the_threshold(counts: dict[TargetState, int], percent: int) -> None:
    took_part = sum(number for state, number in counts.items() if state is not TargetState.SKIPPED)
    failures = sum(number for state, number in counts.items() if state in FAILURES)
    is_failed = fold(counts, failure_threshold_percent=percent) is Outcome.FAILED
    assert is_failed == (took_part > 0 and Fraction(failures, took_part) > Fraction(percent, 100))


@given(counts_of, percents, st.sampled_from(sorted(FAILURES)))
def test_one_more_failure_never_makes_it_better(
    counts: dict[TargetState, int], percent: int, state: TargetState
) -> None:
    before = fold(counts, failure_threshold_percent=percent)
    after = fold({**counts, state: counts.get(state, 0) + 1}, failure_threshold_percent=percent)
    if before is not Outcome.SKIPPED:
        assert BADNESS.index(after) >= BADNESS.index(before)


@given(counts_of, percents, percents)
def test_a_looser_threshold_never_makes_it_worse(counts: dict[TargetState, int], one: int, other: int) -> None:
    strict, loose = [fold(counts, failure_threshold_percent=percent) for percent in sorted((one, other))]
    if strict is not Outcome.SKIPPED:
        assert BADNESS.index(loose) <= BADNESS.index(strict)


def test_one_failure_in_ten_is_a_warning_within_ten_percent_and_a_failure_within_nine() -> None:
    counts = {TargetState.SUCCESS: 9, TargetState.FAILED: 1}
    assert fold(counts, failure_threshold_percent=10) is Outcome.WARNING
    assert fold(counts, failure_threshold_percent=9) is Outcome.FAILED
    assert fold(counts, failure_threshold_percent=0) is Outcome.FAILED


def test_a_stopped_run_is_cancelled_even_where_some_had_succeeded() -> None:
    counts = {TargetState.SUCCESS: 3, TargetState.CANCELLED: 1}
    assert fold(counts, failure_threshold_percent=0) is Outcome.CANCELLED


@given(st.dictionaries(st.sampled_from(sorted(TargetState)), st.integers(0, 3)))
def test_an_occurrence_is_closed_when_nothing_is_left_open(counts: dict[TargetState, int]) -> None:
    assert is_closed(counts) == (sum(counts.get(state, 0) for state in LIVE) == 0)


def test_the_page_about_states_is_the_table() -> None:
    """`python -m tests.core.states_page` writes it anew."""
    assert states_page.PAGE.read_text() == states_page.rewritten(states_page.PAGE.read_text())


def test_the_page_names_every_skip_reason() -> None:
    page = Path(states_page.PAGE).read_text()
    assert [reason for reason in SkipReason if f"`{reason}`" not in page] == []

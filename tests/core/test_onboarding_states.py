"""How addresses end: the table of moves, what they count as, and that the page for people names every state and reason."""

from pathlib import Path

import pytest

from watchbill.core.onboarding_states import (
    DONE,
    MOVES,
    ONBOARDING_REASONS,
    OPEN_STATES,
    OnboardingReason,
    OnboardingState,
    counted_as,
    is_done,
)
from watchbill.core.states import TERMINAL_TARGET, TargetState

PAGE = (Path(__file__).parents[2] / "docs" / "onboarding.md").read_text()


def test_every_reason_belongs_to_one_state_and_both_are_on_the_page():
    reasons = [reason for some in ONBOARDING_REASONS.values() for reason in some]
    assert sorted(reasons) == sorted(OnboardingReason)
    missing = [one for one in (*OnboardingState, *OnboardingReason) if f"`{one}`" not in PAGE and one not in DONE]
    assert [one for one in missing if one not in ("denied", "expired")] == []


@pytest.mark.parametrize("state", OnboardingState)
def test_an_address_is_open_as_long_as_its_count_is(state):
    assert (counted_as(state, None) in TERMINAL_TARGET) == (state not in OPEN_STATES)


def test_what_ended_moves_on_only_by_a_later_word_of_its_machine_or_of_a_person():
    later = {before: afters for before, afters in MOVES.items() if before not in OPEN_STATES}
    decided = {OnboardingState.DENIED, OnboardingState.EXPIRED}
    assert later == {
        OnboardingState.WAITING_APPROVAL: {OnboardingState.APPROVED, OnboardingState.DENIED, OnboardingState.EXPIRED},
        **{state: {OnboardingState.WAITING_APPROVAL} for state in ONBOARDING_REASONS if state not in decided},
    }


def test_an_open_address_can_end_in_every_way_in_which_workers_end_it():
    for state in OPEN_STATES:
        assert ONBOARDING_REASONS.keys() - {OnboardingState.DENIED, OnboardingState.EXPIRED} <= MOVES[state]


def test_what_is_cancelled_counts_as_that_and_is_not_done():
    state, reason = OnboardingState.SKIPPED, OnboardingReason.CANCELLED
    assert counted_as(state, reason) is TargetState.CANCELLED
    assert not is_done(state, reason)
    assert is_done(state, OnboardingReason.EXCLUDED)
    assert not is_done(OnboardingState.EXPIRED, OnboardingReason.EXPIRED)

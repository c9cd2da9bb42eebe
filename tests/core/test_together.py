"""What a target has come to that ran in several sessions: nothing before all have ended, then the worst."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.states import TARGET, TargetEvent, TargetState
from watchbill.core.steps import Verdict as F
from watchbill.core.together import RANKS, End, found, tried_again_at, verdict

E = TargetEvent
ends = st.lists(st.builds(End, st.sampled_from(["ada", "bob", "eve"]), st.sampled_from([None, *RANKS])), max_size=6)


@given(ends)
def test_there_is_a_verdict_exactly_when_all_have_ended_and_it_is_one_of_theirs(some):
    found = verdict(some)
    assert (found is None) == (not some or any(end.event is None for end in some))
    if found is not None:
        assert some[found.place].event is found.event
        assert all(RANKS.index(end.event) <= RANKS.index(found.event) for end in some if end.event)


@given(ends, st.randoms())
def test_the_order_of_the_sessions_changes_nothing(some, chance):
    other = list(some)
    chance.shuffle(other)
    one, two = verdict(some), verdict(other)
    assert (one and one.event) == (two and two.event)


@pytest.mark.parametrize(
    ("events", "expected", "note"),
    [
        ((E.SUCCEED,), E.SUCCEED, None),
        ((E.SUCCEED, E.FAIL), E.FAIL, "In 1 of 2 sessions: user1."),
        ((E.SKIP, E.SUCCEED), E.SUCCEED, "In 1 of 2 sessions: user1."),
        ((E.SKIP, E.SKIP), E.SKIP, None),
        ((E.SUCCEED, E.STOPPED), E.STOPPED, "In 1 of 2 sessions: user1."),
        ((E.WARN, E.TIME_OUT, E.TIME_OUT), E.TIME_OUT, "In 2 of 3 sessions: user1, user2."),
    ],
)
def test_the_worst_counts_and_says_whose_it_was(events, expected, note):
    found = verdict([End(f"user{place}", event) for place, event in enumerate(events)])
    assert found is not None
    assert (found.event, found.note) == (expected, note)


def test_every_answer_of_a_device_has_its_rank():
    answers = {event for (state, event) in TARGET if state is TargetState.RUNNING}
    assert set(RANKS) == answers - {E.CANCEL, E.LOSE, E.START, E.RETRY}


NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([], None),
        ([(E.SUCCEED, F.COMPLIANT), (E.SUCCEED, F.COMPLIANT)], F.COMPLIANT),
        ([(E.SUCCEED, F.COMPLIANT), (E.SUCCEED, F.FIXED)], F.FIXED),
        ([(E.SUCCEED, F.FIXED), (E.FAIL, F.STILL_WRONG), (E.SUCCEED, F.COMPLIANT)], F.STILL_WRONG),
        ([(E.SUCCEED, F.FIXED), (E.FAIL, None)], None),
        ([(E.FAIL, F.STILL_WRONG), (E.FAIL, None)], F.STILL_WRONG),
        ([(E.SKIP, None), (E.SUCCEED, F.FIXED)], F.FIXED),
        ([(E.SKIP, None)], None),
    ],
)
def test_what_the_sessions_found_is_the_worst_of_it(ends, expected):
    assert found([End("ada", event, verdict) for event, verdict in ends]) is expected


agains = st.lists(
    st.builds(
        lambda event, minutes: End(
            "ada", event, again_at=None if minutes is None else NOW + timedelta(minutes=minutes)
        ),
        st.sampled_from(RANKS),
        st.none() | st.integers(-60, 60),
    ),
    max_size=5,
)


@given(agains)
def test_those_that_are_tried_again_are_so_at_once_and_when_the_last_of_them_may(some):
    at = tried_again_at(some, NOW)
    wanted = [end.again_at for end in some if end.again_at]
    if any(end.event is E.STOPPED for end in some) or not wanted:
        assert at is None
    else:
        assert at is not None
        assert at >= NOW
        assert at == NOW or at in wanted
        assert all(at >= one for one in wanted)

"""The lock-out guard by its rules: what may never happen, whatever the order of tries and answers."""

from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.lockout import ASIDE_AFTER, FIRST_WAIT, FREE, LONGEST_WAIT, Account, Record, begun, decide, ended
from watchbill.core.lockout import wait_after as wait

_EVENTS = st.lists(
    st.one_of(
        st.just(("begin", 0.0)),
        st.tuples(st.sampled_from(["accept", "refuse", "cut"]), st.just(0.0)),
        st.tuples(st.just("pass"), st.floats(0, 90, allow_nan=False)),
    ),
    max_size=80,
)
_ANSWERS = {"accept": True, "refuse": False, "cut": None}


def _played(events: list[tuple[str, float]]) -> list[tuple[Record, float, str]]:
    """The record before each try that was let go, the time, and what happened."""
    record, now, seen = Record(), 0.0, []
    for what, seconds in events:
        if what == "pass":
            now += seconds
        elif what == "begin":
            if decide(record, now).may_go:
                seen.append((record, now, "begin"))
                record = begun(record)
        elif record.under_way:
            record = ended(record, now, accepted=_ANSWERS[what])
            seen.append((record, now, what))
    return seen


@given(_EVENTS)
def test_an_account_that_was_accepted_nowhere_is_refused_a_bounded_number_of_times(events) -> None:
    seen = _played(events)
    until = next((index for index, one in enumerate(seen) if one[2] == "accept"), len(seen))
    assert sum(what == "refuse" for _, _, what in seen[:until]) <= ASIDE_AFTER


@given(_EVENTS)
def test_after_free_refusals_tries_come_one_after_another_each_after_its_wait(events) -> None:
    refused_at = 0.0
    for record, now, what in _played(events):
        if what == "refuse":
            refused_at = now
        if what == "begin" and record.refused_in_row >= FREE:
            assert record.under_way == 0
            assert now >= refused_at + wait(record.refused_in_row)


@given(_EVENTS)
def test_no_more_than_free_tries_are_under_way_before_the_account_is_proven(events) -> None:
    assert all(one.under_way < FREE for one, _, what in _played(events) if what == "begin" and not one.is_proven)


@given(_EVENTS, st.floats(0, 1e6, allow_nan=False))
def test_an_acceptance_sets_everything_back(events, now: float) -> None:
    seen = _played(events)
    record = ended(begun(seen[-1][0] if seen else Record()), now, accepted=True)
    assert record.is_proven
    assert decide(record, now).may_go


@given(st.integers(0, 10_000))
def test_waits_only_grow_and_are_bounded(refused: int) -> None:
    assert 0 <= wait(refused) <= wait(refused + 1) <= LONGEST_WAIT
    assert wait(FREE) == FIRST_WAIT


def test_nothing_waits_for_ever_when_nothing_is_under_way() -> None:
    record = Record()
    for _ in range(ASIDE_AFTER - 1):
        record = ended(begun(record), 100.0, accepted=False)
        decision = decide(record, 100.0)
        assert decision.why_not is None
        assert decision.wait_seconds is not None
    assert decide(ended(begun(record), 100.0, accepted=False), 1e9).why_not is not None


def test_an_account_is_a_user_and_a_domain_in_any_case() -> None:
    assert Account("Ada", "CORP").key == Account("ada", "corp").key
    assert Account("ada").key == Account("ada", "").key != Account("ada", "corp").key

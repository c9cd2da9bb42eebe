"""The state of a service account, for everything that can be wanted and told."""

from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.service_accounts import AccountAction, AccountFacts, AccountState, is_changed_by, state_of

S, A = AccountState, AccountAction
facts = st.builds(
    AccountFacts,
    st.sampled_from(["present", "absent"]),
    st.integers(1, 3),
    st.sampled_from([None, "present", "absent", "failed", "unsupported"]),
    st.none() | st.integers(1, 3),
)


def test_a_life_from_the_wish_to_its_end():
    for facts_then, expected in [
        (AccountFacts("present", 1), S.CREATING),
        (AccountFacts("present", 1, "present", 1), S.PRESENT),
        (AccountFacts("present", 2, "present", 1), S.ROTATING),
        (AccountFacts("present", 2, "failed", 2), S.FAILED),
        (AccountFacts("present", 2, "present", 2), S.PRESENT),
        (AccountFacts("absent", 2, "present", 2), S.REMOVING),
        (AccountFacts("absent", 2, "absent", 2), S.NONE),
        (AccountFacts("present", 3, "absent", 2), S.CREATING),
        (AccountFacts("present", 3, "unsupported", 3), S.UNSUPPORTED),
        (AccountFacts("absent", 3, "unsupported", 3), S.NONE),
        (AccountFacts("absent", 3), S.REMOVING),
    ]:
        assert state_of(facts_then) is expected
    assert state_of(None) is S.NONE


@given(facts)
def test_it_is_there_only_when_its_device_said_so_of_the_key_that_is_wanted(one):
    is_there = (one.wanted, one.told, one.told_generation) == ("present", "present", one.generation)
    assert (state_of(one) is S.PRESENT) == is_there


@given(facts)
def test_what_there_is_can_be_removed_and_what_is_not_can_be_made(one):
    state = state_of(one)
    assert is_changed_by(state, A.REMOVE) or one.wanted == "absent"
    assert is_changed_by(state, A.CREATE) or one.wanted == "present"
    assert not (is_changed_by(state, A.ROTATE) and is_changed_by(state, A.CREATE))

"""Challenges and tokens as texts: only our own, unaltered and in time."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchbill.agents import AgentTokenError, new_challenge, verify_token
from watchbill.agents.tokens import _opened, _sealed
from watchbill.kit.secrets import KeyRing

NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
DEVICE = uuid4()


def token(keys: KeyRing, lifetime: timedelta = timedelta(hours=1)) -> str:
    return _sealed(keys, "wba1", DEVICE, NOW + lifetime, "nonce")


def test_a_token_names_its_device_until_it_ends(keys: KeyRing):
    assert verify_token(keys, token(keys), NOW) == DEVICE
    with pytest.raises(AgentTokenError):
        verify_token(keys, token(keys), NOW + timedelta(hours=1))


def test_a_token_of_another_engine_is_refused(keys: KeyRing):
    other = KeyRing("k1", {"k1": bytes(32)})
    with pytest.raises(AgentTokenError):
        verify_token(keys, token(other), NOW)


@given(position=st.integers(0, 200), letter=st.characters(codec="ascii"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_token_with_any_letter_changed_is_refused(keys: KeyRing, position: int, letter: str):
    good = token(keys)
    position %= len(good)
    changed = good[:position] + letter + good[position + 1 :]
    if changed != good:
        with pytest.raises(AgentTokenError):
            verify_token(keys, changed, NOW)


@given(garbage=st.text(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_refused_quietly(keys: KeyRing, garbage: str):
    with pytest.raises(AgentTokenError):
        verify_token(keys, garbage, NOW)


def test_a_challenge_is_not_a_token_nor_the_other_way_round(keys: KeyRing):
    with pytest.raises(AgentTokenError):
        verify_token(keys, new_challenge(keys, DEVICE, NOW), NOW)
    assert _opened(keys, "wbc1", token(keys), NOW) is None
    renamed = token(keys).replace("wba1", "wbc1")
    assert _opened(keys, "wbc1", renamed, NOW) is None

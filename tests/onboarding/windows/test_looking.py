"""What a machine says of itself, whatever it says; and how its clock is judged."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as some

from watchbill.onboarding.base import OnboardingError
from watchbill.onboarding.windows.looking import clock_words, look_of

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SAID: dict[str, Any] = {
    "name": "WIN-1", "system": "Windows", "version": "10.0.20348.0", "is_server": True, "arch": "amd64",
    "powershell": "5.1", "is_administrator": True, "free": 1, "clock": NOW.timestamp(), "agent": None,
    "service": None, "is_half": False,
}  # fmt: skip
ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=2) | some.dictionaries(some.sampled_from(["text", "code", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@over(some.dictionaries(some.sampled_from(sorted(SAID)), ANYTHING))
def test_whatever_a_machine_says_is_read_or_refused(changed: dict[str, Any]) -> None:
    try:
        look = look_of(SAID | changed)
    except OnboardingError as error:
        assert error.reason.value == "step_failed"
    else:
        assert look.clock.tzinfo is UTC
        assert isinstance(look.free, int)


def test_what_the_agent_says_is_found_among_its_warnings() -> None:
    status = json.dumps({"state": "approved", "server": "https://engine", "device_id": "1"})
    service = json.dumps({"installed": True, "running": False, "version": "1.0"})
    found = look_of(
        SAID | {"agent": {"code": 0, "text": f"a warning\n{status}"}, "service": {"code": 0, "text": service}}
    )
    assert found.agent is not None
    assert (found.agent.state, found.agent.device_id, found.agent.version) == ("approved", "1", "1.0")
    assert (found.agent.is_installed, found.agent.is_running) == (True, False)


def test_an_agent_that_is_broken_is_one_without_an_identity() -> None:
    found = look_of(SAID | {"agent": {"code": 1, "text": "a traceback"}, "service": {"code": 1, "text": ""}})
    assert found.agent is not None
    assert (found.agent.state, found.agent.is_running) == ("none", False)


@over(some.integers(-100_000, 100_000), some.integers(0, 60))
def test_a_clock_is_off_by_what_the_time_of_asking_does_not_explain(seconds: int, asking: int) -> None:
    look = look_of(SAID | {"clock": (NOW + timedelta(seconds=seconds)).timestamp()})
    off = -seconds if seconds < 0 else max(0, seconds - asking)
    before, after = NOW, NOW + timedelta(seconds=asking)
    if off > 300:
        with pytest.raises(OnboardingError, match=f"{off} s {'behind' if seconds < 0 else 'ahead of'} the Engine's"):
            clock_words(look, before, after)
    else:
        words = f"{off} s {'behind' if seconds < 0 else 'ahead of'} the Engine's." if off else "As the Engine's."
        assert clock_words(look, before, after) == words

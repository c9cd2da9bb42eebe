"""`watchbill guard` against a real API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.conftest import Watchbill
from watchbill.apps.client.lengths import seconds_of, spoken
from watchbill.apps.commands.exits import CliError

USUAL = {"enabled": True, "after_seconds": 600, "least_jobs": 20, "trickle_per_minute": None, "outage_id": None}


@pytest.fixture
def usual(signed_in: Watchbill):
    """All tests share the Engine: each leaves the guard as it found it."""
    words = ("guard", "set", "--on", "--after", "10m", "--jobs", "20", "--trickle", "none", "--json")
    assert signed_in(*words).code == 0
    yield signed_in
    assert signed_in(*words).code == 0


def test_it_shows_when_the_guard_goes_up_and_how_it_lets_go(usual: Watchbill) -> None:
    assert {**usual("guard", "show", "--json").json, "outage_id": None} == USUAL
    shown = usual("guard", "show")
    assert shown.code == 0
    assert "after an outage of 10 min, when at least 20 jobs are owed late runs" in shown.out
    assert "a person lets go of what it holds" in shown.out


def test_what_is_not_named_stays_as_it_is(usual: Watchbill) -> None:
    done = usual("guard", "set", "--after", "1h30m", "--trickle", "30")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "Set the storm guard: after an outage of 1 h 30 min, when at least 20 jobs are owed late runs;"
        " 30 are let go each minute, the oldest first.\n"
    )
    reply = usual("guard", "set", "--off", "--jobs", "1", "--json").json
    expected = {**USUAL, "enabled": False, "after_seconds": 5400, "least_jobs": 1, "trickle_per_minute": 30}
    assert {**reply, "outage_id": None} == expected
    assert "never, it is off" in usual("guard", "show").out
    assert usual("guard", "set", "--trickle", "none", "--json").json["trickle_per_minute"] is None


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "Nothing to set"),
        (("--after", "soon"), 2, "soon must be a length of time"),
        (("--trickle", "many"), 2, "--trickle many: must be a number"),
        (("--after", "10s", "--jobs", "0"), 1, "least_jobs"),
    ],
)
def test_bad_settings_are_refused_and_nothing_is_set(usual: Watchbill, words, code, told) -> None:
    refused = usual("guard", "set", *words)
    assert (refused.code, refused.out) == (code, "")
    assert told in refused.err
    if code == 1:
        assert "after_seconds" in refused.err, "all problems at once"
    assert {**usual("guard", "show", "--json").json, "outage_id": None} == USUAL


@given(st.integers(1, 10**7))
def test_a_length_is_read_as_it_is_spoken(seconds: int) -> None:
    assert seconds_of(spoken(seconds).replace("min", "m").replace(" ", "")) == seconds


@given(st.text(max_size=12))
def test_any_text_is_a_length_or_refused(text: str) -> None:
    try:
        assert seconds_of(text) > 0
    except CliError as refused:
        assert "must be a length of time" in refused.message

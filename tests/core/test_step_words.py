"""What a job does on each device, in words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.job_rules_values import ExecutionContext, Policies
from watchbill.core.step_words import Told, steps_in_words
from watchbill.core.steps import Role

PLAIN = Policies(
    overlap="skip",
    overlap_scope="device",
    catch_up="latest",
    catch_up_window_seconds=None,
    offline="wait",
    splay_seconds=0,
    retries=0,
    retry_delay_seconds=60,
    continue_on_failure=False,
    concurrency=None,
    failure_threshold_percent=0,
)
SYSTEM, USER = ExecutionContext.SYSTEM, ExecutionContext.CURRENT_USER
LOOK, FIX, REST = Told("Look", Role.CHECK, (1,)), Told("Fix"), Told("Rest")


def test_a_single_script_needs_few_words():
    assert steps_in_words([FIX], PLAIN, SYSTEM) == ["1. Run `Fix`."]


def test_a_check_says_what_it_decides():
    assert steps_in_words([FIX, LOOK, FIX, REST], PLAIN, SYSTEM) == [
        "1. Run `Fix`.",
        "2. Check `Look`: exit code 0 is as it should be, 1 lets 3 to 4 run, and then it looks once more.",
        "3. Run `Fix`, where check 2 found something to fix.",
        "4. Run `Rest`, where check 2 found something to fix.",
        "What comes after a failure is left out.",
    ]


def test_a_check_without_a_fix_only_tells():
    several = replace(LOOK, not_compliant_exit_codes=(1, 2, 7))
    assert steps_in_words([several, LOOK], replace(PLAIN, continue_on_failure=True), SYSTEM) == [
        "1. Check `Look`: exit code 0 is as it should be, 1, 2 or 7 still wrong.",
        "2. Check `Look`: exit code 0 is as it should be, 1 still wrong.",
        "What comes after a failure runs all the same.",
    ]


def test_other_tries_are_told_with_their_delay():
    once = replace(PLAIN, retries=1, retry_delay_seconds=1, retry_on=("failed",))
    assert steps_in_words([FIX], once, SYSTEM)[1:] == ["What failed is tried again up to 1 time, 1 second later."]
    often = replace(PLAIN, retries=3, retry_on=("failed", "timed_out", "warning"))
    assert steps_in_words([FIX, REST], often, SYSTEM)[-1] == (
        "What failed, ran out of time or had warnings is tried again up to 3 times, 60 seconds later, from the first component "
        "that went wrong."
    )


@pytest.mark.parametrize(
    ("policy", "word"), [("skip", "is left out."), ("wait", "waits for somebody until its latest start.")]
)
def test_sessions_are_told_of_where_it_runs_in_them(policy, word):
    *_, each, nobody = steps_in_words([FIX], replace(PLAIN, no_user_session=policy), USER)
    assert each.startswith("All of this in each session")
    assert nobody == f"A device on which nobody is signed in {word}"


@given(st.lists(st.sampled_from([LOOK, FIX, Told(None)]), min_size=1, max_size=20), st.booleans(), st.integers(0, 10))
def test_there_is_a_sentence_for_each_component_in_order(parts, goes_on, retries):
    words = steps_in_words(parts, replace(PLAIN, continue_on_failure=goes_on, retries=retries), USER)
    assert [one.split(".")[0] for one in words[: len(parts)]] == [str(place + 1) for place in range(len(parts))]
    assert all(one.endswith(".") for one in words)

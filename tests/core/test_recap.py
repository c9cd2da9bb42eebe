"""Recaps: Ansible's counters from its events, and what a playbook came to on one host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.recap import COUNTERS, End, Recap, after, end_of, from_json, of_stats, total

COUNTS = st.integers(0, 10_000)
RECAPS = st.builds(Recap, *([COUNTS] * len(COUNTERS)))
EVENTS = st.sampled_from(
    ["runner_on_ok", "runner_on_skipped", "runner_on_unreachable", "runner_on_failed", "runner_item_on_ok", "verbose"]
)


@given(RECAPS)
def test_a_stored_recap_is_read_back(recap: Recap) -> None:
    assert from_json(recap.to_json()) == recap


@given(st.lists(RECAPS))
def test_a_total_adds_every_counter(recaps: list[Recap]) -> None:
    assert total(recaps).to_json() == {name: sum(one.to_json()[name] for one in recaps) for name in COUNTERS}


@given(RECAPS, EVENTS, st.booleans(), st.booleans())
def test_an_event_counts_once_and_takes_nothing_away(
    recap: Recap, event: str, is_changed: bool, is_ignored: bool
) -> None:
    then = after(recap, event, is_changed=is_changed, is_ignored=is_ignored)
    gained = {name: then.to_json()[name] - recap.to_json()[name] for name in COUNTERS}
    assert set(gained.values()) <= {0, 1}
    assert sum(gained[name] for name in ("ok", "unreachable", "failed", "skipped")) == (
        event not in {"runner_item_on_ok", "verbose"}
    )
    assert gained["changed"] <= gained["ok"]
    assert gained["ignored"] <= gained["ok"]


def test_the_last_event_is_read_by_host_and_hostile_data_is_passed_over() -> None:
    data = {
        "ok": {"a": 3, "b": 1},
        "changed": {"a": 1},
        "failures": {"b": 1},
        "dark": {"c": 1},
        "rescued": {"a": -1},
        "skipped": ["x"],
    }
    assert of_stats(data) == {"a": Recap(ok=3, changed=1), "b": Recap(ok=1, failed=1), "c": Recap(unreachable=1)}
    assert of_stats({"ok": {"a": "3"}}) == {}


@pytest.mark.parametrize(
    ("recap", "code", "end"),
    [
        (Recap(ok=3, changed=1), 0, End(0)),
        (Recap(ok=3), 2, End(0)),  # another host failed
        (Recap(ok=1, failed=1), 2, End(2)),
        (Recap(failed=1, unreachable=1), 2, End(2)),
        (Recap(ok=1, unreachable=1), 4, End(4, "unreachable")),
        (Recap(ok=1, rescued=1), 0, End(0)),
        (Recap(), 0, End(2, "no_hosts_matched")),
        (Recap(), 4, End(4, "playbook_failed")),
        (Recap(), 250, End(250, "playbook_failed")),
    ],
)
def test_what_a_playbook_came_to_on_one_host(recap: Recap, code: int, end: End) -> None:
    assert end_of(recap, code) == end


def test_without_the_last_word_only_the_exit_code_counts() -> None:
    assert end_of(Recap(ok=1), 2, is_complete=False) == End(2, "playbook_failed")
    assert end_of(Recap(failed=1), 0, is_complete=False) == End(0)

"""The storm's own judge: it is content with what a good storm leaves, and finds each kind of broken promise. So the storm can fail."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults import mutations
from tests.faults.storm_evidence import LAST_WORDS, Evidence, broken

Rows = list[dict[str, Any]]


def _row(number: int, device: str, job: str) -> dict[str, Any]:
    execution = {"id": f"execution-{number}", "stdout_bytes": len(LAST_WORDS)}
    return {
        "target_id": number,
        "occurrence": f"occurrence of {job}",
        "device": {"id": device},
        "state": "success",
        "reason": None,
        "executions": [execution],
    }


def _good() -> Evidence:
    rows = [
        _row(1, "crane", "Storm 0"),
        _row(2, "winch", "Storm 0"),
        _row(3, "crane", "Storm 1"),
        _row(4, "winch", "Storm 1"),
    ]
    effects = {f"execution-{number}": 1 for number in (1, 2, 3, 4)}
    outputs = {"execution-1": LAST_WORDS, "execution-4": LAST_WORDS}
    return Evidence(("Storm 0", "Storm 1"), 2, {"Storm 0": [1], "Storm 1": [1]}, rows, effects, outputs, 1)


def _with_rows(change: Callable[[Rows], object]) -> Evidence:
    rows: Rows = [copy.deepcopy(dict(row)) for row in _good().rows]
    change(rows)
    return replace(_good(), rows=rows)


def _but_the_last() -> dict[str, int]:
    return {name: times for name, times in _good().effects.items() if name != "execution-4"}


def test_nothing_is_wrong_with_a_storm_that_lost_nothing() -> None:
    assert broken(_good()) == []


def test_one_interrupted_execution_for_a_killed_agent_is_told_and_not_wrong() -> None:
    cut_short = _with_rows(lambda rows: rows[0].update(state="failed", reason="interrupted"))
    assert broken(cut_short) == []
    assert broken(replace(cut_short, agent_kills=0)) == ["target 1 was interrupted, and no agent was killed"]


def test_more_than_a_few_interrupted_executions_are_wrong() -> None:
    many = _with_rows(lambda rows: [row.update(state="failed", reason="interrupted") for row in rows])
    assert broken(replace(many, agent_kills=19)) == ["4 were interrupted by 19 kills of agents, more than 3"]
    assert broken(replace(many, agent_kills=20)) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(_good(), effects={**_good().effects, "execution-2": 2}), "execution execution-2 ran 2 times"),
        (replace(_good(), effects={**_good().effects, "other": 1}), "execution other ran, and no row tells of it"),
        (replace(_good(), effects=_but_the_last()), "target 4 is a success and never ran"),
        (replace(_with_rows(lambda rows: rows.pop()), effects=_but_the_last()), "3 device rows of 4"),
        (_with_rows(lambda rows: rows[3].update(device={"id": "crane"})), "device crane is twice in occurrence of Storm 1"),
        (_with_rows(lambda rows: rows[1].update(state="lost", reason="no_answer")), "target 2 is lost (no_answer)"),
        (_with_rows(lambda rows: rows[1].update(state="expired", reason="offline")), "target 2 is expired (offline)"),
        (_with_rows(lambda rows: rows[1].update(state="failed", reason=None)), "target 2 is failed (None)"),
        (
            _with_rows(lambda rows: rows[1]["executions"].append({"id": "execution-2b", "stdout_bytes": 4})),
            "target 2 was handed out 2 times",
        ),
        (
            _with_rows(lambda rows: rows[1]["executions"][0].update(stdout_bytes=0)),
            "execution execution-2 has 0 bytes of output",
        ),
        (replace(_good(), outputs={"execution-1": "en"}), "execution execution-1 wrote 'en'"),
        (replace(_good(), occurrences={"Storm 0": [1], "Storm 1": [2]}), "job Storm 1 has 2 occurrences"),
        (replace(_good(), occurrences={"Storm 0": [1], "Storm 1": [0]}), "job Storm 1 has 0 occurrences"),
        (replace(_good(), occurrences={"Storm 0": [1, 1], "Storm 1": [1]}), "job Storm 0 was saved 2 times"),
        (replace(_good(), occurrences={"Storm 0": [1]}), "job Storm 1 was saved 0 times"),
    ],
)  # fmt: skip
def test_each_broken_promise_is_found_and_named(found: Evidence, said: str) -> None:
    assert broken(found) == [said]


@pytest.mark.parametrize("mutation", mutations.ALL, ids=lambda one: one.name)
def test_what_a_mutation_replaces_is_in_the_code(mutation: mutations.Mutation) -> None:
    """Else the proof by `python -m tests.faults.mutations` would prove nothing."""
    assert [edit.path for edit in mutation.edits if not edit.is_possible()] == []

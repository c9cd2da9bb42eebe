"""One request about many jobs: whatever is sent is read or refused by its fields, and an action takes only its own arguments."""

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_job_rules import anything
from watchbill.core.job_rules_bulk import MAX_JOBS, Action, read_bulk
from watchbill.jobs import JobState
from watchbill.runs import Health

NOW = datetime(2026, 5, 4, 7, 1, tzinfo=UTC)
NAMES = ["action", "job_ids", "filter", "dry_run", "expected", "enabled", "reason", "until", "targets", "add", "remove"]
GOOD: dict[str, dict[str, object]] = {
    "toggle": {"enabled": False, "reason": "Moving", "until": "2026-05-05T07:00:00Z"},
    "rerun": {"targets": "failed", "reason": "Once more"},
    "tag": {"add": ["b", "a"], "remove": ["c"]},
    "delete": {},
}


def faults(**body):
    return {problem.field: problem.code for problem in read_bulk(body, NOW)[1]}


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), anything) | anything)
def test_anything_is_read_or_refused(body):
    bulk, problems = read_bulk(body, NOW)
    if not problems:
        assert body["action"] == bulk.action
        assert (bulk.expected is None) == (body.get("dry_run") is not False)


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=20, unique=True), st.integers(0, MAX_JOBS))
def test_numbers_are_kept_as_given(job_ids, expected):
    body = {"action": "delete", "job_ids": job_ids, "dry_run": False, "expected": expected}
    bulk, problems = read_bulk(body, NOW)
    assert (problems, bulk.job_ids, bulk.expected) == ([], tuple(job_ids), expected)


@pytest.mark.parametrize("action", get_args(Action))
def test_an_action_takes_its_own_arguments_and_no_others(action):
    assert faults(action=action, job_ids=[1], **GOOD[action]) == {}
    strange = {name: value for given in GOOD.values() for name, value in given.items() if name not in GOOD[action]}
    assert faults(action=action, job_ids=[1], **GOOD[action], **strange) == dict.fromkeys(strange, "not_allowed")


def test_arguments_are_read():
    tag, _ = read_bulk({"action": "tag", "filter": {"tag": ["x"], "health": "failing"}, **GOOD["tag"]}, NOW)
    assert (tag.job_ids, tag.add, tag.remove, tag.asked.tags, tag.asked.health) == (
        None,
        ("a", "b"),
        ("c",),
        ("x",),
        "failing",
    )
    toggle, _ = read_bulk({"action": "toggle", "job_ids": [1], **GOOD["toggle"]}, NOW)
    assert (toggle.toggle.enabled, toggle.toggle.reason) == (False, "Moving")
    rerun, _ = read_bulk({"action": "rerun", "job_ids": [1], **GOOD["rerun"]}, NOW)
    assert (rerun.which, rerun.reason) == ("failed", "Once more")


def test_every_fault_is_told_at_once():
    body = {
        "action": "tag",
        "job_ids": [0, 2, 2],
        "filter": {"state": "ill", "colour": "red", "tag": ["No"]},
        "dry_run": False,
        "add": ["x"],
        "remove": ["x", "Y"],
        "more": 1,
    }
    assert set(faults(**body)) == {
        *("job_ids", "job_ids.0", "job_ids.2", "filter.state", "filter.colour", "filter.tag.0", "expected"),
        *("remove", "remove.1", "more"),
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"action": "required", "job_ids": "required"}),
        ({"action": "delete", "job_ids": [1], "expected": 1}, {"expected": "not_allowed"}),
        ({"action": "delete", "job_ids": list(range(1, MAX_JOBS + 2))}, {"job_ids": "length"}),
        ({"action": "delete", "job_ids": []}, {"job_ids": "length"}),
        ({"action": "toggle", "job_ids": [1]}, {"enabled": "required"}),
        ({"action": "toggle", "job_ids": [1], "enabled": True, "reason": "x"}, {"reason": "not_allowed"}),
        ({"action": "toggle", "job_ids": [1], "enabled": True, "catch_up": "all"}, {"catch_up": "not_allowed"}),
        ({"action": "tag", "job_ids": [1]}, {"add": "required"}),
        ({"action": "rerun", "job_ids": [1], "targets": "some"}, {"targets": "not_allowed"}),
    ],
)
def test_what_is_refused(body, expected):
    assert faults(**body) == expected


@pytest.mark.parametrize(("field", "words"), [("state", get_args(JobState)), ("health", get_args(Health))])
def test_a_filter_knows_the_words_of_the_list(field, words):
    for word in words:
        assert faults(action="delete", filter={field: word}) == {}

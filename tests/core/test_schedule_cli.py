"""The calendar asked from a shell: one schedule, a batch of lines, wrong ones answered line by line."""

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

DAILY = {"type": "daily", "start": "2026-03-28T02:30", "timezone": "Europe/Berlin"}


def ask(*arguments, stdin="", **environment):
    command = [sys.executable, "-W", "error", "-m", "watchbill.core.schedule", "next", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment
    )


def batch(tmp_path, *lines):
    source = tmp_path / "questions.jsonl"
    source.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    answer = ask("--batch", str(source))
    assert (answer.returncode, answer.stderr) == (0, "")
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_one_schedule_is_answered_with_one_utc_instant_per_line():
    answer = ask("--spec", json.dumps(DAILY), "--after", "2026-03-28T12:00:00+01:00", "--count", "2")
    assert answer.stdout.splitlines() == ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
    assert answer.returncode == 0


def test_a_wrong_schedule_ends_with_a_sentence_and_status_two():
    answer = ask("--spec", '{"type":"hurly"}', "--after", "2026-03-28T12:00:00Z")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("type: must be one of: immediately, once")


def test_a_batch_answers_each_line_and_never_crashes(tmp_path):
    after = "2026-03-01T00:00:00Z"
    answers = batch(
        tmp_path,
        {"id": 1, "schedule": DAILY, "after": after, "n": 1},
        {"id": "two", "schedule": {"type": "cron", "expression": "0 0 30 2 *"}, "after": after, "n": 1},
        {
            "id": 3,
            "schedule": {"type": "rrule", "rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "start": "2026-01-01T00:00"},
            "after": after,
        },
        {"id": 4, "schedule": {"type": "hourly"}, "after": "2026-03-01T00:30:00Z", "n": 2},
        {"id": 5, "schedule": {"type": "immediately"}, "after": after},
        {"id": 6, "schedule": [DAILY], "after": after},
        {"id": 7, "schedule": DAILY, "after": "tomorrow"},
        {"id": 8, "schedule": DAILY, "after": "0001-01-01T00:00:00+14:00"},
        {"id": 9, "schedule": DAILY, "after": after, "n": 10**9},
        {"id": 10, "schedule": DAILY | {"timezone": {"x": 1}, "count": float("nan")}, "after": after},
        "",
        "[" * 100_000,
        "not json",
        "7",
        {"id": 11, "schedule": DAILY, "after": "9999-12-31T23:59:59Z"},
    )
    assert answers[0] == {"id": 1, "instants": ["2026-03-28T01:30:00Z"]}
    assert answers[1]["id"] == "two"
    assert "never occurs" in answers[1]["error"]
    assert answers[2]["errors"][0]["code"] == "never_fires"
    assert answers[3]["instants"] == ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"]
    assert answers[4] == {"id": 5, "instants": []}
    assert [answer["id"] for answer in answers if "error" in answer] == ["two", 3, 6, 7, 8, 9, 10, None, None, None]
    assert {problem["field"] for problem in answers[9]["errors"]} == {"timezone", "count"}
    assert answers[-1] == {"id": 11, "instants": []}


def test_all_that_is_wrong_with_a_line_is_told_at_once(tmp_path):
    bad = {"id": 1, "schedule": {"type": "daily", "timezone": "Mars"}, "after": "soon", "n": 0}
    follower = {"id": 2, "schedule": DAILY | {"timezone": None, "timezone_source": "device"}, "after": None}
    answers = batch(tmp_path, bad, follower)
    assert {problem["field"] for problem in answers[0]["errors"]} == {"timezone", "start", "after", "n"}
    assert {problem["field"] for problem in answers[1]["errors"]} == {"timezone_source", "after"}


def test_a_batch_can_come_from_standard_input_and_a_missing_file_is_said():
    line = json.dumps({"id": 1, "schedule": DAILY, "after": "2026-03-01T00:00:00Z"})
    assert json.loads(ask("--batch", "-", stdin=line).stdout)["instants"] == ["2026-03-28T01:30:00Z"]
    missing = ask("--batch", "/nowhere/at/all")
    assert missing.returncode == 2
    assert "No such file" in missing.stderr


@pytest.mark.parametrize("path", ["", "/nowhere", "FALSE_RULES"])
def test_zone_files_of_the_host_have_no_influence(tmp_path, path):
    false_rules = tmp_path / "Europe" / "Berlin"
    false_rules.parent.mkdir()
    false_rules.write_bytes(Path(str(files("tzdata") / "zoneinfo" / "Asia" / "Tokyo")).read_bytes())
    given = str(tmp_path) if path == "FALSE_RULES" else path
    answer = ask("--spec", json.dumps(DAILY), "--after", "2026-03-28T12:00:00Z", PYTHONTZPATH=given, TZ="Asia/Tokyo")
    assert answer.stdout.splitlines() == ["2026-03-29T01:30:00Z"]

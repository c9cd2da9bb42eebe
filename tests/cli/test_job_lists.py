"""Lists of jobs on a terminal: marks that need no colour, views, and one action on many jobs after telling how many."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.conftest import Watchbill
from tests.cli.test_client import assembly, job_file, made
from watchbill.apps.client import job_lists
from watchbill.apps.client.output import Out

__all__ = ["assembly", "job_file"]

JOB = {
    "id": 7,
    "name": "Clear print spool",
    "state": "active",
    "schedule_text": "Every 10 minutes of elapsed time from 4 May 2026 07:00 (UTC).",
    "next_due_at": "2026-05-04T07:10:00Z",
    "recent_outcomes": [
        {"state": state, "outcome": outcome}
        for state, outcome in [("open", None), ("closed", "failed"), ("missed", None), ("closed", "success")]
    ],
    "waiting_count": 3,
    "missed_count": 5,
    "missed_span_seconds": 604_800,
    "drift": "Its schedule says every 10 minutes, most of its last starts were every 30 minutes.",
    "will_not_fire": None,
}


@pytest.fixture
def three(signed_in: Watchbill, job_file: Path, unique: str) -> list[int]:
    """Jobs a, b and c."""
    text = job_file.read_text()
    return [
        made(
            signed_in("jobs", "create", "-f", "-", "--json", stdin=text.replace(f"Job {unique}", f"{unique} {letter}"))
        ).json["id"]
        for letter in "abc"
    ]


def rendered(width: int, *jobs) -> list[str]:
    written = io.StringIO()
    out = Out(is_utc=True, _console=Console(file=written, width=width, highlight=False))
    for line in job_lists.blocks(out, jobs):
        out.console.print(line)
    return written.getvalue().splitlines()


def test_marks_are_letters_and_the_newest_is_at_the_right():
    assert job_lists.marks(JOB["recent_outcomes"]).plain == "+?x>"  # type: ignore[arg-type]
    assert job_lists.marks([]).plain == "-"


def test_a_note_says_all_that_is_not_well_and_nothing_of_what_is():
    assert job_lists.note({**JOB, "missed_count": 0, "drift": None}) is None
    stopped = {**JOB, "will_not_fire": {"code": "paused", "sentence": "Paused: summer."}}
    assert job_lists.note(stopped) == f"Paused: summer. 5 missed in 7 days. {JOB['drift']}"


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_narrow_terminal_gets_all_of_it_in_lines_that_fit(width: int):
    lines = rendered(width, JOB)
    assert all(len(line) <= width for line in lines)
    words = " ".join(" ".join(lines).split())
    for part in ("7 Clear print spool", "active", "+?x>", "3 waiting", "5 missed in 7 days.", "every 30 minutes."):
        assert part in words


def test_a_name_cannot_steer_the_terminal():
    assert "\x1b" not in "".join(rendered(80, {**JOB, "name": "a \x1b[31m b", "schedule_text": "\x1b]0;x\x07"}))


def test_the_list_says_why_a_job_will_not_fire(signed_in: Watchbill, three: list[int], unique: str):
    made(signed_in("jobs", "pause", str(three[0]), "--reason", "summer"))
    header, *rows = made(signed_in("jobs", "list", "-q", unique)).out.splitlines()
    assert header.split() == ["ID", "STATE", "NAME", "SCHEDULE", "NEXT", "DUE", "LAST", "TEN", "WAITING", "NOTE"]
    assert [row.split()[0] for row in rows] == [str(one) for one in three]
    assert rows[0].endswith("Paused: summer.")
    assert "2030-01-31 07:00:00 CET" in rows[1]
    assert "Paused: summer." in made(signed_in("jobs", "show", str(three[0]))).out
    found = made(signed_in("jobs", "list", "-q", unique, "--where", "health=will_not_fire", "--json")).json["items"]
    assert [one["id"] for one in found] == three[:1]
    listed = signed_in("jobs", "list", "-q", unique, "--where", "enabled=true", "--sort", "-name", "--json")
    assert [one["id"] for one in made(listed).json["items"]] == [three[2], three[1]]
    assert signed_in("jobs", "list", "--where", "colour=red").code == 2
    assert signed_in("jobs", "list", "--where", "health=bad").code == 1


def test_a_view_is_made_used_changed_and_deleted(signed_in: Watchbill, three: list[int], unique: str):
    query = f"q={unique}&sort=-name"
    view = made(
        signed_in("views", "create", f"V {unique}", "--query", query, "--columns", "name,id,updated_by", "--json")
    )
    assert view.json["query"] == {"q": unique, "sort": "-name"}
    header, *rows = made(signed_in("jobs", "list", "--view", f"V {unique}")).out.splitlines()
    assert header.split() == ["NAME", "ID", "UPDATED", "BY"]
    assert [row.split()[2] for row in rows] == [str(one) for one in reversed(three)]
    narrowed = signed_in("jobs", "list", "--view", f"v {unique}", "--sort", "name", "-q", f"{unique} b", "--json")
    assert [one["id"] for one in made(narrowed).json["items"]] == [three[1]]
    assert f"V {unique}" in made(signed_in("views", "list", "--screen", "jobs", "--mine")).out
    saved = made(signed_in("views", "update", f"V {unique}", "--share", "--columns", "all", "--json")).json
    assert (saved["is_shared"], saved["columns"], saved["query"]) == (True, None, view.json["query"])
    shown = made(signed_in("views", "show", str(saved["id"]))).out
    assert "sort=-name" in shown and "shared with everybody" in shown
    assert signed_in("views", "delete", f"V {unique}").code == 2, "it asks first"
    made(signed_in("views", "delete", f"V {unique}", "--yes"))
    assert signed_in("jobs", "list", "--view", f"V {unique}").code == 5
    refused = signed_in("views", "create", unique, "--query", "sort=colour")
    assert refused.code == 1
    assert "query.sort" in refused.err
    assert signed_in("views", "create", unique, "--query", "nonsense").code == 2


def test_many_jobs_are_counted_before_anything_is_done(signed_in: Watchbill, three: list[int], unique: str):
    where = ("--where", f"q={unique}")
    counted = made(signed_in("jobs", "bulk", "pause", *where, "--reason", "summer", "--dry-run"))
    assert "3 jobs would change; nothing was done." in counted.out
    refused = signed_in("jobs", "bulk", "pause", *where)
    assert refused.code == 2
    assert "3 jobs would change. Go on?" in refused.err
    assert "Done for 3 jobs." in made(signed_in("jobs", "bulk", "pause", *where, "--reason", "summer", "--yes")).out
    states = made(signed_in("jobs", "list", "-q", unique, "--json")).json["items"]
    assert {one["state_reason"] for one in states} == {"summer"}
    assert made(signed_in("jobs", "bulk", "resume", str(three[0]), "--yes", "--json")).json["count"] == 1
    again = made(signed_in("jobs", "bulk", "resume", *where, "--where", "enabled=true"))
    assert "left out  It is enabled already." in again.out
    assert "0 jobs would change; nothing was done." in again.out


def test_many_jobs_are_tagged_rerun_and_deleted(signed_in: Watchbill, three: list[int], unique: str):
    names = [f"{unique} a", f"{unique} b"]
    made(signed_in("jobs", "bulk", "tag", *names, "--add", unique, "--add", "night", "--yes"))
    tagged = ("--where", f"tag={unique}", "--where", "tag=night")
    found = made(signed_in("jobs", "list", *tagged, "--json")).json["items"]
    assert [one["id"] for one in found] == three[:2]
    started = made(signed_in("jobs", "bulk", "rerun", *tagged, "--yes", "--json")).json
    assert [job["job_id"] for job in started["jobs"] if job["occurrence_id"]] == three[:2]
    row = made(signed_in("jobs", "list", "-q", f"{unique} a")).out.splitlines()[1]
    assert " >  " in row
    made(signed_in("jobs", "bulk", "tag", *tagged, "--remove", "night", "--yes"))
    made(signed_in("jobs", "bulk", "delete", "--where", f"q={unique}", "--yes"))
    assert made(signed_in("jobs", "list", "-q", unique, "--json")).json["items"] == []


@pytest.mark.parametrize(
    "words",
    [("pause",), ("pause", "1", "--where", "all"), ("tag", "--where", "enabled=perhaps", "--add", "x"), ("frob",)],
)
def test_what_names_no_jobs_is_refused(signed_in: Watchbill, words: tuple[str, ...]):
    assert signed_in("jobs", "bulk", *words).code == 2

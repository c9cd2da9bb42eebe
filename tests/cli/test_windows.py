"""`watchbill windows` against a real API: what it makes of options and files, and what it shows."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Engine, Watchbill
from tests.cli.test_client import assembly, job_file, made  # noqa: F401 - fixtures

SUNDAYS = "weekly from 2026-01-04T02:00 for 2h in Europe/Berlin"


@pytest.fixture
def site(signed_in: Watchbill, unique: str) -> str:
    made(signed_in("sites", "create", f"Port {unique}", "--timezone", "America/New_York"))
    return f"Port {unique}"


@pytest.fixture
def window(signed_in: Watchbill, site: str, unique: str) -> str:
    """Every Sunday morning, for a site."""
    made(
        signed_in(
            "windows", "add", f"Sundays {unique}", "--kind", "allow", "--attach", f"site:{site}", "--when", SUNDAYS
        )
    )
    return f"Sundays {unique}"


def test_a_window_is_added_listed_and_shown(signed_in: Watchbill, window: str, site: str):
    rows = made(signed_in("windows", "list", "-q", window)).out.splitlines()
    assert rows[0].split() == ["ID", "NAME", "KIND", "COVERS", "WHEN", "NOW"]
    assert f"site {site}" in rows[1]
    assert "Every Sunday at 02:00 (Europe/Berlin), from 4 January 2026 02:00, for 2 hours" in rows[1]
    assert "closed until" in rows[1] or "open until" in rows[1]
    shown = made(signed_in("windows", "show", window, "--utc")).out
    assert "maintenance window (allow)" in shown
    assert "what would start is skipped" in shown
    assert shown.count("Europe/Berlin") >= 5
    assert " UTC" in shown


def test_spans_are_said_in_one_line_each(signed_in: Watchbill, site: str, unique: str):
    words = (
        *("windows", "add", f"Many {unique}", "--kind", "deny", "--attach", f"site:{site}", "--attach", "global"),
        *("--when", "once from 2031-12-24T00:00 for 9d", "--when", "cron 0 2 * * sun for 1h30m in Asia/Tokyo"),
        *("--when", "FREQ=MONTHLY;BYDAY=-1SU from 2026-01-25T02:00 for 1d2h"),
        *("--set", "when_closed=defer", "--set", "description=Quiet, please", "--json"),
    )
    saved = made(signed_in(*words)).json
    assert [(one.get("duration_days"), one.get("duration_seconds")) for one in saved["spans"]] == [
        (9, None),
        (None, 5400),
        (None, 93_600),
    ]
    assert [one["schedule"]["type"] for one in saved["spans"]] == ["once", "cron", "rrule"]
    assert saved["spans"][1]["schedule"]["timezone"] == "Asia/Tokyo"
    assert (saved["when_closed"], saved["description"], saved["covers"]) == (
        "defer",
        "Quiet, please",
        [f"site {site}", "everything"],
    )
    # On the last Sunday of a month it is open, and would keep back what other tests of this Engine start.
    made(signed_in("windows", "remove", f"Many {unique}", "--yes"))


def test_a_window_comes_from_a_file_and_its_problems_are_told_with_their_lines(
    signed_in: Watchbill, site: str, unique: str, tmp_path: Path
):
    path = tmp_path / "window.yaml"
    path.write_text(
        f"name: File {unique}\nkind: allow\nzone_source: site\nattach:\n  - site:{site}\n"
        "spans:\n  - name: Nights\n    schedule:\n      type: daily\n      start: 2026-01-01T02:00\n    duration_seconds: 3600\n"
    )
    saved = made(signed_in("windows", "add", "-f", str(path), "--set", "stop_at_end=yes", "--json")).json
    assert (saved["stop_at_end"], saved["current"], saved["spans"][0]["name"]) == (True, None, "Nights")
    assert "differs by site" in made(signed_in("windows", "list", "-q", f"File {unique}")).out
    path.write_text(path.read_text().replace("3600", "5").replace("daily", "nightly").replace(f"File {unique}", "''"))
    done = signed_in("windows", "add", "-f", str(path))
    assert done.code == 1
    for line, field in ((1, "name"), (9, "spans.0.schedule.type"), (11, "spans.0.duration_seconds")):
        assert any(one.strip().startswith(f"{field}: line {line}: ") for one in done.err.splitlines()), done.err


def test_an_edit_changes_what_it_speaks_of(signed_in: Watchbill, window: str, unique: str, site: str):
    edited = made(
        signed_in("windows", "edit", window, "--set", "cutoff=30m", "--set", f"name=New {unique}", "--json")
    ).json
    assert (edited["cutoff_seconds"], edited["name"], edited["revision"]) == (1800, f"New {unique}", 2)
    assert edited["spans"][0]["duration_seconds"] == 7200
    made(
        signed_in("windows", "edit", f"New {unique}", "--attach", "global", "--set", "enabled=no", "--set", "cutoff=0")
    )
    shown = made(signed_in("windows", "show", f"New {unique}", "--json")).json
    assert (shown["covers"], shown["enabled"], shown["cutoff_seconds"]) == (["everything"], False, 0)
    late = signed_in("windows", "edit", f"New {unique}", "--set", "enabled=yes", "--revision", "1")
    assert late.code == 1
    assert "changed by somebody else" in late.err


def test_a_calendar_file_is_tried_and_then_imported(signed_in: Watchbill, site: str, unique: str, tmp_path: Path):
    path = tmp_path / "holidays.ics"
    path.write_text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nSUMMARY:New Year\nDTSTART;VALUE=DATE:20200101\nRRULE:FREQ=YEARLY\nEND:VEVENT\n"
        "BEGIN:VEVENT\nUID:2\nSUMMARY:Party\nDTSTART;VALUE=DATE:20200701\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    words = ("windows", "import", str(path), f"Holidays {unique}", "--attach", f"site:{site}")
    refused = signed_in(*words)
    assert refused.code == 1
    assert "line 5: event `New Year` (UID 1): DTSTART '20200101' has no zone" in refused.err
    tried = made(signed_in(*words, "--timezone", "Europe/Berlin", "--dry-run"))
    assert "Every year on the 1st in January" in tried.out
    assert "Left out: Party (ended)." in tried.err
    assert "Nothing was saved." in tried.err
    assert made(signed_in("windows", "list", "-q", f"Holidays {unique}", "--json")).json["items"] == []
    done = made(signed_in(*words, "--set", "zone_source=site", "--set", "when_closed=defer", "--json")).json
    assert done["window"]["zone_source"] == "site"
    assert done["window"]["kind"] == "deny"


def test_a_check_tells_why_not_and_when_next(signed_in: Watchbill, job_file: Path, device: str, unique: str):  # noqa: F811
    made(signed_in("jobs", "create", "-f", str(job_file)))
    attach = f"job:Job {unique}"
    made(signed_in("windows", "add", f"Mine {unique}", "--kind", "allow", "--attach", attach, "--when", SUNDAYS))
    at = "2026-11-25T12:00:00Z"
    done = signed_in("windows", "check", "--job", f"Job {unique}", "--at", at, "--utc")
    assert done.code == 1
    assert f"outside `Mine {unique}`, which opens 2026-11-29 02:00 Europe/Berlin" in done.out
    assert "2026-11-29 01:00:00 UTC" in done.out
    assert device in done.out
    open_ = signed_in("windows", "check", "--device", device, "--at", at)
    assert open_.code == 0, open_.err
    assert "yes" in open_.out
    both = signed_in("windows", "check", "--device", device, "--job", f"Job {unique}", "--at", at, "--json")
    assert json.loads(both.out)["is_open"] is False


def test_a_window_is_removed_only_when_that_is_sure(signed_in: Watchbill, window: str):
    assert signed_in("windows", "remove", window).code == 2
    made(signed_in("windows", "remove", window, "--yes"))
    assert signed_in("windows", "show", window).code == 5


@pytest.mark.parametrize(
    "words",
    [
        ("add", "x", "--kind", "deny", "--attach", "moon"),
        ("add", "x", "--kind", "deny", "--attach", "site:"),
        ("add", "x", "--attach", "global", "--when", "every blue moon"),
        ("add", "x", "--attach", "global", "--when", "daily from 2026-01-01T00:00 for ever"),
        ("add", "x", "--set", "colour=red"),
        ("add", "x", "--set", "enabled=perhaps"),
        ("edit", "1"),
        ("check",),
        ("import", "x.ics", "x"),
    ],
)
def test_what_is_said_wrongly_is_refused_before_anything_happens(
    signed_in: Watchbill, words: tuple[str, ...], engine: Engine
):
    done = signed_in("windows", *words)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err

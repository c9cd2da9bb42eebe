"""Client commands against a real API: what they write, for people and for scripts, and how they end."""

import json
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from tests.cli.conftest import Engine, Result, Watchbill, clean_environment, engine_command

ASSEMBLY = """\
name: {name}
kind: script
interpreter: bash
content: |
  echo hello
"""


@pytest.fixture
def assembly(signed_in: Watchbill, unique: str) -> str:
    made = signed_in("assemblies", "import", "-", stdin=ASSEMBLY.format(name=f"Hello {unique}"))
    assert made.code == 0, made.err
    return f"Hello {unique}"


@pytest.fixture
def job_file(tmp_path: Path, signed_in: Watchbill, device: str, assembly: str, unique: str) -> Path:
    """A job by names, due once a day."""
    path = tmp_path / "job.yaml"
    path.write_text(
        f"name: Job {unique}\n"
        f"components:\n  - assembly: {assembly}\n    kind: script\n"
        f"targets:\n  - kind: device\n    site: Site {unique}\n    hostname: {device}\n"
        "schedule:\n  type: daily\n  start: 2030-01-31T07:00\n  timezone: Europe/Berlin\n"
    )
    return path


def made(done: Result) -> Result:
    assert done.code == 0, done.err
    return done


def test_a_site_is_made_listed_and_shown(signed_in: Watchbill, unique: str):
    name = f"Harbour {unique}"
    made(signed_in("sites", "create", name, "--timezone", "Europe/Berlin"))
    rows = made(signed_in("sites", "list", "-q", name)).out.splitlines()
    assert rows[0].split()[:3] == ["ID", "NAME", "TIMEZONE"]
    assert name in rows[1]
    assert "watchbill-agent enroll --server" in made(signed_in("sites", "show", name)).out


def test_lists_are_json_for_scripts_and_nothing_else_is_on_standard_output(signed_in: Watchbill, unique: str):
    done = made(signed_in("sites", "list", "-q", unique, "--json"))
    assert done.json == {"items": [], "is_more": False}
    people = signed_in("sites", "list", "-q", unique)
    assert (people.out, people.err) == ("", "There are no sites.\n")


def test_a_limit_says_that_there_is_more(signed_in: Watchbill, unique: str):
    for number in range(3):
        made(signed_in("sites", "create", f"{unique}-{number}"))
    done = made(signed_in("sites", "list", "-q", unique, "--limit", "2"))
    assert len(done.out.splitlines()) == 3
    assert "--limit shows more" in done.err
    assert len(made(signed_in("sites", "list", "-q", unique, "--limit", "3", "--json")).json["items"]) == 3


def test_what_cannot_be_undone_is_not_done_unasked(signed_in: Watchbill, unique: str):
    before = made(signed_in("sites", "create", unique, "--json")).json["enrolment_code"]
    refused = signed_in("sites", "rotate-code", unique)
    assert refused.code == 2
    assert "--yes" in refused.err
    after = made(signed_in("sites", "rotate-code", unique, "--yes", "--json")).json["enrolment_code"]
    assert after != before


def test_times_are_in_the_readers_zone_or_in_utc(signed_in: Watchbill, unique: str):
    made(signed_in("sites", "create", unique))
    made(signed_in("sites", "auto-approve", unique, "10"))
    assert " CET" in (there := made(signed_in("sites", "show", unique)).out) or " CEST" in there
    assert " UTC" in made(signed_in("sites", "show", unique, "--utc")).out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sites", "show", "999999"), 5),
        (("sites", "show", "Atlantis"), 5),
        (("devices", "show", str(uuid.uuid4())), 5),
        (("jobs", "follow", "999999"), 5),
        (("runs", "output", str(uuid.uuid4())), 5),
        (("approvals", "approve"), 2),
        (("jobs", "create"), 2),
        (("jobs", "create", "-f", "/no/such/file"), 2),
        (("jobs", "frobnicate"), 2),
        (("frobnicate",), 2),
        (("sites", "create", "x", "--timezone", "Mars/Base"), 1),
    ],
)
def test_exit_codes_tell_what_went_wrong(signed_in: Watchbill, words: tuple[str, ...], code: int):
    done = signed_in(*words)
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err
    assert "Traceback" not in done.err


def test_every_problem_of_a_job_is_told_on_a_line_of_its_own_with_its_place(signed_in: Watchbill, tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "name: ''\ncomponents: []\ntargets:\n  - kind: nonsense\nschedule:\n  type: fortnightly\ncolour: red\n"
    )
    done = signed_in("jobs", "create", "-f", str(path))
    assert done.code == 1
    for place, field in ((1, "name"), (2, "components"), (4, "targets.0.kind"), (6, "schedule.type"), (7, "colour")):
        assert any(line.strip().startswith(f"{field}: line {place}: ") for line in done.err.splitlines()), done.err


def test_a_file_that_is_not_yaml_is_told_with_its_line(signed_in: Watchbill):
    done = signed_in("jobs", "create", "-f", "-", stdin="name: a\n  b: [\n")
    assert done.code == 2
    assert "line 2" in done.err


def test_an_assembly_goes_out_and_comes_back_the_same(signed_in: Watchbill, assembly: str, tmp_path: Path):
    path = tmp_path / "out.yaml"
    made(signed_in("assemblies", "export", assembly, "-o", str(path)))
    again = made(signed_in("assemblies", "import", str(path), "--json")).json
    assert again["revision"] == 1
    assert "echo hello" in made(signed_in("assemblies", "show", assembly)).out


def test_the_life_of_a_job(signed_in: Watchbill, job_file: Path, unique: str):
    job = made(signed_in("jobs", "create", "-f", str(job_file), "--json")).json
    number = str(job["id"])
    listed = made(signed_in("jobs", "list", "-q", unique)).out
    assert "2030-01-31 07:00:00 CET" in listed
    assert f"Job {unique}" in made(signed_in("jobs", "show", number)).out
    assert len(made(signed_in("jobs", "preview", number, "--json")).json["instants"]) == 10
    assert not made(signed_in("jobs", "pause", number, "--reason", "summer", "--json")).json["enabled"]
    assert "Because" in made(signed_in("jobs", "show", number)).out
    assert made(signed_in("jobs", "resume", number, "--json")).json["enabled"]
    exported = made(signed_in("jobs", "export", "-", "--only", number)).out
    changed = exported.replace("07:00", "08:00")
    again = made(signed_in("jobs", "create", "-f", "-", "--json", stdin=changed.replace(f"Job {unique}", unique))).json
    assert again["schedule"]["start"] == "2030-01-31T08:00"
    made(signed_in("jobs", "delete", number, "--yes"))
    assert signed_in("jobs", "show", number).code == 5


def test_a_pause_ends_with_what_it_left_out_if_that_is_asked_for(signed_in: Watchbill, job_file: Path):
    number = str(made(signed_in("jobs", "create", "-f", str(job_file), "--json")).json["id"])
    paused = made(signed_in("jobs", "pause", number, "--until", "2030-01-31T00:00:00Z", "--reason", "summer", "--utc"))
    assert "is paused until 2030-01-31 00:00:00 UTC." in paused.out
    assert "summer" in made(signed_in("jobs", "show", number)).out
    assert signed_in("jobs", "resume", number, "--catch-up", "some").code == 1
    assert (
        "is on. Next due 2030-01-31 07:00:00 CET." in made(signed_in("jobs", "resume", number, "--catch-up", "all")).out
    )


def test_a_range_of_the_past_is_counted_before_it_is_run(signed_in: Watchbill, job_file: Path, unique: str):
    text = job_file.read_text().replace("start: 2030-01-31T07:00", "start: 2026-01-01T07:00")
    number = str(made(signed_in("jobs", "create", "-f", "-", "--json", stdin=text)).json["id"])
    words = ("jobs", "backfill", number, "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-04T12:00:00Z")
    assert "3 instants on 1 device: 3 rows; nothing was started." in made(signed_in(*words, "--dry-run")).out
    assert made(signed_in("runs", "list", f"Job {unique}", "--json")).json["items"] == []
    assert signed_in(*words).code == 2, "it asks first"
    assert made(signed_in(*words, "--yes", "--json")).json["opened"] == 3
    rows = made(signed_in("runs", "list", f"Job {unique}", "--json")).json["items"]
    assert {row["kind"] for row in rows} == {"backfill"}
    made(signed_in("jobs", "delete", number, "--yes"))


def test_a_preview_says_what_stands_behind_an_instant(signed_in: Watchbill, job_file: Path):
    text = (
        job_file.read_text()
        .replace("type: daily", "type: monthly")
        .replace("timezone: Europe/Berlin", "timezone_source: site")
    )
    number = str(made(signed_in("jobs", "create", "-f", "-", "--json", stdin=text)).json["id"])
    shown = made(signed_in("jobs", "preview", number, "--utc")).out
    assert "2030-01-31T07:00 on each clock" in shown
    assert "clamped" in shown


def test_an_update_based_on_an_old_revision_is_refused(signed_in: Watchbill, job_file: Path, unique: str):
    job = made(signed_in("jobs", "create", "-f", str(job_file), "--json")).json
    body = {name: job[name] for name in ("name", "components", "targets", "schedule")}
    changed = json.dumps({**body, "description": "new"})
    saved = made(
        signed_in("jobs", "update", str(job["id"]), "-f", "-", "--revision", "1", "--json", stdin=changed)
    ).json
    assert saved["revision"] == 2
    stale = json.dumps({**body, "description": "stale"})
    assert signed_in("jobs", "update", str(job["id"]), "-f", "-", "--revision", "1", stdin=stale).code == 1


def test_a_rerun_waits_for_its_device_and_can_be_cancelled(
    signed_in: Watchbill, job_file: Path, device: str, unique: str
):
    number = str(made(signed_in("jobs", "create", "-f", str(job_file), "--json")).json["id"])
    started = made(signed_in("jobs", "rerun", number, "--reason", "the vendor asked", "--json")).json
    occurrence = started["id"]
    assert (started["start_reason"], started["ignores_windows"]) == ("the vendor asked", False)
    assert signed_in("jobs", "rerun", number, "--targets", "no-such-host").code == 5
    assert occurrence in made(signed_in("runs", "list", f"Job {unique}")).out
    rows = made(signed_in("runs", "devices", number, "--json")).json["items"]
    assert [row["device"]["hostname"] for row in rows] == [device]
    made(signed_in("jobs", "cancel", number))
    followed = signed_in("jobs", "follow", number)
    assert followed.code == 3
    assert "cancelled: 1 cancelled" in followed.out


def test_following_in_json_ends_with_the_closed_occurrence(signed_in: Watchbill, job_file: Path):
    number = str(made(signed_in("jobs", "create", "-f", str(job_file), "--json")).json["id"])
    made(signed_in("jobs", "rerun", number))
    made(signed_in("jobs", "cancel", number))
    followed = signed_in("jobs", "follow", number, "--json")
    assert json.loads(followed.out.splitlines()[-1])["outcome"] == "cancelled"


def test_a_device_is_disabled_and_enabled(signed_in: Watchbill, device: str):
    assert made(signed_in("devices", "disable", device)).out == f"{device} is disabled.\n"
    assert made(signed_in("devices", "enable", device)).out == f"{device} is active.\n"
    assert "offline" in made(signed_in("devices", "list", "-q", device)).out


def test_every_command_explains_itself(watchbill: Watchbill):
    assert "Exit codes" in watchbill("--help").out
    for words in (
        ("jobs",),
        ("jobs", "follow"),
        ("runs", "output"),
        ("login",),
        ("up",),
        ("site-worker",),
        ("db", "upgrade"),
    ):
        assert watchbill(*words, "--help").code == 0


def test_a_follower_hears_at_once_that_it_is_over(signed_in: Watchbill, engine: Engine, job_file: Path):
    number = str(made(signed_in("jobs", "create", "-f", str(job_file), "--json")).json["id"])
    made(signed_in("jobs", "rerun", number))
    environment = {**clean_environment(), "PYTHONUNBUFFERED": "1"}
    follower = subprocess.Popen(
        engine_command("jobs", "follow", number),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert follower.stdout is not None
    with follower:
        assert follower.stdout.readline() == "0 of 1 done: 1 pending\n"
        cancelled_at = time.monotonic()
        made(signed_in("jobs", "cancel", number))
        assert follower.wait(30) == 3
    # Without events it looks only every ten seconds.
    assert time.monotonic() - cancelled_at < 8


def test_scripts_check_and_retries_are_options_in_place_of_those_of_the_file(
    signed_in: Watchbill, assembly: str, job_file: Path
):
    words = ("--check", assembly, "--script", assembly, "--script", assembly, "--continue-on-failure")
    tries = ("--retries", "2", "--retry-delay", "30", "--retry-on", "failed", "--retry-on", "warning")
    job = made(signed_in("jobs", "create", "-f", str(job_file), *words, *tries, "--json")).json
    assert [one["role"] for one in job["components"]] == ["check", "run", "run"]
    policies = job["policies"]
    assert (policies["retries"], policies["retry_delay_seconds"]) == (2, 30)
    assert (policies["retry_on"], policies["continue_on_failure"]) == (["failed", "warning"], True)
    assert "check " in made(signed_in("jobs", "show", str(job["id"]))).out
    refused = signed_in("jobs", "create", "-f", str(job_file), "--retries", "1", "--retry-on", "lost")
    assert refused.code != 0
    assert "never repeated blindly" in refused.err
    assert signed_in("jobs", "create", "-f", str(job_file), "--check", assembly).code == 2
    file = job_file.with_name("copy.yaml")
    file.write_text(made(signed_in("jobs", "export", "-", "--only", str(job["id"]))).out)
    assert "role: check" in file.read_text()
    assert signed_in("jobs", "plan", str(file)).code == 0


def test_files_are_attached_listed_downloaded_and_detached(
    signed_in: Watchbill, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"Carrier {unique}"
    made(signed_in("assemblies", "import", "-", stdin=ASSEMBLY.format(name=name)))
    (tmp_path / "tool.bin").write_bytes(bytes(range(256)) * 5000)
    (tmp_path / "small.txt").write_text("small")
    both = [str(tmp_path / one) for one in ("tool.bin", "small.txt")]
    assert "revision 2" in made(signed_in("assemblies", "files", "attach", name, *both)).out
    listed = made(signed_in("assemblies", "files", "list", name, "--json")).json["items"]
    assert [(one["name"], one["size"]) for one in listed] == [("small.txt", 5), ("tool.bin", 1_280_000)]
    assert "tool.bin (1.2 MiB)" in made(signed_in("assemblies", "show", name)).out
    there = tmp_path / "there.bin"
    made(signed_in("assemblies", "files", "download", name, "tool.bin", "-o", str(there)))
    assert there.read_bytes() == (tmp_path / "tool.bin").read_bytes()
    assert "revision 3" in made(signed_in("assemblies", "files", "detach", name, "small.txt", "--yes")).out
    assert signed_in("assemblies", "files", "download", name, "small.txt", "-o", str(there)).code != 0
    monkeypatch.chdir(tmp_path)
    made(signed_in("assemblies", "files", "download", name, "small.txt", "--revision", "2"))
    missing = signed_in("assemblies", "files", "attach", name, str(tmp_path / "none"))
    assert missing.code != 0
    assert "cannot be read" in missing.err

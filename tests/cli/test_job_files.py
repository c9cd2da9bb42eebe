"""Jobs as code: what is written can be read again, a plan says what would change, and applying it does just that."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Engine, Result, Watchbill
from tests.factories import places
from watchbill.apps.client import job_files, jobs
from watchbill.apps.client.connection import Api
from watchbill.apps.client.job_files import FolderPlan, JobFile, file_names
from watchbill.apps.client.output import Out
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

SCRIPT = """\
name: {name}
kind: script
interpreter: bash
content: |
  echo hello
variables:
  - {{name: Mode, type: choice, choices: [soft, hard], default: soft}}
"""
NOTHING, CHANGES, ERRORS = 0, 2, 1


class Folder:
    """A folder of jobs on two devices of one site."""

    def __init__(self, path: Path, unique: str) -> None:
        self.path, self.unique = path, unique

    def write(self, name: str, **changes: str) -> Path:
        """A job's file, with some of its parts replaced."""
        parts = {
            "name": f"{name} {self.unique}",
            "components": f"\n  - assembly: Hello {self.unique}\n    variables:\n      Mode: soft",
            "targets": f"\n  - {{kind: device, hostname: web-{self.unique}}}",
            "schedule": "\n  type: daily\n  start: 2030-01-31T07:00\n  timezone: Europe/Berlin",
        } | changes
        path = self.path / f"{name.lower()}.yaml"
        path.write_text("".join(f"{field}: {text}\n" for field, text in parts.items()))
        return path

    def __str__(self) -> str:
        return str(self.path)


@pytest.fixture
def folder(engine: Engine, signed_in: Watchbill, tmp_path: Path, unique: str) -> Folder:
    site = signed_in("sites", "create", f"Site {unique}", "--json").json["id"]

    async def make() -> None:
        db = Database(engine.environment["WATCHBILL_DATABASE_URL"])
        async with db.begin() as tx:
            now = await Clock().now(tx)
            for name in ("web", "mail"):
                await places.make_device(tx, f"{name}-{unique}", site, now=now)
        await db.close()

    asyncio.run(make())
    assert signed_in("assemblies", "import", "-", stdin=SCRIPT.format(name=f"Hello {unique}")).code == 0
    path = tmp_path / "jobs"
    path.mkdir()
    return Folder(path, unique)


def ended(done: Result, code: int) -> Result:
    assert done.code == code, (done.out, done.err)
    return done


def test_a_new_file_is_planned_applied_and_then_nothing_is_left_to_do(signed_in, folder, unique):
    folder.write("Nightly")
    planned = ended(signed_in("jobs", "plan", str(folder)), CHANGES)
    assert f"+ Nightly {unique} (nightly.yaml)" in planned.out
    assert "Every day at 07:00" in planned.out
    assert f"+ targets: Site {unique}/web-{unique}" in planned.out
    assert "1 to create, 0 to update, 0 to delete, 0 unchanged." in planned.err
    assert signed_in("jobs", "list", "-q", unique, "--json").json["items"] == [], "a plan changes nothing"
    applied = ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    assert f"Made Nightly {unique}" in applied.out
    ended(signed_in("jobs", "plan", str(folder)), NOTHING)
    assert ended(signed_in("jobs", "apply", str(folder), "--yes"), 0).out == ""
    [job] = signed_in("jobs", "list", "-q", unique, "--json").json["items"]
    assert job["revision"] == 1


def test_what_differs_is_told_value_by_value_and_only_that_is_saved(signed_in, folder, unique):
    folder.write("Nightly")
    folder.write("Weekly")
    ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    folder.write(
        "Nightly",
        components=f"\n  - assembly: Hello {unique}\n    variables:\n      Mode: hard",
        targets=f"\n  - {{kind: device, hostname: mail-{unique}}}",
        schedule="\n  type: daily\n  start: 2030-01-31T08:30\n  timezone: Europe/Berlin",
    )
    planned = ended(signed_in("jobs", "plan", str(folder)), CHANGES)
    assert [line.strip() for line in planned.out.splitlines()] == [
        f"~ Nightly {unique} (nightly.yaml)",
        "~ components.0.variables.Mode: soft -> hard",
        f"- targets: Site {unique}/web-{unique}",
        f"+ targets: Site {unique}/mail-{unique}",
        "~ schedule.start: 2030-01-31T07:00 -> 2030-01-31T08:30",
    ]
    assert "1 to update, 0 to delete, 1 unchanged" in planned.err
    done = ended(signed_in("jobs", "apply", str(folder), "--yes", "--json"), 0).json["done"]
    assert [(one["action"], one["name"]) for one in done] == [("update", f"Nightly {unique}")]
    revisions = {
        one["name"]: one["revision"] for one in signed_in("jobs", "list", "-q", unique, "--json").json["items"]
    }
    assert revisions == {f"Nightly {unique}": 2, f"Weekly {unique}": 1}


def test_what_is_exported_is_the_same_bytes_again_and_plans_to_nothing(signed_in, folder, unique, tmp_path):
    folder.write(
        "Nightly", description="in two\\n lines", exclusions=f"\n  - {{kind: device, hostname: mail-{unique}}}"
    )
    folder.write("Often", schedule="{type: every_15_minutes}", policies="{splay_seconds: 60, overlap: queue_one}")
    folder.write("Local", schedule="{type: cron, expression: 0 3 * * 1-5, timezone_source: site}")
    ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    ended(signed_in("jobs", "plan", str(folder)), NOTHING)
    out = tmp_path / "out"
    for name in ("Nightly", "Often", "Local"):
        ended(signed_in("jobs", "export", str(out), "--only", f"{name} {unique}"), 0)
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert written.keys() == {f"{name}-{unique}.yaml" for name in ("nightly", "often", "local")}
    ended(signed_in("jobs", "plan", str(out)), NOTHING)
    again = ended(signed_in("jobs", "export", str(out), "--json"), 0).json
    assert not {*written} & {*again["not_of_a_job"]}
    assert {name: (out / name).read_bytes() for name in written} == written
    assert signed_in("jobs", "export", "-", "--only", f"Often {unique}").out.encode() == written[f"often-{unique}.yaml"]


def test_one_bad_file_keeps_all_of_them_back_and_every_fault_has_its_file_and_line(signed_in, folder, unique):
    folder.write("Good")
    folder.write("Unknown", targets="\n  - {kind: device, site: Atlantis, hostname: web}\ncolour: red")
    (folder.path / "broken.yaml").write_text("name: x\n  y: [\n")
    (folder.path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    planned = ended(signed_in("jobs", "plan", str(folder)), ERRORS)
    text = planned.out
    assert "! broken.yaml:" in text
    assert "line 2" in text.partition("broken.yaml")[2]
    assert "bytes.yaml is not UTF-8 text" in text
    assert "! unknown.yaml:" in text
    assert "targets.0.hostname: line 7: there is no device named 'web' in site 'Atlantis'" in text
    assert "colour: line 8: is not a field of a job" in text
    assert "1 to create" in planned.err
    assert "3 refused" in planned.err
    refused = ended(signed_in("jobs", "apply", str(folder), "--yes"), ERRORS)
    assert "Nothing was changed" in refused.err
    assert signed_in("jobs", "list", "-q", unique, "--json").json["items"] == []


def test_two_files_or_two_jobs_of_one_name_are_refused(signed_in, folder, unique, tmp_path):
    path = folder.write("Nightly")
    (folder.path / "twin.yaml").write_text(path.read_text())
    planned = ended(signed_in("jobs", "plan", str(folder)), ERRORS)
    assert f"name: Nightly {unique} is also the name in twin.yaml" in planned.out
    (folder.path / "twin.yaml").unlink()
    for _ in range(2):
        ended(signed_in("jobs", "create", "-f", str(path)), 0)
    planned = ended(signed_in("jobs", "plan", str(folder)), ERRORS)
    assert "name: line 1: 2 jobs have this name (numbers " in planned.out
    out = tmp_path / "out"
    ended(signed_in("jobs", "export", str(out)), 0)
    assert len([path for path in out.iterdir() if path.name.startswith(f"nightly-{unique}")]) == 2


def test_prune_deletes_what_the_plan_names_and_nothing_without_being_asked_to(signed_in, folder, unique):
    folder.write("Kept")
    gone = folder.write("Gone")
    ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    gone.unlink()
    without = ended(signed_in("jobs", "plan", str(folder)), NOTHING)
    assert "--prune would delete" in without.err
    ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    assert len(signed_in("jobs", "list", "-q", unique, "--json").json["items"]) == 2
    planned = ended(signed_in("jobs", "plan", str(folder), "--prune"), CHANGES)
    assert f"- Gone {unique} (number " in planned.out
    asked = ended(signed_in("jobs", "apply", str(folder), "--prune"), 2)
    assert "--yes" in asked.err
    applied = ended(signed_in("jobs", "apply", str(folder), "--prune", "--yes"), 0)
    assert f"Deleted Gone {unique}" in applied.out
    assert [one["name"] for one in signed_in("jobs", "list", "-q", unique, "--json").json["items"]] == [
        f"Kept {unique}"
    ]
    ended(signed_in("jobs", "plan", str(folder), "--prune"), NOTHING)


def test_prune_keeps_the_jobs_of_files_in_folders_below_and_of_endings_in_capitals(signed_in, folder, unique):
    for name in ("Top", "Below", "Loud"):
        folder.write(name)
    ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    below = folder.path / "harbour"
    below.mkdir()
    (folder.path / "below.yaml").rename(below / "below.yaml")
    (folder.path / "loud.yaml").rename(folder.path / "loud.YAML")
    hidden = folder.path / ".git"
    hidden.mkdir()
    (hidden / "other.yaml").write_text("name: 5")
    ended(signed_in("jobs", "apply", str(folder), "--prune", "--yes"), 0)
    assert len(signed_in("jobs", "list", "-q", unique, "--json").json["items"]) == 3
    planned = ended(signed_in("jobs", "plan", str(folder), "--prune", "--json"), NOTHING).json
    assert [one["file"] for one in planned["files"]] == ["harbour/below.yaml", "loud.YAML", "top.yaml"]


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("apply", "--yes", "--prune")])
def test_an_empty_folder_is_a_mistake_and_deletes_nothing(signed_in, folder, words):
    done = ended(signed_in("jobs", words[0], str(folder), *words[1:]), ERRORS)
    assert "There are no .yaml files" in done.err


@pytest.mark.parametrize("place", ["/no/such/folder", "/no/such/file.yaml"])
def test_a_place_that_is_not_there_is_an_error_and_not_a_change(signed_in, place):
    assert "No such file" in ended(signed_in("jobs", "plan", place), ERRORS).out


def test_one_file_can_be_planned_and_applied_by_itself(signed_in, folder, unique):
    path = folder.write("Nightly")
    folder.write("Other", schedule="{type: fortnightly}")
    ended(signed_in("jobs", "plan", str(path)), CHANGES)
    ended(signed_in("jobs", "apply", str(path), "--yes"), 0)
    assert "is no folder" in ended(signed_in("jobs", "apply", str(path), "--prune", "--yes"), ERRORS).err


def test_a_pause_is_drift_that_a_plan_shows(signed_in, folder, unique):
    folder.write("Nightly", enabled="true")
    ended(signed_in("jobs", "apply", str(folder), "--yes"), 0)
    ended(signed_in("jobs", "pause", f"Nightly {unique}", "--reason", "summer"), 0)
    assert "~ enabled: false -> true" in ended(signed_in("jobs", "plan", str(folder)), CHANGES).out


def test_file_names_follow_from_the_names_of_jobs():
    names = ["Clear print/spool", "clear print spool", "Ünïcode", "///", "x" * 80, "x" * 90]
    jobs = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    expected = ["clear-print-spool", "clear-print-spool-2", "ünïcode", "job", "x" * 50, f"{'x' * 50}-6"]
    assert [*file_names(jobs).values()] == [f"{name}.yaml" for name in expected]
    assert file_names(jobs[::-1]) == file_names(jobs)


def test_what_stops_halfway_says_how_far_it_came():
    answers = iter([httpx.Response(201, json={"id": 1, "name": "One"}), httpx.Response(409, json={})])
    api = Api("http://engine")
    api.client = httpx.Client(base_url="http://engine", transport=httpx.MockTransport(lambda _: next(answers)))
    plan = {"action": "create"}
    files = [JobFile(Path(name), "", plan, (), name) for name in ("one.yaml", "two.yaml", "three.yaml")]
    steps = job_files.apply(api, FolderPlan(files))
    assert next(steps)["name"] == "One"
    with pytest.raises(CliError) as stopped:
        next(steps)
    assert stopped.value.message.startswith("two.yaml: ")
    assert stopped.value.hint == "1 of 3 changes are done; run it again for the others."


def test_a_job_made_of_a_file_is_asked_for_again_under_one_key_when_the_reply_is_lost(tmp_path):
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(201, json={"id": 1, "name": "Nightly", "next_due_at": None})

    api = Api("http://engine")
    api.client = httpx.Client(base_url="http://engine", transport=httpx.MockTransport(answer))
    path = tmp_path / "job.yaml"
    path.write_text("name: Nightly\ntargets:\n  - {kind: device, hostname: web}\n")
    jobs.create(Session(None, None, Out(is_json=False, is_utc=True), api), file=str(path))
    assert len(keys) == 2
    assert len(set(keys)) == 1

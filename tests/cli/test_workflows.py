"""Workflows on the command line, against a real Engine: documents, runs, and webhooks as the documentation says to send them."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.hooks import hooked
from tests.api.workflow_graphs import document, edge, node
from tests.cli.conftest import Engine, Watchbill, engine_command

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"


@pytest.fixture(scope="module")
def scheduler(engine: Engine) -> Iterator[None]:
    """A process that moves runs on."""
    process = subprocess.Popen(engine_command("scheduler"), env=engine.environment, stderr=subprocess.DEVNULL)
    yield
    process.terminate()
    process.wait(20)


@pytest.fixture
def saved(signed_in: Watchbill, unique: str, tmp_path: Path) -> str:
    """The name of a workflow that a webhook may launch."""
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(hooked(name=f"Alert {unique}")))
    done = signed_in("workflows", "import", str(file))
    assert done.code == 0, done.err
    return f"Alert {unique}"


def test_a_workflow_goes_to_a_file_and_back(signed_in: Watchbill, saved: str, tmp_path: Path) -> None:
    listed = signed_in("workflows", "list", "-q", saved)
    assert saved in listed.out
    shown = signed_in("workflows", "show", saved)
    assert all(word in shown.out for word in ("host (string, required)", "trigger_webhook", "pause.in on success"))
    exported = signed_in("workflows", "export", saved)
    (tmp_path / "again.yaml").write_text(exported.out)
    assert signed_in("workflows", "check", str(tmp_path / "again.yaml")).code in (0, 1)
    again = signed_in("workflows", "import", str(tmp_path / "again.yaml"), "--json")
    assert (again.json["name"], again.json["revision"]) == (saved, 1)


def test_what_is_wrong_with_a_file_is_told(signed_in: Watchbill, unique: str, tmp_path: Path) -> None:
    broken: dict[str, Any] = hooked(name=f"Broken {unique}")
    broken["workflow"]["nodes"][2]["settings"]["payload"][0]["parameter"] = "ghost"
    broken["workflow"]["nodes"][3]["settings"]["seconds"] = -1
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    done = signed_in("workflows", "check", str(tmp_path / "broken.json"))
    assert done.code == 1, done.err
    assert "workflow.nodes.3.settings.seconds" in done.out
    assert len(done.out.splitlines()) >= 2


@pytest.mark.timeout(180)
def test_a_run_is_started_with_typed_values_watched_and_stopped(
    signed_in: Watchbill, saved: str, scheduler: None
) -> None:
    done = signed_in("workflows", "run", saved, "--set", "host=web-1", "--set", "level=5", "--watch")
    assert done.code == 0, done.out + done.err
    assert "pause: running" in done.out
    assert done.out.splitlines()[-1].endswith("success")
    number = re.findall(r"run (\d+)", done.out)[-1]
    shown = signed_in("workflows", "status", number, "--json").json
    assert (shown["parameters"]["level"], shown["state"]) == (5, "success")
    told = signed_in("workflows", "status", number)
    assert all(word in told.out for word in (saved, "pause", "hook", "other_trigger", "5 s")), told.out
    assert number in signed_in("workflows", "runs", saved, "--state", "success").out
    other = str(signed_in("workflows", "run", saved, "--set", "host=web-2", "--json").json["id"])
    stopped = signed_in("workflows", "cancel", other)
    assert (stopped.code, other in stopped.out) == (0, True), stopped.err
    assert signed_in("workflows", "status", other, "--watch").code == 3


def test_what_is_asked_for_wrongly_is_told(signed_in: Watchbill, saved: str) -> None:
    for wrong in ("host", "=x", "level=high"):
        assert signed_in("workflows", "run", saved, "--set", wrong).code == 2
    refused = signed_in("workflows", "run", saved, "--set", "urgent=true")
    assert (refused.code, "parameters.urgent" in refused.err) == (1, True)
    assert signed_in("workflows", "status", "999999999").code == 5
    assert signed_in("workflows", "resume", "999999999").code == 5


def test_webhooks_are_made_rotated_and_deleted(signed_in: Watchbill, saved: str) -> None:
    made = signed_in("workflows", "webhooks", "create", saved, "--name", "Alerts")
    assert re.fullmatch(r"wbh_[\w-]{43}\n", made.out), made.err
    assert "told only now" in made.err
    assert made.out.strip() not in signed_in("workflows", "webhooks", "list", saved).out
    rotated = signed_in("workflows", "webhooks", "rotate", saved, "alerts", "--overlap-hours", "0", "--json").json
    assert (rotated["previous_secret_until"], rotated["secret"] != made.out.strip()) == (None, True)
    assert signed_in("workflows", "webhooks", "deliveries", saved, "Nothing").code == 5
    assert signed_in("workflows", "webhooks", "delete", saved, "Alerts").code == 2
    assert signed_in("workflows", "webhooks", "delete", saved, "Alerts", "--yes").code == 0
    assert "no webhooks" in signed_in("workflows", "webhooks", "list", saved).err


def test_the_example_of_the_documentation_launches_a_run(signed_in: Watchbill, saved: str) -> None:
    (example,) = re.findall(r"```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    made = signed_in("workflows", "webhooks", "create", saved, "--name", "Docs", "--json").json
    where = {"SECRET": made["secret"], "URL": made["url"], "PATH": "/usr/bin:/bin"}
    sent = subprocess.run(["bash", "-c", example], env=where, capture_output=True, text=True, timeout=30, check=False)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    run = json.loads(sent.stdout)["run_id"]
    assert signed_in("workflows", "status", str(run), "--json").json["parameters"]["host"] == "web-1"
    (kept,) = signed_in("workflows", "webhooks", "deliveries", saved, "docs", "--json").json["items"]
    assert (kept["outcome"], kept["run_id"]) == ("launched", run)
    assert str(run) in signed_in("workflows", "webhooks", "deliveries", saved, "docs").out


@pytest.mark.timeout(180)
def test_a_decision_is_taken_from_the_command_line(
    signed_in: Watchbill, unique: str, tmp_path: Path, scheduler: None
) -> None:
    asking = document(
        node("ask", "approval", message="Go on?", timeout_seconds=600),
        edges=[edge("start.out", "ask.in")],
        name=f"Ask {unique}",
    )
    asking["workflow"]["edges"] += [edge("nightly.out", "ask.in")]
    (tmp_path / "ask.json").write_text(json.dumps(asking))
    assert signed_in("workflows", "import", str(tmp_path / "ask.json")).code == 0
    number = str(signed_in("workflows", "run", f"Ask {unique}", "--json").json["id"])
    deadline = time.monotonic() + 30
    while not any(one["state"] == "awaiting_approval" for one in _nodes(signed_in, number)):
        assert time.monotonic() < deadline, "nobody is asked"
        time.sleep(0.2)
    assert signed_in("workflows", "approve", number, "nobody").code == 5
    denied = signed_in("workflows", "deny", number, "ask", "--comment", "not today")
    assert denied.out == f"ask of run {number} is denied.\n", denied.err
    assert signed_in("workflows", "approve", number, "ask").code == 1, "what was decided stays"
    ended = signed_in("workflows", "status", number, "--watch")
    assert ended.code == 1, ended.out
    again = signed_in("workflows", "resume", number, "--from", "ask", "--json").json
    assert again["id"] != int(number)


def _nodes(watchbill: Watchbill, number: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = watchbill("workflows", "status", number, "--json").json["nodes"]
    return found

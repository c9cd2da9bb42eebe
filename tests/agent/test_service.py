"""The agent as a service of a machine, really installed: an init script with its keeper, and a unit with a systemd that is played."""

import asyncio
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.agent import machine as machines
from tests.agent.conftest import COMMAND, until
from tests.agent.machine import Machine
from watchbill_agent import service_systemd

_OBSTACLE = machines.missing()
needs_machine = pytest.mark.skipif(_OBSTACLE is not None, reason=f"NO LAB: {_OBSTACLE}")
pytestmark = pytest.mark.timeout(120)
DATA = "/var/lib/watchbill-agent"
# As much of it as an install asks for: it writes down what it is told, and starts what the unit says.
_SYSTEMCTL = f"""#!{sys.executable}
import os, shlex, signal, subprocess, sys
unit, state = "/etc/systemd/system/watchbill-agent.service", "/run/systemd/agent.pid"
open("/run/systemd/told", "a").write(" ".join(sys.argv[1:]) + chr(10))
def pid():
    try:
        number = int(open(state).read())
        os.kill(number, 0)
        return number
    except (OSError, ValueError):
        return 0
word = sys.argv[1]
if word == "is-active":
    sys.exit(0 if pid() else 3)
if word in ("restart", "disable") and pid():
    number = pid()
    os.kill(number, signal.SIGTERM)
    while pid() == number and os.path.exists(f"/proc/{{number}}"): pass
if word == "restart":
    command = next(line for line in open(unit) if line.startswith("ExecStart="))[10:]
    log = open("/var/log/played.log", "ab")
    started = subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    open(state, "w").write(str(started.pid))
"""


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    made.off()


def agent(machine: Machine, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return machine.run(*COMMAND, *words, given=given)


def status(machine: Machine) -> dict[str, object]:
    done = agent(machine, "service", "status", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def agents(machine: Machine) -> list[int]:
    """Its keeper's arguments have the agent's among them."""
    return sorted(set(machine.processes("watchbill_agent", "run")) - set(machine.processes("watchbill_agent", "keep")))


async def in_thread(call, *arguments, **named):
    """The Engine of the test answers on this loop."""
    return await asyncio.to_thread(call, *arguments, **named)


async def enrolled(machine: Machine, engine, *, is_approved: bool = True) -> None:
    engine.state = "approved" if is_approved else "pending"
    words = ("enroll", "--server", engine.url, "--code", "-", "--no-wait")
    done = await in_thread(agent, machine, *words, given=engine.code + "\n")
    assert done.returncode == (0 if is_approved else 6), done.stderr


async def test_without_an_enrolment_there_is_nothing_to_serve(tmp_path):
    done = await in_thread(
        subprocess.run,
        [*COMMAND, "service", "install", "--data-dir", str(tmp_path / "none")],
        capture_output=True,
        text=True,
    )
    if os.geteuid() == 0:
        assert (done.returncode, "not enrolled" in done.stderr) == (3, True)
    else:
        assert (done.returncode, "only root" in done.stderr) == (1, True)


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="needs root and setpriv")
def test_who_is_not_root_is_told_so(tmp_path):
    from tests.lab.host import PATH

    dropped = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    code = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); from watchbill_agent.cli import main; main()"
    command = [*dropped, sys.executable, "-c", code, ":".join(sys.path), "service", "remove"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": PATH}, check=False)
    if "Permission denied" in done.stderr and "watchbill-agent:" not in done.stderr:
        pytest.skip("this Python lies where other users may not read")
    assert (done.returncode, "only root can change services" in done.stderr) == (1, True), done.stderr


@needs_machine
async def test_an_init_script_keeps_the_agent_running_and_scripts_outlive_both(machine, engine):
    await enrolled(machine, engine)
    installed = await in_thread(agent, machine, "service", "install")
    assert installed.returncode == 0, installed.stderr
    await engine.connected()
    assert await in_thread(status, machine) == {
        "kind": "sysv",
        "installed": True,
        "running": True,
        "version": status(machine)["version"],
        "device_id": engine.device_id,
        "enrolment": "approved",
    }
    machine.sh("test -x /etc/init.d/watchbill-agent && ls /etc/rc2.d/S*watchbill-agent /etc/rc0.d/K*watchbill-agent")
    machine.sh("/etc/init.d/watchbill-agent status && sh -n /etc/init.d/watchbill-agent")

    # Killed, it is there again; the script that ran never noticed.
    execution = await engine.order(
        "echo begun; until test -e /run/end; do sleep 0.05; done; echo done", interpreter="sh"
    )
    await engine.until(lambda: "begun" in engine.text(execution))
    (first,) = agents(machine)
    machine.sh(f"kill -9 {first}")
    await engine.connected(2)
    (second,) = agents(machine)
    assert second != first

    # Again: one keeper, one agent, and the script goes on.
    again = await in_thread(agent, machine, "service", "install")
    assert again.returncode == 0, again.stderr
    await engine.connected(3)
    assert len(agents(machine)) == 1
    assert len(machine.processes("watchbill_agent", "keep")) == 1

    stopped = await in_thread(machine.run, "/etc/init.d/watchbill-agent", "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert machine.processes("watchbill_agent") == []
    assert status(machine)["running"] is False
    assert machine.run("/etc/init.d/watchbill-agent", "status").returncode == 3
    machine.sh("touch /run/end")
    started = await in_thread(machine.run, "/etc/init.d/watchbill-agent", "start")
    assert started.returncode == 0, started.stderr
    result = await engine.result(execution)
    assert (result.outcome, engine.text(execution)) == ("exited", "begun\ndone\n")

    removed = await in_thread(agent, machine, "service", "remove")
    assert removed.returncode == 0, removed.stderr
    assert machine.processes("watchbill_agent") == []
    machine.sh("! test -e /etc/init.d/watchbill-agent && ! ls /etc/rc*.d/*watchbill-agent")
    gone = await in_thread(status, machine)
    assert (gone["kind"], gone["installed"], gone["enrolment"]) == ("none", False, "approved")
    assert "There is no service" in (await in_thread(agent, machine, "service", "remove")).stdout


@needs_machine
async def test_a_keeper_that_was_killed_is_followed_by_another_with_one_agent(machine, engine):
    await enrolled(machine, engine)
    assert (await in_thread(agent, machine, "service", "install")).returncode == 0
    await engine.connected()
    (keeper,) = machine.processes("watchbill_agent", "keep")
    (orphan,) = agents(machine)
    machine.sh(f"kill -9 {keeper}")
    assert status(machine)["running"] is False
    done = await in_thread(machine.run, "/etc/init.d/watchbill-agent", "start")
    assert done.returncode == 0, done.stderr
    await engine.connected(2)
    (agent_now,) = agents(machine)
    assert agent_now != orphan
    assert len(machine.processes("watchbill_agent", "keep")) == 1


@needs_machine
async def test_a_service_that_is_installed_early_waits_for_approval_and_then_serves(machine, engine):
    await enrolled(machine, engine, is_approved=False)
    installed = await in_thread(agent, machine, "service", "install")
    assert installed.returncode == 0, installed.stderr
    assert (await in_thread(status, machine))["enrolment"] == "pending"
    words = ("enroll", "--server", engine.url, "--code", engine.code, "--no-wait")
    asked = await in_thread(agent, machine, *words)
    assert (asked.returncode, "service continues" in asked.stderr) == (6, True)
    engine.state = "approved"
    await engine.connected()
    assert (await in_thread(status, machine))["enrolment"] == "approved"


@needs_machine
async def test_a_denied_device_is_not_asked_about_for_ever(machine, engine):
    await enrolled(machine, engine, is_approved=False)
    assert (await in_thread(agent, machine, "service", "install")).returncode == 0
    engine.state = "denied"
    await until(lambda: not machine.processes("watchbill_agent"))
    now = await in_thread(status, machine)
    assert (now["installed"], now["running"], now["enrolment"]) == (True, False, "none")


@needs_machine
async def test_where_systemd_runs_a_unit_is_written_enabled_and_started(machine, engine):
    machine.sh("mkdir -p /run/systemd/system")
    machine.run(
        "/bin/sh", "-c", "cat > /usr/local/sbin/systemctl && chmod 755 /usr/local/sbin/systemctl", given=_SYSTEMCTL
    )
    await enrolled(machine, engine)
    installed = await in_thread(agent, machine, "service", "install", "--branch", "beta")
    assert installed.returncode == 0, (installed.stderr, machine.sh("cat /var/log/played.log"))
    await engine.connected()
    now = await in_thread(status, machine)
    assert (now["kind"], now["running"]) == ("systemd", True)
    told = machine.sh("cat /run/systemd/told")
    for word in ("daemon-reload", "enable watchbill-agent.service", "restart watchbill-agent.service"):
        assert word in told
    text = machine.sh("cat /etc/systemd/system/watchbill-agent.service")
    assert text.strip() == service_systemd.text_of([*COMMAND, "run", "--wait-for-approval", "--branch", "beta"]).strip()
    machine.sh("! test -e /etc/init.d/watchbill-agent")
    removed = await in_thread(agent, machine, "service", "remove")
    assert removed.returncode == 0, removed.stderr
    machine.sh("! test -e /etc/systemd/system/watchbill-agent.service")
    assert agents(machine) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path):
    unit = tmp_path / service_systemd.UNIT
    unit.write_text(service_systemd.text_of(["/bin/true", "run", "--branch", "stable"]))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert service_systemd.UNIT not in done.stderr, done.stderr
    text = unit.read_text()
    for needed in ("Restart=always", "WantedBy=multi-user.target", "KillMode=process", "RestartPreventExitStatus=3 5"):
        assert needed in text.splitlines()

"""The agent as a package, with a Python of its own: it does what the other one does, and nothing of its own gets into scripts."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.conftest import Agent, is_alive, kill_supervisor_of, until
from tests.factories.packed import Packed, packed_agent
from watchbill_agent import __version__
from watchbill_wire import Inventory

pytestmark = [
    pytest.mark.timeout(400),  # the first one waits for the build
    pytest.mark.skipif(shutil.which("objdump") is None, reason="building a package needs binutils"),
]
BARE = {"PATH": "/usr/bin:/bin"}
#: In MiB, all of its memory. The goal is 40 for an idle one, and here it has just begun.
MOST_MEBIBYTES = 44


@pytest.fixture(scope="module")
def packed() -> Packed:
    return packed_agent()


@pytest.fixture
async def agent(engine, tmp_path, packed):
    agent = Agent(tmp_path / "agent", engine, [str(packed.program)])
    yield agent
    await agent.stop()
    for folder in (agent.data / "executions").glob("*/started"):
        kill_supervisor_of(folder.parent)


def test_it_starts_without_any_python_of_the_machine(packed):
    done = subprocess.run([packed.program, "version"], env={}, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == f"{__version__}\n"


async def test_a_script_sees_nothing_of_the_package(agent, engine):
    await agent.up()
    execution = await engine.order("env; id -u", interpreter="sh")
    result = await engine.result(execution)
    assert (result.outcome, result.exit_code) == ("exited", 0)
    said = engine.text(execution)
    assert "LD_LIBRARY_PATH" not in said
    assert "_PYI" not in said
    assert str(os.geteuid()) in said.split()


async def test_a_script_outlives_an_agent_that_was_killed_and_its_result_is_told(agent, engine, tmp_path):
    await agent.up()
    end = tmp_path / "end"
    execution = await engine.order(f"echo begun; until test -e {end}; do sleep 0.05; done; echo done", interpreter="sh")
    await engine.until(lambda: "begun" in engine.text(execution))
    agent.kill()
    end.touch()
    folder = agent.data / "executions" / execution
    await until((folder / "result").exists)
    agent.start()
    assert (await engine.result(execution)).exit_code == 0
    assert engine.text(execution) == "begun\ndone\n"


async def test_a_script_is_stopped_with_all_that_it_started_and_secrets_are_masked(agent, engine):
    await agent.up()
    execution = await engine.order("echo $$; sleep 600 & sleep 600", interpreter="sh", time_limit_seconds=1.0)
    result = await engine.result(execution)
    assert (result.outcome, result.tree) == ("timed_out", "stopped")
    assert not is_alive(int(engine.text(execution)))


async def test_it_tells_its_inventory_and_keeps_small(agent, engine, record_property):
    await agent.up()
    inventory = await engine.first(Inventory)
    assert inventory.inventory["os"]["family"] == "linux"
    assert agent.process is not None
    used = int(_status(agent.process.pid, "VmRSS")) / 1024
    record_property("counted", f"{used:.0f} MiB of memory")
    assert used <= MOST_MEBIBYTES
    agent.process.send_signal(signal.SIGTERM)
    assert agent.process.wait(20) == 0


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def test_it_checks_the_package_that_it_came_in(packed, tmp_path):
    (tmp_path / "manifest").write_text("{}")
    words = [
        "--archive",
        str(packed.archive),
        "--manifest",
        str(tmp_path / "manifest"),
        "--signature",
        "AA",
        "--key",
        "AA",
    ]
    done = subprocess.run(
        [packed.program, "package", "verify", *words], env=BARE, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--key: must be" in done.stderr) == (1, True)


@pytest.mark.skipif(not Path("/etc/ssl/certs/ca-certificates.crt").exists(), reason="this machine trusts no authority")
def test_authorities_are_found_where_the_machine_keeps_them_and_not_where_the_builder_did():
    elsewhere = {**BARE, "SSL_CERT_FILE": "/nonexistent/file", "SSL_CERT_DIR": "/nonexistent/folder"}
    code = "from watchbill_agent.tls import context_for; print(context_for(None).cert_store_stats()['x509_ca'])"
    done = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10

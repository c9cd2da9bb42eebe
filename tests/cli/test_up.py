"""`watchbill up` and `watchbill demo` as processes: ready, refused, restarted, stopped, and nothing left behind."""

import os
import pty
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli.conftest import PASSWORD, clean_environment, engine_command
from tests.factories.ports import free_port

READY_SECONDS = 90
STOP_SECONDS = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that the database's own account can reach, which pytest's folders are not for root."""
    made = Path(tempfile.mkdtemp(prefix="wb-up-", dir="/tmp"))
    made.chmod(0o711)
    yield made / "data"
    shutil.rmtree(made)


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    return {
        **clean_environment(),
        "WATCHBILL_DATA_DIR": str(folder),
        "WATCHBILL_API_LISTEN": f"127.0.0.1:{free_port()}",
        "WATCHBILL_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
    }


def until(what: str, is_so: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so in {seconds} s: {what}"
        time.sleep(0.05)


@contextmanager
def up(environment: dict[str, str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A running `watchbill up` and the file with what it says; killed at the end if it still runs."""
    said = folder.parent / "said.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(engine_command("up"), env=environment, stdout=file, stderr=file)
    try:
        until(
            f"Watchbill is ready: {said.read_text()}",
            lambda: "Watchbill is ready" in said.read_text() or process.poll() is not None,
        )
        assert process.poll() is None, said.read_text()
        yield process, said
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def api_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    return next(one for one in children(process) if one.cmdline()[-1:] == ["api"])


def answers(environment: dict[str, str]) -> bool:
    try:
        return httpx.get(f"http://{environment['WATCHBILL_API_LISTEN']}/readyz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(240)
def test_up_starts_everything_keeps_it_running_and_leaves_nothing(environment: dict[str, str], folder: Path):
    with up(environment, folder) as (process, said):
        assert "admin / " in said.read_text()
        second = subprocess.run(
            engine_command("up"), env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 1
        assert f"in use by process {process.pid}" in second.stderr
        killed = api_of(process)
        killed.kill()
        until("the API runs again", lambda: answers(environment) and api_of(process).pid != killed.pid)
        everybody = children(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0, said.read_text()
    assert not [one for one in everybody if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert "Traceback" not in said.read_text()


@pytest.mark.timeout(240)
def test_the_admins_password_may_be_given_and_is_told_to_nobody(environment: dict[str, str], folder: Path):
    with up({**environment, "WATCHBILL_ADMIN_PASSWORD": PASSWORD}, folder) as (process, said):
        body = {"username": "admin", "password": PASSWORD}
        url = f"http://{environment['WATCHBILL_API_LISTEN']}/api/session"
        assert httpx.post(url, json=body, trust_env=False).is_success
        for child in children(process):
            assert PASSWORD not in " ".join(child.cmdline())
            assert PASSWORD not in child.environ().values()
        assert PASSWORD not in said.read_text()


def test_up_says_which_port_is_taken(environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch):
    import asyncio
    import socket

    from watchbill.apps import up as all_in_one
    from watchbill.apps.commands.exits import CliError
    from watchbill.kit.settings import load

    monkeypatch.setattr(all_in_one, "_PORT_SECONDS", 0.1)
    config = load({name: text for name, text in environment.items() if name.startswith("WATCHBILL_")})
    with (
        socket.create_server((config.api_listen.host, config.api_listen.port)),
        pytest.raises(CliError, match=f"cannot listen on {config.api_listen}") as refused,
    ):
        asyncio.run(all_in_one._free_ports(config))
    assert "WATCHBILL_API_LISTEN" in refused.value.hint


def leftovers() -> list[Path]:
    base = Path("/var/lib") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    return sorted(base.glob("watchbill-demo-*"))


@pytest.mark.timeout(400)
def test_the_demo_shows_its_results_and_cleans_up():
    before = leftovers()
    done = subprocess.run(
        engine_command("demo"),
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([line for line in done.stdout.splitlines() if os.uname().nodename in line and "success" in line]) == 2
    assert f"Hello from {os.uname().nodename}, job “Hello now”" in done.stdout
    assert done.stderr == ""
    assert leftovers() == before


@pytest.mark.timeout(300)
def test_ctrl_c_ends_the_demo_at_any_moment_without_leftovers():
    before = leftovers()
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        engine_command("demo"), env=clean_environment(), stdin=terminal, stdout=terminal, stderr=terminal
    )
    try:
        os.close(terminal)
        until("the Engine of the demo runs", lambda: len(children(process)) > 5)
        everybody = children(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
        os.close(controller)
    assert not [one for one in everybody if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert leftovers() == before

"""`watchbill up` with the VPN on, on a host of a lab: the hub runs with it, alone has the right to change the network, and goes with it."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import clean_environment, engine_command
from tests.factories.ports import free_port
from tests.lab.conftest import needs_lab
from tests.lab.network import ENGINE_ADDRESS, Lab

pytestmark = [needs_lab, pytest.mark.timeout(240)]
REPO = Path(__file__).parents[2]
_NET_ADMIN = 1 << 12


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that the database's own account can reach, which pytest's folders are not for root."""
    made = Path(tempfile.mkdtemp(prefix="wb-lab-up-", dir="/tmp"))
    made.chmod(0o711)
    yield made / "data"
    shutil.rmtree(made)


def until(what: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def may_change_the_network(process: psutil.Process) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    rights = {line.split()[0]: int(line.split()[1], 16) for line in status if line.startswith("Cap")}
    return bool((rights["CapEff:"] | rights["CapBnd:"]) & _NET_ADMIN)


def test_the_hub_runs_with_up_and_alone_has_the_right(lab: Lab, folder: Path) -> None:
    engine = lab.add("engine")
    environment = {
        **{name: value for name, value in clean_environment().items() if name != "PATH"},
        "WATCHBILL_DATA_DIR": str(folder),
        "WATCHBILL_API_LISTEN": f"127.0.0.1:{free_port()}",
        "WATCHBILL_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
        "WATCHBILL_VPN": "on",
        "WATCHBILL_VPN_ENDPOINT": f"{ENGINE_ADDRESS}:51820",
    }
    program = engine.start("up", *engine_command("up"), env=environment, cwd=str(REPO))
    until(lambda: "Watchbill is ready" in program.output() or not program.is_running)
    assert program.is_running, program.output()
    until(lambda: engine.run("ip", "link", "show", "wbhub", is_checked=False).returncode == 0)
    children = psutil.Process(program.pid).children()
    rights = {
        one.cmdline()[-1]: may_change_the_network(one) for one in children if "watchbill.apps.cli" in one.cmdline()
    }
    assert rights == {"api": False, "gateway": False, "scheduler": False, "vpn": True}
    assert program.end() == 0, program.output()
    assert engine.run("ip", "link", "show", "wbhub", is_checked=False).returncode != 0
    assert "Traceback" not in program.output()

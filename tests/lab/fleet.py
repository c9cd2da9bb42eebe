"""A whole Engine on a host of a lab, by `watchbill up` with the VPN on, and real agents on the others; driven by the command line."""

import json
import re
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.desk import Desk
from tests.lab.host import Host, LabError, Program
from tests.lab.network import ENGINE_ADDRESS, Lab, lab
from tests.lab.sshd import User, add_user, start_sshd

URL = f"https://{ENGINE_ADDRESS}:8470"
REPO = Path(__file__).parents[2]
_WATCHBILL = [sys.executable, "-m", "watchbill.apps.cli"]
_AGENT = [sys.executable, "-m", "watchbill_agent"]
_READY_SECONDS = 120.0


@dataclass
class Fleet:
    """`folder` holds the Engine's data, and who is signed in. The agents' data lie with their hosts."""

    lab: Lab
    engine: Host
    folder: Path
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    agents: dict[str, Program] = field(default_factory=dict)
    _up: Program | None = None
    _desk: Desk | None = None

    def start(self) -> None:
        """Run the Engine and sign in as its admin."""
        environment = {
            "WATCHBILL_DATA_DIR": str(self.folder / "data"),
            "WATCHBILL_API_LISTEN": f"{ENGINE_ADDRESS}:8470",
            "WATCHBILL_GATEWAY_LISTEN": f"{ENGINE_ADDRESS}:8471",
            "WATCHBILL_VPN": "on",
            "WATCHBILL_VPN_ENDPOINT": f"{ENGINE_ADDRESS}:51820",
            "WATCHBILL_ADMIN_PASSWORD": self.password,
        }
        up = self._up = self.engine.start("up", *_WATCHBILL, "up", env=environment, cwd=str(REPO))
        until("the Engine is ready", lambda: "Watchbill is ready" in up.output() or not up.is_running)
        pin = re.search(r"Pin:\s+(\S+)", up.output())
        if pin is None:
            raise LabError(f"the Engine did not start:\n{up.output()}")
        self.cli(
            "login", "--server", URL, "--pin", pin.group(1), "-u", "admin", given=f"{self.password}\n", is_json=False
        )

    def cli(self, *words: str, given: str = "", is_json: bool = True) -> Any:
        """What `watchbill …` answers on the Engine's host."""
        if self._desk is None:
            self._desk = Desk(self.engine, {"XDG_CONFIG_HOME": str(self.folder / "config"), "PYTHONPATH": str(REPO)})
        said = self._desk.run([*words, *(("--json",) if is_json else ())], given)
        return json.loads(said) if is_json else said

    def site(self, name: str) -> None:
        """A site whose devices need no approval for an hour."""
        self.cli("sites", "create", name)
        self.cli("sites", "auto-approve", name, "60")

    def device(self, hostname: str, site: str, *users: User) -> Host:
        """A host with `sshd`, these users and a running agent, known to the Engine as a device of the site."""
        host = self.lab.add(hostname)
        for one in users:
            add_user(host, one)
        start_sshd(host)
        told = shlex.split(self.cli("sites", "show", site)["enrolment_command"])
        words = told[told.index("enroll") :]
        host.run(*_AGENT, *words, "--wait", "60", "--data-dir", self._data_of(host))
        self.start_agent(host)
        return host

    def start_agent(self, host: Host) -> None:
        self.agents[host.folder.name] = host.start("agent", *_AGENT, "run", "--data-dir", self._data_of(host))

    def _data_of(self, host: Host) -> str:
        return str(host.folder / "agent")

    def online(self) -> int:
        """How many devices are connected."""
        return sum(one["online"] for one in self.cli("devices", "list")["items"])

    def close(self) -> None:
        if self._desk is not None:
            self._desk.close()
        if self._up is not None and self._up.is_running:
            self._up.end(seconds=60)


def until(what: str, is_so: Callable[[], object], seconds: float = _READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise LabError(f"not so within {seconds:g} s: {what}")
        time.sleep(0.2)


@contextmanager
def fleet() -> Iterator[Fleet]:
    """A lab with a running Engine for the block."""
    # Not in the lab's own folder: the account of the database must come through to its data.
    folder = Path(tempfile.mkdtemp(prefix="watchbill-lab-engine-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        with lab() as made:
            running = Fleet(made, made.add("engine"), folder)
            try:
                running.start()
                yield running
            finally:
                running.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

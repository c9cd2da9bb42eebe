"""A Samba server of our own: real SMB sign-ins and shares. It has no services: what Windows' service manager would do, nobody does."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.factories.ports import free_port
from tests.onboarding.windows.world import PASSWORD

SMBD = Path("/usr/sbin/smbd")
ADMINISTRATOR, USER = ("svc", PASSWORD), ("guest", "other password")
_CONFIGURATION = """
[global]
server role = standalone server
workgroup = LAB
netbios name = WIN-1
interfaces = 127.0.0.1/8
bind interfaces only = yes
smb ports = {port}
server min protocol = SMB2
server max protocol = {protocol}
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
binddns dir = {folder}/bind
log file = {folder}/log
username map = {folder}/users
passdb backend = tdbsam:{folder}/private/passdb.tdb
disable spoolss = yes
load printers = no

[ADMIN$]
path = {folder}/admin
read only = no
valid users = root
"""


@dataclass(frozen=True)
class Samba:
    """A server at 127.0.0.1. `admin`: what clients see as ADMIN$."""

    port: int
    admin: Path

    @property
    def files(self) -> set[str]:
        return {one.name for one in self.admin.rglob("*") if one.is_file()}


@contextmanager
def samba(protocol: str = "SMB3") -> Iterator[Samba]:
    """ADMINISTRATOR is this machine's root, who may do anything there; USER is its nobody."""
    with tempfile.TemporaryDirectory(prefix="wbsmb") as name:
        folder = Path(name)
        for one in ("private", "lock", "state", "cache", "pid", "ncalrpc", "bind", "admin/Temp"):
            (folder / one).mkdir(parents=True)
        (folder / "users").write_text(f"root = {ADMINISTRATOR[0]}\nnobody = {USER[0]}\n")
        port = free_port()
        configuration = folder / "smb.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, protocol=protocol))
        for unix, (_, password) in (("root", ADMINISTRATOR), ("nobody", USER)):
            command = ["smbpasswd", "-c", str(configuration), "-a", "-s", unix]
            subprocess.run(command, input=f"{password}\n{password}\n", text=True, check=True, capture_output=True)
        with _running(configuration, folder / "out", port):
            yield Samba(port, folder / "admin")


@contextmanager
def _running(configuration: Path, output: Path, port: int) -> Iterator[None]:
    # In a session of its own: smbd ends its whole process group with itself.
    command = [str(SMBD), "--foreground", "--no-process-group", "--configfile", str(configuration)]
    with output.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(20)
        _end_helpers(configuration)


def _end_helpers(configuration: Path) -> None:
    """What smbd has started in sessions of their own, known by the file that is theirs alone; they stay when it ends."""
    for one in psutil.process_iter(["cmdline"]):
        if any(str(configuration) in word for word in one.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                one.terminate()
                one.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens at {port}")

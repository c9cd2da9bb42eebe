"""A lab: hosts on one wire, in namespaces of their own, with what can go wrong between them. Nothing of it is left at the end.

Addresses are of 198.18.0.0/15, which is kept for such tests (RFC 2544): no real network has them.
"""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import leftovers
from tests.lab.host import Host, LabError

PREFIX = 16
ENGINE_ADDRESS = "198.18.0.1"
#: Programs, and the Debian packages that have them.
NEEDED = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "sudo": "sudo",
}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Packets are dropped on the device, both ways, as on a wire that is cut for them alone: what else it says goes on. (`tc … netem` would do
# the same, but is not built into every kernel.)
_CUT = """
table inet lab_cut {{
  chain come {{ type filter hook input priority 0; udp sport {port} drop; udp dport {port} drop; }}
  chain go {{ type filter hook output priority 0; udp sport {port} drop; udp dport {port} drop; }}
}}
"""


def missing() -> str | None:
    """Why no lab can be made here; None when it can."""
    if os.geteuid() != 0:
        return "a lab of network namespaces needs root"
    lacking = sorted({package for program, package in NEEDED.items() if shutil.which(program, path=_PATH) is None})
    if lacking:
        return f"the Debian packages {', '.join(lacking)} are missing: apt-get install {' '.join(lacking)}"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "ip", "link", "add", "type", "veth"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"network namespaces are not permitted here: {tried.stderr.strip()}" if tried.returncode else None


@dataclass
class Lab:
    """Hosts by the order in which they were added. Names need not differ: two hosts may have one."""

    folder: Path
    hosts: list[Host] = field(default_factory=list)
    _switch: Host | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        self._switch = Host("switch", self.folder / "switch")
        self._switch.power_on()
        self._switch.run("ip", "link", "add", "wire", "type", "bridge")
        self._switch.run("ip", "link", "set", "wire", "up")

    def add(self, name: str) -> Host:
        """A host that runs and is on the wire. The first has the Engine's address."""
        number = next(self._numbers)
        address = f"198.18.{number >> 8}.{number & 255}"
        host = Host(name, self.folder / f"{number}-{name}", address, f"port{number}")
        self.hosts.append(host)
        self.turn_on(host)
        return host

    def turn_on(self, host: Host) -> None:
        """Start a host that is off, where it was before."""
        host.power_on()
        assert self._switch is not None
        assert host.port is not None
        # By this machine's numbers of processes: the switch has others.
        there = ("netns", str(host.init))
        self._switch.run_outside("ip", "link", "add", host.port, "type", "veth", "peer", "name", "eth0", *there)
        self._switch.run("ip", "link", "set", host.port, "master", "wire", "up")
        host.run("ip", "address", "add", f"{host.address}/{PREFIX}", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")

    def unplug(self, host: Host) -> None:
        """Nothing reaches it any more."""
        assert self._switch is not None
        assert host.port is not None
        self._switch.run("ip", "link", "set", host.port, "down")

    def plug_in(self, host: Host) -> None:
        assert self._switch is not None
        assert host.port is not None
        self._switch.run("ip", "link", "set", host.port, "up")

    def cut_tunnel(self, host: Host, port: int = 51820) -> None:
        """Its packets to and from the hub are lost; all else goes on."""
        host.run("nft", "-f", "-", given=_CUT.format(port=port))

    def mend_tunnel(self, host: Host) -> None:
        host.run("nft", "delete", "table", "inet", "lab_cut")

    def close(self) -> None:
        """End all hosts; nothing is left of them."""
        for host in [*reversed(self.hosts), *([self._switch] if self._switch else [])]:
            host.power_off()
        self.hosts.clear()
        leftovers.remove(self.folder)


@contextmanager
def lab() -> Iterator[Lab]:
    """A lab for the block, after the remains of earlier ones are removed."""
    obstacle = missing()
    if obstacle is not None:
        raise LabError(obstacle)
    leftovers.clean()
    made = Lab(leftovers.new_folder())
    try:
        made.start()
        yield made
    finally:
        made.close()

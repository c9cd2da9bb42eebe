"""Onboarding: how fast a network is looked at, beside `nmap` on the same addresses and ports; and how long an install takes, many at once.

The sweep: a /22 of loopback in which a few addresses listen as SSH does, all else refuses. The
site worker's own sweep runs in this process, on the event loop that workers run on; `nmap` is a process of its own, as a SYN scan where it may,
at its default and with what makes it fast. They take turns, several rounds. What `nmap` says it took counts, which leaves out its start.

The installs: an Engine and so many hosts with sshd in network namespaces of this machine (`tests/lab`), which all of them share: what the
machines do themselves is in the time too. Each is counted from when a worker begins with it until it waits for approval.
"""

import asyncio
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import uvloop

from bench import common
from tests.lab.fleet import fleet
from tests.lab.network import missing
from tests.lab.onboarding_demo import PASSWORD, shore, table
from tests.lab.sshd import User
from watchbill.onboarding.base import Ports, Sighting
from watchbill.onboarding.discovery import Spot, SweepLimits, sweep

#: Not the usual ones: something of this machine may listen there.
PORTS = Ports(ssh=42022, winrm=45985, winrm_tls=45986, smb=42445)
_PORT_LIST = f"{PORTS.ssh},{PORTS.winrm},{PORTS.winrm_tls},{PORTS.smb}"
#: nmap at its default, and in the ways that are said to be fast. The best of them is what ours is compared with.
_NMAP = {
    "nmap": (),
    "nmap -T4": ("-T4",),
    "nmap -T4 -sT": ("-T4", "-sT"),
    "nmap -T5 --min-rate 20000 --max-retries 1": ("-T5", "--min-rate", "20000", "--max-retries", "1"),
}
_LISTENER = """
import asyncio, contextlib, sys
async def serve(reader, writer):
    with contextlib.suppress(ConnectionError):
        writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\\r\\n")
        await reader.read(100)
    writer.close()
async def main():
    for address in sys.argv[2:]:
        await asyncio.start_server(serve, address, int(sys.argv[1]))
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@contextmanager
def _listening(addresses: Sequence[str]) -> Iterator[None]:
    """Somebody who answers as SSH does, in a process of its own."""
    words = [sys.executable, "-c", _LISTENER, str(PORTS.ssh), *addresses]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield
        finally:
            running.terminate()


async def _swept(spots: Sequence[Spot], limits: SweepLimits) -> list[Sighting]:
    async with sweep(spots, PORTS, limits) as sightings:
        return [one async for one in sightings]


def _ours(spots: Sequence[Spot], limits: SweepLimits, seen: int) -> float:
    """Seconds of one sweep; it must have found just what is there."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        began = time.perf_counter()
        sightings = runner.run(_swept(spots, limits))
        seconds = time.perf_counter() - began
    assert len(sightings) == len(spots)
    assert sum(one.is_seen for one in sightings) == seen
    return seconds


def _nmap(network: str, options: Sequence[str], seen: int) -> float:
    """Seconds that nmap says it took; it must have found as much."""
    words = ["nmap", "-n", "-Pn", "-p", _PORT_LIST, *options, "-oG", "-", network]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert len(re.findall(r"\d+/open/", done.stdout)) == seen, done.stdout[-2000:]
    said = re.search(r"scanned in ([0-9.]+) seconds", done.stdout)
    assert said is not None, done.stdout[-2000:]
    return float(said[1])


def sweeps(network: str, rounds: int, listeners: int) -> common.Figures:
    """The sweep half: rates in addresses a second, the middle of the rounds."""
    addresses = list(ipaddress.IPv4Network(network))
    spots: list[Spot] = [(one, ()) for one in addresses]
    ways = {"sweep": SweepLimits(per_second=None), "sweep at its default rate": SweepLimits()}
    has_nmap = shutil.which("nmap") is not None
    taken: dict[str, list[float]] = {name: [] for name in (*ways, *(_NMAP if has_nmap else ()))}
    step = max(len(addresses) // listeners, 1)
    some = [str(one) for one in addresses[1::step][:listeners]]
    with _listening(some):
        for _ in range(rounds):
            for name, limits in ways.items():
                taken[name].append(_ours(spots, limits, len(some)))
            for name in _NMAP if has_nmap else ():
                taken[name].append(_nmap(network, _NMAP[name], len(some)))
    rates = {name: round(len(addresses) / common.percentile(times, 0.5)) for name, times in taken.items()}
    rows = [
        [name, f"{min(times):.3f}", f"{common.percentile(times, 0.5):.3f}", f"{max(times):.3f}", rates[name]]
        for name, times in taken.items()
    ]
    common.table(["what", "best s", "half s", "worst s", "addresses/s"], rows)
    if not has_nmap:
        print(
            "nmap is not installed here: there is nothing to compare with. On Debian and Ubuntu: apt-get install nmap\n"
        )
    return {
        "addresses": len(addresses),
        "ports": len(_PORT_LIST.split(",")),
        "addresses_per_s": rates["sweep"],
        "default_addresses_per_s": rates["sweep at its default rate"],
        "nmap_per_s": max((rates[name] for name in _NMAP), default=0) if has_nmap else None,
        "nmap_default_per_s": rates["nmap"] if has_nmap else None,
        "is_syn_scan": has_nmap and os.geteuid() == 0,
    }


def installs(number: int) -> common.Figures:
    """The install half: seconds of each of so many at once; empty where no lab can be made."""
    lacking = missing()
    if lacking is not None:
        print(f"No installs are measured: {lacking}\n")
        return {"installs": 0, "install_p50_s": None, "install_max_s": None}
    with fleet() as crew:
        there = shore(crew)
        for one in range(number):
            there.machine(f"host-{one}", User("ada", PASSWORD, sudo="asks"))
        began = time.monotonic()
        job = there.job("All at once", f"198.18.0.2-{number + 1}", concurrency=number)
        rows = there.ended(job, 600)
        seconds = time.monotonic() - began
    assert {one["state"] for one in rows.values()} == {"waiting_approval"}, table(rows)
    return _installed([_lasted(one["started_at"], one["finished_at"]) for one in rows.values()], rows, seconds)


def _lasted(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def _installed(times: Sequence[float], rows: Mapping[str, Mapping[str, Any]], seconds: float) -> common.Figures:
    steps: dict[str, list[float]] = {}
    for one in rows.values():
        for task in one["timeline"]:
            steps.setdefault(task["task"], []).append(_lasted(task["started_at"], task["finished_at"]))
    table_ = [[name, f"{common.percentile(each, 0.5):.2f}", f"{max(each):.2f}"] for name, each in steps.items()]
    common.table(["step", "half s", "worst s"], table_)
    return {
        "installs": len(times),
        "install_p50_s": round(common.percentile(times, 0.5), 1),
        "install_max_s": round(max(times), 1),
        "installs_done_s": round(seconds, 1),
    }


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--network", default="127.77.0.0/22", help="addresses of loopback to look at")
    parser.add_argument("--rounds", type=int, default=7, help="sweeps of each, by turns")
    parser.add_argument("--listeners", type=int, default=16, help="addresses of it that listen")
    parser.add_argument("--installs", type=int, default=20, help="machines that are given an agent at once; 0 = none")
    asked = parser.parse_args()
    common.tell("onboarding", f"a sweep of {asked.network}, four ports of each address, {asked.listeners} of them open")
    figures = sweeps(asked.network, asked.rounds, asked.listeners)
    if asked.installs:
        figures |= installs(asked.installs)
    common.finish(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

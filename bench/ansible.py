"""A playbook job beside bare `ansible-playbook`: the same play, hosts, tunnels and settings, one after the other, several times.

Everything in network namespaces of this machine: an Engine, hosts with real agents, real sshd and real WireGuard (`tests/lab`). The job's
time is that of its occurrence, from opened to closed, so it has the queue, the tunnels' check, a login tried on each host, the events, the
stored output and the recaps in it; the other's is that of its process.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import psutil

from bench import common
from tests.lab.ansible_demo import Shore, shore
from tests.lab.fleet import Fleet, fleet
from tests.lab.host import Host
from tests.lab.network import missing

TASKS = 20
_PROGRAM = "executors/playbooks/controller.py"


def _play() -> str:
    tasks = "\n".join(
        f'    - ansible.builtin.command: "true"\n      changed_when: {number % 2 == 0}' for number in range(TASKS)
    )
    head = f"- hosts: all\n  gather_facts: false\n  vars: {{ansible_python_interpreter: {sys.executable}}}\n  tasks:\n"
    return f"{head}{tasks}\n"


@dataclass
class Memory:
    """The most that a controller and its `ansible-playbook` had, without the forks of that, in bytes."""

    most: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for one in psutil.process_iter(["cmdline"]):
                if any(_PROGRAM in part for part in one.info["cmdline"] or ()):
                    self.most = max(self.most, _size(one))


def _size(controller: psutil.Process) -> int:
    try:
        return sum(one.memory_info().rss for one in [controller, *controller.children()])
    except psutil.Error:
        return 0


@dataclass(frozen=True)
class Timed:
    """Seconds of one run of the job: until its first task had begun, and all of it; and the tasks that ended in it."""

    first: float
    whole: float
    results: int


def _job(there: Shore) -> int:
    return there.job("Twenty", "Twenty", "ssh", "--credential", "Ada's key", policies={"concurrency": 10})


def _timed(crew: Fleet, job: int) -> Timed:
    """Wait for the newest occurrence of the job."""
    while True:
        newest = crew.cli("runs", "list", str(job), "--limit", "1")["items"][0]
        if newest["state"] == "closed":
            break
        time.sleep(0.5)
    assert newest["outcome"] == "success", newest
    opened, closed = _at(newest["opened_at"]), _at(newest["closed_at"])
    rows = crew.cli("runs", "devices", str(job))["items"]
    first = min(_at(row["started_at"]) for row in rows)
    return Timed(
        (first - opened).total_seconds(), (closed - opened).total_seconds(), sum(row["recap"]["ok"] for row in rows)
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bare(engine: Host, there: Shore, hosts: Sequence[dict[str, Any]]) -> float:
    """Seconds of `ansible-playbook` with the settings that playbooks have here."""
    folder = there.crew.folder / "bare"
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        (folder / "key").write_text(there.private_key)
        (folder / "key").chmod(0o600)
        (folder / "play.yml").write_text(_play())
        lines = [f"h{number} ansible_host={one['address']}" for number, one in enumerate(hosts)]
        (folder / "hosts").write_text("\n".join(lines) + "\n[all:vars]\nansible_user=ada\n")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"/tmp/wb-bare-{engine.init}",
    }
    words = (
        "ansible-playbook",
        "-i",
        str(folder / "hosts"),
        "-f",
        "10",
        "--private-key",
        str(folder / "key"),
        str(folder / "play.yml"),
    )
    began = time.monotonic()
    engine.run(*words, env=environment)
    return time.monotonic() - began


def _measure(crew: Fleet, number: int, repeats: int) -> common.Figures:
    there = shore(crew, [(f"host-{one}", "Harbour") for one in range(1, number + 1)])
    there.playbook("Twenty", _play())
    there.credential("Ada's key")
    job = _job(there)
    _timed(crew, job)  # tunnels are open, host keys known
    hosts = crew.cli("tunnels", "list")["items"]
    _bare(crew.engine, there, hosts)
    bare, jobs, memory = [], [], Memory()
    with memory.watched():
        for _ in range(repeats):
            bare.append(_bare(crew.engine, there, hosts))
            crew.cli("jobs", "rerun", str(job))
            jobs.append(_timed(crew, job))
    wholes = [one.whole for one in jobs]
    half, other = common.percentile(wholes, 0.5), common.percentile(bare, 0.5)
    common.table(
        ["what", "best s", "half s", "worst s"],
        [
            ["job, from opened to closed", f"{min(wholes):.2f}", f"{half:.2f}", f"{max(wholes):.2f}"],
            ["bare ansible-playbook", f"{min(bare):.2f}", f"{other:.2f}", f"{max(bare):.2f}"],
        ],
    )
    return {
        "hosts": number,
        "tasks": TASKS,
        "job_s": round(half, 2),
        "bare_s": round(other, 2),
        "overhead_percent": round((half / other - 1) * 100, 1),
        "first_task_s": round(common.percentile([one.first for one in jobs], 0.5), 2),
        "events_per_s": round(common.percentile([one.results / one.whole for one in jobs], 0.5), 1),
        "controller_mb": round(memory.most / 1e6, 1),
    }


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--hosts", type=int, default=10, help="hosts with an agent and sshd")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each, by turns")
    asked = parser.parse_args()
    lacking = missing()
    if lacking is not None:
        print(json.dumps({"skipped": lacking}))
        return 0
    common.tell("ansible", f"a play of {TASKS} tasks on {asked.hosts} hosts, by a job and by ansible-playbook")
    with fleet() as crew:
        figures = _measure(crew, asked.hosts, asked.repeats)
    common.finish(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

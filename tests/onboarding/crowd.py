"""Many machines of a lab installed at once by one process, for benches and by hand.

.venv/bin/python -m tests.onboarding.crowd --package FILE --machines 20
"""

import argparse
import asyncio
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from tests.lab import network
from tests.lab.host import Host
from tests.lab.sshd import User
from tests.onboarding.acting import MemoryEngine, MemoryPackages, MemoryStory, credential, make_package, sign_package
from tests.onboarding.stage import Stage, network_of
from watchbill.onboarding.base import PackageFile
from watchbill.onboarding.ssh import Patience

PASSWORD = "quay-7-harbour"


@dataclass
class Timed(MemoryStory):
    """A timeline with the seconds of each task."""

    began: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.when = self._begin

    async def _begin(self, name: str) -> None:
        self.began[name] = time.perf_counter()

    def seconds(self) -> dict[str, float]:
        ends = [*list(self.began.values())[1:], time.perf_counter()]
        return {name: end - begin for (name, begin), end in zip(self.began.items(), ends, strict=True)}


@dataclass(frozen=True)
class Crowd:
    """`each`: seconds of every install, from its host key to its request. `own_cpu`: of this process, for all."""

    each: Sequence[float]
    together: float
    own_cpu: float
    own_peak_mib: float
    steps: dict[str, float]


def install_many(machines: int, package: PackageFile | None = None) -> Crowd:
    """Hosts with `sshd`, all installed at once; each must end well. None: a stand-in for the package, of 14 MB."""
    with tempfile.TemporaryDirectory() as name, network.lab() as lab, network_of(lab.add("engine")):
        folder = Path(name)
        engine = MemoryEngine(folder / "engine", network.ENGINE_ADDRESS)
        engine.start()
        given = package or make_package(folder, padding=14_000_000)
        stage = Stage(lab, engine, MemoryPackages(given), folder, patience=Patience(), step_seconds=120.0)
        hosts = [stage.machine(User("ada", PASSWORD, sudo="asks"), name=f"web-{one}") for one in range(machines)]
        engine.pins_nothing = True
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_all(stage, hosts))
        finally:
            engine.stop()


async def _all(stage: Stage, hosts: Sequence[Host]) -> Crowd:
    before, began = _cpu(), time.perf_counter()
    stories: list[Timed] = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_one(stage, host, stories)) for host in hosts]
    together = time.perf_counter() - began
    names = stories[0].began
    steps = {name: median(one.steps[name] for one in (task.result() for task in tasks)) for name in names}
    each = [task.result().seconds for task in tasks]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Crowd(each, together, _cpu() - before, peak, steps)


@dataclass(frozen=True)
class _Took:
    seconds: float
    steps: dict[str, float]


async def _one(stage: Stage, host: Host, stories: list[Timed]) -> _Took:
    story, began = Timed(), time.perf_counter()
    stories.append(story)
    ended = await stage.install(host, credential(password=PASSWORD), story=story)
    assert ended.done, ended.story.text
    return _Took(time.perf_counter() - began, story.seconds())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=20)
    parser.add_argument(
        "--package", type=Path, help="watchbill-agent-VERSION-linux-x86_64.tar.gz (default: a stand-in)"
    )
    asked = parser.parse_args()
    package = None
    if asked.package:
        found = re.search(r"(\d[\w.+]*)(-linux-x86_64)?\.tar\.gz$", asked.package.name)
        assert found is not None, "the name of the file says its version"
        package = sign_package(asked.package, found[1])
    crowd = install_many(asked.machines, package)
    for name, seconds in crowd.steps.items():
        print(f"{name:>16}  {seconds:6.2f} s")
    print(
        f"{asked.machines} at once: half within {median(crowd.each):.1f} s, the last {max(crowd.each):.1f} s; "
        f"this process used {crowd.own_cpu:.1f} s of a core, {crowd.own_peak_mib:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()

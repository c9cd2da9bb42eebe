"""What an idle Engine costs: `watchbill up` started a second time on its data directory, then left alone; an idle agent beside it.

Memory is the sum of RSS of all its processes, PostgreSQL included, which counts what they share once for each; the sum of PSS
beside it counts that once. CPU is that of all of them together, in percent of one core.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from bench import common, machine
from tests.factories.ports import free_port
from watchbill.apps.commands.database import reachable
from watchbill.kit import log
from watchbill.kit.settings import load

#: What `up` prints once everything answers.
READY = "Watchbill is ready"
#: An agent looks at its machine when it starts; what it costs later is the question.
SETTLE_SECONDS = 5.0


class Up:
    """`watchbill up` on a data directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"api": free_port(), "gateway": free_port()}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHBILL_")} | {
            "WATCHBILL_DATA_DIR": str(folder / "engine"),
            "WATCHBILL_API_LISTEN": f"127.0.0.1:{self.ports['api']}",
            "WATCHBILL_GATEWAY_LISTEN": f"127.0.0.1:{self.ports['gateway']}",
        }

    async def start(self, name: str) -> tuple[common.Process, float]:
        """The process, and the seconds it took to be ready."""
        argv = [sys.executable, "-m", "watchbill.apps.cli", "up"]
        began = time.monotonic()
        process = common.start(name, argv, self.folder, self.environment)
        try:
            await common.until(lambda: self._is_ready(process), "watchbill up", rest=0.01)
        except BaseException:
            print(process.last_lines(), file=sys.stderr)
            process.stop()
            raise
        return process, time.monotonic() - began

    @staticmethod
    def _is_ready(process: common.Process) -> bool:
        process.check()
        return READY in process.log_file.read_text()


async def measure(folder: Path, seconds: float) -> common.Figures:
    up = Up(folder)
    first, cold = await up.start("up-cold")
    first.stop(signal.SIGTERM, 40)
    engine, ready = await up.start("up-warm")
    try:
        return {"cold_ready_s": round(cold, 2), "ready_s": round(ready, 2), **await _look(up, engine, seconds)}
    finally:
        engine.stop(signal.SIGTERM, 40)


async def _look(up: Up, engine: common.Process, seconds: float) -> common.Figures:
    config = load({name: value for name, value in up.environment.items() if name.startswith("WATCHBILL_")})
    with reachable(config) as found:
        assert found.database_url is not None
        async with common.stage(up.folder, found.database_url) as stage:
            stage.ports = up.ports
            agent, _ = await stage.agent(await stage.site(auto_approval=timedelta(hours=1)))
            await stage.db.close()  # its connections are ours, not the Engine's
            await asyncio.sleep(SETTLE_SECONDS)
            return await _cost(engine.pid, agent.pid, seconds)


async def _cost(engine: int, agent: int, seconds: float) -> common.Figures:
    groups = _groups(machine.descendants(engine))
    groups["agent"] = machine.descendants(agent)
    before = {name: [machine.cpu_seconds(pid) for pid in pids] for name, pids in groups.items()}
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    memory = {name: machine.memory(pids) for name, pids in groups.items()}
    cpu = {name: 100 * (sum(map(machine.cpu_seconds, groups[name])) - sum(before[name])) / took for name in groups}
    rows = [
        [name, len(pids), f"{memory[name].rss:.1f}", f"{memory[name].pss:.1f}", f"{cpu[name]:.2f}"]
        for name, pids in groups.items()
    ]
    common.table(["what", "processes", "RSS MiB", "PSS MiB", "CPU %"], rows)
    own = [name for name in groups if name != "agent"]
    return {
        "engine_rss_mb": round(sum(memory[name].rss for name in own), 1),
        "engine_pss_mb": round(sum(memory[name].pss for name in own), 1),
        "engine_cpu_percent": round(sum(cpu[name] for name in own), 2),
        "agent_rss_mb": round(memory["agent"].rss, 1),
        "agent_cpu_percent": round(cpu["agent"], 2),
    }


def _groups(pids: Sequence[int]) -> dict[str, list[int]]:
    """The Engine's processes by what they are; those of PostgreSQL together."""
    groups: dict[str, list[int]] = {}
    for pid in pids:
        words = command_of(pid).split()
        is_ours = "watchbill.apps.cli" in words
        name = words[words.index("watchbill.apps.cli") + 1] if is_ours else "postgresql"
        groups.setdefault(name, []).append(pid)
    return groups


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="how long CPU time is watched")
    options = parser.parse_args()
    common.tell("footprint", f"watchbill up, a warm start, then {options.seconds:g} s idle; an agent beside it")
    log.configure(level="warning")
    with common.temporary_folder() as folder:

        async def bench() -> None:
            common.finish(await measure(folder, options.seconds))

        common.run(bench)


if __name__ == "__main__":
    main()

"""What processes cost, and what a core of this machine is worth while a bench runs."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_STEPS = 1_000_000


@dataclass(frozen=True)
class Memory:
    """MiB. PSS shares out what several processes map; the sum of RSS counts it once for each."""

    rss: float
    pss: float


def memory(pids: Sequence[int]) -> Memory:
    found = [_rollup(pid) for pid in pids]
    return Memory(sum(one.rss for one in found), sum(one.pss for one in found))


def _rollup(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return Memory(0, 0)
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(kib["Rss"] / 1024, kib["Pss"] / 1024)


def descendants(pid: int) -> list[int]:
    """A process and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(number) for number in fields[11:15]) / os.sysconf("SC_CLK_TCK")


async def cpu_percent(pids: Callable[[], Sequence[int]], seconds: float) -> float:
    """Of one core, over `seconds`."""
    before, began = {pid: cpu_seconds(pid) for pid in pids()}, time.monotonic()
    await asyncio.sleep(seconds)
    after, took = {pid: cpu_seconds(pid) for pid in pids()}, time.monotonic() - began
    return 100 * sum(spent - before.get(pid, 0.0) for pid, spent in after.items()) / took


def loop_ns() -> int:
    """What a step of a plain Python loop takes: virtual machines may be throttled to a part of a core, which no load average tells."""
    began = time.perf_counter()
    total = 0
    for number in range(_STEPS):
        total += number
    return round((time.perf_counter() - began) / _STEPS * 1e9)

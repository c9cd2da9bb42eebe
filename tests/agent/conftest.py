"""A real agent process on a data directory of its own, beside a small Engine that speaks the protocol."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.agent.engine import PATIENCE, Engine

COMMAND = [sys.executable, "-m", "watchbill_agent"]


class Agent:
    """`program`: how it is started, where it is not this Python's."""

    def __init__(self, data: Path, engine: Engine, program: Sequence[str] = COMMAND) -> None:
        self.data, self.engine, self.program = data, engine, program
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data.with_suffix(".log")

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [*self.program, *arguments, "--data-dir", str(self.data)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    async def enroll(self, *extra: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
        return await self.command(
            "enroll", "--server", self.engine.url, "--code", code or self.engine.code, "--wait", "10", *extra
        )

    def start(self, *extra: str, within: Sequence[str] = ()) -> None:
        """`within`: what stands before its command, for it to run somewhere else."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*within, *self.program, "run", "--data-dir", str(self.data), *extra],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

    async def up(self, *extra: str) -> "Agent":
        done = await self.enroll()
        assert done.returncode == 0, done.stderr
        self.start(*extra)
        await self.engine.connected()
        return self

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    async def stop(self) -> None:
        """Off the loop: the Engine of the test must be able to answer the agent's good-bye."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            await asyncio.to_thread(self.process.wait, PATIENCE)

    @property
    def folders(self) -> list[str]:
        return [path.name for path in (self.data / "executions").iterdir()]


@pytest.fixture
async def engine():
    engine = await Engine().start()
    yield engine
    await engine.stop()


@pytest.fixture
async def agent(engine, tmp_path):
    agent = Agent(tmp_path / "agent", engine)
    yield agent
    await agent.stop()
    for folder in (agent.data / "executions").glob("*/started"):
        kill_supervisor_of(folder.parent)


def kill_supervisor_of(folder: Path) -> None:
    """A test that ends early must leave no supervisor behind: the script's parent, by its number."""
    facts = dict(line.split("=", 1) for line in (folder / "started").read_text().splitlines())
    if (folder / "result").exists():
        return
    for pid in (parent_of(int(facts["pid"])), int(facts["pid"])):
        if pid and str(folder.name) in command_and_environment(pid):
            os.kill(pid, signal.SIGKILL)


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command_and_environment(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    return raw.decode(errors="replace")


async def until(condition, patience: float = PATIENCE):
    """Wait on a condition of the outside world, with a bound."""
    async with asyncio.timeout(patience):
        while not (value := condition()):
            await asyncio.sleep(0.02)
    return value


def is_alive(pid: int) -> bool:
    """A process that has ended and only waits to be reaped is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

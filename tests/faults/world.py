"""The Engine as real processes on a durable server of its own, to be killed: two gateways, two schedulers, their site workers."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import psutil

from tests.factories.ports import free_port
from tests.flows.fleet import PASSWORD, Fleet, sign_in, until
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.secrets import load_key_ring
from watchbill.kit.settings import load

CLI = [sys.executable, "-m", "watchbill.apps.cli"]


@dataclass
class Process:
    """One process of the Engine that can be killed and started again."""

    arguments: list[str]
    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """`settings` go on top of its environment, for this time."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [*CLI, *self.arguments],
                env={**self.environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9, as the kernel's out-of-memory killer does it."""
        assert self.running is not None
        self.running.kill()
        self.running.wait()

    def stop(self) -> None:
        if self.running is None or self.running.poll() is not None:
            return
        self.running.terminate()
        try:
            self.running.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class World:
    """Everything that runs; `fleet` is how an operator sees it."""

    postgres: EmbeddedPostgres
    environment: dict[str, str]
    folder: Path
    fleet: Fleet
    processes: dict[str, Process] = field(default_factory=dict)

    def site_workers(self) -> list[psutil.Process]:
        """Children of the schedulers."""
        schedulers = [self.processes[name].running for name in ("scheduler-1", "scheduler-2")]
        alive = [psutil.Process(one.pid) for one in schedulers if one is not None and one.poll() is None]
        return [child for one in alive for child in one.children() if _is_site_worker(child)]

    def kill_postgres(self) -> None:
        """Kill the server -9 and start it again."""
        assert self.postgres.pid is not None
        os.kill(self.postgres.pid, signal.SIGKILL)
        self.postgres.stop()
        self.postgres.start()

    async def findings(self, ahead: timedelta = timedelta()) -> list[doctor.Finding]:
        """What the doctor finds when the clock is so far ahead."""
        engine = self.engine(ahead)
        try:
            return await doctor.check(engine)
        finally:
            await engine.db.close()

    async def is_healthy(self) -> bool:
        return not await self.findings()

    def engine(self, ahead: timedelta = timedelta()) -> Engine:
        settings = load(self.environment)
        return Engine(
            settings,
            Database(self.environment["WATCHBILL_DATABASE_URL"], pool_size=2),
            Clock(ahead),
            load_key_ring(settings.key_ring_path),
        )


def _is_site_worker(process: psutil.Process) -> bool:
    try:
        return "site-worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended, whether or not its scheduler has seen that yet
        return False


@asynccontextmanager
async def standing(*started: str, **settings: str) -> AsyncIterator[World]:
    """Start everything, or of the processes only those named; stop everything, whatever happened."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="watchbill-faults-", dir="/tmp"))
        folder.chmod(0o711)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(EmbeddedPostgres(folder / "data"))
        postgres.create_database("watchbill")
        api_port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WATCHBILL_")},
            "WATCHBILL_DATA_DIR": str(folder / "data"),
            "WATCHBILL_DATABASE_URL": postgres.url("watchbill"),
            "WATCHBILL_API_LISTEN": f"127.0.0.1:{api_port}",
            "WATCHBILL_HEARTBEAT_SECONDS": "5",
            "WATCHBILL_ADMIN_PASSWORD": PASSWORD,
            **settings,
        }
        subprocess.run([*CLI, "db", "upgrade"], env=environment, check=True, capture_output=True, timeout=60)
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{api_port}", timeout=20))
        key_ring = load_key_ring(load(environment).key_ring_path)
        fleet = Fleet(environment["WATCHBILL_DATABASE_URL"], key_ring, folder, http)
        world = World(postgres, environment, folder, fleet)
        for name, arguments in _PROCESSES.items():
            own = {**environment, "WATCHBILL_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}"}
            world.processes[name] = Process([arguments], own, folder / f"{name}.log")
            if name in (started or _PROCESSES):
                world.processes[name].start()
            stack.callback(world.processes[name].stop)
        stack.push_async_callback(_stop_agents, fleet)
        try:
            await sign_in(fleet)
            fleet.site = (await http.post("/api/sites", json={"name": "Harbour"})).json()
            yield world
        except BaseException:
            _show_logs(folder)
            raise


def _show_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        print(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-40:]))


_PROCESSES = {
    "api": "api",
    "gateway-1": "gateway",
    "gateway-2": "gateway",
    "scheduler-1": "scheduler",
    "scheduler-2": "scheduler",
}


async def _stop_agents(fleet: Fleet) -> None:
    async with asyncio.TaskGroup() as group:
        for agent in fleet.agents:
            group.create_task(agent.stop(9))


__all__ = ["World", "standing", "until"]

"""What every bench stands on: a throwaway Engine of real processes on a durable PostgreSQL, and the figures at the end.

It measures nothing itself. Everything it starts it also stops, by process id, and its data is gone afterwards.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import machine
from tests.factories.ports import free_port
from watchbill import agents, assemblies, identity, jobs, queue, sites
from watchbill.identity import ENGINE
from watchbill.kit import db as kit_db
from watchbill.kit import log
from watchbill.kit.clock import Clock, rfc3339
from watchbill.kit.db import Database
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.processes import tied_to_parent
from watchbill.kit.secrets import KeyRing, create_key_ring, load_key_ring

PATIENCE = 60.0
AGENT = str(Path(sys.executable).with_name("watchbill-agent"))
DATABASE = "watchbill"
PASSWORD = "correct horse battery staple"
#: Jobs that must not meet are due this far apart, at random, so that no timer of the Engine falls into step with them.
GAPS = (0.3, 0.7)

Figures = dict[str, float | int | None]


# --- processes -----------------------------------------------------------------------------------------------------------


@dataclass
class Process:
    """A child with a log of its own. It ends with this process, whatever happens to that."""

    name: str
    popen: subprocess.Popen[bytes]
    log_file: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def check(self) -> None:
        """Raise when it has ended, with its last lines."""
        if self.popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.popen.returncode}:\n{self.last_lines()}")

    def last_lines(self, number: int = 20) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-number:])

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> None:
        if self.popen.poll() is not None:
            return
        self.popen.send_signal(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(5)


def start(name: str, argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Run a program, its output in `folder/name.log`. To be called in the main thread."""
    log_file = folder / f"{name}.log"
    with log_file.open("ab") as output:
        popen = subprocess.Popen(
            tied_to_parent(argv, signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,
        )
    return Process(name, popen, log_file)


async def until(condition: Callable[[], Any], what: str, *, patience: float = PATIENCE, rest: float = 0.02) -> Any:
    """Wait for `condition()` (or what it awaits) to be true; its value. TimeoutError says what was waited for."""
    ends = time.monotonic() + patience
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {patience:g} s for {what}")
        await asyncio.sleep(rest)


# --- the stage -----------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """A migrated database on a server of its own, and whatever was started beside it."""

    folder: Path
    url: str
    keys: KeyRing
    db: Database
    processes: list[Process] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    @property
    def data_dir(self) -> Path:
        return self.folder / "engine"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['gateway']}/agent/ws"

    def environment(self, **changes: str) -> dict[str, str]:
        """What processes of this Engine are started with; nothing of the caller's own settings."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("WATCHBILL_")}
        for kind in ("api", "gateway"):
            self.ports.setdefault(kind, free_port())
        return own | {
            "WATCHBILL_DATA_DIR": str(self.data_dir),
            "WATCHBILL_DATABASE_URL": self.url,
            "WATCHBILL_API_LISTEN": f"127.0.0.1:{self.ports['api']}",
            "WATCHBILL_GATEWAY_LISTEN": f"127.0.0.1:{self.ports['gateway']}",
            "WATCHBILL_LOG_LEVEL": "warning",
            **changes,
        }

    async def engine(self, kind: str, *arguments: str, **settings: str) -> Process:
        """Start `watchbill KIND` and return when it has registered itself."""
        argv = [sys.executable, "-m", "watchbill.apps.cli", kind, *arguments]
        process = start(kind, argv, self.folder, self.environment(**settings))
        self.processes.append(process)
        await until(lambda: self._is_registered(process), f"{kind} to register")
        if kind in ("api", "gateway"):
            await until(lambda: is_listening(self.ports[kind]), f"{kind} to listen")
        return process

    async def engines(self, *kinds: str, **settings: str) -> list[Process]:
        """Several at once."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.engine(kind, **settings)) for kind in kinds]
        return [task.result() for task in tasks]

    async def _is_registered(self, process: Process) -> bool:
        process.check()
        async with self.db.begin() as tx:
            found = await tx.execute(text("SELECT 1 FROM services WHERE pid = :pid"), {"pid": process.pid})
            return found.one_or_none() is not None

    def stop(self, process: Process, number: signal.Signals = signal.SIGTERM) -> None:
        process.stop(number)
        self.processes.remove(process)

    def stop_all(self) -> None:
        for process in reversed(self.processes):
            process.stop()
        self.processes.clear()

    def show_logs(self) -> None:
        """What the processes said, for whoever looks why a bench failed."""
        for process in self.processes:
            print(f"--- {process.name}\n{process.last_lines()}", file=sys.stderr)

    async def now(self) -> datetime:
        async with self.db.begin() as tx:
            return await self.clock.now(tx)

    # What the benches need in the catalogue. Set up through the features' faces, as the API does.

    async def site(self, name: str = "Harbour", *, auto_approval: timedelta = timedelta()) -> sites.Site:
        async with self.db.begin() as tx:
            now = await self.clock.now(tx)
            made = await sites.create_site(tx, ENGINE, sites.SiteDraft(name), keys=self.keys, now=now)
            if auto_approval:
                made = await sites.set_auto_approval(tx, ENGINE, made.id, auto_approval, now=now)
            return made

    def enrolment_code(self, site: sites.Site) -> str:
        code = sites.enrolment_code(self.keys, ENGINE, site)
        assert code is not None
        return code.reveal()

    async def script(self, content: str) -> UUID:
        async with self.db.begin() as tx:
            draft = {"name": f"Script {os.urandom(4).hex()}", "interpreter": "bash", "content": content}
            return (await assemblies.create(tx, ENGINE, draft, now=await self.clock.now(tx))).id

    async def job(self, script: UUID, device_ids: Sequence[UUID], schedule: Mapping[str, object], **more: Any) -> int:
        async with self.db.begin() as tx:
            return await self._save(tx, script, device_ids, schedule, more)

    async def _save(
        self,
        tx: AsyncConnection,
        script: UUID,
        device_ids: Sequence[UUID],
        schedule: Mapping[str, object],
        more: Mapping[str, Any],
    ) -> int:
        definition = {
            "name": f"Job {os.urandom(4).hex()}",
            "components": [{"assembly_id": str(script), "variables": {}}],
            "targets": [{"kind": "device", "device_id": str(one)} for one in device_ids],
            "schedule": dict(schedule),
            **more,
        }
        return (await jobs.create(tx, ENGINE, definition, keys=self.keys, now=await self.clock.now(tx))).job.id

    async def job_due(self, script: UUID, device_ids: Sequence[UUID], at: datetime, **more: Any) -> int:
        """A job that falls due once, at any moment within a minute: schedules know whole minutes, the scheduler does not.

        It is saved for the minute's beginning and moved before anyone sees it; the way from there on is the usual one.
        """
        minute = at.replace(second=0, microsecond=0)
        async with self.db.begin() as tx:
            job_id = await self._save(tx, script, device_ids, {"type": "once", "start": rfc3339(minute)}, more)
            values = {"id": job_id, "at": at, "mark": minute - timedelta(seconds=1)}
            await tx.execute(text("UPDATE jobs SET next_due_at = :at, mark_at = :mark WHERE id = :id"), values)
        return job_id

    async def jobs_due(self, script: UUID, device_ids: Sequence[UUID], number: int) -> list[datetime]:
        """That many jobs, due one by one, soon; the instants."""
        at = await self.now() + timedelta(seconds=3 + number / 25)
        instants = []
        for _ in range(number):
            instants.append(at)
            await self.job_due(script, device_ids, at)
            at += timedelta(seconds=random.uniform(*GAPS))
        if await self.now() > instants[0]:
            raise RuntimeError("saving the jobs took longer than planned: this machine is too busy to measure on")
        return instants

    async def devices(self, number: int, site_id: int, **columns: object) -> list[UUID]:
        """Approved devices that never connected, written straight into the table; each with a random public key."""
        values = {"status": "active", "os_family": "linux", "interpreters": ["bash", "python"], **columns}
        async with self.db.begin() as tx:
            rows = await tx.execute(_DEVICES, {**values, "number": number, "site_id": site_id})
            return list(rows.scalars())

    async def agent(self, site: sites.Site, name: str = "agent") -> tuple[Process, UUID]:
        """Enrol a real agent (its site must approve by itself) and run it; its process and device."""
        data = ["--data-dir", str(self.folder / name)]
        enrol = [AGENT, "enroll", "--server", self.api_url, "--code", self.enrolment_code(site), "--wait", "30", *data]
        done = await asyncio.to_thread(subprocess.run, enrol, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the agent could not enrol: {done.stdout}{done.stderr}")
        process = start(name, [AGENT, "run", *data], self.folder)
        self.processes.append(process)
        async with self.db.begin() as tx:
            found = await tx.execute(
                text("SELECT id FROM devices WHERE site_id = :site ORDER BY created_at DESC"), {"site": site.id}
            )
            device_id = UUID(str(found.scalars().first()))
        await until(lambda: self.online([device_id]), "the agent to be online")
        return process, device_id

    @asynccontextmanager
    async def signed_in(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the API process, signed in as an admin."""
        async with self.db.begin() as tx:
            await identity.bootstrap_admin(tx, await self.clock.now(tx), given_password=PASSWORD)
        async with httpx.AsyncClient(base_url=self.api_url, timeout=PATIENCE) as http:
            reply = await http.post("/api/session", json={"username": "admin", "password": PASSWORD})
            assert reply.status_code == 200, reply.text
            http.headers["X-CSRF-Token"] = reply.json()["csrf_token"]
            yield http

    async def online(self, device_ids: Sequence[UUID]) -> bool:
        return await self.number_online() >= len(device_ids)

    async def number_online(self) -> int:
        async with self.db.begin() as tx:
            query = "SELECT count(*) FROM device_presence p JOIN services s ON s.id = p.gateway_id WHERE s.stopped_at IS NULL"
            return int((await tx.execute(text(query))).scalar_one())


_DEVICES = text("""
INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, os_name, os_version, arch, agent_version,
  interpreters, created_at, updated_at)
SELECT gen_random_uuid(), :site_id, 'host-' || lpad(n::text, 6, '0'), :status, decode(md5(random()::text) || md5(random()::text), 'hex'),
  :os_family, 'Debian GNU/Linux', '12', 'x86_64', '0.1.0', :interpreters, clock_timestamp(), clock_timestamp()
FROM generate_series(1, :number) n RETURNING id
""")


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Gone afterwards. The database server's own account can pass through it."""
    folder = Path(tempfile.mkdtemp(prefix="watchbill-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database() -> Iterator[tuple[Path, str]]:
    """A folder, and the URL of a migrated database in it on a durable PostgreSQL. To be used in the main thread."""
    with temporary_folder() as folder, new_server(folder) as url:
        yield folder, url


@contextmanager
def new_server(folder: Path, *, is_durable: bool = True) -> Iterator[str]:
    """The URL of a migrated database of a new PostgreSQL in a folder."""
    log.configure(level="warning")
    with EmbeddedPostgres(folder / "engine", is_durable=is_durable) as running:
        running.create_database(DATABASE)
        url = running.url(DATABASE)
        kit_db.migrate(url)
        queue.converge_schema(url)
        create_key_ring(folder / "engine" / "keys" / "ring.json")
        yield url


@asynccontextmanager
async def stage(folder: Path, url: str, *, pool_size: int = 8) -> AsyncIterator[Stage]:
    """An Engine to be built up on `database()`; what was started is stopped at the end."""
    async with AsyncExitStack() as stack:
        db = Database(url, pool_size=pool_size, application_name="watchbill-bench")
        stack.push_async_callback(db.close)
        made = Stage(folder, url, load_key_ring(folder / "engine" / "keys" / "ring.json"), db)
        stack.callback(made.stop_all)
        async with db.begin() as tx:
            await agents.ensure_signing_key(tx, made.keys, await made.clock.now(tx))
        try:
            yield made
        except BaseException:
            made.show_logs()
            raise


# --- figures -------------------------------------------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: a value that was really measured."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered) - 1e-9), 1) - 1]


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    """Half, 99 of 100 and all of `values` (seconds) lie below these."""
    return {
        "p50_ms": round(percentile(values, 0.50) * 1000, 2),
        "p99_ms": round(percentile(values, 0.99) * 1000, 2),
        "max_ms": round(max(values) * 1000, 2),
    }


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head, the first column to the left, figures to the right."""
    cells = [[str(one) for one in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        first, rest = (
            row[0].ljust(widths[0]),
            [one.rjust(width) for one, width in zip(row[1:], widths[1:], strict=True)],
        )
        print("  ".join([first, *rest]))
    print()


def tell(name: str, what: str) -> None:
    """The heading: what is measured, and on what."""
    print(f"{name}: {what}")
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}, {machine.loop_ns()} ns for a step of a Python loop before\n",
        flush=True,
    )


def finish(figures: Figures) -> None:
    """The last line: one JSON object, with what a core of this machine was worth at the end."""
    print(f"load {os.getloadavg()[0]:.2f} after")
    print(json.dumps({**figures, "loop_ns": machine.loop_ns()}), flush=True)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a bench to its end; a SIGTERM ends it as Ctrl-C does, with everything stopped."""

    async def guarded() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await main()

    try:
        asyncio.run(guarded())
    except asyncio.CancelledError:
        sys.exit(143)


def parser(words: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=words, formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def utc(seconds: float) -> datetime:
    """An instant from seconds since 1970, as `time.time` and `date` tell them."""
    return datetime.fromtimestamp(seconds, UTC)

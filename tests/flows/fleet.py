"""A whole Engine in one loop (real database, real sockets, real site worker), and real agent processes on this machine."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.ports import free_port
from watchbill import agents, identity, runs
from watchbill.apps import api, gateway, scheduler, site_worker, tls
from watchbill.apps.wiring import Engine
from watchbill.core.states import SkipReason
from watchbill.executors import Login, Obstacle, Way
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database, Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.secrets import KeyRing
from watchbill.kit.service import Service, run_together
from watchbill.kit.settings import load
from watchbill.queue.worker import SiteQueue
from watchbill.runs import RunContent

PATIENCE = 30.0
#: Seconds between two looks at something that takes long.
_SELDOM = 0.25
PASSWORD = "correct horse battery staple"
AGENT = str(Path(sys.executable).with_name("watchbill-agent"))


async def until(condition: Callable[[], Any], *, patience: float = PATIENCE, every: float = 0.03) -> Any:
    """Wait for `condition()` (or what it awaits) to be true; its value. The interval is a test's, not the product's.

    The longer it waits, the less often it looks: a request every few milliseconds would have what is waited for wait for its processor.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        waited = loop.time() - began
        assert waited < patience, "waited in vain"
        await asyncio.sleep(max(every, min(waited / 10, _SELDOM)))


@dataclass
class Agent:
    """A real agent process with an identity of its own. `timezone` is what its machine's clocks are set to; `utmp` records its logins.

    `within`: what stands before its command, for it to run in an enclosure.
    """

    data_dir: Path
    device_id: str = ""
    timezone: str = "UTC"
    utmp: Path | None = None
    within: Sequence[str] = ()
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.within, AGENT, "run", "--data-dir", str(self.data_dir), *(["--utmp", str(self.utmp)] if self.utmp else []),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "TZ": self.timezone},
            )  # fmt: skip

    async def stop(self, number: int = 15) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(9 if self.within else number)  # whoever holds an enclosure takes no other
        await self.process.wait()


@dataclass
class Crew:
    """Services that can be stopped and started anew while the others go on, as their processes could be."""

    group: asyncio.TaskGroup
    make: Callable[[], list[Service]]
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._stop = asyncio.Event()
        self._running = self.group.create_task(run_together(self.make(), self._stop))

    async def stop(self) -> None:
        self._stop.set()
        if self._running is not None:
            await self._running


@dataclass
class DirectAccess:
    """Ways into devices that need no tunnel: a server of a test's own. What has none is left out."""

    login: Login | None = None
    addresses: dict[str, str] = field(default_factory=dict)
    #: Whether waiting for an address is in vain.
    is_final: bool = True

    async def logins(
        self, _tx: AsyncConnection, _content: RunContent, device_ids: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, Login | Obstacle]:
        missing = Obstacle(SkipReason.CREDENTIAL_MISSING, "There is none.")
        return dict.fromkeys(device_ids, self.login or missing)

    async def ways(
        self, _tx: AsyncConnection, device_ids: Collection[uuid.UUID], _now: datetime, *, until: datetime | None
    ) -> Mapping[uuid.UUID, Way]:
        found = {one: self.addresses.get(str(one)) for one in device_ids}
        return {one: Way(at, "It has no tunnel.", is_final=self.is_final) for one, at in found.items()}


@dataclass
class Fleet:
    """The running whole. `http` is signed in as an admin; `heartbeats` are those of what runs from the beginning to the end."""

    url: str
    keys: KeyRing
    folder: Path
    http: httpx.AsyncClient
    settings: dict[str, str] = field(default_factory=dict)
    agents: list[Agent] = field(default_factory=list)
    site: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    #: Where devices dial.
    gateways: list[str] = field(default_factory=list)
    #: How playbooks enter devices: as the Engine does it, unless a test has a server of its own.
    access: DirectAccess = field(default_factory=DirectAccess)
    db: Database = field(init=False)
    schedulers: Crew = field(init=False)

    def engine(self, **changes: str) -> Engine:
        values = {
            "WATCHBILL_DATA_DIR": str(self.folder),
            "WATCHBILL_DATABASE_URL": self.url,
            "WATCHBILL_LAUNCHER": "none",
            "WATCHBILL_HEARTBEAT_SECONDS": "5",
            **self.settings,
            **changes,
        }
        return Engine(load(values), Database(self.url, pool_size=5), self.clock, self.keys)

    async def enrol(
        self,
        name: str,
        *,
        start: bool = True,
        timezone: str = "UTC",
        folder: Path | None = None,
        utmp: Path | None = None,
    ) -> Agent:
        """Enrol an agent through the normal approval. `folder`: where it lives, if it is to be open to other users."""
        agent = Agent((folder or self.folder) / name, timezone=timezone, utmp=utmp)
        asked = await asyncio.create_subprocess_exec(
            AGENT, "enroll", "--server", str(self.http.base_url).rstrip("/"), "--code", _code_of(self.site),
            "--data-dir", str(agent.data_dir), "--wait", "30",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        known = {one.device_id for one in self.agents}
        pending = await until(self._pending)
        approved = await self.http.post(f"/api/device_approvals/{pending['id']}/approve", json={"resolve": "new"})
        assert approved.status_code == 200, approved.text
        output, _ = await asyncio.wait_for(asked.communicate(), 30)
        assert asked.returncode == 0, output.decode()
        agent.device_id = approved.json()["device_id"]
        assert agent.device_id not in known
        self.agents.append(agent)
        if start:
            await agent.start()
            await until(lambda: self.is_online(agent))
        return agent

    async def _pending(self) -> dict[str, Any] | None:
        items = (await self.http.get("/api/device_approvals", params={"state": "pending"})).json()["items"]
        return items[0] if items else None

    async def is_online(self, agent: Agent) -> bool:
        return bool((await self.http.get(f"/api/devices/{agent.device_id}")).json()["online"])

    async def script(self, content: str, **more: Any) -> str:
        body = {"name": f"script {os.urandom(4).hex()}", "kind": "script", "interpreter": "bash", "content": content}
        reply = await self.http.post("/api/assemblies", json={**body, **more})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    async def playbook(self, content: str, **more: Any) -> str:
        body = {"name": f"playbook {os.urandom(4).hex()}", "kind": "playbook", "content": content}
        reply = await self.http.post("/api/assemblies", json={**body, **more})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    async def job(self, assembly: str, *targets: Agent, **more: Any) -> dict[str, Any]:
        component = {"assembly_id": assembly, "kind": "script", **more.pop("component", {})}
        body = {
            "name": f"job {os.urandom(4).hex()}",
            "job_kind": "automation",
            "components": [component],
            "targets": [{"kind": "device", "device_id": agent.device_id} for agent in targets],
            "schedule": {"type": "immediately"},
            "execution_context": "system",
            **more,
        }
        reply = await self.http.post("/api/scheduled_jobs", json=body)
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    async def occurrences(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        reply = await self.http.get(f"/api/scheduled_jobs/{job['id']}/runs")
        assert reply.status_code == 200, reply.text
        return list(reply.json()["items"])

    async def closed(self, job: dict[str, Any], *, patience: float = PATIENCE) -> dict[str, Any]:
        """The newest occurrence of a job, once it has ended."""

        async def ended() -> dict[str, Any] | None:
            found = await self.occurrences(job)
            return found[0] if found and found[0]["state"] not in ("open", "held") else None

        return dict(await until(ended, patience=patience))

    async def rows(self, job: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        reply = await self.http.get(f"/api/scheduled_jobs/{job['id']}/devices", params=query)
        assert reply.status_code == 200, reply.text
        return list(reply.json()["items"])

    async def row(self, job: dict[str, Any]) -> dict[str, Any]:
        """The only device row of the newest occurrence."""
        (row,) = await self.rows(job)
        return row

    async def in_state(self, job: dict[str, Any], *states: str, patience: float = PATIENCE) -> dict[str, Any]:
        row: dict[str, Any] = {}

        async def there() -> dict[str, Any] | None:
            nonlocal row
            row = await self.row(job)
            return row if row["state"] in states else None

        try:
            return dict(await until(there, patience=patience))
        except AssertionError as error:
            raise AssertionError(f"waited for {states} in vain: {row}") from error

    async def output(self, row: dict[str, Any], stream: str = "stdout") -> str:
        execution = row["executions"][-1]["id"]
        reply = await self.http.get(f"/api/executions/{execution}/output/download", params={"stream": stream})
        assert reply.status_code == 200, reply.text
        return reply.text


@asynccontextmanager
async def running(
    url: str, keys: KeyRing, folder: Path, *, is_tls: bool = False, clock: Clock | None = None
) -> AsyncIterator[Fleet]:
    """Two schedulers, two gateways, two workers of one site, and an API."""
    async with AsyncExitStack() as stack:
        ports = {"api": free_port(), "one": free_port(), "two": free_port()}
        base = f"{'https' if is_tls else 'http'}://127.0.0.1:{ports['api']}"
        # The agents pin the certificate; what this client believes is of no interest here.
        # Its idle connections end well before the server ends them, or a request would now and then meet one that just closed.
        limits = httpx.Limits(keepalive_expiry=2)
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=base, timeout=20, verify=False, limits=limits)
        )
        fleet = Fleet(url, keys, folder, http, {"WATCHBILL_TLS": "on" if is_tls else "off"}, clock=clock or Clock())
        engines = [
            fleet.engine(
                WATCHBILL_API_LISTEN=f"127.0.0.1:{ports['api']}", WATCHBILL_GATEWAY_LISTEN=f"127.0.0.1:{ports['one']}"
            ),
            fleet.engine(WATCHBILL_GATEWAY_LISTEN=f"127.0.0.1:{ports['two']}"),
            *[fleet.engine() for _ in range(4)],
        ]
        for engine in engines:
            stack.push_async_callback(engine.db.close)
        scheme = "wss" if is_tls else "ws"
        fleet.gateways = [f"{scheme}://127.0.0.1:{ports[one]}/agent/ws" for one in ("one", "two")]
        await _first_start(engines[0])
        fleet.db = engines[0].db
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            lasting = _services(engines)
            fleet.heartbeats = [one for one in lasting if isinstance(one, Heartbeat)]
            group.create_task(run_together(lasting, stop))
            fleet.schedulers = Crew(group, lambda: _schedulers(engines[2:4]))
            fleet.schedulers.start()
            try:
                await sign_in(fleet)
                fleet.site = await _site(fleet)
                workers = [_worker(engine, fleet.site["id"], fleet.access) for engine in engines[4:]]
                group.create_task(run_together([one for each in workers for one in each], stop))
                yield fleet
            finally:
                for agent in fleet.agents:
                    await agent.stop(9)
                stop.set()
                await fleet.schedulers.stop()


async def _first_start(engine: Engine) -> None:
    async with engine.db.begin() as tx:
        now = await engine.clock.now(tx)
        await agents.ensure_signing_key(tx, engine.keys, now)
        await identity.bootstrap_admin(tx, now, given_password=PASSWORD)


def _services(engines: list[Engine]) -> list[Service]:
    certificate = tls.ensure(engines[0].settings)
    contexts = [certificate.context() if certificate else None for _ in range(2)]
    gateways = [gateway.gateway(engine, context) for engine, context in zip(engines, contexts, strict=False)]
    return [
        *api.services(engines[0], certificate)[0],
        *[service for one in gateways for service in one.services],
    ]


def _schedulers(engines: Sequence[Engine]) -> list[Service]:
    return [service for engine in engines for service in scheduler.services(engine)[0]]


def _worker(engine: Engine, site_id: int, access: DirectAccess) -> list[Service]:
    worker = site_worker.Worker(engine, uuid.uuid4(), access)
    listener = Listener(engine.db.conninfo)
    listener.on(runs.PLAYBOOKS, worker.bell.ring)
    return [listener, SiteQueue(engine.db.conninfo, site_id, site_worker.LANES, worker.handle)]


async def _site(fleet: Fleet) -> dict[str, Any]:
    reply = await fleet.http.post("/api/sites", json={"name": "Harbour"})
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


def _code_of(site: dict[str, Any]) -> str:
    """The code as the enrolment command gives it: with the certificate's pin under TLS."""
    return str(site["enrolment_command"]).split("--code ")[1].split()[0]


async def sign_in(fleet: Fleet) -> None:
    async def signed_in() -> httpx.Response | None:
        try:
            return await fleet.http.post("/api/session", json={"username": "admin", "password": PASSWORD})
        except httpx.ConnectError:
            return None

    reply = await until(signed_in, patience=90)
    assert reply.status_code == 200, reply.text
    fleet.http.headers["X-CSRF-Token"] = reply.json()["csrf_token"]

"""Builds worlds and plays them, each on a fresh database of one server, in an event loop on virtual time."""

import asyncio
import logging
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg
import structlog

from tests.conftest import named, on_server
from tests.factories import people, places
from tests.simulation import recorder
from tests.simulation.clockwork import Time, VirtualLoop
from tests.simulation.conductor import Conductor, VirtualClock
from tests.simulation.judge import Commit, Judge
from tests.simulation.operator import Operator
from tests.simulation.plans import LESS, Plan
from tests.simulation.rules import Rules, two_releases
from tests.simulation.troubles import Troubles
from tests.simulation.world import Surroundings, World, told
from watchbill import assemblies, identity, queue
from watchbill.api import auth
from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.identity import Role
from watchbill.identity.sessions import actor_of
from watchbill.kit import db as kit_db
from watchbill.kit.db import Database
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.secrets import KeyRing, create_key_ring, load_key_ring
from watchbill.kit.settings import load

#: Where the devices say they are; the last one does not say, and is where its site is.
_ZONES = ("Asia/Tokyo", "America/Denver", "Australia/Lord_Howe", None)


@dataclass
class Stage:
    """A server, a migrated template on it, and the two releases of the zone rules."""

    server_url: str
    template: str
    keys: KeyRing
    rules: Rules
    folder: Path
    #: How many statements the last world came to.
    steps: int = 0

    def run(self, plan: Plan) -> tuple[World, float]:
        """Play one plan; the world afterwards, and the seconds it took."""
        name = f"wb_sim_{uuid.uuid4().hex[:12]}"
        on_server(self.server_url, f"CREATE DATABASE {name} TEMPLATE {self.template} STRATEGY FILE_COPY")
        url = named(self.server_url, name)
        settings = load({"WATCHBILL_DATA_DIR": str(self.folder), "WATCHBILL_DATABASE_URL": url})
        around = Surroundings(url, self.keys, settings, self.rules)
        began = time.monotonic()
        try:
            clock = Time(plan.begins)
            with _quiet(), asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
                world = runner.run(_play(plan, around, clock))
            return world, time.monotonic() - began
        finally:
            self.steps = around.steps
            on_server(self.server_url, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _quiet() -> Iterator[None]:
    """Crashes are what is played here, and nobody reads their logs. Loggers are not kept: later tests read theirs."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def standing() -> Iterator[Stage]:
    """A stage on a server of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="watchbill-simulation-", dir="/tmp") as place,
        EmbeddedPostgres.temporary() as server,
    ):
        folder, url = Path(place), server.url("postgres")
        on_server(url, "CREATE DATABASE wb_sim_template")
        kit_db.migrate(named(url, "wb_sim_template"))
        queue.converge_schema(named(url, "wb_sim_template"))
        create_key_ring(folder / "ring.json")
        with two_releases(folder / "rules") as rules:
            yield Stage(url, "wb_sim_template", load_key_ring(folder / "ring.json"), rules, folder)


def shortest(stage: Stage, plan: Plan, fault: BaseException, seconds: float) -> tuple[Plan, BaseException]:
    """Leave out one kind of trouble after the other, as long as it still goes wrong; the least that does, and how."""
    ends = time.monotonic() + seconds
    least = replace(plan, steps=stage.steps + 500)
    for without in LESS:
        shorter: Plan = replace(least, **without)  # type: ignore[arg-type]
        if shorter == least or time.monotonic() > ends:
            continue
        try:
            stage.run(shorter)
        except AssertionError as again:
            least, fault = replace(shorter, steps=stage.steps + 500), again
    return least, fault


async def _play(plan: Plan, around: Surroundings, clock: Time) -> World:
    """Run a world to its end; raises what it finds, with the story told."""
    async with AsyncExitStack() as stack:
        conninfo = Database(around.url).conninfo
        observer = await stack.enter_async_context(await psycopg.AsyncConnection.connect(conninfo, autocommit=True))
        world = await _furnished(plan, around, clock, observer)
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        heart = threading.Thread(target=world.conductor.heartbeat, args=(loop, stop), daemon=True)
        heart.start()
        stack.callback(heart.join)
        stack.callback(stop.set)
        stack.push_async_callback(_dissolve, world)
        try:
            for number in range(1, plan.schedulers + 1):
                await world.start_scheduler(f"scheduler-{number}")
            Troubles(world, Random(plan.seed + 5)).begin()
            await world.run()
        except Exception as fault:
            fault.add_note(told(world, getattr(fault, "job_id", None)))
            raise
        finally:
            around.steps = world.conductor.steps
        return world


async def _furnished(plan: Plan, around: Surroundings, clock: Time, observer: psycopg.AsyncConnection[Any]) -> World:
    """A world with an admin, a site, devices that never come, and the first jobs; before the first scheduler starts."""

    conductor = Conductor(clock, Random(plan.seed + 6), observer, lambda one: around.rules.use(one.release))
    judge = Judge()
    db = Database(around.url, pool_size=2)
    app = create_app(Deps(db, VirtualClock(time=clock), around.keys, around.settings))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://watchbill.test")
    operator = await _operator(db, client, clock, plan, judge)
    world = World(plan, around, clock, conductor, judge, observer, Random(plan.seed), app, operator)
    await recorder.install(observer)
    await world.zones_changed()
    for density, number in plan.jobs.items():
        for _ in range(number):
            await operator.save(density)
    await operator.guard()
    changes = await recorder.take(observer)
    judge.committed(Commit("setup", clock.wall, 0, "old", changes), 0)
    await db.close()
    world.open_api()
    return world


async def _operator(db: Database, client: httpx.AsyncClient, clock: Time, plan: Plan, judge: Judge) -> Operator:
    targets = []
    async with db.begin() as tx:
        now = clock.wall
        site = await places.make_site(tx, "Harbour", now=now, timezone="Europe/Berlin")
        for number, zone in enumerate(_ZONES):
            device = await places.make_device(tx, f"device-{number}", site, now=now, timezone=zone)
            targets.append(str(device))
        admin = await people.make_operator(tx, "ada", Role.ADMIN, now=now)
        session = await identity.open_session(tx, admin.id, lifetime=timedelta(days=36_500), now=now)
        content = {"name": "Spool", "kind": "script", "interpreter": "bash", "content": "true"}
        script = str((await assemblies.create(tx, actor_of(admin, "192.0.2.9"), content, now=now)).id)
    client.cookies.set(auth.COOKIE, session.token)
    client.headers[auth.CSRF_HEADER] = session.csrf_token
    return Operator(client, clock, Random(plan.seed + 7), judge, [*plan.jobs], script, targets)


async def _dissolve(world: World) -> None:
    for process in [*world.schedulers, world.api]:
        await world.conductor.kill(process)
    world.around.rules.use("old")

"""The real application over a real database, with one client for each kind of caller."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from tests.api.jobs import SCRIPT
from tests.factories import people, places
from watchbill.api import auth
from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.identity import Operator, Role
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings

BASE_URL = "http://watchbill.test"


@dataclass(frozen=True)
class World:
    """Two sites, and four people: an admin, an operator and a viewer of site A, an operator of site B."""

    site_a: int
    site_b: int
    admin: Operator
    operator: Operator
    viewer: Operator
    other: Operator


Connect = Callable[[], Awaitable[httpx.AsyncClient]]
SignIn = Callable[[Operator], Awaitable[httpx.AsyncClient]]
MakeDevice = Callable[..., Awaitable[UUID]]
MakeSite = Callable[..., Awaitable[int]]


@pytest.fixture
def deps(db: Database, clock: Clock, keys: KeyRing, settings: Settings) -> Deps:
    return Deps(db, clock, keys, settings)


@pytest.fixture
def app(deps: Deps) -> FastAPI:
    return create_app(deps)


@pytest.fixture
async def world(db: Database, clock: Clock, keys: KeyRing) -> World:
    async with db.begin() as tx:
        now = await clock.now(tx)
        site_a = await places.make_site(tx, "Harbour", now=now, keys=keys)
        site_b = await places.make_site(tx, "Lighthouse", now=now, keys=keys)
        return World(
            site_a,
            site_b,
            await people.make_operator(tx, "ada", Role.ADMIN, now=now),
            await people.make_operator(tx, "otto", Role.OPERATOR, now=now, site_ids=(site_a,)),
            await people.make_operator(tx, "vera", Role.VIEWER, now=now, site_ids=(site_a,)),
            await people.make_operator(tx, "bruno", Role.OPERATOR, now=now, site_ids=(site_b,)),
        )


@pytest.fixture
async def connect(app: FastAPI) -> AsyncIterator[Connect]:
    """A client that is not signed in; a new one at each call."""
    async with AsyncExitStack() as stack:

        async def new() -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=app, client=("192.0.2.1", 40_000))
            client = httpx.AsyncClient(transport=transport, base_url=BASE_URL)
            return await stack.enter_async_context(client)

        yield new


@pytest.fixture
def signed_in(connect: Connect, db: Database, clock: Clock) -> SignIn:
    """`await signed_in(operator)` is a client with that operator's session and CSRF token."""

    async def client_of(operator: Operator) -> httpx.AsyncClient:
        async with db.begin() as tx:
            session = await people.sign_in(tx, operator, now=await clock.now(tx))
        client = await connect()
        client.cookies.set(auth.COOKIE, session.token)
        client.headers[auth.CSRF_HEADER] = session.csrf_token
        return client

    return client_of


@pytest.fixture
async def anonymous(connect: Connect) -> httpx.AsyncClient:
    return await connect()


@pytest.fixture
async def admin(signed_in: SignIn, world: World) -> httpx.AsyncClient:
    return await signed_in(world.admin)


@pytest.fixture
async def operator(signed_in: SignIn, world: World) -> httpx.AsyncClient:
    """Operator of site A."""
    return await signed_in(world.operator)


@pytest.fixture
async def viewer(signed_in: SignIn, world: World) -> httpx.AsyncClient:
    """Viewer of site A."""
    return await signed_in(world.viewer)


@pytest.fixture
async def other(signed_in: SignIn, world: World) -> httpx.AsyncClient:
    """Operator of site B."""
    return await signed_in(world.other)


@pytest.fixture
def make_device(db: Database, clock: Clock) -> MakeDevice:
    """`await make_device("web-1", site_id, online=True, …)`, committed."""

    async def make(hostname: str, site_id: int | None, **options) -> UUID:
        async with db.begin() as tx:
            return await places.make_device(tx, hostname, site_id, now=await clock.now(tx), **options)

    return make


@pytest.fixture
def make_site(db: Database, clock: Clock, keys: KeyRing) -> MakeSite:
    async def make(name: str, **options) -> int:
        async with db.begin() as tx:
            return await places.make_site(tx, name, now=await clock.now(tx), keys=keys, **options)

    return make


@pytest.fixture
async def fleet(admin: httpx.AsyncClient, make_device: MakeDevice, world: World) -> dict[str, str]:
    """One device in each site and one in none, and an assembly with a secret."""
    made = (await admin.post("/api/assemblies", json=SCRIPT)).json()
    return {
        "crane": str(await make_device("crane", world.site_a, online=True)),
        "pump": str(await make_device("pump", world.site_a)),
        "lamp": str(await make_device("lamp", world.site_b, online=True)),
        "loner": str(await make_device("loner", None)),
        "assembly": made["id"],
    }


def codes(reply: httpx.Response) -> dict[str, str]:
    """Field -> code of every problem in a refusal."""
    return {problem["field"]: problem["code"] for problem in reply.json()["errors"]}

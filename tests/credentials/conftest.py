"""Two sites and three kinds of people: what the tests of credentials stand on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import people, places
from watchbill.identity import Actor, Role
from watchbill.kit.db import Database

SECRET = "correct-horse-battery-staple"


@dataclass(frozen=True)
class World:
    now: datetime
    harbour: int
    lighthouse: int
    admin: Actor
    operator: Actor
    viewer: Actor


def ssh(**changes: Any) -> dict[str, Any]:
    return {"name": "Fleet root", "kind": "ssh", "username": "root", "password": SECRET} | changes


def winrm(**changes: Any) -> dict[str, Any]:
    return {"name": "Fleet admin", "kind": "winrm", "username": "Administrator", "password": SECRET} | changes


@pytest.fixture
async def tx(db: Database):
    async with db.begin() as tx:
        yield tx


@pytest.fixture
async def world(tx: AsyncConnection, clock) -> World:
    now = await clock.now(tx)
    harbour = await places.make_site(tx, "Harbour", now=now)
    lighthouse = await places.make_site(tx, "Lighthouse", now=now)
    return World(
        now=now,
        harbour=harbour,
        lighthouse=lighthouse,
        admin=await people.make_actor(tx, "ada", Role.ADMIN, now=now),
        operator=await people.make_actor(tx, "otto", Role.OPERATOR, now=now, site_ids=(harbour,)),
        viewer=await people.make_actor(tx, "vera", Role.VIEWER, now=now, site_ids=(harbour,)),
    )

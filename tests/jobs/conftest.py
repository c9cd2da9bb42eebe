"""Two sites with devices, three kinds of people, one assembly: what the tests of jobs stand on."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import people, places
from watchbill import assemblies
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
    crane: UUID
    pump: UUID
    lamp: UUID
    loner: UUID
    assembly: UUID

    def job(self, **changes):
        """A job on the two devices of the harbour."""
        return {
            "name": "Clear print spool",
            "components": [{"assembly_id": str(self.assembly), "variables": {"Token": SECRET, "MaxAgeHours": 8}}],
            "targets": [device(self.crane), device(self.pump)],
            "schedule": {"type": "every_15_minutes"},
        } | changes


def device(device_id: UUID):
    return {"kind": "device", "device_id": str(device_id)}


@pytest.fixture
async def tx(db: Database):
    async with db.begin() as tx:
        yield tx


@pytest.fixture
async def world(tx: AsyncConnection, clock) -> World:
    return await make_world(tx, await clock.now(tx))


async def make_world(tx: AsyncConnection, now: datetime) -> World:
    harbour = await places.make_site(tx, "Harbour", now=now)
    lighthouse = await places.make_site(tx, "Lighthouse", now=now)
    admin = await people.make_actor(tx, "ada", Role.ADMIN, now=now)
    script = {
        "name": "Clean up",
        "interpreter": "bash",
        "content": "true",
        "time_limit_seconds": 900,
        "variables": [
            {"name": "MaxAgeHours", "type": "number", "default": 24},
            {"name": "Mode", "type": "choice", "choices": ["soft", "hard"], "default": "soft"},
            {"name": "Dry", "type": "boolean"},
            {"name": "Token", "type": "secret", "required": True},
        ],
    }
    return World(
        now=now,
        harbour=harbour,
        lighthouse=lighthouse,
        admin=admin,
        operator=await people.make_actor(tx, "otto", Role.OPERATOR, now=now, site_ids=(harbour,)),
        viewer=await people.make_actor(tx, "vera", Role.VIEWER, now=now, site_ids=(harbour,)),
        crane=await places.make_device(tx, "crane", harbour, now=now, online=True),
        pump=await places.make_device(tx, "pump", harbour, now=now),
        lamp=await places.make_device(tx, "lamp", lighthouse, now=now, online=True),
        loner=await places.make_device(tx, "loner", None, now=now),
        assembly=(await assemblies.create(tx, admin, script, now=now)).id,
    )

"""The world of the tests of jobs, and filters to save in it."""

import pytest

from tests.jobs.conftest import World, make_world
from watchbill.kit.db import Database


@pytest.fixture
async def tx(db: Database):
    async with db.begin() as tx:
        yield tx


@pytest.fixture
async def world(tx, clock) -> World:
    return await make_world(tx, await clock.now(tx))


def named(value, operator="contains"):
    return {"field": "hostname", "operator": operator, "value": value}


def device_filter(criteria=None, **changes):
    """Whatever has an `a` in its host name; in the world of these tests: the crane and the lamp."""
    return {"name": "Cranes", "criteria": named("a") if criteria is None else criteria} | changes

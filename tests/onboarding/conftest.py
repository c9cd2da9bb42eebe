import pytest

from tests.onboarding.network import World
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing


@pytest.fixture
async def world(db: Database, clock: Clock, keys: KeyRing) -> World:
    return await World.make(db, clock, keys)

"""A process of the Engine in the test's hands, with a clock that stands where the test sets it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene
from watchbill.apps.wiring import Engine
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings

EngineAt = Callable[..., Engine]


@dataclass(frozen=True, slots=True)
class _Stopped(Clock):
    """A clock that does not go on while a test takes its time: what is on time stays on time."""

    at: datetime = datetime.max

    async def now(self, tx: AsyncConnection) -> datetime:
        return self.at


@pytest.fixture
async def engine_at(settings: Settings, keys: KeyRing, database_url: str, scene: Scene) -> AsyncIterator[EngineAt]:
    """`engine_at(minutes=7)` is a process whose clock stands seven minutes after the scene's."""
    async with AsyncExitStack() as stack:

        def make(**ahead: float) -> Engine:
            db = Database(database_url, pool_size=3)
            stack.push_async_callback(db.close)
            return Engine(settings, db, _Stopped(at=scene.now + timedelta(**ahead)), keys)

        yield make

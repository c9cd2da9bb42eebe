"""A process of the Engine in the test's hands, with a clock that can be set ahead."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from watchbill.apps.wiring import Engine
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings

EngineAt = Callable[..., Engine]


@pytest.fixture
async def engine_at(settings: Settings, keys: KeyRing, database_url: str) -> AsyncIterator[EngineAt]:
    """`engine_at(minutes=7)` is a process whose clock is seven minutes ahead."""
    async with AsyncExitStack() as stack:

        def make(**ahead: float) -> Engine:
            db = Database(database_url, pool_size=3)
            stack.push_async_callback(db.close)
            return Engine(settings, db, Clock(timedelta(**ahead)), keys)

        yield make

from collections.abc import AsyncIterator

import pytest

from tests.faults.world import World, standing


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with standing() as one:
        yield one

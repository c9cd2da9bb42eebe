from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.factories.scene import Scene
from tests.gateway.harbour import Harbour, opened
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing


@pytest.fixture
async def harbour(db: Database, keys: KeyRing, scene: Scene, tmp_path: Path) -> AsyncIterator[Harbour]:
    async with opened(scene, db, keys, tmp_path, 1) as one:
        yield one


@pytest.fixture
async def two_gateways(db: Database, keys: KeyRing, scene: Scene, tmp_path: Path) -> AsyncIterator[Harbour]:
    async with opened(scene, db, keys, tmp_path, 2) as both:
        yield both

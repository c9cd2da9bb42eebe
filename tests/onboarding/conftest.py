"""Two worlds: one whose network is played and whose database is real, and a stage with real machines and an Engine of memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import network
from tests.onboarding.acting import MemoryEngine, MemoryPackages, make_package
from tests.onboarding.network import World
from tests.onboarding.stage import Stage, network_of
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing


@pytest.fixture
async def world(db: Database, clock: Clock, keys: KeyRing) -> World:
    return await World.make(db, clock, keys)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A lab, an Engine of memory in it, and the test itself in the Engine's network."""
    with network.lab() as lab, network_of(lab.add("engine")):
        engine = MemoryEngine(tmp_path / "engine", network.ENGINE_ADDRESS)
        engine.start()
        try:
            yield Stage(lab, engine, MemoryPackages(make_package(tmp_path)), tmp_path)
        finally:
            engine.stop()

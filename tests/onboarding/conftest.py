"""A stage for a test: a lab, an Engine of memory in it, and the test itself in the Engine's network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import network
from tests.onboarding.acting import MemoryEngine, MemoryPackages, make_package
from tests.onboarding.stage import Stage, network_of


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with network.lab() as lab, network_of(lab.add("engine")):
        engine = MemoryEngine(tmp_path / "engine", network.ENGINE_ADDRESS)
        engine.start()
        try:
            yield Stage(lab, engine, MemoryPackages(make_package(tmp_path)), tmp_path)
        finally:
            engine.stop()

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.rules import two_releases
from tests.simulation.stage import Stage
from watchbill.kit.secrets import KeyRing


@pytest.fixture(scope="session")
def stage(server_url: str, template: str, keys: KeyRing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("simulation")
    with two_releases(folder / "rules") as rules:
        yield Stage(server_url, template, keys, rules, folder)

"""A WinRM server with a Windows machine behind it that is played, and the world that an installer finds itself in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.onboarding.windows.world import ACCOUNTS, OFFERS, World
from tests.winrm.certificates import Pair, authority, signed
from tests.winrm.endpoint import Endpoint, endpoint


@pytest.fixture(scope="module")
def ours() -> Pair:
    return authority("Authority of the tests")


@pytest.fixture
def server(ours: Pair, world: World) -> Iterator[Endpoint]:
    with endpoint(ACCOUNTS, server=signed(ours, "web-1", "web-1"), clients=ours, offers=OFFERS) as running:
        running.talk = world.windows
        yield running


@pytest.fixture
def plain(world: World) -> Iterator[Endpoint]:
    with endpoint(ACCOUNTS, offers=OFFERS) as running:
        running.talk = world.windows
        yield running


@pytest.fixture
def world(tmp_path: Path, ours: Pair) -> World:
    trust = tmp_path / "trust.pem"
    trust.write_text(ours.pem)
    return World(tmp_path, trust)

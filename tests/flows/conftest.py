from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flows.fleet import Fleet, running
from watchbill.kit.secrets import KeyRing


@pytest.fixture
async def fleet(database_url: str, keys: KeyRing, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running(database_url, keys, tmp_path) as whole:
        yield whole


@pytest.fixture
async def tls_fleet(database_url: str, keys: KeyRing, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running(database_url, keys, tmp_path, is_tls=True) as whole:
        yield whole

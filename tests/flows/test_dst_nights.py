"""Every night in which the clocks change, in three zones, with an agent whose script really runs."""

from pathlib import Path

import pytest

from tests.flows.dst_nights import live_through
from tests.flows.nights import NIGHTS, Night
from watchbill.kit.secrets import KeyRing


@pytest.mark.timeout(240)
@pytest.mark.parametrize("night", [pytest.param(night, id=night.name) for night in NIGHTS])
async def test_the_night_passes_as_the_semantics_say(
    night: Night, database_url: str, keys: KeyRing, tmp_path: Path
) -> None:
    account = await live_through(night, database_url, keys, tmp_path)
    print(account.text())
    assert account.differences == []

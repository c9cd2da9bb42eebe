"""A lab for a test; where none can be made, its tests are skipped, and the end of all tests says why."""

from collections.abc import Iterator

import pytest

from tests.lab import network
from tests.lab.network import Lab

_OBSTACLE = network.missing()
needs_lab = pytest.mark.skipif(_OBSTACLE is not None, reason=f"NO LAB: {_OBSTACLE}")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with network.lab() as made:
        yield made

"""The scheduler lived through on virtual time: crashes between any two statements, clocks that jump, outages, edits, new zone rules.

Each commit is held against a perfect scheduler. `make soak` goes on with fresh seeds for as long as one likes.
"""

import json
from collections.abc import Callable

import pytest

from tests.simulation.plans import plan_of
from tests.simulation.stage import Stage

#: Two nights in which clocks change, some weeks, some years: every kind of trouble is met in one of them.
SEEDS = (3, 6, 7, 8)

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("simulation")]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_instant_enters_the_ledger_once_whatever_happens(
    stage: Stage, seed: int, record_property: Callable[[str, object], None]
) -> None:
    world, took = stage.run(plan_of(seed, steps=2000))
    figures = world.figures()
    record_property("counted", f"{took:.1f} s, {json.dumps(figures)}")
    assert figures["instants"] > 0
    assert figures["crashes"] > 0


def test_the_same_seed_is_the_same_run(stage: Stage) -> None:
    traces = {stage.run(plan_of(9, steps=400))[0].conductor.trace for _ in range(2)}
    assert len(traces) == 1

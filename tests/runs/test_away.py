"""Decisions after an outage: how much of what is held one request lets go or skips."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories.scene import Scene
from tests.runs.test_outages import FAR, SOON, feel, hold, kept, set_guard
from watchbill.kit.db import Database
from watchbill.runs import away
from watchbill.runs.outages import Outage


async def _held_jobs(db: Database, scene: Scene, number: int, each: int) -> Outage:
    """So many jobs on three devices, each with so many held occurrences."""
    await set_guard(db, scene, least_jobs=1)
    later = scene.now + FAR
    async with db.begin() as tx:
        for name in ("alpha", "beta", "gamma"):
            await scene.device(tx, name)
        found = [await scene.job(tx, *scene.devices, policies={"overlap": "allow"}) for _ in range(number)]
    await feel(db, scene.now)
    await feel(db, later)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE jobs SET next_due_at = :at"), {"at": later + FAR})
        for minute in range(each):
            for job in found:
                await hold(tx, scene, job, scene.now + timedelta(minutes=minute + 1), later)
    return (await kept(db, scene))[0]


@pytest.mark.parametrize(
    ("most", "action", "steps"),
    [
        # Two jobs with four held occurrences of three targets each.
        (100, "release", [(8, 0, 0)]),
        (12, "release", [(4, 0, 4), (4, 0, 0)]),
        (13, "release", [(4, 0, 4), (4, 0, 0)]),
        (7, "release", [(2, 0, 6), (2, 0, 4), (2, 0, 2), (2, 0, 0)]),
        (1, "release", [(1, 0, left) for left in range(7, -1, -1)]),
        (3, "latest", [(1, 3, 4), (1, 3, 0)]),
        (6, "latest", [(2, 6, 0)]),
        (1, "skip", [(0, 8, 0)]),
    ],
)
async def test_one_request_freezes_no_more_targets_than_a_transaction_should_and_tells_what_is_left(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch, most: int, action: away.Action, steps: Any
) -> None:
    monkeypatch.setattr(away, "MOST_TARGETS", most)
    outage = await _held_jobs(db, scene, 2, 4)
    told: list[tuple[int, int, int]] = []
    now = scene.now + FAR + SOON
    while not told or told[-1][2]:
        async with db.begin() as tx:
            done = await away.decide(tx, scene.admin, outage, action, job_ids=None, reason=None, now=now)
            told.append((done.released, done.skipped, done.left))
    assert told == steps
    async with db.begin() as tx:
        opened = (await tx.execute(text("SELECT count(*) FROM run_targets"))).scalar_one()
    assert opened == 3 * sum(released for released, _, _ in steps)

"""What the simulation met and the doctor complains of without cause: new zone rules, and a clock set back beyond a save."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.apps.conftest import EngineAt, engine_at
from tests.factories.scene import Scene
from tests.simulation.rules import Rules, two_releases
from watchbill import jobs
from watchbill.apps import doctor
from watchbill.apps.scheduler import Ticker
from watchbill.core.zones import Zone
from watchbill.kit.db import Database

__all__ = ["engine_at"]


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Rules]:
    with two_releases(tmp_path) as both:
        yield both


@pytest.mark.xfail(strict=True, reason="the doctor holds what the old rules named against the new ones")
async def test_the_doctor_does_not_hold_the_past_against_new_rules(
    db: Database, scene: Scene, engine_at: EngineAt, rules: Rules
) -> None:
    wall = Zone("Europe/Berlin").wall(scene.now + timedelta(minutes=61))
    schedule = {"type": "cron", "expression": f"{wall.minute} {wall.hour} * * *", "timezone": "Europe/Berlin"}
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.job(tx, "alpha", schedule=schedule)
    for minutes in (1, 62):
        await Ticker(engine_at(minutes=minutes)).tick()
    rules.use("new")  # Berlin is one or two hours further ahead now: the instant that has run is no instant any more
    async with db.begin() as tx:
        await jobs.recompute_for_new_zone_rules(tx, scene.now + timedelta(minutes=63))
    await Ticker(engine_at(minutes=64)).tick()
    async with db.begin() as tx:
        kept = (await tx.execute(text("SELECT count(*) FROM occurrences"))).scalar_one()
    assert kept == 1
    found = [finding for finding in await doctor.check(engine_at(minutes=64)) if finding.code == "ledger_differs"]
    assert found == []


@pytest.mark.xfail(strict=True, reason="a count of instants from later to earlier is negative")
async def test_the_doctor_does_not_hold_it_against_a_job_that_the_clock_went_back_beyond_its_save(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        start = (scene.now - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
        await scene.job(tx, "alpha", schedule={"type": "every_5_minutes", "start": start, "timezone": "UTC"})
    for minutes in (
        0,
        20,
        -40,
    ):  # the last look finds the job settled into the future, and lets it go on from the present
        await Ticker(engine_at(minutes=minutes)).tick()
    found = [finding for finding in await doctor.check(engine_at(minutes=-40)) if finding.code == "ledger_differs"]
    assert found == []

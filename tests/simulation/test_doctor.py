"""What the simulation met and the doctor complained of without cause: new zone rules, and a clock set back beyond a save."""

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
from watchbill.apps.wiring import Engine
from watchbill.core.zones import Zone
from watchbill.kit.db import Database

__all__ = ["engine_at"]


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Rules]:
    with two_releases(tmp_path) as both:
        yield both


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
    assert await _ledgers(engine_at(minutes=64)) == []


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
    assert await _ledgers(engine_at(minutes=-40)) == []


async def test_what_a_clock_that_was_ahead_settled_is_not_held_against_a_schedule_saved_when_it_was_back(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        start = (scene.now - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
        often = {"type": "every_5_minutes", "start": start, "timezone": "UTC"}
        job = await scene.job(tx, "alpha", schedule=often, policies={"overlap": "allow"})
    for minutes in (0, 20, -40):
        await Ticker(engine_at(minutes=minutes)).tick()
    async with db.begin() as tx:
        before = await jobs.lock(tx, scene.admin, job)
        definition = {**before.definition, "schedule": {**often, "type": "every_30_minutes"}}
        await jobs.update(tx, scene.admin, before, definition, keys=scene.keys, now=scene.now - timedelta(minutes=35))
    for minutes in (0, 25, 90):
        await Ticker(engine_at(minutes=minutes)).tick()
    assert await _ledgers(engine_at(minutes=90)) == []
    async with db.begin() as tx:
        await tx.execute(
            text("UPDATE occurrences SET kind = 'backfill' WHERE scheduled_for_at > :at"),
            {"at": scene.now + timedelta(minutes=25)},
        )
    assert [one.number for one in await _ledgers(engine_at(minutes=90))] == [1], "what came after it is compared again"


async def _ledgers(engine: Engine) -> list[doctor.Finding]:
    return [one for one in await doctor.check(engine) if one.code == "ledger_differs"]

"""Workers that die between any two of their transactions, or do not hear of a commit: what becomes of a run is the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.onboarding.network import Visit, World, refuses
from watchbill import runs
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.kit.settings import load
from watchbill.onboarding import ledger
from watchbill.onboarding.base import Installed
from watchbill.onboarding.ledger import Step

pytestmark = pytest.mark.timeout(180)

#: So many tests share the moments of a run.
SHARES = 4
ENDS = {
    "10.4.0.1": ("waiting_approval", None),
    "10.4.0.2": ("auth_failed", "credentials_refused"),
    "10.4.0.3": ("unreachable", "no_answer"),
    "10.4.0.4": ("skipped", "excluded"),
}


class DiedError(Exception):
    """The process of the worker is gone."""


@dataclass
class Dying:
    """A worker whose first `left` transactions alone take place."""

    left: int

    def around(self, step: Step) -> Step:
        @asynccontextmanager
        async def dying() -> AsyncIterator[tuple[AsyncConnection, datetime]]:
            self.left -= 1
            if self.left < 0:
                raise DiedError
            async with step() as made:
                yield made

        return dying


@dataclass
class Unheard:
    """A worker that does not hear that its transaction number `left` was committed."""

    left: int

    def around(self, step: Step) -> Step:
        @asynccontextmanager
        async def unheard() -> AsyncIterator[tuple[AsyncConnection, datetime]]:
            self.left -= 1
            async with step() as made:
                yield made
            if self.left == -1:
                raise OperationalError("COMMIT", None, Exception("the connection was lost"))

        return unheard


@dataclass
class Remembering:
    """A machine that keeps its identity, and whether its agent is there; goes by the book of the real installers."""

    key: Ed25519PrivateKey
    is_serving: bool = False

    async def __call__(self, visit: Visit) -> Installed:
        (first, *_) = visit.credentials
        async with visit.story.task("sign in"):
            await visit.guard.tried(first, accepted=True)
        has_asked = await visit.engine.enrolled(0)
        if not has_asked:
            async with visit.story.task("upload"):
                pass
            async with visit.story.task("enrol"):
                await visit.enrol("good", self.key)
        async with visit.story.task("service"):
            self.is_serving = True
        assert await visit.engine.enrolled(5)
        return Installed(first.id, "good", "0.1.0", is_already=has_asked)


async def _small_run(world: World):
    machine = Remembering(Ed25519PrivateKey.generate())
    world.network.machines = {"10.4.0.1": machine, "10.4.0.2": refuses}
    job = await world.job("10.4.0.1-4", exclusions=["10.4.0.4"], component={"concurrency": 1})
    return machine, job, await world.begin(job)


async def _is_sound(world: World, machine: Remembering, job: int, occurrence) -> None:
    async with world.db.begin() as tx:
        await runs.follow_approvals(tx, await world.clock.now(tx))
        asked = (await tx.execute(text("SELECT count(*) FROM enrolment_requests"))).scalar_one()
    assert await world.ends(occurrence) == ENDS
    assert machine.is_serving
    assert asked == 1
    for row in (await world.rows(occurrence)).values():
        assert "running" not in [line["state"] for line in row.timeline]
    assert (await world.rows(occurrence))["10.4.0.1"].approval_id is not None
    ended = await world.occurrence(job, occurrence)
    assert (ended.state, ended.outcome) == ("closed", "failed")
    settings = load({"WATCHBILL_DATA_DIR": "/nonexistent"})
    assert not await doctor.check(Engine(settings, world.db, world.clock, world.keys))


async def _forget(world: World) -> None:
    """As if nothing had been there, for the next round."""
    async with world.db.begin() as tx:
        for statement in (
            "UPDATE onboarding_targets SET approval_id = NULL",
            "UPDATE enrolment_requests SET onboarding_target_id = NULL",
            "DELETE FROM enrolment_requests",
            "DELETE FROM occurrences",
            "DELETE FROM onboarding_refusals",
            "UPDATE jobs SET name = name || id",
            "UPDATE services SET heartbeat_at = now()",
        ):
            await tx.execute(text(statement))


@pytest.mark.parametrize("first", range(SHARES))
async def test_a_worker_may_die_between_any_two_of_its_transactions(world: World, first: int) -> None:
    deaths = first
    while True:
        machine, job, occurrence = await _small_run(world)
        try:
            await world.work(occurrence, around=Dying(deaths).around)
        except DiedError:
            # A person, or the scheduler, may look at any time.
            async with world.db.begin() as tx:
                await runs.follow_approvals(tx, await world.clock.now(tx))
            await world.work(occurrence)
        else:
            break
        await _is_sound(world, machine, job, occurrence)
        await _forget(world)
        deaths += SHARES
    await _is_sound(world, machine, job, occurrence)
    assert deaths > 20


@pytest.mark.parametrize("first", range(SHARES))
async def test_a_worker_that_does_not_hear_of_a_commit_makes_the_step_again(
    world: World, monkeypatch, first: int
) -> None:
    monkeypatch.setattr(ledger, "_PAUSE_SECONDS", 0)
    steps = first
    while True:
        machine, job, occurrence = await _small_run(world)
        unheard = Unheard(steps)
        await world.work(occurrence, around=unheard.around)
        await _is_sound(world, machine, job, occurrence)
        if unheard.left >= 0:
            break
        await _forget(world)
        steps += SHARES
    assert steps > 20

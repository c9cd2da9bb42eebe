"""Two schedulers killed -9 again and again while many jobs fall due and the clock is set: nothing is lost, nothing comes twice."""

import asyncio
import os
import subprocess
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from tests.faults.world import CLI, World, standing, until
from tests.simulation.judge import compare
from watchbill.core import schedule as calendar
from watchbill.kit.db import Database

pytestmark = pytest.mark.timeout(240)

SCHEDULERS = ("scheduler-1", "scheduler-2")
JOBS = 60
ROUNDS = 8
#: Minutes by which the clock is set between rounds; mostly to the next due instants, now and then over an outage, or back.
STEPS = (5, 5, 5, 5, 10, 61, -7)
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"type": "every_5_minutes"},
    {"type": "cron", "expression": "*/5 * * * *"},
    {"type": "every_10_minutes", "timezone": "Asia/Kathmandu"},
    {"type": "cron", "expression": "*/7 * * * *", "timezone": "America/St_Johns"},
)
CATCH_UPS = ("latest", "all", "skip")
LEDGER = "SELECT job_id, scheduled_for_at, range_end_at, range_count, state FROM occurrences WHERE kind = 'schedule'"
WRITTEN = "SELECT count(*) FROM occurrences"
CONNECTED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'watchbill-scheduler' AND backend_start > :since"
#: Somebody has looked since, whatever there was to be found.
LOOKED = "SELECT coalesce(abs(extract(epoch FROM ticked_at - :now)) < 20, false) FROM scheduler_pulse"


@dataclass
class Calendar:
    """The jobs, what their schedules are, and the database as a bystander reads it."""

    world: World
    db: Database
    chance: Random
    schedules: dict[int, dict[str, Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    ahead: timedelta = timedelta()

    async def scalar(self, statement: str, **values: Any) -> Any:
        async with self.db.begin() as tx:
            return (await tx.execute(text(statement), values)).scalar_one()

    async def save_jobs(self) -> None:
        """Jobs for a device that never answers."""
        made = (
            "INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, created_at, updated_at)"
            " VALUES (gen_random_uuid(), :site, 'away', 'active', decode(md5('away') || md5('key'), 'hex'), 'linux', now(), now())"
            " RETURNING id"
        )
        device = str(await self.scalar(made, site=self.world.fleet.site["id"]))
        script = await self.world.fleet.script("true")
        for number in range(JOBS):
            body = {
                "name": f"job {number}",
                "components": [{"assembly_id": script}],
                "targets": [{"kind": "device", "device_id": device}],
                "schedule": SCHEDULES[number % len(SCHEDULES)],
                "policies": {"catch_up": CATCH_UPS[number % len(CATCH_UPS)], "overlap": "allow"},
            }
            reply = await self.world.fleet.http.post("/api/scheduled_jobs", json=body)
            assert reply.status_code == 201, reply.text
            self.schedules[reply.json()["id"]] = reply.json()["schedule"]

    def start(self) -> None:
        for name in SCHEDULERS:
            self.world.processes[name].start(WATCHBILL_CLOCK_OFFSET_SECONDS=str(int(self.ahead.total_seconds())))

    async def round(self) -> None:
        """Both start with a clock that was set; each dies at a moment of its own around its first tick."""
        before, since = await self.scalar(WRITTEN), await self.scalar("SELECT clock_timestamp()")
        self.ahead = max(self.ahead + timedelta(minutes=self.chance.choice(STEPS)), timedelta())
        self.start()
        if self.chance.random() < 0.6:
            await until(lambda: self.scalar(CONNECTED, since=since))
        else:
            await until(lambda: self._has_looked(before))
        for name in self.chance.sample(SCHEDULERS, 2):
            await asyncio.sleep(self.chance.uniform(0, 0.2))  # the moment of death, not a wait for anything
            self.world.processes[name].kill()
            self.counts["kills"] += 1

    async def _has_looked(self, before: int) -> bool:
        now = datetime.now(UTC) + self.ahead
        return bool(await self.scalar(WRITTEN) > before or await self.scalar(LOOKED, now=now))

    async def is_settled(self) -> bool:
        now = datetime.now(UTC) + self.ahead
        is_due = await self.scalar("SELECT count(*) FROM jobs WHERE next_due_at <= :now", now=now)
        return not is_due and not await self.world.findings(self.ahead)

    async def compare(self) -> int:
        """Every instant that a schedule names since its job was saved is in the ledger, once; how many there are."""
        async with self.db.begin() as tx:
            jobs = {row.id: row for row in await tx.execute(text("SELECT id, created_at, mark_at FROM jobs"))}
            rows = (await tx.execute(text(LEDGER))).all()
        kept: dict[int, list[datetime]] = {job_id: [] for job_id in self.schedules}
        for row in rows:
            last = row.range_end_at or row.scheduled_for_at
            schedule = calendar.parse(self.schedules[row.job_id])
            named = list(calendar.instants_between(schedule, row.scheduled_for_at - timedelta(seconds=1), last))
            assert len(named) == row.range_count
            kept[row.job_id] += named
            self.counts[row.state] += row.range_count
        for job_id, spec in self.schedules.items():
            assert len(kept[job_id]) == len(set(kept[job_id])), f"job {job_id} has an instant twice"
            begin, mark = jobs[job_id].created_at.astimezone(UTC), jobs[job_id].mark_at.astimezone(UTC)
            compare(job_id, calendar.instants_between(calendar.parse(spec), begin, mark), kept[job_id])
        return sum(map(len, kept.values()))

    def doctor(self) -> subprocess.CompletedProcess[bytes]:
        ahead = str(int(self.ahead.total_seconds()))
        environment = {**self.world.environment, "WATCHBILL_CLOCK_OFFSET_SECONDS": ahead}
        return subprocess.run([*CLI, "doctor"], env=environment, check=False, capture_output=True, timeout=60)


async def test_schedulers_killed_while_jobs_fall_due_and_clocks_are_set() -> None:
    seed = int(os.environ.get("SEED") or Random().randrange(10**9))  # a fresh one each time; it is printed
    print(f"seed {seed}")
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(standing("api", WATCHBILL_LAUNCHER="none"))
        db = Database(world.environment["WATCHBILL_DATABASE_URL"], pool_size=2)
        stack.push_async_callback(db.close)
        whole = Calendar(world, db, Random(seed))
        await whole.save_jobs()
        # It keeps the real clock: to those who run ahead it would be silent, buried and there again.
        await asyncio.to_thread(world.processes["api"].stop)
        for _ in range(ROUNDS):
            await whole.round()
        whole.ahead += timedelta(minutes=5)
        whole.start()
        await until(whole.is_settled, patience=60)
        number = await whole.compare()
        doctor = await asyncio.to_thread(whole.doctor)
    print(f"{number} instants of {JOBS} jobs, {dict(whole.counts)}, the clock ends {whole.ahead} ahead")
    assert doctor.returncode == 0, doctor.stdout.decode() + doctor.stderr.decode()
    assert whole.counts["kills"] == 2 * ROUNDS

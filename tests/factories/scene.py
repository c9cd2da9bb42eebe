"""A site with devices at a gateway, one script, and jobs on them: what the tests of runs stand on."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import people, places
from watchbill import assemblies, devices, jobs, runs, windows
from watchbill.core.occurrence import public_id
from watchbill.core.states import TargetState
from watchbill.devices import presence
from watchbill.identity import Actor, Role
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.runs import Delivery, DeviceRow, Ledger, Occurrence, Opening, Report

GATEWAY = uuid.UUID("00000000-0000-4000-8000-00000000000a")


@dataclass
class Scene:
    """`now` is the scene's clock; `devices` by host name."""

    now: datetime
    keys: KeyRing
    site: int
    admin: Actor
    script: uuid.UUID
    devices: dict[str, uuid.UUID] = field(default_factory=dict)

    async def device(self, tx: AsyncConnection, name: str, *, online: bool = True, **more: Any) -> uuid.UUID:
        self.devices[name] = await places.make_device(tx, name, more.pop("site", self.site), now=self.now, **more)
        if online:
            await self.connect(tx, name)
        return self.devices[name]

    async def connect(self, tx: AsyncConnection, name: str, gateway: uuid.UUID = GATEWAY) -> None:
        await presence.connected(tx, gateway, [(self.devices[name], uuid.uuid4())], self.now)

    async def sign_in(self, tx: AsyncConnection, name: str, *users: str | None) -> None:
        """These users, each in a session of the same name, and nobody else; None = its agent does not tell."""
        connection = (
            await tx.execute(
                text("SELECT connection_id FROM device_presence WHERE device_id = :id"), {"id": self.devices[name]}
            )
        ).scalar_one()
        sessions = [devices.UserSession(f"of-{user}", user, "tty1", False, self.now) for user in users if user]
        told = devices.SignedIn(self.devices[name], connection, None if None in users else sessions)
        await devices.greeted(tx, [told])

    async def job(self, tx: AsyncConnection, *names: str, **changes: Any) -> int:
        definition = {
            "name": "Clear print spool",
            "components": [{"assembly_id": str(self.script)}],
            "targets": [{"kind": "device", "device_id": str(self.devices[name])} for name in names],
            "schedule": self.every("every_5_minutes"),
            **changes,
        }
        return (await jobs.create(tx, self.admin, definition, keys=self.keys, now=self.now)).job.id

    def every(self, kind: str) -> dict[str, str]:
        """A cadence whose first instant comes within the next minute."""
        start = (self.now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
        return {"type": kind, "start": start, "timezone": "UTC"}

    def opening(self, job_id: int, minutes: int = 0, **changes: Any) -> Opening:
        at = self.now.replace(microsecond=0) + timedelta(minutes=minutes)
        values: dict[str, Any] = {
            "id": public_id(job_id, "schedule", at, ""),
            "job_id": job_id,
            "job_revision": 1,
            "kind": "schedule",
            "scheduled_for": at,
            "expires_at": at + timedelta(hours=1),
            **changes,
        }
        return Opening(**values)

    async def open(self, tx: AsyncConnection, job_id: int, minutes: int = 0, **changes: Any) -> uuid.UUID:
        """Open an occurrence and let its targets go."""
        one = self.opening(job_id, minutes, **changes)
        assert await runs.open_occurrences(tx, [one], self.now) == {one.id}
        for run in await runs.runs_of(tx, [one.id]):
            await runs.release(tx, run.id, self.site, self.now)
        return one.id

    async def window(self, tx: AsyncConnection, begins: int, minutes: int, **changes: Any) -> int:
        """A daily blackout of everything that begins so many minutes from the scene's now."""
        start = (self.now + timedelta(minutes=begins)).strftime("%Y-%m-%dT%H:%M")
        schedule = {"type": "daily", "start": start, "timezone": "UTC"}
        definition = {
            "name": f"Freeze {uuid.uuid4().hex[:6]}",
            "kind": "deny",
            "spans": [{"schedule": schedule, "duration_seconds": minutes * 60}],
            "attachments": [{"kind": "global"}],
            **changes,
        }
        return (await windows.create(tx, self.admin, definition, now=self.now)).id

    async def tick(self, tx: AsyncConnection, now: datetime, *, guard_until: datetime | None = None) -> set[uuid.UUID]:
        """What a scheduler does at that instant; returns the occurrences that it opens."""
        due = await jobs.take_due(tx, now)
        around = await runs.surroundings(tx, due, now, guard_until=guard_until)
        plan = runs.plan_around(due, now, around)
        return await runs.carry_out(tx, plan, now)

    async def ledger(self, tx: AsyncConnection, job_id: int) -> list[Occurrence]:
        """Everything of a job, oldest first."""
        page = await runs.list_occurrences(tx, self.admin.scope, Ledger(job_id), limit=500, cursor=None)
        return list(reversed(page.items))

    async def rows(self, tx: AsyncConnection, occurrence: uuid.UUID) -> dict[str, DeviceRow]:
        page = await runs.device_rows(tx, self.admin.scope, occurrence, limit=500)
        return {row.hostname: row for row in page.items}

    async def take(self, tx: AsyncConnection, *names: str, gateway: uuid.UUID = GATEWAY) -> list[Delivery]:
        devices = [self.devices[name] for name in names or self.devices]
        return (await runs.take(tx, gateway, self.now, runs.Look(device_ids=devices))).deliveries

    def report(self, delivery: Delivery, **changes: Any) -> Report:
        values: dict[str, Any] = {
            "execution_id": delivery.execution_id,
            "device_id": delivery.device_id,
            "outcome": "exited",
            "exit_code": 0,
            "signal": None,
            "reason": None,
            "detail": None,
            "tree": None,
            "started_at": self.now,
            "finished_at": self.now,
            "stdout_bytes": 0,
            "stderr_bytes": 0,
            "truncated": False,
            "last_line": None,
            **changes,
        }
        return Report(**values)

    async def states(self, tx: AsyncConnection, occurrence: uuid.UUID) -> dict[str, tuple[TargetState, str | None]]:
        return {name: (row.state, row.reason) for name, row in (await self.rows(tx, occurrence)).items()}

    async def occurrence(self, tx: AsyncConnection, job_id: int, which: uuid.UUID | None) -> runs.Occurrence:
        return await runs.get_occurrence(tx, self.admin.scope, job_id, which)


async def set_scene(db: Database, clock: Clock, keys: KeyRing) -> Scene:
    async with db.begin() as tx:
        now = await clock.now(tx)
        site = await places.make_site(tx, "Harbour", now=now)
        admin = await people.make_actor(tx, "ada", Role.ADMIN, now=now)
        content = {
            "name": "Spool",
            "kind": "script",
            "interpreter": "bash",
            "content": "true",
            "warning_exit_codes": [9],
        }
        script = (await assemblies.create(tx, admin, content, now=now)).id
        return Scene(now, keys, site, admin, script)


async def counters_hold(tx: AsyncConnection) -> None:
    """Counters and rows say the same, whatever happened before."""
    key = "occurrence_id, site_id, wave, state"
    kept = await tx.execute(text(f"SELECT {key}, number FROM occurrence_counts WHERE number <> 0 ORDER BY 1, 2, 3, 4"))
    counted = await tx.execute(text(f"SELECT {key}, count(*) FROM run_targets GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"))
    assert kept.all() == counted.all()

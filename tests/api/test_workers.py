"""The processes of the Engine over HTTP: signs of life, what each holds, and the work that waits."""

import uuid
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from watchbill import devices
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

PATH = "/api/workers"
_SERVICE = text(
    "INSERT INTO services (id, kind, host, pid, version, site_id, desired_state, started_at, heartbeat_at, stopped_at)"
    " VALUES (:id, :kind, 'quay', 7, '1.2', :site, :desired, :begun, :beat, :stopped)"
)
_ITEM = text(
    "INSERT INTO work_items (run_id, site_id, lane, state, attempt, leased_by, leased_at, error, created_at, finished_at)"
    " VALUES (:run, :site, 'scheduled_job', :state, 5, :by, :leased, :error, :made, :finished)"
)


@pytest.fixture
async def now(db: Database, clock: Clock) -> datetime:
    async with db.begin() as tx:
        found: datetime = await clock.now(tx)
        return found


async def test_each_process_by_its_last_sign_of_life_and_what_it_holds(
    admin, db: Database, world, make_device, now: datetime
):
    def ago(**span: float) -> datetime:
        return now - timedelta(**span)

    gateway, worker = uuid.uuid4(), uuid.uuid4()
    device = await make_device("crane", world.site_a)
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await admin.post("/api/assemblies", json=script)).json()["id"]
    job = {
        "name": "Clean",
        "components": [{"assembly_id": assembly}],
        "targets": [{"kind": "device", "device_id": str(device)}],
        "schedule": {"type": "daily", "start": "2026-01-01T03:00", "timezone": "UTC"},
    }
    made = (await admin.post("/api/scheduled_jobs", json=job)).json()["id"]
    # It queues a piece of work, which nobody takes here.
    assert (await admin.post(f"/api/scheduled_jobs/{made}/rerun", json={"targets": "all"})).status_code == 202
    async with db.begin() as tx:
        for kind, identity, beat, stopped, desired in (
            ("gateway", gateway, ago(seconds=5), None, "running"),
            ("site_worker", worker, ago(seconds=5), None, "draining"),
            ("scheduler", uuid.uuid4(), ago(minutes=5), None, "running"),
            ("api", uuid.uuid4(), ago(minutes=20), ago(minutes=20), "running"),
            ("api", uuid.uuid4(), ago(hours=3), ago(hours=3), "running"),
        ):
            site = world.site_a if kind == "site_worker" else None
            row = {"id": identity, "kind": kind, "beat": beat, "stopped": stopped, "desired": desired, "site": site}
            await tx.execute(_SERVICE, {**row, "begun": ago(hours=4)})
        await devices.presence.connected(tx, gateway, [(device, uuid.uuid4())], now)
        run = (await tx.execute(text("SELECT id FROM runs"))).scalar_one()
        same = {"run": run, "by": None, "leased": None, "error": None, "finished": None, "made": ago(minutes=9)}
        await tx.execute(
            _ITEM, {**same, "site": world.site_a, "state": "leased", "by": worker, "leased": ago(minutes=3)}
        )
        await tx.execute(_ITEM, {**same, "site": 0, "state": "failed", "error": "no luck", "finished": ago(hours=2)})
        await tx.execute(_ITEM, {**same, "site": 0, "state": "failed", "error": "old", "finished": ago(days=9)})
    found = (await admin.get(PATH)).json()
    assert [(one["kind"], one["state"], one["agents"], one["leases"]) for one in found["processes"]] == [
        ("api", "stopped", None, None),
        ("gateway", "running", 1, None),
        ("scheduler", "silent", None, None),
        ("site_worker", "draining", None, 1),
    ]
    assert found["agents"] == 1
    (lane,) = found["lanes"]
    assert (lane["site_id"], lane["queued"], lane["leased"], lane["overdue"]) == (world.site_a, 1, 1, 1)
    (failed,) = found["failed"]
    assert (failed["site_id"], failed["error"]) == (None, "no luck")
    (occurrence,) = (await admin.get(f"/api/scheduled_jobs/{made}/runs")).json()["items"]
    assert (failed["job_id"], failed["job_name"], failed["occurrence_id"]) == (made, "Clean", occurrence["id"])


async def test_it_is_for_those_who_look_after_the_engine_and_see_every_site(operator, viewer):
    for client in (operator, viewer):
        reply = await client.get(PATH)
        assert (reply.status_code, "services:write" in reply.json()["detail"]) == (403, True)

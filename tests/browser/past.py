"""A past that an Engine of a test has not lived through: an absence and what it left, written into the ledger; and who may only look."""

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Page
from sqlalchemy import text

from tests.factories.people import PASSWORD, make_operator
from tests.flows.fleet import Fleet
from watchbill import runs
from watchbill.core.occurrence import public_id
from watchbill.identity import Role
from watchbill.runs import Held, Missed

AWAY = timedelta(hours=3)
LOOKER = {"username": "looker", "password": PASSWORD}
_OUTAGE = text("""
INSERT INTO outages (kind, from_at, to_at, noticed_at, detail, guard)
VALUES ('outage', :from_at, :now, :now, 'No scheduler looked for 3 hours.', 'up')
""")


async def leave_outage(fleet: Fleet, *jobs: dict[str, Any], now: datetime | None = None) -> None:
    """Three hours away, up to now: each of the jobs missed five instants in a row, and has two held by the storm guard."""
    now = now or datetime.now(UTC)
    async with fleet.db.begin() as tx:
        await tx.execute(_OUTAGE, {"from_at": now - AWAY, "now": now})
        for job in jobs:
            await _leave(tx, int(job["id"]), now)


async def _leave(tx: Any, job: int, now: datetime) -> None:
    def at(minutes: int) -> datetime:
        return now.replace(second=0, microsecond=0) - timedelta(minutes=minutes)

    first = at(150)
    missed = Missed(public_id(job, "schedule", first, ""), job, 1, first, at(130), 5, "catch_up_window")
    await runs.record_missed(tx, [missed], now)
    held = [Held(public_id(job, "schedule", at(one), ""), job, 1, at(one), "storm_guard", "late") for one in (20, 15)]
    await runs.record_held(tx, held, now)


async def make_viewer(fleet: Fleet) -> None:
    """Somebody of the fleet's site who may look and nothing else: `LOOKER`."""
    async with fleet.db.begin() as tx:
        now = await fleet.clock.now(tx)
        await make_operator(tx, LOOKER["username"], Role.VIEWER, now=now, site_ids=(fleet.site["id"],))


async def sign_in_as_viewer(fleet: Fleet, page: Page) -> None:
    await make_viewer(fleet)
    await page.context.clear_cookies()
    await page.goto("/sign-in")
    await page.get_by_label("Username").fill(LOOKER["username"])
    await page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Scheduled Jobs").wait_for()


async def furnish(fleet: Fleet, *jobs: dict[str, Any]) -> int:
    """For pictures: an absence, windows, a job that comes often, a channel and a rule. Returns the id of a window."""
    await leave_outage(fleet, *jobs)
    site = {"kind": "site", "site_id": fleet.site["id"]}
    weekly = {"type": "weekly", "start": "2026-01-04T02:00", "timezone": "Europe/Berlin"}
    daily = {"type": "daily", "start": "2026-01-01T07:00", "timezone": "Europe/Berlin"}
    body = {"name": "Sunday maintenance", "kind": "allow", "when_closed": "defer", "cutoff_seconds": 1800}
    spans = [{"schedule": weekly, "duration_seconds": 4 * 3600}]
    window = await _post(fleet, "/api/windows", {**body, "spans": spans, "attachments": [site]})
    freeze = [{"schedule": daily, "duration_seconds": 2 * 3600}]
    device = {"kind": "device", "device_id": fleet.agents[0].device_id}
    await _post(
        fleet, "/api/windows", {"name": "Tide change", "kind": "deny", "spans": freeze, "attachments": [device]}
    )
    often = {"type": "every_15_minutes", "start": "2026-01-01T00:00"}
    await fleet.job(await fleet.script("true"), fleet.agents[0], name="Watch the locks", schedule=often)
    hook = {"kind": "webhook", "name": "Night watch", "url": "http://127.0.0.1:9/hook"}
    channel = await _post(fleet, "/api/notification_channels", hook)
    rule = {"events": ["failed", "missed", "recovered"], "urgent_events": ["missed"], "channel_ids": [channel["id"]]}
    await _post(fleet, "/api/notification_rules", rule)
    return int(window["id"])


async def _post(fleet: Fleet, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await fleet.http.post(path, json=body)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())

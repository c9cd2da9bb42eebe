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


async def sign_in_as_viewer(fleet: Fleet, page: Page) -> None:
    """As somebody of the fleet's site who may look and nothing else."""
    async with fleet.db.begin() as tx:
        now = await fleet.clock.now(tx)
        await make_operator(tx, "looker", Role.VIEWER, now=now, site_ids=(fleet.site["id"],))
    await page.context.clear_cookies()
    await page.goto("/sign-in")
    await page.get_by_label("Username").fill("looker")
    await page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Scheduled Jobs").wait_for()

"""Automation > Calendar: past and future on one axis."""

import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(240)


async def test_the_calendar_shows_past_and_future_and_leads_to_a_run(fleet: Fleet, page: Page, open_page: Page) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("true")
    once = await fleet.job(script, agent, name="Clear spool")
    await fleet.closed(once)
    often = await fleet.job(
        script, agent, name="Watch disks", schedule={"type": "every_15_minutes", "start": "2026-01-01T00:00"}
    )
    begins = datetime.now(UTC).replace(year=2028).strftime("%Y-%m-%dT00:00")
    window = {
        "name": "Harvest freeze",
        "kind": "deny",
        "spans": [{"schedule": {"type": "once", "start": begins, "timezone": "UTC"}, "duration_days": 2}],
        "attachments": [{"kind": "global"}],
    }
    assert (await fleet.http.post("/api/windows", json=window)).status_code == 201

    await page.goto("/calendar")
    await expect(page.get_by_text("Europe/Berlin", exact=False).first).to_be_visible()
    ran = page.get_by_role("link", name=re.compile(r"Clear spool\s*: success"))
    await expect(ran).to_be_visible()
    # What comes often is told once for each day: a month holds thousands of it.
    await page.get_by_role("button", name="After").click()
    await expect(
        page.get_by_role("link", name=re.compile(r"^every 15 min ×96 Watch disks\s*: 96 planned")).nth(9)
    ).to_be_visible()
    await expect(
        page.get_by_role("region", name="Load and windows").get_by_role("rowheader", name="Harbour")
    ).to_be_visible()
    await expect(page.get_by_role("region", name="Load and windows")).to_contain_text("Harvest freeze")
    await page.get_by_role("button", name="Today").click()
    await expect(ran).to_have_attribute("href", re.compile(rf"/jobs/{once['id']}/run\?occurrence="))

    # A day by its hours, then every instant of one job in it.
    await page.keyboard.press("d")
    await expect(page).to_have_url(re.compile("view=day"))
    await page.get_by_role("button", name="After").click()
    await page.get_by_role("link", name=re.compile("^every 15 min ×4 Watch disks")).first.click()
    await expect(page).to_have_url(re.compile(rf"job_id={often['id']}&view=agenda"))
    await expect(page.get_by_role("row", name=re.compile("Watch disks")).nth(5)).to_contain_text("Planned")
    await expect(page.get_by_role("row", name=re.compile("Clear spool"))).to_have_count(0)
    for view in ("month", "week", "day"):
        await open_page.goto(f"/calendar?view={view}")
        await expect(open_page.get_by_role("link", name=re.compile("Clear spool")).first).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            assert await violations(open_page) == []

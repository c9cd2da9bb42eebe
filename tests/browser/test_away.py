"""Automation > Ledger and While away: what did not happen, and a person's word on what is held."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.past import leave_outage, sign_in_as_viewer
from tests.browser.stage import violations
from tests.flows.fleet import Fleet, until

pytestmark = pytest.mark.timeout(240)
_DAILY = {"type": "daily", "start": "2026-01-01T03:00"}


async def test_what_is_held_is_let_go_or_skipped_with_a_count_before(fleet: Fleet, page: Page, open_page: Page) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("true")
    spool, disks, logs = [
        await fleet.job(script, agent, name=name, schedule=_DAILY, policies={"overlap": "allow"})
        for name in ("Clear spool", "Check disks", "Trim logs")
    ]
    await leave_outage(fleet, spool, disks, logs)

    # The ledger: what did not run, and why, in the Engine's words; one occurrence is let go there.
    await page.goto("/ledger")
    await expect(page.get_by_text("The storm guard holds", exact=False).first).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("Clear spool"))).to_have_count(3)
    await page.get_by_role("radiogroup", name="What is shown").get_by_text("Held").click()
    await expect(page).to_have_url(re.compile("show=held"))
    row = page.get_by_role("row", name=re.compile("Clear spool")).first
    await expect(page.get_by_role("row", name=re.compile("Clear spool"))).to_have_count(2)
    await row.get_by_role("button", name="Run Clear spool now").click()
    await page.get_by_role("dialog").get_by_label("Why").fill("the printers wait")
    await page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    await expect(page.get_by_text("“Clear spool” is let go")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("Clear spool"))).to_have_count(1)
    await fleet.closed(spool)

    # While away: of one job both are skipped, of all others everything is let go.
    await page.goto("/away")
    await expect(page.get_by_text("No scheduler looked for 3 hours", exact=False)).to_be_visible()
    row = page.get_by_role("row", name=re.compile("Check disks"))
    await expect(row).to_contain_text("Run the latest only")
    await page.get_by_role("checkbox", name="Select Check disks").check()
    await expect(page.get_by_text("1 job selected: 2 held occurrences of 1 job")).to_be_visible()
    await page.get_by_role("button", name="Skip all held…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("2 held occurrences of 1 job. None of it runs.")
    await dialog.get_by_role("button", name="Skip 2 held occurrences").click()
    await expect(page.get_by_text("2 skipped.")).to_be_visible()
    await page.get_by_role("button", name="Run all held…").click()
    await dialog.get_by_role("button", name="Run 3 held occurrences").click()
    await expect(page.get_by_text("3 let go.")).to_be_visible()
    await expect(page.get_by_role("button", name="Run all held…")).to_have_attribute("aria-disabled", "true")

    async def is_decided() -> bool:
        found = (await fleet.http.get("/api/occurrences", params={"reason": "by_operator"})).json()["items"]
        return [one["job_name"] for one in found] == ["Check disks"] * 2

    await until(is_decided)
    for path, sight in (("/ledger?range=all", "Check disks"), ("/away", "Check disks")):
        await open_page.goto(path)
        await expect(open_page.get_by_role("row", name=re.compile(sight)).first).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            assert await violations(open_page) == []


async def test_a_viewer_sees_what_is_held_and_why_he_may_not_decide(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    job = await fleet.job(await fleet.script("true"), agent, name="Clear spool", schedule=_DAILY)
    await leave_outage(fleet, job)
    await sign_in_as_viewer(fleet, page)
    await page.goto("/away")
    button = page.get_by_role("button", name="Run all held…")
    await expect(button).to_have_attribute("aria-description", re.compile("jobs:run"))
    await button.click(force=True)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.goto("/ledger?show=held")
    release = page.get_by_role("button", name="Run Clear spool now").first
    await expect(release).to_have_attribute("aria-disabled", "true")
    await expect(release).to_have_attribute("aria-description", re.compile("jobs:run"))
    # What is not for him at all says so, in the words of the Engine.
    for path in ("/workers", "/audit"):
        await page.goto(path)
        await expect(page.get_by_role("alert")).to_contain_text("You may not do this")
    await page.goto("/windows")
    await expect(page.get_by_text("There is no window yet.")).to_be_visible()
    await expect(page.get_by_role("link", name="New Window")).to_have_count(0)
    await page.goto("/windows/new")
    await expect(page.get_by_role("alert")).to_contain_text("windows:write")
    await expect(page.get_by_label("Name", exact=True).first).to_be_disabled()

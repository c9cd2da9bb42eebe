"""Settings > Workers, Audit and Notifications: what the Engine does, who did what, and who is told."""

import csv
import io
import re

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from tests.browser.stage import violations
from tests.flows.fleet import Fleet
from tests.notifications.sinks import http

pytestmark = pytest.mark.timeout(240)

_GIVEN_UP = text(
    "INSERT INTO work_items (run_id, site_id, lane, state, attempt, error, created_at, finished_at)"
    " VALUES (:run, 0, 'scheduled_job', 'failed', 5, 'no luck', now(), now())"
)


async def test_processes_the_trail_and_a_channel_that_is_tried_out(fleet: Fleet, page: Page, open_page: Page) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(await fleet.script("true"), agent, name="Clear spool")
    one = await fleet.closed(job)
    async with fleet.db.begin() as tx:
        await tx.execute(_GIVEN_UP, {"run": one["runs"][0]["id"]})

    # Every process by its last sign of life, and how many agents each gateway holds.
    await page.goto("/workers")
    processes = page.get_by_role("region", name="Processes").last
    await expect(processes.get_by_role("row", name=re.compile("Gateway.*1 agent"))).to_be_visible()
    await expect(processes.get_by_role("row", name=re.compile("Scheduler")).first).to_contain_text("Running")
    await expect(page.get_by_text("All processes that are needed are running.")).to_be_visible()
    given_up = page.get_by_role("region", name="Work that was given up").last
    await expect(given_up.get_by_role("row", name=re.compile("no luck"))).to_contain_text("Clear spool")
    await given_up.get_by_role("link", name="Clear spool").click()
    await expect(page.get_by_text("Ran: of 1 device 1 succeeded.")).to_be_visible()

    # Who made the job; filtered by what it was done to, and taken along as a file.
    await page.goto("/audit?object_kind=job")
    row = page.get_by_role("row", name=re.compile("Clear spool"))
    await expect(row).to_contain_text("admin")
    await expect(row.get_by_role("link", name="Clear spool")).to_have_attribute("href", re.compile(r"/jobs/\d+$"))
    await row.get_by_role("button", name=re.compile("All of the entry")).click()
    await expect(page.get_by_role("dialog")).to_contain_text("job.create")
    await page.keyboard.press("Escape")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export CSV").click()
    text = (await (await download.value).path()).read_text()
    assert [one["action"] for one in csv.DictReader(io.StringIO(text))] == ["job.create"]

    # A channel: made, its secret told once, tried out with what came of it, and named by a rule.
    await page.goto("/notifications?tab=channels")
    await page.get_by_role("button", name="New Channel").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Night watch")
    await dialog.get_by_label("URL").fill("ftp://nowhere")
    await dialog.get_by_role("button", name="Save channel").click()
    await expect(dialog.get_by_text("http", exact=False).last).to_be_visible()
    async with http() as receiver:
        await dialog.get_by_label("URL").fill(receiver.url())
        await dialog.get_by_role("button", name="Save channel").click()
        await expect(dialog).to_contain_text("told only now")
        await dialog.get_by_role("button", name="It is kept").click()
        await page.get_by_role("button", name="Send a test to Night watch").click()
        await expect(page.get_by_text("Test of “Night watch”")).to_be_visible()
    await page.get_by_role("tab", name="Rules").click()
    await page.get_by_role("button", name="New Rule").first.click()
    await dialog.get_by_text("All jobs", exact=True).click()
    await dialog.get_by_label("On which channels").first.click(force=True)  # what it chooses lies over the field
    await page.get_by_role("option", name="Night watch").click()
    await page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="Save rule").click()
    await expect(page.get_by_text("The rule is saved.")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("All jobs"))).to_contain_text("Night watch")
    for path, sight in (
        ("/workers", "Running"),
        ("/audit", "Clear spool"),
        ("/notifications?tab=channels", "Night watch"),
        ("/notifications?tab=rules", "Night watch"),
    ):
        await open_page.goto(path)
        await expect(open_page.get_by_text(sight).first).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            assert await violations(open_page) == []

"""Automation > Scheduled Jobs: what the list shows, and what it does without opening a job."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)


async def test_an_empty_list_says_what_to_do_next(fleet: Fleet, page: Page) -> None:
    await page.goto("/")
    await expect(page.get_by_text("There is no job yet.")).to_be_visible()
    await expect(page.get_by_role("link", name="New Job").first).to_have_attribute("href", "/jobs/new")
    await expect(page.get_by_role("status", name=re.compile("^Live"))).to_be_visible()


async def test_a_job_is_run_and_paused_from_its_row(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(
        await fleet.script("true"), agent, name="Clear spool", schedule={"type": "daily", "start": "2026-01-01T03:00"}
    )
    await page.goto("/jobs")
    row = page.get_by_role("row", name=re.compile("Clear spool"))
    await expect(row).to_contain_text(job["schedule_text"])
    await expect(row).to_contain_text("no runs yet")
    await row.get_by_role("button", name="Run Clear spool now").click()
    await expect(page.get_by_text("“Clear spool” is starting.")).to_be_visible()
    await expect(row.get_by_text("Success")).to_be_visible()  # nobody reloads: it is told by events
    await row.get_by_role("button", name="Pause Clear spool").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Why").fill("the printers move")
    await dialog.get_by_role("button", name="Pause", exact=True).click()
    await expect(row.get_by_text("Paused", exact=True)).to_be_visible()
    saved = (await fleet.http.get(f"/api/scheduled_jobs/{job['id']}")).json()
    assert (saved["state"], saved["state_reason"]) == ("paused", "the printers move")
    await row.get_by_role("button", name="Resume Clear spool").click()
    await expect(row.get_by_text("Paused", exact=True)).to_be_hidden()


async def test_many_jobs_are_counted_before_they_are_tagged(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("true")
    for name in ("One", "Two", "Three"):
        await fleet.job(script, agent, name=name, schedule={"type": "daily", "start": "2026-01-01T03:00"})
    await page.goto("/jobs")
    for name in ("One", "Two"):
        await page.get_by_role("checkbox", name=f"Select {name}").check()
    await page.get_by_role("button", name="Tag…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Add tags").fill("night")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("This will tag 2 jobs:")
    await dialog.get_by_role("button", name="Tag 2 jobs").click()
    await expect(page.get_by_text("2 jobs tagged.")).to_be_visible()
    found = (await fleet.http.get("/api/scheduled_jobs", params={"tag": "night"})).json()["items"]
    assert sorted(one["name"] for one in found) == ["One", "Two"]


async def test_axe_finds_nothing_on_the_list(fleet: Fleet, open_page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    await fleet.job(
        await fleet.script("true"), agent, name="Clear spool", schedule={"type": "daily", "start": "2026-01-01T03:00"}
    )
    await open_page.goto("/jobs")
    await expect(open_page.get_by_role("row", name=re.compile("Clear spool"))).to_be_visible()
    for scheme in ("light", "dark"):
        await open_page.emulate_media(color_scheme=scheme)
        assert await violations(open_page) == []


async def test_the_keyboard_walks_the_list_and_tells_its_keys(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("true")
    for name in ("Anchor", "Buoy"):
        await fleet.job(script, agent, name=name, schedule={"type": "daily", "start": "2026-01-01T03:00"})
    await page.goto("/jobs")
    await expect(page.get_by_role("row", name=re.compile("Anchor"))).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.get_by_role("row", name=re.compile("Buoy"))).to_be_focused()
    await page.keyboard.press("x")
    await expect(page.get_by_role("checkbox", name="Select Buoy")).to_be_checked()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Next row")
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await page.keyboard.type("anch")
    await expect(page).to_have_url(re.compile(r"\?q=anch$"))
    await expect(page.get_by_role("row", name=re.compile("Buoy"))).to_be_hidden()

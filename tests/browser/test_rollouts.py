"""A run that goes in waves, and one that waits for a person: how far it is, the brake, and a person's word on it."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.past import leave_outage
from tests.browser.stage import enrolled, violations
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(240)

FAR = {"type": "daily", "start": "2031-01-01T03:00"}


async def _begin(fleet: Fleet, content: str, *, name: str, **waves: Any) -> dict[str, Any]:
    """A job on alpha and bravo, one after the other, that has begun."""
    devices = fleet.agents or [await enrolled(fleet, "alpha"), await enrolled(fleet, "bravo")]
    plan = {"waves": {"sizes": [1, 1], **waves}}
    job = await fleet.job(await fleet.script(content), *devices, name=name, schedule=FAR, policies=plan)
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun", json={"targets": "all"})
    assert reply.status_code == 202, reply.text
    return job


def _row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("button", name=name, exact=True))


async def test_waves_begin_by_a_persons_word_and_are_braked(fleet: Fleet, page: Page, open_page: Page) -> None:
    job = await _begin(fleet, "echo lamp changed", name="Change the lamps", promote="manual")
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_text("After wave 1 of 2 it waits for a person to promote the next wave.")).to_be_visible()
    await expect(_row(page, "alpha").get_by_text("Success")).to_be_visible()
    await expect(_row(page, "bravo").get_by_text("Pending")).to_be_visible()
    await page.get_by_role("button", name="Begin wave 2 now").click()
    await expect(_row(page, "bravo").get_by_text("Success")).to_be_visible()  # nobody reloads
    await expect(page.get_by_text("Ended in wave 2 of 2.")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Begin wave|^Brake"))).to_have_count(0)

    # Nobody begins the second wave: the brake leaves its devices out, and says who put it on.
    job = await _begin(fleet, "true", name="Move the buoys", promote="manual")
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_role("button", name="Begin wave 2 now")).to_be_visible()
    await page.get_by_role("button", name="Brake…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("1 device that has not begun is left out")
    await dialog.get_by_label("Why").fill("fog")
    await dialog.get_by_role("button", name="Put the brake on").click()
    await expect(page.get_by_text("The brake is on. ")).to_contain_text("fog")
    await expect(_row(page, "bravo")).to_contain_text("The brake stopped the run before this device began.")

    # A failure trips it by itself.
    job = await _begin(fleet, "exit 3", name="Tighten the lines", stop={"failed_count": 1})
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_text("The brake is on. 1 of 1 devices failed; the brake is set at 1.")).to_be_visible()
    await expect(_row(page, "alpha").get_by_text("Failed")).to_be_visible()
    await expect(_row(page, "bravo")).to_contain_text("The brake stopped the run before this device began.")
    await open_page.goto(f"/jobs/{job['id']}/run")
    await expect(open_page.get_by_text("The brake is on.")).to_be_visible()
    for scheme in ("light", "dark"):
        await open_page.emulate_media(color_scheme=scheme)
        assert await violations(open_page) == []


async def test_a_held_run_is_let_go_and_another_skipped_on_its_own_page(fleet: Fleet, page: Page) -> None:
    agent = await enrolled(fleet, "alpha")
    daily = {"type": "daily", "start": "2026-01-01T03:00"}
    job = await fleet.job(
        await fleet.script("echo at last"), agent, name="Trim logs", schedule=daily, policies={"overlap": "allow"}
    )
    await leave_outage(fleet, job)
    query = {"state": "held", "job_id": job["id"]}
    first, second = (await fleet.http.get("/api/occurrences", params=query)).json()["items"]
    await page.goto(f"/jobs/{job['id']}/run?occurrence={first['id']}")
    await expect(page.get_by_text("The storm guard holds", exact=False).first).to_be_visible()
    await page.get_by_role("button", name="Let it run…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("This run of “Trim logs” starts now.")
    await dialog.get_by_label("Why").fill("the disks are full")
    await dialog.get_by_role("button", name="Run it now").click()
    await expect(_row(page, "alpha").get_by_text("Success")).to_be_visible()
    await expect(page.get_by_text("at last").first).to_be_visible()
    await page.goto(f"/jobs/{job['id']}/run?occurrence={second['id']}")
    await page.get_by_role("button", name="Skip it…").click()
    await dialog.get_by_role("button", name="Skip it").click()
    await expect(page.get_by_role("button", name="Let it run…")).to_have_count(0)
    await expect(page.get_by_text("Skipped", exact=True).first).to_be_visible()

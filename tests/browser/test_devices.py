"""Inventory > Devices: the list, and one device with what ran on it, what waits for it and what it is called."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(300)

_DAILY = {"type": "daily", "start": "2026-01-01T03:00"}


async def test_a_device_shows_what_ran_and_waits_on_it(fleet: Fleet, page: Page, tmp_path: Path) -> None:
    here = await fleet.enrol("alpha")
    away = await fleet.enrol("beta", start=False)
    flag = tmp_path / "tidy"
    field = {"name": "rack", "label": "Rack", "type": "text"}
    assert (await fleet.http.post("/api/custom_fields", json=field)).status_code == 201
    script = await fleet.script(f"touch {flag}; echo all is well", name="Look round")
    check = {"assembly_id": await fleet.script(f"[ -e {flag} ] || exit 1", name="Is it tidy"), "role": "check"}
    job = await fleet.job(
        script, here, away, name="Rounds", policies={"offline": "wait"}, components=[check, {"assembly_id": script}]
    )
    await page.goto(f"/devices/{here.device_id}")
    ran = page.get_by_role("region", name="What ran on it")
    await expect(ran.get_by_text("all is well")).to_be_visible()
    await expect(ran.get_by_text("Fixed").first).to_be_visible()
    await expect(ran.get_by_role("link", name="Rounds").first).to_have_attribute(
        "href", re.compile(rf"/jobs/{job['id']}/run\?occurrence=")
    )
    targets = page.get_by_role("region", name="Jobs that target it")
    await expect(targets).to_contain_text("by its name")
    await page.get_by_text("Executions", exact=True).click()
    row = page.get_by_role("row").filter(has_text="Look round")
    await expect(row).to_contain_text("Rounds")
    await expect(row).to_contain_text("Success")
    await expect(row).to_contain_text("Fixed")  # what the check of its job found
    await page.get_by_text("Software", exact=True).click()
    await expect(page).to_have_url(re.compile("tab=software"))
    await page.get_by_text("Overview", exact=True).click()
    await page.get_by_role("button", name=re.compile("^Edit the custom fields")).click()
    await page.get_by_label("Rack").fill("B-12")
    await page.get_by_role("button", name="Save values").click()
    await expect(page.get_by_text("B-12", exact=True)).to_be_visible()

    await page.goto(f"/devices/{away.device_id}")
    waiting = page.get_by_role("region", name="Waiting for it")
    await expect(waiting.get_by_role("link", name="Rounds")).to_be_visible()
    await waiting.get_by_role("button", name="Withdraw…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Why").fill("it is gone for good")
    await dialog.get_by_role("button", name="Withdraw 1 start").click()
    await expect(waiting).to_contain_text("Nothing waits.")
    await page.get_by_role("button", name="Access").click()
    await page.get_by_role("menuitem", name="Revoke…").click()
    revoke = dialog.get_by_role("button", name="Revoke device")
    await expect(revoke).to_be_disabled()
    hostname = await page.get_by_role("heading", level=1).inner_text()
    await dialog.get_by_label(re.compile("^Type ")).fill(hostname)
    await revoke.click()
    await expect(page.get_by_text("Revoked", exact=True)).to_be_visible()


async def test_devices_are_found_and_tagged(fleet: Fleet, page: Page) -> None:
    agents = [await fleet.enrol(name, start=False) for name in ("alpha", "beta")]
    body = {"name": "Linux", "criteria": {"field": "os_family", "operator": "is", "value": "linux"}}
    found = (await fleet.http.post("/api/device_filters", json=body)).json()
    await page.goto(f"/devices?filter_id={found['id']}&online=false")
    rows = page.get_by_role("row").filter(has_text="Offline")
    await expect(rows).to_have_count(2)
    await page.get_by_role("checkbox", name=re.compile("^Select all")).check()
    await page.get_by_role("button", name="Tag…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Add tags").fill("harbour")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("All 2 devices change.")
    await dialog.get_by_role("button", name="Tag 2 devices").click()
    await expect(page.get_by_text("2 devices tagged.")).to_be_visible()
    await expect(rows.first).to_contain_text("harbour")
    reply = await fleet.http.post(
        "/api/devices/tags", json={"device_ids": [agents[0].device_id], "remove": ["harbour"]}
    )
    assert reply.status_code == 200
    await page.get_by_label("Any tag").fill("harbour")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="Views").click()
    await page.get_by_role("menuitem", name="Save as a new view…").click()
    await dialog.get_by_label("Name").fill("Of the harbour")
    await page.get_by_role("button", name="Save view").click()
    await expect(page).to_have_url(re.compile(r"view=\d+"))
    await page.get_by_role("button", name="Clear filters").click()
    await expect(rows).to_have_count(2)

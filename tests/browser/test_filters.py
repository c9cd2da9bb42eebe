"""Inventory > Filters: criteria put together by hand and by keyboard, with whom they find beside them."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(300)


async def _choose(page: Page, label: str, option: str) -> None:
    """As the keyboard does it: the choices are found by typing."""
    await page.get_by_role("combobox", name=label, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def test_a_filter_is_built_with_a_live_preview_and_used(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha")
    await fleet.enrol("beta", start=False)
    tags = {"device_ids": [agent.device_id], "add": ["night"]}
    assert (await fleet.http.post("/api/devices/tags", json=tags)).status_code == 200
    await page.goto("/filters")
    await page.get_by_role("link", name="New Filter").first.click()
    found = page.get_by_role("region", name="Whom it finds now")
    await expect(found).to_contain_text("A criterion is not filled in yet.")
    await page.get_by_role("textbox", name="Name", exact=True).fill("Night watch")
    await _choose(page, "Field of criterion 1", "OS family")
    await _choose(page, "Value of criterion 1", "linux")
    await expect(found).to_contain_text("2 devices")
    await expect(found).to_contain_text("OS family is linux")
    await page.get_by_role("button", name="Add a group to the whole filter").press("Enter")
    await expect(page.get_by_role("combobox", name="Field of criterion 2.1")).to_be_focused()
    await _choose(page, "Field of criterion 2.1", "Tags")
    await page.get_by_label("Value of criterion 2.1").fill("night")
    await expect(found).to_contain_text("1 device")
    await expect(found).to_contain_text("night")  # why it matched

    # A refusal stands at its criterion, and nowhere else.
    await page.get_by_role("button", name="Add a criterion to group 2").click()
    await _choose(page, "Field of criterion 2.2", "RAM")
    await page.get_by_label("Value of criterion 2.2").fill("very much")
    faulty = page.get_by_role("group", name="criterion 2.2")
    await expect(faulty).to_contain_text("very much")
    await expect(faulty.get_by_text(re.compile("is not allowed"))).to_be_visible()
    await page.get_by_role("button", name="More for criterion 2.2").click()
    await page.get_by_role("menuitem", name="Move up").click()
    await page.get_by_role("button", name="Remove criterion 2.1").click()
    await page.get_by_role("button", name="More for group 2").click()
    await page.get_by_role("menuitem", name="Turn round (NOT)").click()
    await expect(found).to_contain_text("not")
    await expect(found.get_by_role("list", name="Devices that it finds").get_by_role("link")).to_have_count(1)
    # Whoever goes is asked first, and nothing is lost or saved by it.
    await page.get_by_role("link", name="Filters").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("This filter has changes that are not saved.")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Night watch")
    await page.get_by_role("button", name="Create filter").click()
    await expect(page.get_by_text("The filter “Night watch” is saved.")).to_be_visible()
    saved = (await fleet.http.get("/api/device_filters")).json()["items"][0]
    assert saved["criteria"] == {
        "all": [
            {"field": "os_family", "operator": "is", "value": "linux"},
            {"not": {"any": [{"field": "tags", "operator": "has", "value": "night"}]}},
        ]
    }

    await fleet.job(
        await fleet.script("true"),
        name="Rounds",
        targets=[{"kind": "filter", "filter_id": saved["id"]}],
        schedule={"type": "daily", "start": "2026-01-01T03:00"},
    )
    await page.reload()
    await expect(page.get_by_role("region", name="What uses it").get_by_role("link", name="Rounds")).to_be_visible()
    await page.get_by_role("textbox", name="Description").fill("Not to be kept.")
    await page.get_by_role("link", name="Devices", exact=True).click()
    await expect(dialog).to_contain_text("“Night watch” has changes that are not saved.")
    await dialog.get_by_role("button", name="Leave and lose it").click()
    await expect(page).to_have_url(re.compile(r"/devices$"))
    await page.goto(f"/filters/{saved['id']}")
    await expect(page.get_by_role("textbox", name="Description")).to_have_value("")
    await page.get_by_role("button", name="Archive…").click()
    await expect(dialog).to_contain_text("is in use")
    await expect(dialog.get_by_role("link", name="Rounds")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Archive filter")).to_be_disabled()
    await dialog.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Copy", exact=True).click()
    await expect(page.get_by_role("heading", name="Copy of Night watch")).to_be_visible()
    await page.get_by_role("button", name="Archive…").click()
    await dialog.get_by_role("button", name="Archive filter").click()
    await expect(page.get_by_text("Archived", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Save filter")).to_be_disabled()

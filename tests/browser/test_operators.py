"""Settings > Operators: an account is made, its owner chooses a password, and sees and does what is his."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)

_DAILY = {"type": "daily", "start": "2026-01-01T03:00"}
_OWN = "lantern over the quay"


def _exactly(label: str) -> re.Pattern[str]:
    """A label, with or without the star of what is required."""
    return re.compile(rf"^{label}\s*\*?$")


async def test_a_new_operator_chooses_a_password_and_has_what_is_his_and_no_more(
    fleet: Fleet, page: Page, stranger: Page
) -> None:
    script = await fleet.script("true", name="Trim logs")
    alpha = await fleet.enrol("alpha", start=False)
    await fleet.job(script, alpha, name="Trim the harbour", schedule=_DAILY)
    harbour, quay = fleet.site, await fleet.http.post("/api/sites", json={"name": "Quay"})
    fleet.site = quay.json()
    buoy = await fleet.enrol("buoy", start=False)
    fleet.site = harbour
    await fleet.job(script, buoy, name="Trim the quay", schedule=_DAILY)

    await page.goto("/operators")
    await page.get_by_role("button", name="New Operator").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Username").fill("nora")
    await dialog.get_by_role("button", name="Make one up").click()
    given = await dialog.get_by_label("First password").input_value()
    await dialog.get_by_label("Viewer").check()
    await dialog.get_by_role("combobox", name="Sites").click()
    await page.get_by_role("option", name="Quay").click()
    await page.keyboard.press("Tab")  # the list of sites closes
    await dialog.get_by_role("button", name="Make account").click()
    await expect(page.get_by_text("The account “nora” is made.")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("nora"))
    await expect(row).to_contain_text("must choose a password")

    await stranger.goto("/jobs")
    await stranger.get_by_label("Username").fill("nora")
    await stranger.get_by_label(re.compile("^Password")).fill(given)
    await stranger.get_by_role("button", name="Sign in").click()
    await stranger.get_by_label("Password you were given").fill(given)
    for label in ("New password", "New password again"):
        await stranger.get_by_label(_exactly(label)).fill("short")
    await stranger.get_by_role("button", name="Choose and go on").click()
    await expect(stranger.get_by_text("Must have 12 to 256 characters").first).to_be_visible()
    for label in ("New password", "New password again"):
        await stranger.get_by_label(_exactly(label)).fill(_OWN)
    await stranger.get_by_role("button", name="Choose and go on").click()
    await expect(stranger.get_by_role("row", name=re.compile("Trim the quay"))).to_be_visible()
    await expect(stranger.get_by_role("row", name=re.compile("Trim the harbour"))).to_be_hidden()

    await stranger.goto(f"/assemblies/{script}")
    await expect(stranger.get_by_role("alert")).to_contain_text("This needs the permission “assemblies:write”.")
    await expect(stranger.get_by_role("textbox", name="Script", exact=True)).to_have_attribute("aria-readonly", "true")
    await expect(stranger.get_by_role("button", name="Save")).to_be_hidden()
    await expect(stranger.get_by_role("region", name="Used by")).to_contain_text("1 job of sites that you do not see")
    await stranger.goto("/operators")
    await expect(stranger.get_by_text("Accounts are for those who manage them.")).to_be_visible()

    await stranger.get_by_role("button", name=re.compile("Account of")).click()
    await stranger.get_by_role("menuitem", name="Change password…").click()
    await stranger.get_by_label("Your password until now").fill(_OWN)
    for label in ("New password", "New password again"):
        await stranger.get_by_label(_exactly(label)).fill(f"{_OWN}, twice")
    await stranger.get_by_role("button", name="Change password").click()
    await expect(stranger.get_by_text("Your password is changed.")).to_be_visible()

    await row.get_by_role("button", name="More for nora").click()
    await page.get_by_role("menuitem", name="Disable…").click()
    await page.get_by_role("button", name="Disable account").click()
    await expect(row).to_contain_text("Disabled")
    await stranger.goto("/jobs")
    await expect(stranger.get_by_role("button", name="Sign in")).to_be_visible()

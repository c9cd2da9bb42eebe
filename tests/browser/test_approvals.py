"""Inventory > Device Approvals: one or many, with their names; on a phone; and by whom not."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import PHONE
from tests.factories.machines import Machine
from tests.flows.fleet import PASSWORD, Fleet

pytestmark = pytest.mark.timeout(300)


async def _ask(fleet: Fleet, hostname: str) -> None:
    reply = await Machine(fleet.http, hostname).enrol(str(fleet.site["enrolment_code"]))
    assert reply.status_code == 202, reply.text


async def _states(fleet: Fleet) -> dict[str, list[str]]:
    items = (await fleet.http.get("/api/device_approvals")).json()["items"]
    found: dict[str, list[str]] = {}
    for one in sorted(items, key=lambda one: str(one["hostname"])):
        found.setdefault(one["state"], []).append(one["hostname"])
    return found


async def test_machines_are_let_in_and_refused_on_a_phone(fleet: Fleet, page: Page) -> None:
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await page.goto("/approvals")
    await expect(page.get_by_text("Nobody waits.")).to_be_visible()
    for name in ("crane-1", "crane-2", "pump-1", "stranger"):
        await _ask(fleet, name)
    card = page.get_by_role("listitem", name="crane-1")
    await expect(card).to_be_visible()  # it came by itself
    await card.get_by_role("button", name="Approve crane-1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve crane-1").click()
    await expect(page.get_by_text("“crane-1” is a device of “Harbour” now.")).to_be_visible()
    await expect(card).to_be_hidden()
    await page.get_by_role("button", name="Deny stranger").click()
    await page.get_by_role("dialog").get_by_label("Why").fill("nobody knows it")
    await page.get_by_role("dialog").get_by_role("button", name="Deny stranger").click()
    await expect(page.get_by_role("listitem", name="stranger")).to_be_hidden()
    for name in ("crane-2", "pump-1"):
        await page.get_by_role("checkbox", name=f"Select {name}").check()
    bar = page.get_by_role("toolbar", name="Actions on the selected requests")
    await expect(bar).to_contain_text("2 machines selected")
    await bar.get_by_role("button", name="Approve…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("crane-2")
    await expect(dialog).to_contain_text("pump-1")
    await dialog.get_by_role("button", name="Approve 2 machines").click()
    await expect(page.get_by_text("2 machines approved.")).to_be_visible()
    assert await _states(fleet) == {"approved": ["crane-1", "crane-2", "pump-1"], "denied": ["stranger"]}
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_machine_of_a_known_name_needs_a_word_of_its_own(fleet: Fleet, page: Page) -> None:
    await _ask(fleet, "crane-1")
    await page.goto("/approvals")
    await page.get_by_role("button", name="Approve crane-1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve crane-1").click()
    await expect(page.get_by_text("Nobody waits.")).to_be_visible()
    await _ask(fleet, "crane-1")
    await _ask(fleet, "crane-2")
    row = page.get_by_role("row").filter(has_text="already has a device of this name")
    await expect(row).to_be_visible()
    await page.get_by_role("checkbox", name=re.compile("^Select all")).check()
    await page.get_by_role("button", name="Approve…", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Left out, as each clashes")
    await dialog.get_by_role("button", name="Approve 1 machine").click()
    await expect(page.get_by_text("“crane-2” approved.")).to_be_visible()
    await row.get_by_role("button", name="Approve crane-1").click()
    await expect(dialog.get_by_role("button", name="Approve crane-1")).to_be_disabled()
    await dialog.get_by_label("This one replaces it").check()
    await dialog.get_by_role("button", name="Approve crane-1").click()
    await expect(page.get_by_text("Nobody waits.")).to_be_visible()
    found = (await fleet.http.get("/api/devices", params={"status": "revoked"})).json()["items"]
    assert [one["hostname"] for one in found] == ["crane-1"]


async def test_a_viewer_sees_who_waits_and_may_not_decide(fleet: Fleet, stranger: Page) -> None:
    viewer = {
        "username": "vera",
        "password": PASSWORD,
        "role": "viewer",
        "site_ids": [fleet.site["id"]],
        "must_change_password": False,
    }
    assert (await fleet.http.post("/api/operators", json=viewer)).status_code == 201
    await _ask(fleet, "crane-1")
    await stranger.goto("/approvals")
    await stranger.get_by_label("Username").fill("vera")
    await stranger.get_by_label(re.compile("^Password")).fill(PASSWORD)
    await stranger.get_by_role("button", name="Sign in").click()
    approve = stranger.get_by_role("button", name="Approve crane-1")
    await expect(approve).to_have_attribute("aria-disabled", "true")
    await expect(approve).to_have_accessible_description(re.compile("approvals:decide"))
    await stranger.goto(f"/sites/{fleet.site['id']}")
    await expect(stranger.get_by_text("shown to those who decide about new devices")).to_be_visible()
    await expect(stranger.get_by_role("button", name="15 minutes")).to_be_disabled()
    await stranger.goto("/filters")
    await expect(stranger.get_by_text("There is no filter yet.")).to_be_visible()
    await expect(stranger.get_by_role("link", name="New Filter")).to_have_count(0)

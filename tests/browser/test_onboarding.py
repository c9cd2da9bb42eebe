"""Jobs that look for machines: written with every line told as one types, followed address by address, and decided in place."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from tests.browser.world_onboarding import Row, ask, looked, onboarding_job
from tests.flows.fleet import Fleet, until
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.runs.onboarding_moves import OnboardingMove, move_onboarding

pytestmark = pytest.mark.timeout(300)

_S, _R = OnboardingState, OnboardingReason
_ROWS = [
    Row("10.4.0.1", _S.WAITING_APPROVAL, hostname="crane-1"),
    Row("10.4.0.2", _S.FAILED, _R.NO_SPACE, "/opt has 3 MiB left.", "Filesystem full"),
    Row("10.4.0.3", _S.UNREACHABLE, _R.NO_ANSWER, "Nothing answers on 22."),
    Row("10.4.0.4", _S.INSTALLING, hostname="pump-1"),
]


async def _saved(fleet: Fleet, name: str) -> dict[str, Any] | None:
    found = (await fleet.http.get("/api/scheduled_jobs", params={"kind": "onboarding"})).json()["items"]
    return next((dict(one) for one in found if one["name"] == name), None)


async def test_a_scope_is_mended_line_by_line_and_saved(fleet: Fleet, page: Page) -> None:
    login = {"name": "Root key", "kind": "ssh", "username": "root", "password": "correct horse battery"}
    assert (await fleet.http.post("/api/credentials", json=login)).status_code == 201
    await page.goto(f"/sites/{fleet.site['id']}")
    await page.get_by_role("link", name="Onboard devices").click()
    await page.get_by_role("textbox", name="Name", exact=True).fill("Cranes")
    scope = page.get_by_role("textbox", name="Addresses")
    await scope.fill("10.4.0.0/30\n10.4.300.1\n# the pumps")
    await expect(page.get_by_role("button", name=re.compile("^Line 2:"))).to_be_visible()
    await expect(page.get_by_text("a network: 2 addresses")).to_be_visible()
    await page.get_by_role("button", name="Save and start").click()
    await expect(page.get_by_text("are not chosen yet").first).to_be_visible()  # the credentials
    assert await _saved(fleet, "Cranes") is None
    await scope.fill("10.4.0.0/30\n10.4.1.1-3\n# the pumps")
    await page.get_by_role("textbox", name="Left out").fill("10.4.1.2")
    await expect(page.get_by_text("4 addresses in all, 1 left out; at most 4,096 are allowed.")).to_be_visible()
    await page.locator("input[aria-haspopup=listbox]").and_(page.get_by_label("Add a credential")).first.click()
    await page.get_by_role("option", name=re.compile("^Root key")).click()
    await page.get_by_role("switch", name="Save it paused").check()
    await page.get_by_role("button", name="Save job").click()
    await expect(page.get_by_text("“Cranes” is saved.")).to_be_visible()
    saved = await _saved(fleet, "Cranes")
    assert saved is not None
    whole = (await fleet.http.get(f"/api/scheduled_jobs/{saved['id']}")).json()
    assert whole["targets"][0]["entries"] == ["10.4.0.0/30", "10.4.1.1-3", "# the pumps"]
    assert whole["targets"][0]["exclusions"] == ["10.4.1.2"]


async def test_addresses_are_followed_and_a_machine_is_let_in_where_it_stands(fleet: Fleet, page: Page) -> None:
    job = await onboarding_job(fleet, "Cranes", "10.4.0.1-4")
    ids = await looked(fleet, job, _ROWS)
    await ask(fleet, "crane-1", ids["crane-1"])
    await page.goto(f"/jobs/{job['id']}/run")
    table = page.get_by_role("region", name="Addresses")
    await expect(table.get_by_role("row").filter(has_text="10.4.0.4")).to_contain_text("Installing")
    async with fleet.db.begin() as tx:
        now = await fleet.clock.now(tx)
        await move_onboarding(
            tx, [OnboardingMove(ids["pump-1"], _S.FAILED, _R.NO_EGRESS, "No way to the Engine.")], now
        )
    moved = table.get_by_role("row").filter(has_text="10.4.0.4")
    await expect(moved).to_contain_text("Cannot reach the Engine")  # nobody reloads
    await expect(moved).to_contain_text("No way to the Engine.")
    counts = page.get_by_role("navigation", name="Addresses by what became of them")
    await expect(counts.get_by_role("link", name="1 Cannot reach the Engine")).to_be_visible()
    await counts.get_by_role("link", name="1 Disk full").click()
    await expect(table.get_by_role("row")).to_have_count(2)  # with its head
    await table.get_by_role("button", name="10.4.0.2").click()
    panel = page.get_by_role("region", name="Timeline of the address")
    await expect(panel.get_by_text("Filesystem full").first).to_be_visible()
    await panel.get_by_role("button", name="Close the timeline").click()
    await page.get_by_role("button", name="Clear filters").click()
    await page.get_by_role("button", name="Approve 10.4.0.1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve crane-1").click()
    await expect(page.get_by_text("“crane-1” is a device of “Harbour” now.")).to_be_visible()
    await expect(table.get_by_role("row").filter(has_text="10.4.0.1")).to_contain_text("Approved")
    await table.get_by_role("button", name="10.4.0.1").click()
    await panel.get_by_role("link", name="Open the device").click()
    await expect(page.get_by_role("heading", name="crane-1")).to_be_visible()


async def test_a_request_leads_to_its_address_and_what_is_unfinished_is_tried_again(fleet: Fleet, page: Page) -> None:
    job = await onboarding_job(fleet, "Cranes", "10.4.0.1-4", enabled=False)
    ids = await looked(fleet, job, _ROWS[:3])
    await ask(fleet, "crane-1", ids["crane-1"])
    await page.goto("/approvals")
    await page.get_by_role("link", name="Cranes").click()
    panel = page.get_by_role("region", name="Timeline of the address")
    await expect(panel.get_by_role("heading", name="10.4.0.1")).to_be_visible()
    await expect(panel.get_by_role("button", name="Approve…")).to_be_visible()
    await page.get_by_role("button", name="Retry unfinished (2)").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry 2 addresses").click()
    await expect(page.get_by_text("“Cranes” looks again.")).to_be_visible()

    async def only() -> Any:
        async with fleet.db.begin() as tx:
            return (
                await tx.execute(
                    text("SELECT target_specs->0->'only' FROM runs WHERE kind = 'onboarding' ORDER BY id DESC LIMIT 1")
                )
            ).scalar()

    assert await until(only) == ["10.4.0.2", "10.4.0.3"]

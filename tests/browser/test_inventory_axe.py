"""What axe finds on the screens of the inventory, light and dark, each with something on it."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.factories.machines import Machine
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(300)


async def test_axe_finds_nothing_in_the_inventory(fleet: Fleet, open_page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    assert (await Machine(fleet.http, "crane-1").enrol(str(fleet.site["enrolment_code"]))).status_code == 202
    criteria = {
        "all": [
            {"field": "os_family", "operator": "is", "value": "linux"},
            {"not": {"field": "software", "operator": "installed", "value": {"name": "openssl"}}},
        ]
    }
    made = (await fleet.http.post("/api/device_filters", json={"name": "Linux", "criteria": criteria})).json()
    screens = {
        "/sites": "Harbour",
        f"/sites/{fleet.site['id']}": "watchbill-agent enroll",
        "/approvals": "crane-1",
        "/devices": "Offline",
        f"/devices/{agent.device_id}": "Nothing ran on it yet.",
        f"/devices/{agent.device_id}?tab=software": "Nothing is known of its software yet.",
        "/filters": "Linux",
        f"/filters/{made['id']}": "1 device",
    }
    found: list[str] = []
    for path, shown in screens.items():
        await open_page.goto(path)
        await expect(open_page.locator("#main").get_by_text(shown).first).to_be_visible()
        for scheme in ("light", "dark"):
            await open_page.emulate_media(color_scheme=scheme)
            found += [f"{path} {scheme}: {one}" for one in await violations(open_page)]
    assert found == []

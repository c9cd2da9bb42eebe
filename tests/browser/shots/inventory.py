"""Pictures of devices, approvals, filters, sites."""

from playwright.async_api import Page

from tests.browser.shots.shot import Shot


async def _select(page: Page) -> None:
    for place in (1, 2, 3):
        await page.get_by_role("checkbox").nth(place).check()


async def _approve(page: Page) -> None:
    await page.get_by_role("button", name="Approve tide-gauge").click()


async def _choose_two(page: Page) -> None:
    for name in ("crane-02", "tide-gauge"):
        await page.get_by_role("checkbox", name=f"Select {name}").check()
    await page.get_by_role("button", name="Approve…", exact=True).click()


async def _new_site(page: Page) -> None:
    await page.get_by_role("button", name="New Site").click()


async def _faulty_filter(page: Page) -> None:
    value = page.get_by_label("Value of criterion 2.2")
    await value.fill("x" * 1001)


EMPTY = (
    Shot("devices-empty", "/devices"),
    Shot("approvals-empty", "/approvals"),
    Shot("filters-empty", "/filters"),
    Shot("filter-new", "/filters/new"),
)
FULL = (
    Shot("devices", "/devices"),
    Shot("devices-error", "/devices", fails="**/api/devices?*"),
    Shot("devices-none", "/devices?q=nothing-like-this"),
    Shot("devices-selected", "/devices", do=_select),
    Shot("device", "/devices/{device}"),
    Shot("device-away", "/devices/{away}"),
    Shot("device-executions", "/devices/{device}?tab=executions"),
    Shot("device-software", "/devices/{device}?tab=software"),
    Shot("device-error", "/devices/{device}", fails="**/api/devices/*"),
    Shot("approvals", "/approvals"),
    Shot("approvals-one", "/approvals", do=_approve),
    Shot("approvals-many", "/approvals", do=_choose_two),
    Shot("approvals-approved", "/approvals?state=approved"),
    Shot("filters", "/filters"),
    Shot("filter", "/filters/{filter}"),
    Shot("filter-viewer", "/filters/{filter}", who="viewer"),
    Shot("filter-wrong", "/filters/{filter}", do=_faulty_filter),
    Shot("sites", "/sites"),
    Shot("sites-new", "/sites", do=_new_site),
    Shot("site", "/sites/{pier}"),
)

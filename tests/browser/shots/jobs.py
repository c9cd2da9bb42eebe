"""Pictures of the list of jobs."""

import re

from playwright.async_api import Page

from tests.browser.shots.shot import Shot


async def _pause(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^Pause ")).first.click()


async def _select(page: Page) -> None:
    for place in (1, 2, 3):
        await page.get_by_role("checkbox").nth(place).check()


EMPTY = (Shot("jobs-empty", "/jobs"),)
FULL = (
    Shot("jobs", "/jobs"),
    Shot("jobs-viewer", "/jobs", who="viewer"),
    Shot("jobs-none", "/jobs?q=nothing-like-this"),
    Shot("jobs-error", "/jobs", fails="**/api/scheduled_jobs?*"),
    Shot("jobs-selected", "/jobs", do=_select),
    Shot("jobs-pause", "/jobs", do=_pause),
)

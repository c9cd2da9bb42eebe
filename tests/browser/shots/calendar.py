"""Pictures of the calendar, the ledger, what waited while the Engine was away, windows."""

import asyncio
import re

from playwright.async_api import Page

from tests.browser.shots.shot import Shot


async def _next(page: Page) -> None:
    await page.get_by_role("button", name="After").click()
    await asyncio.sleep(1)


async def _release(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^Run .* now$")).first.click()


async def _skip_all(page: Page) -> None:
    await page.get_by_role("button", name="Skip all held…").click()


EMPTY = (
    Shot("time-ledger-empty", "/ledger"),
    Shot("time-away-empty", "/away"),
    Shot("time-calendar-empty", "/calendar"),
    Shot("time-windows-empty", "/windows"),
)
FULL = (
    Shot("time-ledger", "/ledger"),
    Shot("time-ledger-release", "/ledger?show=held", do=_release),
    Shot("time-ledger-error", "/ledger", fails="**/api/occurrences?*"),
    Shot("time-away", "/away"),
    Shot("time-away-skip", "/away", do=_skip_all),
    Shot("time-calendar", "/calendar"),
    Shot("time-calendar-next", "/calendar", do=_next),
    Shot("time-calendar-week", "/calendar?view=week"),
    Shot("time-calendar-day", "/calendar?view=day"),
    Shot("time-calendar-agenda", "/calendar?view=agenda"),
    Shot("time-windows", "/windows"),
    Shot("time-window", "/windows/{window}"),
    Shot("time-windows-viewer", "/windows", who="viewer"),
    Shot("time-window-new", "/windows/new"),
)

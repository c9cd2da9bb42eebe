"""Pictures of a run, live and over, its history, and what is found in outputs."""

import asyncio
import re

from playwright.async_api import Page

from tests.browser.shots.shot import Shot


async def _first_device(page: Page) -> None:
    await page.get_by_role("button", name="crane-01", exact=True).click()
    await asyncio.sleep(1.5)


async def _stop(page: Page) -> None:
    await page.get_by_role("button", name="Stop…").click()


async def _again(page: Page) -> None:
    await page.get_by_role("button", name="Run again on").click()


async def _next_failed(page: Page) -> None:
    for _ in range(3):
        await page.keyboard.press("n")
        await asyncio.sleep(0.5)


async def _stop_one(page: Page) -> None:
    await page.get_by_role("button", name="Stop crane-01").click()


async def _again_on_failed(page: Page) -> None:
    await _again(page)
    await page.get_by_role("menuitem", name=re.compile("^Failed")).click()


async def _brake(page: Page) -> None:
    await page.get_by_role("button", name="Brake…").click()


async def _release(page: Page) -> None:
    await page.get_by_role("button", name="Let it run…").click()


EMPTY = (Shot("results-search-start", "/search"),)
FULL = (
    Shot("results-live", "/jobs/{running}/run", do=_first_device),
    Shot("results-failed", "/jobs/{failing}/run"),
    Shot("results-waiting", "/jobs/{waiting}/run?state=waiting_online"),
    Shot("results-stop", "/jobs/{running}/run", do=_stop),
    Shot("results-again", "/jobs/{failing}/run", do=_again),
    Shot("results-stop-one", "/jobs/{running}/run", do=_stop_one),
    Shot("results-again-failed", "/jobs/{failing}/run", do=_again_on_failed),
    Shot("results-braked", "/jobs/{braked}/run"),
    Shot("results-soaking", "/jobs/{soaking}/run"),
    Shot("results-promote", "/jobs/{asked}/run"),
    Shot("results-brake", "/jobs/{asked}/run", do=_brake),
    Shot("results-held", "/jobs/{failing}/run?occurrence={held}"),
    Shot("results-held-release", "/jobs/{failing}/run?occurrence={held}", do=_release),
    Shot("results-never-run", "/jobs/{other}/run"),
    Shot("results-viewer", "/jobs/{asked}/run", who="viewer"),
    Shot("results-outputs", "/jobs/{failing}/run?view=outputs"),
    Shot("results-none", "/jobs/{failing}/run?q=nothing-like-this"),
    Shot("results-error", "/jobs/{failing}/run", fails="**/devices/places?*"),
    Shot("results-history", "/jobs/{job}/history"),
    Shot("results-history-none", "/jobs/{job}/history?what=missed"),
    Shot("results-compare", "/jobs/{job}/history?compare={first}&compare={second}"),
    Shot("results-search", "/search?q=disk"),
    Shot("results-search-none", "/search?q=lighthouse"),
)
CROWD = (
    Shot("results-crowd", "/jobs/{job}/run"),
    Shot("results-crowd-next", "/jobs/{job}/run", do=_next_failed),
)

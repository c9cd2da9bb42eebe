"""A real browser before a real Engine: how one starts, signs in and is asked for what axe finds."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.flows.fleet import Fleet

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE, DESK = (390, 844), (1360, 820)
#: Playwright waits so long for anything; a throttled machine draws slowly.
PATIENCE_MILLISECONDS = 20_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)

Scheme = Literal["light", "dark"]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    if not Path(CHROMIUM).exists():
        raise FileNotFoundError("There is no chromium on this machine. On Debian and Ubuntu: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def context_of(
    browser: Browser,
    fleet: Fleet,
    *,
    scheme: Scheme = "light",
    size: tuple[int, int] = DESK,
    is_signed_in: bool = True,
    bypass_csp: bool = False,
) -> BrowserContext:
    """A browser of its own that comes with the session of `fleet.http`. `bypass_csp` lets axe in."""
    context = await browser.new_context(
        base_url=str(fleet.http.base_url),
        color_scheme=scheme,
        viewport={"width": size[0], "height": size[1]},
        timezone_id="Europe/Berlin",
        locale="en-GB",
        reduced_motion="reduce",
        bypass_csp=bypass_csp,
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    if is_signed_in:
        url = str(fleet.http.base_url)
        await context.add_cookies(
            [{"name": name, "value": value, "url": url} for name, value in fleet.http.cookies.items()]
        )
    return context


def watched(page: Page) -> list[str]:
    """What goes wrong in the page from now on: refusals of its policy, exceptions, failures that it writes down.

    Not every reply with a bad status: a refusal of the API is no fault of the page, which shows it.
    """
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    refusal = "Failed to load resource"
    page.on(
        "console",
        lambda said: wrong.append(said.text) if said.type == "error" and not said.text.startswith(refusal) else None,
    )
    return wrong


async def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA. Needs a context with `bypass_csp`."""
    await asyncio.sleep(0.3)  # what fades in is of low contrast until it is there
    await page.add_script_tag(path=AXE)
    found: dict[str, Any] = await page.evaluate(
        "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })"
    )
    return [
        f"{one['id']}: {json.dumps([node['html'][:200] for node in one['nodes']][:4])}" for one in found["violations"]
    ]

"""`python -m tests.browser.screenshots [part of a name …]`: a picture of every screen, from a real Engine with data in it.

Each screen is a line of SHOTS; it is drawn light, dark and as wide as a phone, into `web/screenshots`, which is not kept.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.browser.stage import DESK, PHONE, ROOT, Scheme, chromium, context_of
from tests.browser.world import World, empty, full
from tests.flows.fleet import Fleet, running
from watchbill import queue
from watchbill.kit import db as kit_db
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.secrets import create_key_ring, load_key_ring

FOLDER = ROOT / "web" / "screenshots"
SetUp = Callable[[Fleet], Awaitable[World]]
LOOKS: dict[str, tuple[Scheme, tuple[int, int]]] = {
    "light": ("light", DESK),
    "dark": ("dark", DESK),
    "phone": ("light", PHONE),
}


@dataclass(frozen=True)
class Shot:
    """One screen as it is to be seen. `path` may name what the world made: `{job}`. `do` presses what must be pressed."""

    name: str
    path: str
    do: Callable[[Page], Awaitable[None]] | None = None
    is_signed_in: bool = True
    #: What the API answers, by a pattern of its path, where an error is to be seen.
    fails: str | None = None


async def _palette(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.get_by_label("Search or go to").last.fill("a")


async def _pause(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^Pause ")).first.click()


async def _select(page: Page) -> None:
    for place in (1, 2, 3):
        await page.get_by_role("checkbox").nth(place).check()


async def _keys(page: Page) -> None:
    await page.keyboard.press("?")


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


# One line for each screen and each of its faces. Of an Engine in which there is nothing yet …
EMPTY = (
    Shot("sign-in", "/sign-in", is_signed_in=False),
    Shot("jobs-empty", "/jobs"),
    Shot("devices-empty", "/devices"),
    Shot("approvals-empty", "/approvals"),
    Shot("filters-empty", "/filters"),
    Shot("filter-new", "/filters/new"),
)
# … and of one in which much has happened.
FULL = (
    Shot("jobs", "/jobs"),
    Shot("jobs-none", "/jobs?q=nothing-like-this"),
    Shot("jobs-error", "/jobs", fails="**/api/scheduled_jobs?*"),
    Shot("jobs-selected", "/jobs", do=_select),
    Shot("jobs-pause", "/jobs", do=_pause),
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
    Shot("filter-wrong", "/filters/{filter}", do=_faulty_filter),
    Shot("sites", "/sites"),
    Shot("sites-new", "/sites", do=_new_site),
    Shot("site", "/sites/{pier}"),
    Shot("palette", "/jobs", do=_palette),
    Shot("keys", "/jobs", do=_keys),
    Shot("not-found", "/nowhere"),
)


async def main(wanted: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    async with chromium() as browser:
        for set_up, shots in ((empty, EMPTY), (full, FULL)):
            some = [one for one in shots if not wanted or any(part in one.name for part in wanted)]
            if some:
                await _draw(browser, set_up, some)


async def _draw(browser: Browser, set_up: SetUp, shots: list[Shot]) -> None:
    with EmbeddedPostgres.temporary() as server, tempfile.TemporaryDirectory() as folder:
        server.create_database("watchbill")
        url = server.url("watchbill")
        await asyncio.to_thread(kit_db.migrate, url)
        await asyncio.to_thread(queue.converge_schema, url)
        create_key_ring(Path(folder) / "ring.json")
        async with running(url, load_key_ring(Path(folder) / "ring.json"), Path(folder)) as fleet:
            world = await set_up(fleet)
            for shot in shots:
                for look, (scheme, size) in LOOKS.items():
                    await _take(browser, fleet, world, shot, f"{shot.name}-{look}", scheme, size)


_IS_READ = (
    "document.querySelector('#main, form') && "
    "![...document.querySelectorAll('[role=status]')].some((one) => one.innerText.startsWith('Reading'))"
)


async def _take(
    browser: Browser, fleet: Fleet, world: World, shot: Shot, name: str, scheme: Scheme, size: tuple[int, int]
) -> None:
    context = await context_of(browser, fleet, scheme=scheme, size=size, is_signed_in=shot.is_signed_in)
    page = await context.new_page()
    if shot.fails:
        body = '{"title":"Not available","status":503,"detail":"The database is not there.","code":"unavailable","errors":[]}'
        await page.route(shot.fails, lambda route: route.fulfill(status=503, body=body))
    await page.goto(shot.path.format(**world))
    await page.wait_for_load_state("load")
    await asyncio.sleep(3.5 if shot.fails else 1.5)
    while not await page.evaluate(_IS_READ):
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.4)
    if shot.do:
        await shot.do(page)
        await asyncio.sleep(0.8)
    await page.screenshot(path=FOLDER / f"{name}.png")
    sys.stdout.write(f"{FOLDER / name}.png\n")
    sys.stdout.flush()
    await context.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

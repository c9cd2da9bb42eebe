"""`python -m tests.browser.screenshots [part of a name …]`: a picture of every screen, from a real Engine with data in it.

Each screen is a line in `shots`; it is drawn light, dark and as wide as a phone, into `web/screenshots`, which is not kept.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect
from playwright.async_api import Error as PlaywrightError

from tests.browser.past import LOOKER
from tests.browser.shots import (
    administration,
    assemblies,
    calendar,
    inventory,
    job_editor,
    jobs,
    onboarding,
    results,
    workflow_runs,
)
from tests.browser.shots.shot import Shot
from tests.browser.stage import DESK, PHONE, ROOT, Scheme, chromium, context_of
from tests.browser.world import World, crowd, empty, full
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
# Of an Engine in which there is nothing yet, …
EMPTY = [
    *administration.EMPTY,
    *jobs.EMPTY,
    *assemblies.EMPTY,
    *calendar.EMPTY,
    *inventory.EMPTY,
    *results.EMPTY,
    *onboarding.EMPTY,
    *workflow_runs.EMPTY,
]
# … of one in which much has happened, …
FULL = [
    *jobs.FULL,
    *job_editor.FULL,
    *results.FULL,
    *calendar.FULL,
    *assemblies.FULL,
    *inventory.FULL,
    *onboarding.FULL,
    *administration.FULL,
    *workflow_runs.FULL,
]
# … and of one in which one run has very many devices.
WORLDS: tuple[tuple[SetUp, list[Shot]], ...] = ((empty, EMPTY), (full, FULL), (crowd, [*results.CROWD]))
_UNAVAILABLE = (
    '{"title":"Not available","status":503,"detail":"The database is not there.","code":"unavailable","errors":[]}'
)
Drawn = tuple[Shot, str]


async def main(wanted: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    async with chromium() as browser:
        for set_up, shots in WORLDS:
            names = [(shot, look) for shot in shots for look in LOOKS]
            some = [(shot, look) for shot, look in names if _is_wanted(f"{shot.name}-{look}", wanted)]
            if some:
                await _draw(browser, set_up, some)


def _is_wanted(name: str, wanted: list[str]) -> bool:
    return not wanted or any(part in name for part in wanted)


async def _draw(browser: Browser, set_up: SetUp, some: list[Drawn]) -> None:
    with EmbeddedPostgres.temporary() as server, tempfile.TemporaryDirectory() as folder:
        server.create_database("watchbill")
        url = server.url("watchbill")
        await asyncio.to_thread(kit_db.migrate, url)
        await asyncio.to_thread(queue.converge_schema, url)
        create_key_ring(Path(folder) / "ring.json")
        async with running(url, load_key_ring(Path(folder) / "ring.json"), Path(folder)) as fleet:
            world = await set_up(fleet)
            for shot, look in some:
                await _take(browser, fleet, world, shot, look)


async def _take(browser: Browser, fleet: Fleet, world: World, shot: Shot, look: str) -> None:
    context = await _context(browser, fleet, shot, look)
    page = await context.new_page()
    if shot.fails:
        await page.route(shot.fails, lambda route: route.fulfill(status=503, body=_UNAVAILABLE))
    await page.goto(shot.path.format(**world))
    await page.wait_for_load_state("load")
    # Not by a function of the page: its policy refuses what would be asked again and again.
    await expect(page.locator("#main, form").first).to_be_visible()
    wrong = await _settled(page, shot)
    path = FOLDER / f"{shot.name}-{look}.png"
    await page.screenshot(path=path)
    sys.stdout.write(f"{path}{wrong}\n")
    sys.stdout.flush()
    await context.close()


async def _settled(page: Page, shot: Shot) -> str:
    """Once everything is there. What does not come is said, and the picture is taken all the same."""
    try:
        await expect(page.get_by_role("status").filter(has_text=re.compile("^Reading"))).to_have_count(0)
        await expect(page.locator("[aria-label^=Loading]:visible, [aria-label^=Reading]:visible")).to_have_count(0)
        await asyncio.sleep(3.5 if shot.fails else 1.5)
        if shot.do:
            await shot.do(page)
            await asyncio.sleep(0.8)
    except (AssertionError, PlaywrightError) as error:
        return f": {str(error).splitlines()[0]}"
    return ""


async def _context(browser: Browser, fleet: Fleet, shot: Shot, look: str) -> BrowserContext:
    scheme, size = LOOKS[look]
    context = await context_of(browser, fleet, scheme=scheme, size=size, is_signed_in=shot.who == "admin")
    if shot.who == "viewer":
        reply = await context.request.post("/api/session", data=LOOKER)
        assert reply.ok, await reply.text()
    return context


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

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

from playwright.async_api import Browser, Page, expect

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


def _press(name: str) -> Callable[[Page], Awaitable[None]]:
    async def press(page: Page) -> None:
        await page.get_by_role("button", name=name).first.click()

    return press


async def _to_files(page: Page) -> None:
    await page.get_by_role("region", name="Files").scroll_into_view_if_needed()


async def _save_assembly(page: Page) -> None:
    await page.get_by_role("textbox", name="Script", exact=True).click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("logger keys are new")
    await page.get_by_role("button", name="Save").click()


async def _make_token(page: Page) -> None:
    await page.get_by_role("button", name="New Token").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Backup checks")
    await page.get_by_role("button", name="Make token").click()


async def _keys(page: Page) -> None:
    await page.keyboard.press("?")


# One line for each screen and each of its faces. Of an Engine in which there is nothing yet …
EMPTY = (
    Shot("sign-in", "/sign-in", is_signed_in=False),
    Shot("jobs-empty", "/jobs"),
    Shot("assemblies-empty", "/assemblies"),
    Shot("assembly-new", "/assemblies/new"),
    Shot("variables-empty", "/variables"),
    Shot("tokens-empty", "/tokens"),
)
# … and of one in which much has happened.
FULL = (
    Shot("jobs", "/jobs"),
    Shot("jobs-none", "/jobs?q=nothing-like-this"),
    Shot("jobs-error", "/jobs", fails="**/api/scheduled_jobs?*"),
    Shot("jobs-selected", "/jobs", do=_select),
    Shot("jobs-pause", "/jobs", do=_pause),
    Shot("assemblies", "/assemblies"),
    Shot("assemblies-error", "/assemblies", fails="**/api/assemblies?*"),
    Shot("assembly", "/assemblies/{assembly}"),
    Shot("assembly-below", "/assemblies/{assembly}", do=_to_files),
    Shot("assembly-revisions", "/assemblies/{assembly}?tab=revisions"),
    Shot("assembly-jobs", "/assemblies/{assembly}?tab=jobs"),
    Shot("assembly-save", "/assemblies/{assembly}", do=_save_assembly),
    Shot("variables", "/variables"),
    Shot("variables-set", "/variables", do=_press("Set Variable")),
    Shot("operators", "/operators"),
    Shot("operators-new", "/operators", do=_press("New Operator")),
    Shot("tokens", "/tokens"),
    Shot("tokens-new", "/tokens", do=_press("New Token")),
    Shot("tokens-made", "/tokens", do=_make_token),
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
    # Not by a function of the page: its policy refuses what would be asked again and again.
    await expect(page.get_by_role("status").filter(has_text=re.compile("^Reading"))).to_have_count(0)
    await expect(page.locator("[aria-label^=Loading], [aria-label^=Reading]")).to_have_count(0)
    await asyncio.sleep(3.5 if shot.fails else 1.5)
    if shot.do:
        await shot.do(page)
        await asyncio.sleep(0.8)
    await page.screenshot(path=FOLDER / f"{name}.png")
    sys.stdout.write(f"{FOLDER / name}.png\n")
    sys.stdout.flush()
    await context.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

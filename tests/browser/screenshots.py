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


async def _keys(page: Page) -> None:
    await page.keyboard.press("?")


async def _release(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^Run .* now$")).first.click()


async def _skip_all(page: Page) -> None:
    await page.get_by_role("button", name="Skip all held…").click()


async def _new_channel(page: Page) -> None:
    await page.get_by_role("button", name="New Channel").first.click()


async def _new_rule(page: Page) -> None:
    await page.get_by_role("button", name="New Rule").first.click()


async def _entry(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("All of the entry")).first.click()


# One line for each screen and each of its faces. Of an Engine in which there is nothing yet …
EMPTY = (
    Shot("sign-in", "/sign-in", is_signed_in=False),
    Shot("jobs-empty", "/jobs"),
    Shot("time-ledger-empty", "/ledger"),
    Shot("time-away-empty", "/away"),
    Shot("time-calendar-empty", "/calendar"),
    Shot("time-windows-empty", "/windows"),
    Shot("time-notifications-empty", "/notifications?tab=channels"),
)
# … and of one in which much has happened.
FULL = (
    Shot("jobs", "/jobs"),
    Shot("jobs-none", "/jobs?q=nothing-like-this"),
    Shot("jobs-error", "/jobs", fails="**/api/scheduled_jobs?*"),
    Shot("jobs-selected", "/jobs", do=_select),
    Shot("jobs-pause", "/jobs", do=_pause),
    Shot("palette", "/jobs", do=_palette),
    Shot("keys", "/jobs", do=_keys),
    Shot("not-found", "/nowhere"),
    Shot("time-ledger", "/ledger"),
    Shot("time-ledger-release", "/ledger?show=held", do=_release),
    Shot("time-ledger-error", "/ledger", fails="**/api/occurrences?*"),
    Shot("time-away", "/away"),
    Shot("time-away-skip", "/away", do=_skip_all),
    Shot("time-calendar", "/calendar"),
    Shot("time-calendar-week", "/calendar?view=week"),
    Shot("time-calendar-day", "/calendar?view=day"),
    Shot("time-calendar-agenda", "/calendar?view=agenda"),
    Shot("time-windows", "/windows"),
    Shot("time-window", "/windows/{window}"),
    Shot("time-window-new", "/windows/new"),
    Shot("time-notifications-told", "/notifications"),
    Shot("time-notifications-channels", "/notifications?tab=channels"),
    Shot("time-notifications-channel", "/notifications?tab=channels", do=_new_channel),
    Shot("time-notifications-rules", "/notifications?tab=rules"),
    Shot("time-notifications-rule", "/notifications?tab=rules", do=_new_rule),
    Shot("time-audit", "/audit"),
    Shot("time-audit-entry", "/audit?object_kind=job", do=_entry),
    Shot("time-workers", "/workers"),
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
    await asyncio.sleep(3.5 if shot.fails else 1.5)
    # Not a function that is waited for: the page's policy lets none be made of a text.
    await expect(page.get_by_role("status").filter(has_text=re.compile("^Reading"))).to_have_count(0)
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

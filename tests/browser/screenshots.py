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


async def _break_playbook(page: Page) -> None:
    await page.get_by_role("textbox", name="Playbook", exact=True).click()
    await page.keyboard.press("Control+End")
    await page.keyboard.insert_text("    - name: More\n      no.such.module: {}\n")
    await expect(page.get_by_role("status", name="What Ansible finds")).to_contain_text("no.such.module")


async def _playbook_job(page: Page) -> None:
    await page.get_by_role("button", name="Add assemblies…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("checkbox", name=re.compile("Harbour web servers")).check()
    await dialog.get_by_role("button", name=re.compile("^Add")).click()
    await page.get_by_role("radio", name="SSH, a run for each device").scroll_into_view_if_needed()


async def _make_token(page: Page) -> None:
    await page.get_by_role("button", name="New Token").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Backup checks")
    await page.get_by_role("button", name="Make token").click()


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


async def _told(page: Page) -> None:
    await page.get_by_role("list", name="Next times").wait_for()


async def _compared(page: Page) -> None:
    await page.locator(".cm-mergeView").wait_for()


async def _save(page: Page) -> None:
    await page.get_by_role("button", name="Save job").click()


async def _devices(page: Page) -> None:
    await page.get_by_role("button", name="Add devices…").click()


async def _change(page: Page) -> None:
    await page.get_by_role("textbox", name="Description").fill("Keeps the printers going.")
    await page.get_by_label("Retries").first.fill("2")
    await asyncio.sleep(0.8)
    await page.get_by_role("button", name="Save…").click()


async def _bottom(page: Page) -> None:
    await page.get_by_role("button", name="Policies").click()


async def _file(page: Page) -> None:
    await page.get_by_role("button", name="From a file…").click()
    await page.get_by_role("textbox", name="The file").fill("name: Clear print spool\ncomponents: []\n")


# One line for each screen and each of its faces. Of an Engine in which there is nothing yet …
EMPTY = (
    Shot("sign-in", "/sign-in", is_signed_in=False),
    Shot("jobs-empty", "/jobs"),
    Shot("assemblies-empty", "/assemblies"),
    Shot("assembly-new", "/assemblies/new"),
    Shot("credentials-empty", "/credentials"),
    Shot("credentials-new", "/credentials", do=_press("New Credential")),
    Shot("variables-empty", "/variables"),
    Shot("tokens-empty", "/tokens"),
    Shot("time-ledger-empty", "/ledger"),
    Shot("time-away-empty", "/away"),
    Shot("time-calendar-empty", "/calendar"),
    Shot("time-windows-empty", "/windows"),
    Shot("time-notifications-empty", "/notifications?tab=channels"),
    Shot("devices-empty", "/devices"),
    Shot("approvals-empty", "/approvals"),
    Shot("filters-empty", "/filters"),
    Shot("filter-new", "/filters/new"),
    Shot("results-search-start", "/search"),
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
    Shot("playbook", "/assemblies/{playbook}"),
    Shot("playbook-fault", "/assemblies/{playbook}", do=_break_playbook),
    Shot("playbook-file", "/assemblies/{playbook}", do=_press("roles/web/tasks/main.yml")),
    Shot("playbook-job", "/jobs/new", do=_playbook_job),
    Shot("assembly-revisions", "/assemblies/{assembly}?tab=revisions"),
    Shot("assembly-jobs", "/assemblies/{assembly}?tab=jobs"),
    Shot("assembly-save", "/assemblies/{assembly}", do=_save_assembly),
    Shot("credentials", "/credentials"),
    Shot("credentials-change", "/credentials", do=_press("Change Harbour deploy")),
    Shot("credentials-lost", "/credentials", do=_press("Change Old bastion")),
    Shot("credentials-winrm", "/credentials", do=_press("Change Windows servers")),
    Shot("credentials-delete", "/credentials", do=_press("Delete Fleet root")),
    Shot("variables", "/variables"),
    Shot("variables-set", "/variables", do=_press("Set Variable")),
    Shot("operators", "/operators"),
    Shot("operators-new", "/operators", do=_press("New Operator")),
    Shot("tokens", "/tokens"),
    Shot("tokens-new", "/tokens", do=_press("New Token")),
    Shot("tokens-made", "/tokens", do=_make_token),
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
    Shot("job-new", "/jobs/new"),
    Shot("job-new-asked", "/jobs/new", do=_save),
    Shot("job-new-devices", "/jobs/new", do=_devices),
    Shot("job-new-file", "/jobs/new", do=_file),
    Shot("job-new-copy", "/jobs/new?from={rollout}", do=_told),
    Shot("job-edit", "/jobs/{rollout}", do=_told),
    Shot("job-edit-bottom", "/jobs/{rollout}", do=_bottom),
    Shot("job-edit-save", "/jobs/{job}", do=_change),
    Shot("job-edit-revisions", "/jobs/{rollout}?panel=revisions&compare=1&compare=2", do=_compared),
    Shot("job-edit-gone", "/jobs/4711"),
    Shot("job-edit-error", "/jobs/{job}", fails="**/api/scheduled_jobs/*"),
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
    Shot("results-live", "/jobs/{running}/run", do=_first_device),
    Shot("results-failed", "/jobs/{failing}/run"),
    Shot("results-waiting", "/jobs/{waiting}/run?state=waiting_online"),
    Shot("results-stop", "/jobs/{running}/run", do=_stop),
    Shot("results-again", "/jobs/{failing}/run", do=_again),
    Shot("results-outputs", "/jobs/{failing}/run?view=outputs"),
    Shot("results-none", "/jobs/{failing}/run?q=nothing-like-this"),
    Shot("results-error", "/jobs/{failing}/run", fails="**/devices/places?*"),
    Shot("results-history", "/jobs/{job}/history"),
    Shot("results-history-none", "/jobs/{job}/history?what=missed"),
    Shot("results-compare", "/jobs/{job}/history?compare={first}&compare={second}"),
    Shot("results-search", "/search?q=disk"),
    Shot("results-search-none", "/search?q=lighthouse"),
)
# … and of one in which one run has very many devices.
CROWD = (
    Shot("results-crowd", "/jobs/{job}/run"),
    Shot("results-crowd-next", "/jobs/{job}/run", do=_next_failed),
)


async def main(wanted: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    async with chromium() as browser:
        for set_up, shots in ((empty, EMPTY), (full, FULL), (crowd, CROWD)):
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
    await expect(page.locator("#main, form").first).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text=re.compile("^Reading"))).to_have_count(0)
    await expect(page.locator("[aria-label^=Loading], [aria-label^=Reading]")).to_have_count(0)
    await asyncio.sleep(3.5 if shot.fails else 1.5)
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

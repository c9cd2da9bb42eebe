"""Pictures of New Job, and the page of a job."""

import asyncio
import re

from playwright.async_api import Page

from tests.browser.shots.shot import Shot


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


async def _foreign_file(page: Page) -> None:
    await page.get_by_role("button", name="From a file…").click()
    await page.get_by_role("textbox", name="The file").fill(_FILE)
    await asyncio.sleep(1)


async def _same_file(page: Page) -> None:
    """Of a job that there is, with another value."""
    reply = await page.context.request.get("/api/scheduled_jobs")
    await page.get_by_role("button", name="From a file…").click()
    saved = (await reply.json())["items"][0]["id"]
    file = await page.context.request.get(f"/api/scheduled_jobs/{saved}/export")
    changed = (await file.text()).replace("retries: 0", "retries: 3")
    await page.get_by_role("textbox", name="The file").fill(changed)
    await asyncio.sleep(1)


async def _conflict(page: Page) -> None:
    """Somebody else saves it while one edits, and this browser does not hear of it."""
    await page.route("**/api/events*", lambda route: route.abort())
    await page.reload()
    await page.get_by_role("textbox", name="Description").fill("Once a month.")
    await _saved_elsewhere(page)
    await page.get_by_role("button", name="Save…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Save 1 change").click()
    await page.get_by_text("Somebody else saved it in the meantime").wait_for()


async def _saved_elsewhere(page: Page) -> None:
    """Each time with another description, so that there is a change to be seen."""
    asked = page.context.request
    path = f"/api/scheduled_jobs/{page.url.rsplit('/', 1)[-1]}"
    token = (await (await asked.get("/api/session")).json())["csrf_token"]
    job = await (await asked.get(path)).json()
    body = {name: job[name] for name in ("name", "components", "targets", "schedule", "policies")}
    body["description"] = f"Every week, as of revision {job['revision']}."
    reply = await asked.put(path, data=body, headers={"X-CSRF-Token": token})
    assert reply.ok, await reply.text()


async def _more(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^More for ")).click()


_FILE = """\
name: Sweep the quays
components:
  - assembly: An assembly that nobody has
targets:
  - device: crane-99
schedule:
  type: fortnightly
"""
FULL = (
    Shot("job-new", "/jobs/new"),
    Shot("job-new-asked", "/jobs/new", do=_save),
    Shot("job-new-devices", "/jobs/new", do=_devices),
    Shot("job-new-file", "/jobs/new", do=_file),
    Shot("job-new-file-foreign", "/jobs/new", do=_foreign_file),
    Shot("job-new-file-known", "/jobs/new", do=_same_file),
    Shot("job-new-copy", "/jobs/new?from={rollout}", do=_told),
    Shot("job-edit", "/jobs/{rollout}", do=_told),
    Shot("job-edit-bottom", "/jobs/{rollout}", do=_bottom),
    Shot("job-edit-save", "/jobs/{job}", do=_change),
    Shot("job-edit-revisions", "/jobs/{rollout}?panel=revisions&compare=1&compare=2", do=_compared),
    Shot("job-edit-viewer", "/jobs/{job}", who="viewer"),
    Shot("job-new-viewer", "/jobs/new", who="viewer"),
    Shot("job-edit-conflict", "/jobs/{other}", do=_conflict),
    Shot("job-edit-more", "/jobs/{job}", do=_more),
    Shot("job-edit-gone", "/jobs/4711"),
    Shot("job-edit-error", "/jobs/{job}", fails="**/api/scheduled_jobs/*"),
)

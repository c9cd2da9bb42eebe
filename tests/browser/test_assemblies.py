"""Automation > Assemblies: a script is written, saved as revisions, compared, and never lost to somebody else's save."""

import hashlib
import re

import pytest
from playwright.async_api import Page, expect

from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)

_DAILY = {"type": "daily", "start": "2026-01-01T03:00"}


async def test_an_assembly_is_written_with_its_variables_and_files(fleet: Fleet, page: Page) -> None:
    await page.goto("/assemblies")
    await expect(page.get_by_text("There is no assembly yet.")).to_be_visible()
    await page.get_by_role("link", name="New Assembly").first.click()
    await page.get_by_role("textbox", name="Name", exact=True).fill("Clear spool")
    await page.get_by_role("textbox", name="Script", exact=True).click()
    await page.keyboard.type('echo "removed ${MAX_AGE}"')
    await page.get_by_role("button", name="Add variable").click()
    variable = page.get_by_role("group", name="Variable without a name yet")
    await variable.get_by_label("Name").fill("PATH")
    variable = page.get_by_role("group", name="Variable PATH")
    await variable.get_by_role("combobox", name="Type").click()
    await page.get_by_role("option", name="Number").click()
    await variable.get_by_label("Default").fill("24")
    await page.locator("input[type=file]").set_input_files(
        {"name": "rules.ini", "mimeType": "text/plain", "buffer": b"[spool]\n"}
    )
    await expect(page.get_by_role("region", name="Files")).to_contain_text("attached by the next save")
    await page.get_by_role("button", name="Save").click()
    await expect(variable).to_contain_text("PATH is reserved")  # said beside the field, and nothing is lost
    await variable.get_by_label("Name").fill("MAX_AGE")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("“Clear spool” is saved as revision 1.")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/assemblies/[0-9a-f-]{36}$"))
    (listed,) = (await fleet.http.get("/api/assemblies")).json()["items"]
    saved = (await fleet.http.get(f"/api/assemblies/{listed['id']}")).json()
    assert saved["content"] == 'echo "removed ${MAX_AGE}"'
    assert [(one["name"], one["type"], one["default"]) for one in saved["variables"]] == [("MAX_AGE", "number", 24)]
    assert saved["files"] == [{"name": "rules.ini", "sha256": hashlib.sha256(b"[spool]\n").hexdigest(), "size": 8}]
    await page.get_by_label("Description", exact=True).fill("of all printers")
    await page.get_by_role("link", name="Assemblies").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Clear spool has changes that are not saved.")
    await dialog.get_by_role("button", name="Cancel").click()
    await page.keyboard.press("Control+s")
    await expect(page.get_by_text("“Clear spool” is saved as revision 2.")).to_be_visible()
    await page.get_by_role("link", name="Assemblies").click()
    await expect(page.get_by_role("row", name=re.compile("Clear spool"))).to_contain_text("no job")


async def test_what_jobs_run_is_compared_before_it_is_saved_and_nobody_overwrites_another(
    fleet: Fleet, page: Page
) -> None:
    agent = await fleet.enrol("alpha", start=False)
    script = await fleet.script("echo one", name="Trim logs")
    job = await fleet.job(script, agent, name="Nightly trim", schedule=_DAILY)
    await page.goto(f"/assemblies/{script}")
    await page.get_by_role("textbox", name="Script", exact=True).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.type("echo two")
    await page.get_by_role("button", name="Save…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("1 active job runs revision 2 from the next occurrence on.")
    await expect(dialog.get_by_role("link", name="Nightly trim")).to_have_attribute("href", f"/jobs/{job['id']}")
    await expect(dialog.locator(".cm-mergeView")).to_contain_text("echo one")
    await expect(dialog.locator(".cm-mergeView")).to_contain_text("echo two")
    await dialog.get_by_role("button", name="Save revision 2").click()
    await expect(page.get_by_text("“Trim logs” is saved as revision 2.")).to_be_visible()
    await page.get_by_role("tab", name=re.compile("Revisions")).click()
    compared = page.get_by_role("region", name="Comparison")
    await expect(compared.locator(".cm-mergeView")).to_contain_text("echo two")
    await expect(page.get_by_role("listitem", name="Revision 2")).to_contain_text("changed: script")
    await expect(page).to_have_url(re.compile(r"tab=revisions"))
    # Somebody else saves while this page has changes of its own.
    await page.get_by_role("tab", name="Script").click()
    await page.get_by_label("Description", exact=True).fill("mine")
    body = {"name": "Trim logs", "interpreter": "bash", "content": "echo three"}
    assert (await fleet.http.put(f"/api/assemblies/{script}", json=body)).status_code == 200
    await page.get_by_role("button", name="Save…").click()
    await dialog.get_by_role("button", name="Save revision 3").click()
    conflict = page.get_by_role("alert").filter(has_text="admin saved revision 3 in the meantime")
    await conflict.get_by_role("button", name="Show the difference").click()
    await expect(conflict.locator(".cm-mergeView").first).to_contain_text("echo three")
    await conflict.get_by_role("button", name="Drop mine, take revision 3").click()
    await expect(page.get_by_role("textbox", name="Script", exact=True)).to_have_text("echo three")
    await page.get_by_role("button", name="More for Trim logs").click()
    await page.get_by_role("menuitem", name="Archive…").click()
    await page.get_by_role("button", name="Archive assembly").click()
    await expect(page.get_by_role("dialog")).to_contain_text("The assembly is in use by: Nightly trim.")

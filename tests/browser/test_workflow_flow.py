"""A workflow from an empty canvas to the output of a device: built, put on a schedule by a job, started from the job, watched to its end."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.stage import enrolled
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(300)


def _side(page: Page) -> Locator:
    return page.get_by_label("What is selected")


async def _add(page: Page, kind: str, name: str, node_id: str) -> None:
    """A node by the palette, under a name and an id of its own."""
    await page.get_by_role("navigation", name="Kinds of nodes").get_by_role("button", name=kind, exact=True).click()
    await _side(page).get_by_role("textbox", name="Name", exact=True).fill(name)
    await _side(page).get_by_role("textbox", name="Id", exact=True).fill(node_id)
    await _side(page).get_by_role("textbox", name="Name", exact=True).focus()  # an id is changed once it is left
    await expect(page.locator(f".react-flow__node[data-id={node_id}]")).to_be_visible()


async def _connect(page: Page, node_id: str, output: str, ends: str) -> None:
    """From the panel of the node, as one does without a mouse. `ends`: "Check the disk: in"."""
    side = _side(page)
    await page.locator(f".react-flow__node[data-id={node_id}]").focus()
    await page.keyboard.press("Enter")
    await expect(side.get_by_role("textbox", name="Id", exact=True)).to_have_value(node_id)
    of = side.get_by_role("combobox", name="From its output")
    if await of.count():
        await of.click()
        await page.get_by_role("option", name=output, exact=True).click()
    await side.get_by_role("combobox", name=f"Connect “{output}” with").click()
    await page.get_by_role("option", name=ends, exact=True).click()
    await side.get_by_role("button", name="Connect", exact=True).click()


async def _choose(page: Page, label: str, option: str) -> None:
    await page.get_by_role("combobox", name=label).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def _build(page: Page) -> None:
    """Started by a job: a script on a device, what share of it succeeded, and a wait if that is enough."""
    side = _side(page)
    await page.goto("/assemblies")
    await page.get_by_role("link", name="New Workflow").click()
    await side.get_by_role("textbox", name="Name of the workflow").fill("Look after the harbour")
    await page.get_by_text("Parameters", exact=True).click()
    await page.get_by_role("button", name="Add parameter").click()
    row = page.get_by_role("group", name=re.compile("^Parameter"))
    await row.get_by_role("textbox", name="Name", exact=True).fill("enough")
    await _choose(page, "Type", "Number")
    await row.get_by_label("Default").first.fill("50")
    await page.get_by_text("Graph", exact=True).click()
    await page.locator(".react-flow__node[data-id=start]").click()
    await side.get_by_role("button", name="Delete node").click()
    await _add(page, "By a job", "When it is due", "due")
    await _add(page, "Devices", "The crane", "crane")
    await side.get_by_role("combobox", name="Devices", exact=True).click()
    await page.get_by_role("option", name="alpha", exact=True).click()
    await page.keyboard.press("Escape")
    await _add(page, "Script", "Check the disk", "check")
    await side.get_by_role("combobox", name="Script", exact=True).fill("Look")
    await page.get_by_role("option", name="Look at disks", exact=True).click()
    await _add(page, "Value", "Share of devices", "share")
    await side.get_by_label("Value", exact=True).fill("inputs.check.succeeded / inputs.check.total * 100")
    await _add(page, "Condition", "Is it enough?", "is_enough")
    await side.get_by_label("Condition", exact=True).fill("inputs.share >= parameters.enough")
    await _add(page, "Wait", "A moment", "moment")
    await side.get_by_label("How long", exact=True).fill("1")
    await _choose(page, "Unit of: How long", "seconds")
    await side.get_by_label("How long", exact=True).fill("1")
    for node_id, output, ends in (
        ("due", "out", "Check the disk: in"),
        ("crane", "devices", "Check the disk: devices"),
        ("check", "out", "Share of devices: in"),
        ("check", "result", "Share of devices: inputs"),
        ("share", "out", "Is it enough?: in"),
        ("share", "value", "Is it enough?: inputs"),
        ("is_enough", "true", "A moment: in"),
    ):
        await _connect(page, node_id, output, ends)
    await expect(page.locator(".react-flow__edge")).to_have_count(7)
    await expect(page.get_by_label("Problems")).to_contain_text("The Engine finds nothing wrong.")
    await page.get_by_role("button", name="Arrange the nodes").click()


async def test_a_workflow_is_built_put_on_a_schedule_started_and_watched(
    fleet: Fleet, page: Page, tmp_path: Path
) -> None:
    await enrolled(fleet, "alpha")
    go = tmp_path / "go"
    await fleet.script(f"echo looking; until [ -e {go} ]; do sleep 0.1; done; echo 17 % used", name="Look at disks")
    await _build(page)
    await page.keyboard.press("Control+s")
    await expect(page.get_by_text("“Look after the harbour” is saved as revision 1.")).to_be_visible()
    # The job says when; where and what is taken from the workflow.
    await page.get_by_role("link", name="Scheduled Jobs").click()
    await page.get_by_role("link", name="New Job").first.click()
    await page.get_by_role("textbox", name="Name", exact=True).fill("The harbour, every night")
    await page.get_by_role("button", name="Add assemblies…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("checkbox", name="Select Look after the harbour").check()
    await dialog.get_by_role("button", name=re.compile("^Add 1 ")).click()
    await expect(page.get_by_role("button", name="Add devices…")).to_have_count(0)
    taken = page.locator("#section-targets")
    await expect(taken).to_contain_text("The crane")
    await expect(taken).to_contain_text("Check the disk")
    await page.get_by_placeholder("50 (default)").fill("100")
    await _choose(page, "Runs", "Daily")
    await page.get_by_label("First time").first.fill("2030-05-01T03:00")
    summary = page.get_by_role("complementary", name="What it would do")
    await expect(summary).to_contain_text("Every day at 03:00")
    await expect(summary).to_contain_text("Look after the harbour")
    await page.get_by_role("button", name="Save job").click()
    await expect(page.get_by_role("heading", name="The harbour, every night")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/jobs/\d+$"))
    await expect(page.get_by_placeholder("50 (default)")).to_have_value("100")
    # Started now, from the job; its page leads to the run.
    await page.get_by_role("button", name="Run now", exact=True).click()
    await page.get_by_role("link", name="Current Run").click()
    await page.get_by_role("link", name="Open its run").click()
    await expect(page).to_have_url(re.compile(r"/workflow-runs/\d+"))
    await expect(page.get_by_role("link", name="The harbour, every night")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Script: Check the disk Running"))).to_be_visible()
    # Nobody reloads: nodes become what they become.
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    go.touch()
    for node in ("Script: Check the disk", "Value: Share of devices", "Condition: Is it enough\\?", "Wait: A moment"):
        await expect(page.get_by_role("button", name=re.compile(f"^{node} Success"))).to_be_visible(timeout=60_000)
    assert loads == []
    await page.get_by_role("button", name=re.compile("^Script: Check the disk")).click()
    panel = page.get_by_role("region", name="Node: Check the disk")
    await panel.get_by_role("tab", name="Devices").click()
    await expect(panel.get_by_role("row", name=re.compile("alpha"))).to_contain_text("Success")
    await panel.get_by_role("button", name="alpha", exact=True).click()
    output = page.get_by_role("region", name="Standard output of alpha")
    await expect(output.get_by_text("looking")).to_be_visible()
    await expect(output.get_by_text("17 % used")).to_be_visible()
    # What was worked out on the way, and what the job knows of it.
    await page.get_by_role("button", name=re.compile("^Value: Share of devices")).click()
    await page.get_by_role("region", name="Node: Share of devices").get_by_role("tab", name="Data").click()
    await expect(page.get_by_role("region", name="Node: Share of devices")).to_contain_text("100")
    await page.get_by_role("link", name="The harbour, every night").click()
    await page.get_by_role("link", name="Historical Runs").click()
    await expect(page.get_by_text("Ran: of 4 steps 4 succeeded.")).to_be_visible()
    await expect(page.get_by_role("checkbox", name=re.compile("^Compare the run"))).to_be_disabled()

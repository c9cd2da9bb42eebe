"""Automation > Assemblies > a workflow: built by palette and keyboard, refused what does not fit, and found again as it was."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(180)


def _node(page: Page, name: str) -> Locator:
    return page.locator(".react-flow__node").filter(has=page.get_by_text(name, exact=True))


async def _port(page: Page, node: str, port: str, side: str) -> tuple[float, float]:
    handle = _node(page, node).locator(f".react-flow__handle.{side}[data-handleid={port}]")
    box = await handle.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def _drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    await page.mouse.move(*end, steps=4)


async def _add(page: Page, kind: str, name: str) -> None:
    """A node by the palette, under a name of its own."""
    await page.get_by_role("navigation", name="Kinds of nodes").get_by_role("button", name=kind, exact=True).click()
    await page.get_by_label("What is selected").get_by_role("textbox", name="Name", exact=True).fill(name)


async def test_a_workflow_is_built_refused_what_does_not_fit_saved_and_found_as_it_was(
    fleet: Fleet, page: Page
) -> None:
    await page.goto("/assemblies")
    await page.get_by_role("link", name="New Workflow").click()
    side = page.get_by_label("What is selected")
    await side.get_by_role("textbox", name="Name of the workflow").fill("Patch with approval")
    await _add(page, "Approval", "Ask first")
    await side.get_by_role("textbox", name="What is asked").fill("Go on?")
    await _add(page, "Wait", "A while")
    await expect(page.get_by_label("Problems").get_by_role("listitem").first).to_be_visible()
    # Drawn with the mouse, then one that does not fit, with the reason at the pointer.
    await page.get_by_role("button", name="Arrange the nodes").click()
    await page.get_by_role("button", name="Close, back to the workflow").click()
    await page.wait_for_timeout(300)  # the view has moved
    await _drag(page, await _port(page, "Start", "out", "source"), await _port(page, "Ask first", "in", "target"))
    await page.mouse.up()
    edge = page.get_by_role("button", name="on success", exact=True)
    await expect(page.locator(".react-flow__edge")).to_have_count(1)
    await _drag(page, await _port(page, "Ask first", "result", "source"), await _port(page, "A while", "in", "target"))
    await expect(page.get_by_role("alert")).to_have_text("“result” gives a result; “in” takes control.")
    await page.mouse.up()
    await expect(page.locator(".react-flow__edge")).to_have_count(1)
    # By the keyboard: Enter opens a node, and the edge is made in its panel.
    await _node(page, "Ask first").focus()
    await page.keyboard.press("Enter")
    await expect(side.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    await side.get_by_role("combobox", name="Connect “out” with").click()
    await page.get_by_role("option", name="A while: in").click()
    await side.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator(".react-flow__edge")).to_have_count(2)
    await side.get_by_role("combobox", name=re.compile("When is taken: out → A while")).click()
    await page.get_by_role("option", name="always").click()
    await expect(page.get_by_label("Problems")).to_contain_text("The Engine finds nothing wrong.")
    # Undone and done again.
    await _node(page, "A while").focus()
    await page.keyboard.press("Control+z")
    await expect(edge).to_have_count(2)
    await page.keyboard.press("Control+z")
    await expect(page.locator(".react-flow__edge")).to_have_count(1)
    await page.keyboard.press("Control+y")
    await page.keyboard.press("Control+y")
    await expect(page.get_by_role("button", name="always", exact=True)).to_have_count(1)
    await page.keyboard.press("Control+s")
    await expect(page.get_by_text("“Patch with approval” is saved as revision 1.")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/assemblies/[0-9a-f-]{36}$"))
    (listed,) = (await fleet.http.get("/api/assemblies", params={"kind": "workflow"})).json()["items"]
    saved = (await fleet.http.get(f"/api/assemblies/{listed['id']}")).json()["workflow"]
    assert [(one["id"], one["type"], one["name"]) for one in saved["nodes"]] == [
        ("start", "trigger_manual", "Start"),
        ("approval", "approval", "Ask first"),
        ("wait", "wait", "A while"),
    ]
    assert [(one["from"], one["to"], one["route_on"]) for one in saved["edges"]] == [
        ("start.out", "approval.in", "success"),
        ("approval.out", "wait.in", "always"),
    ]
    await page.reload()
    await expect(page.locator(".react-flow__node")).to_have_count(3)
    await expect(page.get_by_role("button", name="always", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Undo changes")).to_have_count(0)  # nothing differs from what was saved
    await _node(page, "Ask first").click()
    await expect(side.get_by_role("textbox", name="What is asked")).to_have_value("Go on?")

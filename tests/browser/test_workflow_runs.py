"""Runs of workflows in the console: one is started, watched, approved, looked into, and run again from what failed; the list; the history."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import PHONE, Scheme, enrolled, violations
from tests.browser.world_workflow_runs import asking_first
from tests.flows.fleet import Fleet

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
pytestmark = pytest.mark.timeout(420)


async def test_a_workflow_is_watched_approved_and_run_again_from_what_failed(
    fleet: Fleet, page: Page, tmp_path: Path
) -> None:
    alpha, bravo = await enrolled(fleet, "alpha"), await enrolled(fleet, "bravo")
    wanted = tmp_path / "wanted"
    script = await fleet.script(f"test -f {wanted} && echo all is well || {{ echo it is missing; exit 3; }}")
    workflow = await asking_first(fleet, script, alpha.device_id, bravo.device_id)
    await page.goto(f"/assemblies/{workflow['id']}/runs")
    await expect(page.get_by_text("This workflow has not run yet.")).to_be_visible()
    # Started with a parameter; its message says so, and the run stops there for a person.
    await page.get_by_role("button", name="Run now…").click()
    await page.get_by_role("dialog").get_by_label("ring").fill("the second ring")
    await page.get_by_role("dialog").get_by_role("button", name="Run now", exact=True).click()
    await expect(page).to_have_url(re.compile(r"/workflow-runs/\d+"))
    await expect(page.get_by_text("“May it run?” waits for approval.")).to_be_visible()
    asked = page.get_by_role("region", name="Approval: May it run?")
    await expect(asked.get_by_text("Run it on the second ring?")).to_be_visible()
    await expect(asked.get_by_text(re.compile("min .* left"))).to_be_visible()
    graph = page.get_by_role("button", name=re.compile("^Script: Check the file Pending"))
    await expect(graph).to_be_visible()
    await asked.get_by_label("Comment").fill("go on")
    await asked.get_by_role("button", name="Approve").click()
    # Nobody reloads: the script fails, and its devices are before the person with what they said.
    await expect(page.get_by_text("“Check the file” failed.")).to_be_visible(timeout=60_000)
    node = page.get_by_role("region", name="Node: Check the file")
    await expect(node.get_by_role("button", name="alpha", exact=True)).to_be_visible()
    await expect(node.get_by_text("it is missing").first).to_be_visible()
    await node.get_by_role("button", name="bravo", exact=True).click()
    await expect(
        page.get_by_role("region", name="Standard output of bravo").get_by_text("it is missing")
    ).to_be_visible()
    await expect(page).to_have_url(re.compile(r"[?&]target=\d+"))
    # Again from there: it is said what is kept, and only the rest runs.
    wanted.touch()
    first = page.url
    await page.get_by_role("button", name="Run again…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("region", name="Runs again · 1").get_by_text("Check the file")).to_be_visible()
    await expect(dialog.get_by_role("region", name=re.compile("^Kept"))).to_contain_text("May it run?")
    await dialog.get_by_role("button", name="Run again").click()
    await expect(page).not_to_have_url(first)
    await expect(page.get_by_role("link", name=re.compile("^goes on from run"))).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Script: Check the file Success"))).to_be_visible(
        timeout=60_000
    )
    await expect(page.get_by_role("button", name=re.compile("May it run.* kept"))).to_be_visible()
    # The history tells both, and can be narrowed down.
    await page.get_by_role("link", name="All its runs").click()
    await expect(page.get_by_role("row")).to_have_count(3)
    await page.get_by_label("Any state").first.click()
    await page.get_by_role("option", name="Failed").click()
    await expect(page.get_by_role("row")).to_have_count(2)


async def test_approvals_of_workflows_are_decided_where_they_are_listed(fleet: Fleet, open_page: Page) -> None:
    page = open_page
    alpha = await enrolled(fleet, "alpha")
    workflow = await asking_first(fleet, await fleet.script("true"), alpha.device_id)
    await page.goto("/approvals?kind=workflows")
    await expect(page.get_by_text("No workflow waits.")).to_be_visible()
    component = {"assembly_id": workflow["id"], "kind": "workflow", "revision": "latest", "variables": {}}
    body = {
        "name": "Ask at once",
        "job_kind": "automation",
        "components": [component],
        "schedule": {"type": "immediately"},
    }
    reply = await fleet.http.post("/api/scheduled_jobs", json=body)
    assert reply.status_code == 201, reply.text
    # It comes by itself.
    asked = page.get_by_role("region", name=re.compile("^Approval: Asked first"))
    await expect(page.get_by_text("job Ask at once")).to_be_visible()
    await expect(asked.get_by_text("Run it on pilot?")).to_be_visible()
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        assert await violations(page) == []
    await asked.get_by_role("button", name="Deny").click()
    await expect(page.get_by_text("No workflow waits.")).to_be_visible()
    # The page of the job leads to the run, and the run to the job.
    await page.goto(f"/jobs/{reply.json()['id']}/run")
    await page.get_by_role("link", name="Open its run").click()
    await expect(page.get_by_role("link", name="Ask at once")).to_have_attribute("href", f"/jobs/{reply.json()['id']}")
    run = page.url.split("/")[-1].split("?")[0]
    # The graph, the timeline and the list say the same of it; axe finds nothing in any of them.
    for view in ("graph", "timeline", "list"):
        await page.goto(f"/workflow-runs/{run}?view={view}&node=ask")
        name = re.compile("May it run.*Failed") if view != "list" else re.compile("Failed May it run")
        await expect(page.get_by_role("button", name=name)).to_be_visible()
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            assert await violations(page) == []
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await page.goto(f"/workflow-runs/{run}")
    await expect(page.get_by_role("list", name="Nodes of the run")).to_be_visible()
    assert await violations(page) == []

"""Pictures of the catalogue and its editor."""

import re

from playwright.async_api import Page, expect

from tests.browser.shots.shot import Shot, press


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


async def _break_workflow(page: Page) -> None:
    kinds = page.get_by_role("navigation", name="Kinds of nodes")
    for kind in ("Script", "Condition", "HTTP request"):
        await kinds.get_by_role("button", name=kind, exact=True).click()
    await expect(page.get_by_label("Problems").get_by_role("listitem").first).to_be_visible()


async def _open_node(page: Page) -> None:
    await page.locator(".react-flow__node[data-id=patch_few]").click()


async def _as_list(page: Page) -> None:
    await page.get_by_text("List", exact=True).click()


EMPTY = (
    Shot("assemblies-empty", "/assemblies"),
    Shot("assembly-new", "/assemblies/new"),
    Shot("workflow-new", "/assemblies/new?kind=workflow"),
)
FULL = (
    Shot("assemblies", "/assemblies"),
    Shot("assemblies-error", "/assemblies", fails="**/api/assemblies?*"),
    Shot("assembly", "/assemblies/{assembly}"),
    Shot("assembly-below", "/assemblies/{assembly}", do=_to_files),
    Shot("playbook", "/assemblies/{playbook}"),
    Shot("playbook-fault", "/assemblies/{playbook}", do=_break_playbook),
    Shot("playbook-file", "/assemblies/{playbook}", do=press("roles/web/tasks/main.yml")),
    Shot("playbook-job", "/jobs/new", do=_playbook_job),
    Shot("assembly-revisions", "/assemblies/{assembly}?tab=revisions"),
    Shot("assembly-jobs", "/assemblies/{assembly}?tab=jobs"),
    Shot("workflow", "/assemblies/{workflow}"),
    Shot("workflow-node", "/assemblies/{workflow}", do=_open_node),
    Shot("workflow-list", "/assemblies/{workflow}", do=_as_list),
    Shot("workflow-problems", "/assemblies/{workflow}", do=_break_workflow),
    Shot("workflow-large", "/assemblies/{workflow_large}"),
    Shot("workflow-revisions", "/assemblies/{workflow}?tab=revisions"),
    Shot("assembly-save", "/assemblies/{assembly}", do=_save_assembly),
)

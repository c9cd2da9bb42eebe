"""Inventory > Sites, and how a machine comes in: by the command of its site, a person's yes, and a look whether it is there."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.flows.fleet import AGENT, Agent, Fleet

pytestmark = pytest.mark.timeout(300)


async def _enrolling(command: str, folder: Path) -> asyncio.subprocess.Process:
    """What a person does with the command that was copied; only where the agent keeps its things is said besides."""
    program, *rest = shlex.split(command)
    assert program == "watchbill-agent"
    return await asyncio.create_subprocess_exec(
        AGENT, *rest, "--data-dir", str(folder), "--wait", "60",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def test_a_machine_comes_in_by_the_command_of_a_new_site(fleet: Fleet, page: Page) -> None:
    await page.goto("/sites")
    await page.get_by_role("button", name="New Site").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Pier")
    await page.get_by_role("button", name="Create site").click()
    await expect(page.get_by_role("heading", name="Pier", exact=True)).to_be_visible()
    command = await page.get_by_text("watchbill-agent enroll").inner_text()
    folder = fleet.folder / "pier-1"
    asking = await _enrolling(command, folder)
    await expect(page.get_by_text("1 waiting").first).to_be_visible()
    await page.get_by_role("link", name="Device Approvals").last.click()
    await page.get_by_role("button", name=re.compile("^Approve ")).click()
    dialog = page.get_by_role("dialog")
    shown = await dialog.get_by_text("sha256:").inner_text()
    await dialog.get_by_role("button", name=re.compile("^Approve ")).click()
    await expect(page.get_by_text("is a device of “Pier” now.")).to_be_visible()
    await expect(page.get_by_text("No request is like that.")).to_be_visible()
    said, _ = await asyncio.wait_for(asking.communicate(), 60)
    assert asking.returncode == 0, said.decode()
    assert shown in said.decode()  # what a person compares is the same on both sides
    await page.get_by_role("link", name="Devices", exact=True).click()
    row = page.get_by_role("row").filter(has_text="Pier")
    await expect(row.get_by_text("Offline")).to_be_visible()
    agent = Agent(folder)
    fleet.agents.append(agent)
    await agent.start()
    await expect(row.get_by_text("Online")).to_be_visible()  # nobody reloads


async def test_the_code_is_replaced_and_nobody_is_asked_for_a_time(fleet: Fleet, page: Page) -> None:
    await page.goto("/sites")
    row = page.get_by_role("row").filter(has_text="Harbour")
    await expect(row).to_contain_text("none yet")
    await row.get_by_role("link", name="Harbour").click()
    command = page.get_by_text("watchbill-agent enroll")
    before = await command.inner_text()
    await page.get_by_role("button", name="New code…").click()
    await page.get_by_role("button", name="Replace the code").click()
    await expect(page.get_by_text("“Harbour” has a new enrolment code")).to_be_visible()
    await expect(command).not_to_have_text(before)
    await page.get_by_role("button", name="15 minutes").click()
    await page.get_by_role("button", name="Approve for 15 min").click()
    await expect(page.get_by_text(re.compile("approved for 1[45] min yet"))).to_be_visible()
    asking = await _enrolling(await command.inner_text(), fleet.folder / "unasked")
    said, _ = await asyncio.wait_for(asking.communicate(), 60)
    assert asking.returncode == 0, said.decode()
    await page.get_by_role("button", name="End it now").click()
    await expect(page.get_by_text("wait for a person again")).to_be_visible()
    site = (await fleet.http.get(f"/api/sites/{fleet.site['id']}")).json()
    assert (site["auto_approve_until"], site["device_count"]) == (None, 1)
    await page.get_by_role("button", name="Delete…").click()
    await page.get_by_role("button", name="Delete site").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()  # it has a device

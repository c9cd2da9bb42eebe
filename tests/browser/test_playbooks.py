"""Automation > Assemblies, a playbook: written with its files, told what Ansible thinks of it line by line, imported, and put into a job."""

import io
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.flows.fleet import Fleet
from watchbill.playbooks import Writer

pytestmark = pytest.mark.timeout(180)

PLAY = "- hosts: all\n  roles: [web]\n"


async def write(page: Page, label: str, text: str) -> None:
    await page.get_by_role("textbox", name=label, exact=True).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text)


def zipped(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with Writer(file) as writer:
        for name, data in entries.items():
            writer.add(name, iter([data]))
    return file.getvalue()


async def test_a_playbook_is_written_with_its_files_and_every_fault_has_its_line(fleet: Fleet, page: Page) -> None:
    await page.goto("/assemblies/new")
    await page.get_by_role("textbox", name="Name", exact=True).fill("Set up web")
    await page.get_by_role("combobox", name="Interpreter").click()
    await page.get_by_role("option", name="Ansible (playbook)").click()
    found = page.get_by_role("status", name="What Ansible finds")
    await expect(found).to_contain_text("Ansible finds nothing wrong with its syntax.")
    await write(page, "Playbook", PLAY)
    await expect(found).to_contain_text("the role 'web' was not found")
    await expect(page.locator(".cm-faultLine")).to_contain_text("roles:")
    tree = page.get_by_role("navigation", name="Files of the playbook")
    await tree.get_by_label("New file").fill("roles/web/tasks/main.yml")
    await tree.get_by_role("button", name="Add file").click()
    await write(page, "roles/web/tasks/main.yml", "- name: Say\n  no.such.module: {}\n")
    fault = found.get_by_role("button", name="roles/web/tasks/main.yml, line 1")
    await expect(fault).to_contain_text("couldn't resolve module/action 'no.such.module'")
    await tree.get_by_role("button", name="playbook.yml").click()
    await fault.click()
    await expect(page.get_by_role("textbox", name="roles/web/tasks/main.yml", exact=True)).to_be_focused()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The assembly has 1 problem: nothing was changed.")).to_be_visible()
    await write(page, "roles/web/tasks/main.yml", "- name: Say\n  ansible.builtin.debug: {msg: x}\n")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("“Set up web” is saved as revision 1.")).to_be_visible()
    (listed,) = (await fleet.http.get("/api/assemblies")).json()["items"]
    at = f"/api/assemblies/{listed['id']}"
    got = await fleet.http.get(f"{at}/files/roles/web/tasks/main.yml")
    assert got.text == "- name: Say\n  ansible.builtin.debug: {msg: x}\n"
    # Renamed with its content, and uploaded beside it.
    await tree.get_by_role("button", name="roles/web/tasks/main.yml").click()
    await tree.locator("input[type=file]").set_input_files(
        {"name": "extra.yml", "mimeType": "text/yaml", "buffer": b"- ansible.builtin.ping: {}\n"}
    )
    await tree.get_by_role("button", name="roles/web/tasks/extra.yml").click()
    await page.get_by_label("Path", exact=True).fill("roles/web/tasks/more.yml")
    await page.keyboard.press("Enter")
    await expect(tree.get_by_role("button", name="roles/web/tasks/more.yml")).to_be_visible()
    await page.keyboard.press("Control+s")
    await expect(page.get_by_text("“Set up web” is saved as revision 2.")).to_be_visible()
    saved = (await fleet.http.get(at)).json()
    assert [one["name"] for one in saved["files"]] == ["roles/web/tasks/main.yml", "roles/web/tasks/more.yml"]
    await page.get_by_role("button", name="Remove roles/web/tasks/more.yml").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("“Set up web” is saved as revision 3.")).to_be_visible()


async def test_a_collection_that_cannot_be_had_is_told_beside_it(fleet: Fleet, page: Page) -> None:
    await page.goto("/assemblies/new")
    await page.get_by_role("textbox", name="Name", exact=True).fill("Set up")
    await page.get_by_role("combobox", name="Interpreter").click()
    await page.get_by_role("option", name="Ansible (playbook)").click()
    collections = page.get_by_role("region", name="Collections")
    await collections.get_by_role("button", name="Add").click()
    await collections.get_by_label("Name").fill("crew.deck")
    await page.get_by_role("button", name="Save").click()
    await expect(collections).to_contain_text("Is not installed on the Engine")
    await collections.get_by_role("button", name="Remove crew.deck").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("“Set up” is saved as revision 1.")).to_be_visible()


async def test_an_archive_is_imported_and_a_job_takes_the_playbook(fleet: Fleet, page: Page) -> None:
    await page.goto("/assemblies")
    archive = zipped(**{"site.yml": PLAY.encode(), "roles/web/tasks/main.yml": b"- ansible.builtin.ping: {}\n"})
    await page.locator("input[type=file]").set_input_files(
        {"name": "Web hosts.zip", "mimeType": "application/zip", "buffer": archive}
    )
    await expect(page.get_by_text("“Web hosts” is saved as revision 1.")).to_be_visible()
    await expect(page.get_by_role("button", name="roles/web/tasks/main.yml")).to_be_visible()
    await page.goto("/assemblies?interpreter=ansible")
    await expect(page.get_by_role("row", name=re.compile("Web hosts"))).to_contain_text("Ansible (playbook)")
    await page.goto("/jobs/new")
    await page.get_by_role("button", name="Add assemblies…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("checkbox", name=re.compile("Web hosts")).check()
    await dialog.get_by_role("button", name=re.compile("^Add")).click()
    card = page.get_by_role("article", name="Component 1: Web hosts")
    await expect(card).to_contain_text("playbook")
    await expect(card.get_by_role("combobox", name="Role")).to_have_count(0)
    await expect(page.get_by_role("radio", name="SSH, a run for each device")).to_be_checked()
    await expect(page.get_by_role("radio", name="System", exact=True)).to_have_count(0)


async def test_axe_finds_nothing_in_a_playbook_with_a_fault(fleet: Fleet, open_page: Page) -> None:
    await open_page.goto("/assemblies/new")
    await open_page.get_by_role("combobox", name="Interpreter").click()
    await open_page.get_by_role("option", name="Ansible (playbook)").click()
    tree = open_page.get_by_role("navigation", name="Files of the playbook")
    await tree.get_by_label("New file").fill("vars/more.yml")
    await tree.get_by_role("button", name="Add file").click()
    await open_page.get_by_role("region", name="Collections").get_by_role("button", name="Add").click()
    await open_page.get_by_role("textbox", name="Name", exact=True).first.fill("Set up")
    await open_page.get_by_role("button", name="Remove the collection").click()
    await tree.get_by_role("button", name="playbook.yml").click()
    await write(open_page, "Playbook", PLAY)
    await expect(open_page.get_by_role("status", name="What Ansible finds")).to_contain_text("line 2")
    found: list[str] = []
    for scheme in ("light", "dark"):
        await open_page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {one}" for one in await violations(open_page)]
    assert found == []

"""A run of a playbook in the console: a connection that is being made is counted down, rows tell Ansible's counters, the recap tells all."""

import re
import sys
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.executors.sshd import Sshd, sshd
from tests.flows.fleet import Fleet
from watchbill.executors import Login
from watchbill.kit.secrets import Secret

PLAYBOOK = f"""
- hosts: all
  gather_facts: false
  vars: {{ansible_python_interpreter: {sys.executable}}}
  tasks:
    - name: Say hello
      ansible.builtin.debug: {{msg: hello}}
    - name: Change something
      ansible.builtin.command: "true"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


async def test_a_connection_is_counted_down_and_a_recap_tells_what_was_done(
    fleet: Fleet, open_page: Page, server: Sshd
) -> None:
    page = open_page
    fleet.access.login = Login(server.user, server.port, private_key=Secret(server.private_key))
    fleet.access.is_final = False
    alpha, beta = await fleet.enrol("alpha"), await fleet.enrol("beta")
    playbook = await fleet.playbook(PLAYBOOK)
    component = {"kind": "playbook"}
    more = {"execution_context": "ssh", "component": component, "use_service_account": True}
    job = await fleet.job(playbook, alpha, beta, **more)
    await page.goto(f"/jobs/{job['id']}/run")
    await expect(page.get_by_text(re.compile(r"Its connection is being made: .+ left")).first).to_be_visible()
    for agent in (alpha, beta):
        fleet.access.addresses[agent.device_id] = "127.0.0.1"
    await expect(page.get_by_text("Ran: of 2 devices 2 succeeded.")).to_be_visible(timeout=60_000)
    rows = page.get_by_role("table", name="Devices")
    await expect(rows.get_by_text("ok 2")).to_have_count(2)
    await expect(rows.get_by_text("changed 1")).to_have_count(2)
    await page.get_by_text("Recap", exact=True).click()
    recap = page.get_by_role("region", name="Recap of the run")
    await expect(recap.get_by_role("row")).to_have_count(3)
    await expect(page.get_by_text("2 devices", exact=True)).to_be_visible()
    await expect(page.get_by_text("ok 4")).to_be_visible()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await violations(page) == []
    await recap.get_by_role("button").first.click()
    await expect(page.get_by_text("TASK [Change something]")).to_be_visible()

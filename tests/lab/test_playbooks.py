"""Playbooks through real tunnels: who cannot be entered is left out with its reason, and the run goes on with the others."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.lab.ansible_demo import Shore, told
from tests.lab.conftest import needs_lab
from tests.lab.fleet import Fleet, fleet, until
from tests.lab.sshd import User, key_pair

pytestmark = [needs_lab, pytest.mark.timeout(600)]

SLOW = f"""
- hosts: all
  gather_facts: false
  vars: {{ansible_python_interpreter: {sys.executable}, ansible_ssh_extra_args: -o ServerAliveInterval=2 -o ServerAliveCountMax=2}}
  tasks:
    - ansible.builtin.command: sleep 6
    - ansible.builtin.command: "true"
"""


@pytest.fixture
def crew() -> Iterator[Fleet]:
    with fleet() as made:
        yield made


def test_each_device_that_cannot_be_worked_on_says_why_and_the_others_go_on(crew: Fleet) -> None:
    for site in ("Harbour", "Lighthouse"):
        crew.site(site)
    private, public = key_pair()
    same, wrong = User("ada", "right-pass-1", public, may_sudo=True), User("ada", "other-pass-2")
    one = crew.device("web-1", "Harbour", same)
    crew.device("web-1", "Lighthouse", same)
    crew.device("pass-1", "Harbour", wrong)
    far = crew.device("far-1", "Harbour", same)
    weak = crew.device("weak-1", "Harbour", same)
    until("every device is connected", lambda: crew.online() == 5)
    there = Shore(crew, [], private)
    crew.lab.cut_tunnel(far)
    words = ("credentials", "create", "By password", "--kind", "ssh", "--user", "ada", "--password")
    crew.cli(*words, given="right-pass-1\n")
    there.playbook("Slow", SLOW)
    job = there.job("Slow", "Slow", "ssh", "--credential", "By password")
    # One of them loses its power in the middle of the play.
    until("the play is under way", lambda: _states(crew, job)["weak-1"] == "running")
    weak.power_off()
    rows = there.ended(job, 240)
    found = {(row["device"]["hostname"], row["state"], row["reason"]) for row in rows}
    assert found == {
        ("web-1", "success", None),
        ("pass-1", "skipped", "preflight_failed"),
        ("far-1", "skipped", "wireguard_not_ready"),
        ("weak-1", "failed", "unreachable"),
    }, told(rows)
    assert len(rows) == 5
    assert "refused the password" in next(row["detail"] for row in rows if row["device"]["hostname"] == "pass-1")
    crew.lab.mend_tunnel(far)
    _by_service_account(there)
    _with_another_host_key(there, one)
    _with_a_killed_worker(there)


def _by_service_account(there: Shore) -> None:
    """No stored credential: the account that agents keep, which may sudo."""
    there.playbook("Message")
    there.crew.cli("devices", "service-account", "create", *_online(there.crew))
    until("the accounts are there", lambda: _accounts(there.crew) == {"present"})
    job = there.job("Message", "Message", "ssh_individual", "--service-account", policies={"offline": "skip"})
    rows = there.ended(job)
    states = {row["device"]["hostname"]: row["state"] for row in rows}
    assert states == {"web-1": "success", "pass-1": "success", "far-1": "success", "weak-1": "skipped"}, told(rows)
    assert {row["recap"]["changed"] for row in rows if row["state"] == "success"} == {1}


def _with_another_host_key(there: Shore, host: Any) -> None:
    """A device that shows another key is not spoken to until a person says that this is right."""
    before = host.run("cat", "/etc/ssh/lab_host_key.pub").stdout
    host.run(
        "sh",
        "-c",
        "rm /etc/ssh/lab_host_key*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/lab_host_key; pkill -HUP -o -x sshd",
    )
    assert host.run("cat", "/etc/ssh/lab_host_key.pub").stdout != before
    device = next(
        row["id"]
        for row in there.crew.cli("devices", "list")["items"]
        if row["hostname"] == "web-1" and row["site_name"] == "Harbour"
    )
    targets = {"targets": [{"kind": "device", "device_id": device}]}
    refused = there.ended(there.job("Again", "Message", "ssh_individual", "--service-account", **targets))
    assert [(row["state"], row["reason"]) for row in refused] == [("skipped", "preflight_failed")]
    assert "host key has changed" in refused[0]["detail"]
    there.crew.cli("devices", "host-key", device, "--forget")
    trusted = there.ended(there.job("Once more", "Message", "ssh_individual", "--service-account", **targets))
    assert [row["state"] for row in trusted] == ["success"], told(trusted)


def _with_a_killed_worker(there: Shore) -> None:
    """kill -9 of the worker in the middle of a shared run: nobody knows how far it came, unless it may be repeated; nothing runs on."""
    for interrupted, state in (("lost", "lost"), ("again", "success")):
        policies = {"offline": "skip", "interrupted": interrupted}
        job = there.job(f"Slow, {interrupted}", "Slow", "ssh", "--service-account", policies=policies)
        until("the play is under way", partial(_is_running, there.crew, job))
        there.crew.engine.run("pkill", "-KILL", "-f", "watchbill.*site-worker")
        rows = there.ended(job, 240)
        ran = {(row["state"], row["reason"]) for row in rows if row["state"] != "skipped"}
        assert ran == {(state, "worker_died" if state == "lost" else None)}, told(rows)
    left = there.crew.engine.run("pgrep", "-f", "ansible-playbook|controller.py", is_checked=False)
    assert left.stdout == "", "nothing of a dead worker runs on"
    assert "wb-" not in there.crew.engine.run("ls", "/dev/shm").stdout, "the next worker wipes what it left"


def _is_running(crew: Fleet, job: int) -> bool:
    return "running" in _states(crew, job).values()


def _states(crew: Fleet, job: int) -> dict[str, str]:
    rows = crew.cli("runs", "devices", str(job))["items"]
    return {**dict.fromkeys(("weak-1",), ""), **{row["device"]["hostname"]: row["state"] for row in rows}}


def _online(crew: Fleet) -> list[str]:
    return [one["id"] for one in crew.cli("devices", "list")["items"] if one["online"]]


def _accounts(crew: Fleet) -> set[str]:
    return {crew.cli("devices", "show", one)["service_account"]["state"] for one in _online(crew)}

"""Playbook jobs over WinRM from the API to device rows: with a stored credential, on a server without Windows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.flows.fleet import Agent, Fleet, until
from tests.winrm.certificates import authority, signed
from tests.winrm.endpoint import Answer, Endpoint, endpoint
from watchbill.apps.playbook_access import EngineAccess

PASSWORD = "correct-horse-battery-staple"
#: Once its agent has told what it is: it does so again when something has changed, and not because it reads otherwise.
_WINDOWS = text("""
UPDATE devices SET os_family = 'windows', hostname = 'WEB-1', domain = 'corp.example' WHERE id = :id AND cpu_count IS NOT NULL
""")
_PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
  - ansible.builtin.raw: whoami {{ watchbill_domain }}
    register: who
  - ansible.builtin.debug: {var: who.stdout}
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """Its certificate is signed by whom this machine trusts."""
    ours = authority("Authority of the tests")
    (tmp_path / "trusted.pem").write_text(ours.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    certificate = signed(ours, "web-1", "web-1.corp.example")
    with endpoint({"CORP\\Administrator": PASSWORD}, server=certificate, offers=("Negotiate",)) as running:
        yield running


@pytest.fixture
async def device(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """A device that passes for one with Windows, entered as the Engine enters it, but for the tunnel."""
    agent = await fleet.enrol("web-1")
    await until(lambda: _passes_for_windows(fleet, agent))
    fleet.access.addresses[agent.device_id] = "127.0.0.1"
    monkeypatch.setattr(fleet.access, "logins", EngineAccess(fleet.engine()).logins)
    return agent


async def _passes_for_windows(fleet: Fleet, agent: Agent) -> bool:
    async with fleet.db.begin() as tx:
        return (await tx.execute(_WINDOWS, {"id": agent.device_id})).rowcount == 1


async def _closed(fleet: Fleet, server: Endpoint, agent: Agent, password: str) -> dict[str, Any]:
    """The row of the device, once a job has ended."""
    account = {"kind": "winrm", "username": "Administrator", "domain": "CORP", "port": server.port}
    made = await fleet.http.post("/api/credentials", json={"name": "Windows", "password": password, **account})
    assert made.status_code == 201, made.text
    assembly = await fleet.playbook(_PLAYBOOK)
    more = {"component": {"kind": "playbook"}, "credential_id": made.json()["id"]}
    job = await fleet.job(assembly, agent, execution_context="winrm_individual", **more)
    await fleet.closed(job, patience=60)
    return await fleet.row(job)


async def test_a_playbook_runs_on_windows(fleet: Fleet, server: Endpoint, device: Agent) -> None:
    server.answer = lambda _: Answer(f"corp\\administrator {PASSWORD}\r\n".encode())
    row = await _closed(fleet, server, device, PASSWORD)
    assert row["state"] == "success", row
    assert row["recap"] == {**dict.fromkeys(row["recap"], 0), "ok": 2, "changed": 1}
    said = await fleet.output(row)
    assert "corp\\\\administrator ***" in said
    assert PASSWORD not in said
    assert [script.split()[:2] for script in server.scripts] == [["whoami", "corp.example"]]


async def test_a_wrong_password_is_tried_once_and_told(fleet: Fleet, server: Endpoint, device: Agent) -> None:
    row = await _closed(fleet, server, device, "wrong-horse")
    assert (row["state"], row["reason"]) == ("skipped", "preflight_failed")
    assert row["detail"] == "The device refused the password of CORP\\Administrator."
    assert server.attempts == [False]

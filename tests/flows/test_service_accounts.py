"""A service account from the wish to a login and its end: a real Engine, and a real agent that makes a real account in an enclosure."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from tests.factories.accounts import needs_root
from tests.factories.enclosure import enclosed, needs
from tests.flows.fleet import Agent, Fleet, until
from tests.flows.test_secrets import command_lines, dump, log_of, on_disk
from watchbill import agents
from watchbill.agents import ServiceLogin

NAME = "svc-watchbill"


async def becomes(fleet: Fleet, agent: Agent, state: str) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        found: dict[str, Any] = (await fleet.http.get(f"/api/devices/{agent.device_id}")).json()["service_account"]
        return found if found["state"] == state else None

    found: dict[str, Any] = await until(there)
    return found


async def login(fleet: Fleet, agent: Agent) -> ServiceLogin:
    async with fleet.db.begin() as tx:
        return (await agents.service_logins(tx, fleet.keys, [UUID(agent.device_id)]))[UUID(agent.device_id)]


def authorised(etc: Path) -> list[str]:
    lines = (etc.parent / "home" / NAME / ".ssh" / "authorized_keys").read_text().splitlines()
    return [line.removeprefix("restrict,pty ").rpartition(" ")[0] for line in lines]


def public_of(key: ServiceLogin) -> str:
    assert key.private_key is not None
    opened = load_ssh_private_key(key.private_key.reveal().encode(), None)
    return opened.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@needs_root
@needs("useradd", "sudo", "visudo")
async def test_the_login_that_the_engine_keeps_is_the_one_that_the_device_lets_in_until_it_is_removed(
    fleet: Fleet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    agent = await fleet.enrol("alpha", start=False)
    etc = tmp_path / "enclosure" / "etc"
    path = f"/api/devices/{agent.device_id}/service_account"
    assert (await fleet.http.post(path)).json()["state"] == "creating"
    agent.within = enclosed(tmp_path / "enclosure")
    await agent.start()
    await becomes(fleet, agent, "present")
    first = await login(fleet, agent)
    assert first.username == NAME
    assert authorised(etc) == [public_of(first)]
    assert f"{NAME} ALL=(ALL:ALL) NOPASSWD: ALL" in (etc / "sudoers.d" / NAME).read_text()

    assert (await fleet.http.post(f"{path}/rotate")).status_code == 200
    await becomes(fleet, agent, "present")
    second = await login(fleet, agent)
    assert public_of(second) != public_of(first)
    await until(lambda: authorised(etc) == [public_of(second)])

    keys = [one.private_key.reveal() for one in (first, second) if one.private_key]
    secrets = [line.encode() for key in keys for line in key.splitlines()[-3:-1]]
    out, err = capfd.readouterr()
    places = [await dump(fleet), on_disk(agent.data_dir), command_lines(), await log_of(agent), (out + err).encode()]
    assert b"ssh-ed25519" in places[0], "the dump reads keys"
    assert [secret for secret in secrets for place in places if secret in place] == []

    assert (await fleet.http.delete(path)).status_code == 200
    await becomes(fleet, agent, "none")
    assert NAME not in (etc / "passwd").read_text()
    assert not (etc / "sudoers.d" / NAME).exists()
    assert not (etc.parent / "home" / NAME).exists()

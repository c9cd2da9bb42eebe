"""From an enrolment to a shell through the tunnel: a real agent opens its end and makes the account, and the Engine's host signs in by both."""

import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.host import Host, Program
from tests.lab.network import ENGINE_ADDRESS
from tests.lab.sshd import start_sshd
from tests.lab.test_hub import REPO, Harbour, harbour, until
from watchbill import agents, sites, vpn
from watchbill.agents import RequestState
from watchbill.apps import tls
from watchbill.core.service_accounts import AccountAction
from watchbill.identity import ENGINE
from watchbill.kit.secrets import KeyRing, load_key_ring
from watchbill.kit.settings import load
from watchbill.vpn import ReadyState

__all__ = ["harbour"]
pytestmark = [needs_lab, pytest.mark.timeout(240)]
AGENT = str(Path(sys.executable).with_name("watchbill-agent"))
DATA = "/root/agent"


async def start_engine(harbour: Harbour, keys: KeyRing) -> str:
    """API and gateway beside the hub; the code with which devices ask in."""
    listen = {"WATCHBILL_API_LISTEN": f"{ENGINE_ADDRESS}:8470", "WATCHBILL_GATEWAY_LISTEN": f"{ENGINE_ADDRESS}:8471"}
    env = {**harbour.env, **listen}
    certificate = tls.ensure(load(env))
    async with harbour.db.begin() as tx:
        now = await harbour.clock.now(tx)
        await agents.ensure_signing_key(tx, keys, now)
        site = await sites.create_site(tx, ENGINE, sites.SiteDraft("Pier"), keys=keys, now=now)
        code = sites.enrolment_code(keys, ENGINE, site)
    harbour.start_hub(before=(), **listen)
    for name in ("api", "gateway"):
        command = [sys.executable, "-m", "watchbill.apps.cli", name]
        harbour.engine.start(name, *command, env=env, cwd=str(REPO))
    await until(harbour.is_up)
    for port in (8470, 8471):
        await until(partial(_listens, harbour.engine, port))
    assert certificate is not None
    assert code is not None
    return f"{code.reveal()}.{certificate.pin}"


async def _listens(host: Host, port: int) -> bool:
    return host.is_reachable(ENGINE_ADDRESS, port)


async def enrol(harbour: Harbour, host: Host, code: str) -> tuple[UUID, Program]:
    url = f"https://{ENGINE_ADDRESS}:8470"
    asking = host.start("enroll", AGENT, "enroll", "--server", url, "--code", code, "--data-dir", DATA, "--wait", "60")
    found: list[UUID] = []

    async def is_asked() -> bool:
        async with harbour.db.begin() as tx:
            page = await agents.list_requests(tx, ENGINE, state=RequestState.PENDING, limit=1)
            if page.items:
                decided = await agents.approve(tx, ENGINE, page.items[0].id, now=await harbour.clock.now(tx))
                found.extend([decided.device_id] if decided.device_id else [])
        return bool(found) or not asking.is_running

    await until(is_asked)
    assert asking.outer.wait(60) == 0, asking.output()
    return found[0], host.start("agent", AGENT, "run", "--data-dir", DATA)


async def test_the_engine_signs_in_through_the_tunnel_with_the_account_that_the_agent_made(
    harbour: Harbour, tmp_path: Path
) -> None:
    keys = load_key_ring(tmp_path / "ring.json")
    code = await start_engine(harbour, keys)
    host = harbour.lab.add("web-1")
    start_sshd(host)
    device, agent = await enrol(harbour, host, code)
    async with harbour.db.begin() as tx:
        now = await harbour.clock.now(tx)
        await agents.change_service_account(tx, ENGINE, device, AccountAction.CREATE, keys=keys, now=now)

    async def has_address() -> bool:
        return (await harbour.readiness(device)).address is not None

    async def has_account() -> bool:
        async with harbour.db.begin() as tx:
            return device in await agents.service_logins(tx, keys, [device])

    await until(has_address)
    await until(has_account)
    async with harbour.db.begin() as tx:
        now = await harbour.clock.now(tx)
        await vpn.prepare(tx, [device], now + timedelta(seconds=30), now)
        login = (await agents.service_logins(tx, keys, [device]))[device]
    await harbour.until_ready(device)
    ready = await harbour.readiness(device)
    assert login.private_key is not None
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(login.private_key.reveal())
    ssh = [
        "ssh",
        "-F",
        "none",
        "-i",
        str(key),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "BatchMode=yes",
    ]
    said = harbour.engine.run(*ssh, f"{login.username}@{ready.address}", "hostname; sudo -n id -u")
    assert said.stdout == "web-1\n0\n"

    async def is_closed() -> bool:
        return (await harbour.readiness(device)).state is not ReadyState.READY

    await until(is_closed)
    await until(lambda: _has_no_end(host))
    assert "Traceback" not in agent.output()


async def _has_no_end(host: Host) -> bool:
    return host.run("ip", "link", "show", "wb0", is_checked=False).returncode != 0

"""`watchbill tunnels` against a real API, and `watchbill vpn` where it cannot begin."""

import asyncio
import base64
import secrets
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.cli.conftest import Engine, Watchbill, clean_environment, engine_command
from watchbill import vpn
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import load_key_ring
from watchbill.kit.settings import load
from watchbill.vpn import HubDraft, TunnelReported, TunnelState


@pytest.fixture
def tunnel(engine: Engine, signed_in: Watchbill, device: str) -> Iterator[str]:
    """The device has told a key; nothing runs the hub."""
    device_id = UUID(signed_in("devices", "show", device, "--json").json["id"])
    config = load({name: value for name, value in engine.environment.items() if name.startswith("WATCHBILL_")})
    keys = load_key_ring(config.key_ring_path)
    told = TunnelReported(base64.b64encode(secrets.token_bytes(32)).decode(), TunnelState.DOWN)

    async def make() -> None:
        db = Database(engine.environment["WATCHBILL_DATABASE_URL"])
        async with db.begin() as tx:
            now = await Clock().now(tx)
            draft = HubDraft(IPv4Network("100.96.0.0/12"), "engine.example:51820", 25, "wbhub", "quay")
            await vpn.open_hub(tx, keys, draft, now)
            await vpn.note_reported(tx, {device_id: told}, now)
        await db.close()

    async def clear() -> None:
        db = Database(engine.environment["WATCHBILL_DATABASE_URL"])
        async with db.begin() as tx:
            await tx.execute(text("DELETE FROM vpn_peers"))
            await tx.execute(text("DELETE FROM vpn_hub"))
        await db.close()

    asyncio.run(make())
    yield device
    asyncio.run(clear())


def test_without_a_hub_it_says_how_to_get_one(signed_in: Watchbill) -> None:
    shown = signed_in("tunnels", "status")
    assert (shown.code, shown.err) == (0, "")
    assert "WATCHBILL_VPN turns it on" in shown.out


def test_it_shows_the_hub_and_why_tunnels_cannot_be_used(signed_in: Watchbill, tunnel: str) -> None:
    shown = signed_in("tunnels", "status").out
    assert "the VPN hub is stopped" in shown
    assert "1 of 1048573 used in 100.96.0.0/12, 0 resting" in shown
    assert signed_in("tunnels", "status", "--json").json["hub"]["endpoint"] == "engine.example:51820"
    listed = signed_in("tunnels", "list", "-q", tunnel)
    assert tunnel in listed.out
    assert "100.96.0.2" in listed.out
    assert "unavailable" in listed.out
    assert "100.96.0.2: unavailable: the VPN hub is stopped" in signed_in("devices", "show", tunnel).out


def run(tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {**clean_environment(), "WATCHBILL_DATA_DIR": str(tmp_path), **environment}
    return subprocess.run(engine_command("vpn"), env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_process_refuses_to_begin_without_knowing_where_devices_reach_it(tmp_path: Path) -> None:
    refused = run(tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "WATCHBILL_VPN_ENDPOINT must say where devices reach the hub" in refused.stderr


def test_bad_settings_of_it_are_refused_together(tmp_path: Path) -> None:
    refused = run(tmp_path, WATCHBILL_VPN="yes", WATCHBILL_VPN_SUBNET="10.0.0.1/12", WATCHBILL_VPN_INTERFACE="WB0")
    assert refused.returncode == 2
    assert all(f"WATCHBILL_VPN{name}" in refused.stderr for name in ("", "_SUBNET", "_INTERFACE"))

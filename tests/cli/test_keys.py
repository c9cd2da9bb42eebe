"""`watchbill keys` as processes on the Engine's host: rotated while a process runs, and told what a lost key locks."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import clean_environment, engine_command
from tests.factories.logins import make_credential, revealed
from watchbill import credentials
from watchbill.identity import ENGINE
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.key_sources import open_key_ring
from watchbill.kit.settings import Settings, load


@pytest.fixture
def environment(tmp_path: Path, database_url: str) -> dict[str, str]:
    """Of an Engine that is set up."""
    made = {
        **clean_environment(),
        "WATCHBILL_DATABASE_URL": database_url,
        "WATCHBILL_DATA_DIR": str(tmp_path / "engine"),
    }
    assert run(made, "db", "upgrade").returncode == 0
    return made


def run(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = engine_command(*words)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def settings(environment: dict[str, str]) -> Settings:
    return load({name: text for name, text in environment.items() if name.startswith("WATCHBILL_")})


async def _with_database(environment: dict[str, str], work: Any) -> Any:
    db = Database(environment["WATCHBILL_DATABASE_URL"], pool_size=2)
    try:
        async with db.begin() as tx:
            return await work(tx, await Clock().now(tx))
    finally:
        await db.close()


def test_a_rotation_seals_everything_anew_and_says_what_needs_which_key(environment: dict[str, str]) -> None:
    config = settings(environment)
    running = open_key_ring(config)
    made = asyncio.run(
        _with_database(environment, lambda tx, now: make_credential(tx, "Fleet root", keys=running, now=now))
    )
    staged = run(environment, "keys", "rotate", "--stage")
    assert "k2" in staged.stdout, staged.stderr
    before = json.loads(run(environment, "keys", "status", "--json").stdout)["keys"]
    assert [(one["key"], one["is_active"], one["sealed"].get("credentials")) for one in before] == [
        ("k1", True, 1),
        ("k2", False, None),
    ]
    rotated = run(environment, "keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    assert "active key is k2; 2 rows were sealed anew" in rotated.stdout, "a credential and a signing key"
    status = run(environment, "keys", "status")
    assert status.returncode == 0
    assert "needed by nothing" in status.stdout
    opened = asyncio.run(_with_database(environment, lambda tx, _: credentials.open_for_use(tx, running, made)))
    assert revealed(opened.password) == "x-ray of a key", "a process that runs meets the new key and finds it"
    ring = config.key_ring_path.read_text()
    for said in (staged, rotated, status):
        assert not any(key in said.stdout + said.stderr for key in json.loads(ring)["keys"].values())


def test_a_lost_key_is_told_and_locks_what_needs_it(environment: dict[str, str]) -> None:
    config = settings(environment)
    ring = open_key_ring(config)
    asyncio.run(_with_database(environment, lambda tx, now: make_credential(tx, "Fleet root", keys=ring, now=now)))
    document = json.loads(config.key_ring_path.read_text())
    later = {"active": "k2", "keys": {"k2": document["keys"]["k1"][::-1]}}
    config.key_ring_path.write_text(json.dumps(later))
    status = run(environment, "keys", "status")
    assert (status.returncode, "missing from the ring" in status.stdout) == (1, True)
    rotated = run(environment, "keys", "rotate")
    assert "give their secrets anew" in rotated.stdout, rotated.stderr

    async def states(tx: Any, _: Any) -> list[str]:
        page = await credentials.list_credentials(tx, ENGINE, credentials.Listed(), limit=5, cursor=None)
        return [one.state for one in page.items]

    assert asyncio.run(_with_database(environment, states)) == ["reset_required"]


def test_a_ring_from_elsewhere_is_not_written_but_sealed_under(environment: dict[str, str], tmp_path: Path) -> None:
    document = json.loads(settings(environment).key_ring_path.read_text())
    document["keys"]["winter"] = document["keys"]["k1"][::-1]
    elsewhere = {**environment, "WATCHBILL_KEY_RING_JSON": json.dumps({**document, "active": "winter"})}
    assert run(elsewhere, "keys", "rotate", "--stage").returncode == 2
    rotated = json.loads(run(elsewhere, "keys", "rotate", "--json").stdout)
    assert (rotated["active"], rotated["is_new"], rotated["resealed"]) == ("winter", False, 1)
    assert json.loads(settings(environment).key_ring_path.read_text())["active"] == "k1"

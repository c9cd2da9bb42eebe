"""A real API process over a database of its own, and the `watchbill` command run against it: in this process, as a client would be."""

import asyncio
import io
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import named, on_server
from tests.factories import places
from tests.factories.ports import free_port
from watchbill.apps import cli
from watchbill.apps.commands import database
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

PASSWORD = "brass lantern over water"


@dataclass(frozen=True)
class Result:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class Engine:
    """A running API process. `environment` is that of its commands."""

    url: str
    environment: dict[str, str]


Watchbill = Callable[..., Result]


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WATCHBILL_")}


def engine_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "watchbill.apps.cli", *words]


@contextmanager
def api_process(environment: dict[str, str], url: str) -> Iterator[None]:
    process = subprocess.Popen(engine_command("api"), env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        with httpx.Client(verify=False, trust_env=False) as client:
            while not _is_ready(client, url):
                assert process.poll() is None, "the API process ended"
                assert time.monotonic() < deadline, "the API process is not ready"
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _is_ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/readyz").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def engine(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Set up by `watchbill db upgrade` from nothing, with a known first password."""
    name = f"wb_cli_{uuid.uuid4().hex[:12]}"
    on_server(server_url, f"CREATE DATABASE {name}")
    port = free_port()
    environment = {
        **clean_environment(),
        "WATCHBILL_DATABASE_URL": named(server_url, name),
        "WATCHBILL_DATA_DIR": str(tmp_path_factory.mktemp("engine")),
        "WATCHBILL_API_LISTEN": f"127.0.0.1:{port}",
    }
    first = {**environment, database.ADMIN_PASSWORD: PASSWORD}
    subprocess.run(engine_command("db", "upgrade"), env=first, check=True, capture_output=True, timeout=60)
    url = f"http://127.0.0.1:{port}"
    with api_process(environment, url):
        yield Engine(url, environment)
    on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def watchbill(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Watchbill:
    """`watchbill("sites", "list")` runs the command; nobody is signed in, no server is named."""
    for name in [one for one in os.environ if one.startswith("WATCHBILL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()

    def run(*words: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["watchbill", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        written = capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, written.out, written.err)

    return run


@pytest.fixture
def signed_in(watchbill: Watchbill, engine: Engine) -> Watchbill:
    """The same, signed in as the admin."""
    done = watchbill("login", "--server", engine.url, "-u", "admin", stdin=f"{PASSWORD}\n")
    assert done.code == 0, done.err
    return watchbill


@pytest.fixture
def unique() -> str:
    """A suffix for names, as all tests share the database."""
    return f"u{uuid.uuid4().hex[:8]}"  # never a number to YAML


@pytest.fixture
def device(engine: Engine, signed_in: Watchbill, unique: str) -> str:
    """The host name of a device that is never online, in a site of its own."""
    site = signed_in("sites", "create", f"Site {unique}", "--json").json["id"]

    async def make() -> None:
        db = Database(engine.environment["WATCHBILL_DATABASE_URL"])
        async with db.begin() as tx:
            await places.make_device(tx, f"web-{unique}", site, now=await Clock().now(tx))
        await db.close()

    asyncio.run(make())
    return f"web-{unique}"

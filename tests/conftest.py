"""Real PostgreSQL for every test: one server a test session, one migrated template a worker, one cloned database a test."""

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.factories.scene import Scene, set_scene
from watchbill import queue
from watchbill.kit import db as kit_db
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing, create_key_ring, load_key_ring
from watchbill.kit.settings import Settings, load


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of minutes go first, those of the most minutes before all, and each process begins with its share of them.

    One that began last would be waited for by all processes.
    """
    long = sorted((one for one in items if _allowed_seconds(one)), key=_allowed_seconds, reverse=True)
    short = (one for one in items if not _allowed_seconds(one))
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    in_order: list[pytest.Item] = []
    for number in range(processes):
        # As xdist does it, a process gets what comes one after another, as many as each of the others.
        share = (len(items) - len(in_order)) // (processes - number)
        own = long[number::processes]
        in_order += [*own, *itertools.islice(short, max(0, share - len(own)))]
    items[:] = in_order


def _allowed_seconds(item: pytest.Item) -> float:
    """What a test has asked for, which is about what it takes on a busy machine; 0 for one that has not asked."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else 0.0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted, from whichever process: they say it by `record_property("counted", …)`."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    counted = sorted(
        f"{report.nodeid.rpartition('::')[2]}: {value}"
        for report in reports
        for name, value in report.user_properties
        if name == "counted" and report.when == "call"
    )
    if counted:
        terminalreporter.section("counted")
        terminalreporter.write_line("\n".join(counted))
    lacking = {
        str(one.longrepr[2]) for one in terminalreporter.getreports("skipped") if isinstance(one.longrepr, tuple)
    }
    for reason in sorted(one for one in lacking if "NO LAB" in one):
        terminalreporter.section(reason, red=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """URL of a database of the test server from which others can be created."""
    given = os.environ.get("WATCHBILL_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from watchbill.kit.postgres import EmbeddedPostgres

    with EmbeddedPostgres.temporary() as server:
        yield server.url("postgres")


def on_server(server_url: str, statement: str) -> None:
    info = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(info, autocommit=True) as connection:
        connection.execute(statement.encode())


def named(server_url: str, database: str) -> str:
    url = make_url(server_url).set(drivername="postgresql+psycopg", database=database)
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    name = f"wb_template_{uuid.uuid4().hex[:12]}"
    on_server(server_url, f"CREATE DATABASE {name}")
    kit_db.migrate(named(server_url, name))
    queue.converge_schema(named(server_url, name))
    return name


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A fresh database of this test's own, migrated."""
    name = f"wb_test_{uuid.uuid4().hex[:12]}"
    on_server(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield named(server_url, name)
    on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6, application_name="watchbill-test")
    yield database
    await database.close()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    path = tmp_path_factory.mktemp("keys") / "ring.json"
    create_key_ring(path)
    return load_key_ring(path)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return load({"WATCHBILL_DATA_DIR": str(tmp_path), "WATCHBILL_DATABASE_URL": database_url})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def scene(db: Database, clock: Clock, keys: KeyRing) -> Scene:
    return await set_scene(db, clock, keys)

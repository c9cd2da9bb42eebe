"""The database that migrations make is the one that the features describe; and making it is safe."""

import asyncio
import importlib
import pkgutil
import re
import sys
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sqlalchemy import Column, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, OperationalError

import watchbill
from tests.conftest import named, on_server
from watchbill.core.states import (
    TERMINAL_TARGET,
    OccurrenceState,
    Outcome,
    TargetState,
    WorkItemState,
)
from watchbill.identity import Role
from watchbill.kit import db as kit_db
from watchbill.kit.db import Database, SchemaTooNewError

#: Written and read by kit alone, in text.
WITHOUT_TABLE_OBJECT = {"events", "services"}


def described() -> dict[str, Table]:
    """Every feature's tables."""
    for module in pkgutil.iter_modules(watchbill.__path__, "watchbill."):
        if module.ispkg and importlib.util.find_spec(f"{module.name}.tables"):
            importlib.import_module(f"{module.name}.tables")
    return dict(kit_db.metadata.tables)


Shape = dict[str, tuple[str, bool]]

_COLUMNS = text("""
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
""")
_KEYS = text("""
SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace
""")
_CHECKS = text(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = CAST(:table AS regclass)"
)


def shape(column: Column[object]) -> tuple[str, bool]:
    # What a type is called without how it is collated, as format_type says it.
    made = re.sub(r" collate .*", "", column.type.compile(dialect=postgresql.dialect()).lower())
    return made, not column.nullable


@pytest.fixture
async def migrated(db: Database) -> dict[str, Shape]:
    """Table -> column -> (type, whether it must have a value). Without PgQueuer's and Alembic's own."""
    made: dict[str, Shape] = {}
    async with db.begin() as tx:
        for row in await tx.execute(_COLUMNS):
            made.setdefault(row.relname, {})[row.attname] = (row.type, row.attnotnull)
    return {name: columns for name, columns in made.items() if not name.startswith(("pgqueuer", "alembic"))}


def test_every_migrated_table_is_described(migrated: dict[str, Shape]) -> None:
    assert migrated.keys() - WITHOUT_TABLE_OBJECT == described().keys()
    assert migrated.keys() >= WITHOUT_TABLE_OBJECT


@pytest.mark.parametrize("name", sorted(described()))
def test_a_table_is_what_its_feature_describes(migrated: dict[str, Shape], name: str) -> None:
    assert {column.name: shape(column) for column in described()[name].columns} == migrated[name]


async def test_keys_are_as_described(db: Database) -> None:
    keys: dict[str, set[str]] = {}
    async with db.begin() as tx:
        for row in await tx.execute(_KEYS):
            keys.setdefault(row.relname, set()).add(row.attname)
    # A view has none.
    assert {name: {column.name for column in table.primary_key} for name, table in described().items()} == {
        name: keys.get(name, set()) for name in described()
    }


async def allowed_in(db: Database, table: str, column: str) -> set[str]:
    """What a CHECK lets into a column of states."""
    async with db.begin() as tx:
        checks = (await tx.execute(_CHECKS, {"table": table})).scalars().all()
    [one] = [check for check in checks if check.startswith(f"CHECK (({column} = ANY")]
    return set(re.findall(r"'(\w+)'::text", one))


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("run_targets", "state", TargetState),
        ("occurrences", "state", OccurrenceState),
        ("occurrences", "outcome", Outcome),
        ("work_items", "state", WorkItemState),
        ("operators", "role", Role),
    ],
)
async def test_the_database_knows_the_same_words(db: Database, table: str, column: str, words: list[str]) -> None:
    assert await allowed_in(db, table, column) == {str(word) for word in words}


async def test_the_database_knows_which_states_of_a_target_are_bounded(db: Database) -> None:
    async with db.begin() as tx:
        checks = (await tx.execute(_CHECKS, {"table": "run_targets"})).scalars().all()
    [one] = [check for check in checks if "deadline_at IS NULL" in check]
    assert set(re.findall(r"'(\w+)'::text", one)) == {str(state) for state in TERMINAL_TARGET}


@pytest.mark.parametrize("table", ["audit", "assembly_revisions", "job_revisions"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {column} = {column}"])
async def test_what_was_recorded_cannot_be_changed(db: Database, table: str, statement: str) -> None:
    column = "detail" if table == "audit" else "revision"
    with pytest.raises(DBAPIError, match="append-only"):
        async with db.begin() as tx:
            await tx.execute(text(statement.format(table, column=column)))


# --- making it ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    name = f"wb_empty_{uuid.uuid4().hex[:12]}"
    on_server(server_url, f"CREATE DATABASE {name}")
    yield named(server_url, name)
    on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


_START = """
import sys
from watchbill import queue
from watchbill.kit import db
print(db.migrate(sys.argv[1]))
queue.converge_schema(sys.argv[1])
"""


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    async def start() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _START, empty_url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return process.returncode, out.decode().split()[-1]

    ended = await asyncio.gather(*(start() for _ in range(3)))
    assert len(set(ended)) == 1
    assert kit_db.migrate(empty_url) == ended[0][1]


def test_a_database_of_a_newer_version_is_left_alone(database_url: str) -> None:
    with psycopg.connect(plain(database_url), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(SchemaTooNewError, match="9999"):
            kit_db.migrate(database_url)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


@pytest.fixture
async def held(database_url: str) -> AsyncIterator[None]:
    """Somebody else migrates, and takes long."""
    async with await psycopg.AsyncConnection.connect(plain(database_url), autocommit=True) as connection:
        await connection.execute(f"SELECT pg_advisory_lock({kit_db.LOCK_SPACE}, {kit_db.MIGRATION_LOCK})".encode())
        yield


@pytest.mark.usefixtures("held")
async def test_nobody_waits_for_ever_for_a_migration(database_url: str) -> None:
    with pytest.raises(OperationalError, match="lock timeout"):
        await asyncio.to_thread(kit_db.migrate, database_url, lock_timeout_seconds=1)


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")

"""An installation from before the partitions keeps every row, every id, and goes on counting where it was."""

import uuid
from collections.abc import Iterator
from importlib import resources
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from tests.conftest import named, on_server
from watchbill.kit import db as kit_db

_TABLES = ("occurrences", "runs", "run_targets", "executions", "output_chunks", "work_items")

#: As the schema was then; frozen with it.
_BEFORE = """
INSERT INTO sites (name, enrolment_code_sealed, enrolment_code_hash, enrolment_code_rotated_at, created_at, updated_at)
VALUES ('Harbour', 's', 'h', '2026-03-01Z', '2026-03-01Z', '2026-03-01Z');
INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, created_at, updated_at)
SELECT gen_random_uuid(), 1, 'd' || i, 'active', convert_to('key' || i, 'UTF8'), 'linux', '2026-03-01Z', '2026-03-01Z'
FROM generate_series(1, 3) i;
INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, tzdata_version, created_at, updated_at)
VALUES ('Spool', 'automation', 1, '{}', false, 'active', 'once', '2026-03-01Z', '2026a', '2026-03-01Z', '2026-03-01Z');
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, outcome, job_revision, created_at, opened_at, closed_at)
SELECT gen_random_uuid(), 1, 'schedule', at, 'closed', 'success', 1, at, at, at
FROM (VALUES (timestamptz '2026-03-02T03:00Z'), ('2026-04-14T03:00Z')) AS o(at);
INSERT INTO runs (occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, created_at)
SELECT id, 1, 'script', 'system', '[]', 60, created_at FROM occurrences ORDER BY created_at;
INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, deadline_at, expires_at, wave, starts_at, late_result)
SELECT r.id, r.occurrence_id, 1, d.id, 1, d.hostname, CASE d.hostname WHEN 'd3' THEN 'waiting_online' ELSE 'success' END,
  CASE d.hostname WHEN 'd3' THEN r.created_at END, r.created_at, 2, r.created_at, '{"outcome": "exited"}' FROM runs r, devices d;
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, start_by_at, dispatched_at)
SELECT gen_random_uuid(), id, run_id, device_id, 1, 0, 1, 1, 'finished', 'exited', expires_at, expires_at FROM run_targets WHERE state = 'success';
INSERT INTO output_chunks SELECT id, s, o, convert_to('line ' || o, 'UTF8') FROM executions, generate_series(1, 2) s, generate_series(0, 9, 9) o;
INSERT INTO work_items (run_id, site_id, lane, state, created_at) SELECT id, 1, 'scheduled_job', 'done', created_at FROM runs;
"""


@pytest.fixture
def old_url(server_url: str) -> Iterator[str]:
    """A database of the version before, with two runs."""
    name = f"wb_old_{uuid.uuid4().hex[:12]}"
    on_server(server_url, f"CREATE DATABASE {name}")
    url = named(server_url, name)
    _migrate_to(url, "0005")
    with connected(url) as connection:
        connection.execute(_BEFORE)
    yield url
    on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _migrate_to(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.files("watchbill") / "migrations"))
    engine = create_engine(url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


def connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)


def rows_of(url: str) -> dict[str, list[Any]]:
    """Of each table every row, as JSON: the order of columns does not count."""
    with connected(url) as connection:
        return {
            table: sorted(
                (row[0] for row in connection.execute(f"SELECT to_jsonb(t) FROM {table} t".encode())), key=str
            )
            for table in _TABLES
        }


def without(rows: list[Any], *added: str) -> list[Any]:
    return sorted(({name: value for name, value in row.items() if name not in added} for row in rows), key=str)


def test_every_row_is_kept_with_its_ids(old_url: str) -> None:
    before = rows_of(old_url)
    assert [len(rows) for rows in before.values()] == [2, 2, 6, 4, 16, 2]
    _migrate_to(old_url, "0006")
    after = rows_of(old_url)
    after["output_chunks"] = without(after["output_chunks"], "run_id")
    before["output_chunks"] = without(before["output_chunks"])
    assert after == before
    with connected(old_url) as connection:
        strays = "SELECT count(*) FROM output_chunks c LEFT JOIN executions e ON (e.run_id, e.id) = (c.run_id, c.execution_id) WHERE e.id IS NULL"
        assert connection.execute(strays).fetchone() == (0,)


def test_what_was_there_lies_in_one_partition_that_is_as_old_as_its_youngest_row(old_url: str) -> None:
    kit_db.migrate(old_url)
    bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s"
    with connected(old_url) as connection:
        for table in ("run_targets", "executions", "output_chunks"):
            lies = connection.execute(f"SELECT DISTINCT tableoid::regclass::text FROM {table}".encode()).fetchall()
            assert lies == [(f"{table}_first",)]
            # 2026-04-14 is day 103, in the week that ends with day 104.
            assert connection.execute(bounds, [f"{table}_first"]).fetchone() == (
                f"FOR VALUES FROM ('0') TO ('{105 * 2**27}')",
            )
        # What came later begins with the same weeks.
        assert connection.execute(bounds, ["output_texts_first"]).fetchone() == (
            f"FOR VALUES FROM ('0') TO ('{105 * 2**27}')",
        )


def test_numbering_goes_on(old_url: str) -> None:
    kit_db.migrate(old_url)
    with connected(old_url) as connection:
        new = connection.execute("SELECT new_run_id('2026-01-01T12:00Z'), new_run_id('2026-05-01T00:00Z')").fetchone()
        assert new == (3, 120 * 2**27 + 4)
        insert = """INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, expires_at)
        SELECT 1, occurrence_id, 1, device_id, 1, 'x', 'success', expires_at FROM run_targets WHERE run_id = 2 LIMIT 1 RETURNING id"""
        connection.execute("DELETE FROM run_targets WHERE run_id = 1")
        assert connection.execute(insert).fetchone() == (7,)


def test_a_new_installation_begins_with_an_empty_partition_for_the_rest(database_url: str) -> None:
    with connected(database_url) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1"
        ).fetchall()
    assert found == [("executions_rest",), ("output_chunks_rest",), ("output_texts_rest",), ("run_targets_rest",)]

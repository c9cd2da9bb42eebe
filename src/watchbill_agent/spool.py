"""The device's memory of what it was ordered to do and what came of it, in SQLite. It decides nothing.

What guards against a second run or a lost result is written through to the disk before the call returns
(`synchronous = FULL`); what can be said again after a power cut is not.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from watchbill_agent import events as e
from watchbill_wire import (
    EnvelopePayload,
    Result,
    Started,
    WireError,
    decode_from_agent,
    encode,
    parse_payload,
    time_text,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
  position      INTEGER PRIMARY KEY,
  execution_id  TEXT NOT NULL UNIQUE,
  state         TEXT NOT NULL CHECK (state IN ('accepted', 'starting', 'running', 'finished', 'settled', 'withdrawn')),
  payload_hash  TEXT,
  payload       TEXT,
  started       TEXT,
  result        TEXT,
  stdout_head   INTEGER NOT NULL DEFAULT 0, stdout_tail INTEGER NOT NULL DEFAULT 0, stdout_end INTEGER NOT NULL DEFAULT 0,
  stderr_head   INTEGER NOT NULL DEFAULT 0, stderr_tail INTEGER NOT NULL DEFAULT 0, stderr_end INTEGER NOT NULL DEFAULT 0,
  stdout_acked  INTEGER NOT NULL DEFAULT 0,
  stderr_acked  INTEGER NOT NULL DEFAULT 0,
  settled_at    TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_settled ON deliveries (settled_at) WHERE settled_at IS NOT NULL;
"""
_ACKED = {
    "stdout": "UPDATE deliveries SET stdout_acked = ? WHERE execution_id = ?",
    "stderr": "UPDATE deliveries SET stderr_acked = ? WHERE execution_id = ?",
}


class Spool:
    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("PRAGMA cache_size = -512")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def _write(self, statement: str, values: tuple[Any, ...], *, is_durable: bool) -> None:
        self._db.execute("PRAGMA synchronous = FULL" if is_durable else "PRAGMA synchronous = NORMAL")
        self._db.execute(statement, values)

    def keep_order(self, command: e.KeepOrder, payload_hash: str) -> None:
        """An order that starts at once is never started again, so its content need not be kept."""
        state = "starting" if command.is_starting else "accepted"
        text = None if command.is_starting else command.text
        self._write(
            "INSERT INTO deliveries (execution_id, state, payload_hash, payload) VALUES (?, ?, ?, ?)",
            (command.payload.execution_id, state, payload_hash, text),
            is_durable=True,
        )

    def keep_starting(self, execution_id: str) -> None:
        self._write(
            "UPDATE deliveries SET state = 'starting', payload = NULL WHERE execution_id = ?",
            (execution_id,),
            is_durable=True,
        )

    def keep_started(self, execution_id: str, started_at: datetime) -> None:
        self._write(
            "UPDATE deliveries SET state = 'running', started = ? WHERE execution_id = ?",
            (encode(Started(execution_id, started_at)), execution_id),
            is_durable=False,
        )

    def keep_result(self, result: Result, stdout: e.Kept, stderr: e.Kept) -> None:
        kept = (stdout.head, stdout.tail, stdout.end, stderr.head, stderr.tail, stderr.end)
        self._write(
            "INSERT INTO deliveries (execution_id, state, result, stdout_head, stdout_tail, stdout_end,"
            " stderr_head, stderr_tail, stderr_end) VALUES (?, 'finished', ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (execution_id) DO UPDATE SET state = 'finished', payload = NULL, result = excluded.result,"
            " stdout_head = excluded.stdout_head, stdout_tail = excluded.stdout_tail, stdout_end = excluded.stdout_end,"
            " stderr_head = excluded.stderr_head, stderr_tail = excluded.stderr_tail, stderr_end = excluded.stderr_end,"
            " settled_at = NULL WHERE deliveries.state NOT IN ('finished', 'settled')",
            (result.execution_id, encode(result), *kept),
            is_durable=True,
        )

    def keep_withdrawn(self, execution_id: str, at: datetime) -> None:
        self._write(
            "INSERT INTO deliveries (execution_id, state, settled_at) VALUES (?, 'withdrawn', ?) ON CONFLICT DO NOTHING",
            (execution_id, time_text(at)),
            is_durable=True,
        )

    def keep_acked(self, command: e.KeepAcked) -> None:
        self._write(_ACKED[command.stream], (command.offset, command.execution_id), is_durable=False)

    def settle(self, execution_id: str, at: datetime) -> None:
        self._write(
            "UPDATE deliveries SET state = 'settled', settled_at = ? WHERE execution_id = ? AND state = 'finished'",
            (time_text(at), execution_id),
            is_durable=False,
        )

    def purge(self, before: datetime) -> None:
        self._write("DELETE FROM deliveries WHERE settled_at < ?", (time_text(before),), is_durable=False)

    def unsettled(self) -> tuple[e.Stored, ...]:
        rows = self._db.execute(
            "SELECT * FROM deliveries WHERE state NOT IN ('settled', 'withdrawn') ORDER BY position"
        ).fetchall()
        return tuple(_stored(row) for row in rows)

    def find(self, execution_id: str) -> e.Stored | None:
        row = self._db.execute("SELECT * FROM deliveries WHERE execution_id = ?", (execution_id,)).fetchone()
        return None if row is None else _stored(row)


def counts(path: Path) -> dict[str, int]:
    """How many deliveries are in which state, looked up beside a running agent and without changing anything."""
    if not path.exists():
        return {}
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
    except sqlite3.Error:
        return {}
    finally:
        db.close()


def _stored(row: sqlite3.Row) -> e.Stored:
    started = _message(row["started"])
    result = _message(row["result"])
    return e.Stored(
        execution_id=row["execution_id"],
        state=row["state"],
        payload=_payload(row["payload"]),
        started_at=started.started_at if isinstance(started, Started) else None,
        result=result if isinstance(result, Result) else None,
        stdout=e.Kept(row["stdout_head"], row["stdout_tail"], row["stdout_end"]),
        stderr=e.Kept(row["stderr_head"], row["stderr_tail"], row["stderr_end"]),
        stdout_acked=row["stdout_acked"],
        stderr_acked=row["stderr_acked"],
    )


def _payload(text: str | None) -> EnvelopePayload | None:
    try:
        return parse_payload(text) if text else None
    except WireError:
        return None


def _message(text: str | None) -> object:
    try:
        return decode_from_agent(text) if text else None
    except WireError:
        return None

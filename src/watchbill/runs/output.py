"""Stored output: chunks with byte offsets in the true stream, the head and the tail of it, and the gap told plainly.

The device decides what it keeps; the Engine keeps no more than its own limit, whatever a device sends.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

Stream = Literal["stdout", "stderr"]
#: As they are stored.
NUMBER: dict[Stream, int] = {"stdout": 1, "stderr": 2}

#: Bytes of a chunk at most: what the wire lets into one message.
_LONGEST = 64 * 1024

# Where the result comes in the same transaction it brings the counters with it (`ending`): a row that is written twice costs twice.
_STORE = text("""
WITH given AS (
  SELECT * FROM unnest(CAST(:executions AS uuid[]), CAST(:devices AS uuid[]), CAST(:streams AS smallint[]),
    CAST(:offsets AS bigint[]), CAST(:data AS bytea[])) AS g(execution_id, device_id, stream, at_offset, data)
), theirs AS (
  SELECT e.run_id, e.stored_bytes, g.* FROM given g JOIN executions e ON e.id = g.execution_id AND e.device_id = g.device_id
  WHERE e.stored_bytes < :limit
), kept AS (
  INSERT INTO output_chunks (run_id, execution_id, stream, at_offset, data)
  SELECT run_id, execution_id, stream, at_offset, data FROM theirs ORDER BY execution_id, stream, at_offset
  ON CONFLICT DO NOTHING
  RETURNING run_id, execution_id, stream, at_offset + length(data) AS ends, length(data) AS bytes
), reached AS (
  SELECT run_id, execution_id, max(ends) FILTER (WHERE stream = 1) AS stdout, max(ends) FILTER (WHERE stream = 2) AS stderr,
    sum(bytes)::bigint AS bytes, count(*) AS number
  FROM kept GROUP BY run_id, execution_id ORDER BY execution_id
), counted AS (
  UPDATE executions e SET stored_bytes = e.stored_bytes + r.bytes,
    stdout_bytes = CASE WHEN e.state = 'finished' THEN e.stdout_bytes ELSE greatest(e.stdout_bytes, r.stdout) END,
    stderr_bytes = CASE WHEN e.state = 'finished' THEN e.stderr_bytes ELSE greatest(e.stderr_bytes, r.stderr) END
  FROM reached r WHERE e.run_id = r.run_id AND e.id = r.execution_id AND r.execution_id <> ALL(CAST(:ending AS uuid[]))
)
SELECT run_id, execution_id, true AS is_kept, bytes, number, stdout, stderr FROM reached WHERE execution_id = ANY(CAST(:ending AS uuid[]))
UNION ALL
SELECT run_id, execution_id, false, max(stored_bytes), count(*), NULL, NULL FROM theirs
WHERE execution_id = ANY(CAST(:ending AS uuid[])) GROUP BY run_id, execution_id
""")

_READ = text("""
SELECT at_offset, data FROM output_chunks
WHERE run_id = (SELECT run_id FROM executions WHERE id = :id) AND execution_id = :id AND stream = :stream AND at_offset + length(data) > :after
  -- Where the index begins to look: no chunk is longer.
  AND at_offset > :after - :longest
ORDER BY at_offset LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one stream, as its device sent it."""

    execution_id: uuid.UUID
    device_id: uuid.UUID
    stream: Stream
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a stream in a row. `skipped` bytes before them were not kept."""

    offset: int
    data: bytes
    skipped: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What was kept of one execution whose result comes in the same transaction, and how far its streams reach.

    `whole`: its chunks, if there are no others.
    """

    run_id: int
    bytes: int
    stdout: int | None
    stderr: int | None
    whole: Sequence[Chunk]


async def store(
    tx: AsyncConnection, chunks: Sequence[Chunk], *, limit_bytes: int, ending: Collection[uuid.UUID] = ()
) -> dict[uuid.UUID, Stored]:
    """Keep chunks; what belongs to another device's execution or lies beyond `limit_bytes` an execution is dropped.

    Of executions that are `ending`, `record.finished` is to be given what this returns, in the same transaction.
    """
    if not chunks:
        return {}
    columns = {
        "executions": [chunk.execution_id for chunk in chunks],
        "devices": [chunk.device_id for chunk in chunks],
        "streams": [NUMBER[chunk.stream] for chunk in chunks],
        "offsets": [chunk.offset for chunk in chunks],
        "data": [chunk.data for chunk in chunks],
    }
    rows = await tx.execute(_STORE, {**columns, "limit": limit_bytes, "ending": list(ending)})
    return _stored(rows.all(), chunks)


def _stored(rows: Sequence[Row[Any]], chunks: Sequence[Chunk]) -> dict[uuid.UUID, Stored]:
    given = defaultdict[uuid.UUID, list[Chunk]](list)
    for chunk in chunks:
        given[chunk.execution_id].append(chunk)
    fresh = {row.execution_id for row in rows if not row.is_kept and row.bytes == 0}
    stored = {}
    for row in rows:
        if row.is_kept:
            mine = given[row.execution_id]
            is_whole = row.execution_id in fresh and row.number == len(mine)
            stored[row.execution_id] = Stored(row.run_id, row.bytes, row.stdout, row.stderr, mine if is_whole else ())
    return stored


async def read(
    tx: AsyncConnection, execution_id: uuid.UUID, stream: Stream, offset: int, *, chunks: int = 64
) -> list[Piece]:
    """What is stored of a stream from `offset` on, in order, gaps marked; at most `chunks` pieces."""
    values = {"id": execution_id, "stream": NUMBER[stream], "after": offset, "longest": _LONGEST, "limit": chunks}
    pieces = []
    position = offset
    for start, data in (await tx.execute(_READ, values)).all():
        fresh = bytes(data[max(0, position - start) :])
        begins = max(start, position)
        pieces.append(Piece(begins, fresh, begins - position))
        position = begins + len(fresh)
    return pieces

"""What is known of an output as a whole once its execution ends: which others are the same, and the text that can be searched.

Written in the transaction that records the result, before it. Each output of a run is kept once, however many devices wrote the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.output_words import Stream, as_tsvector
from watchbill.runs.output import NUMBER
from watchbill.runs.record import Report

#: Bytes of each end of a stream that can be searched: 64 KiB of an execution.
PART: Final = 16 * 1024
#: Bytes of a stream that are compared as a whole; a longer one is the same as no other.
COMPARED: Final = 16 * 1024 * 1024
#: Executions whose text is in memory at one time.
_AT_ONCE: Final = 32
_STREAM: Final[dict[int, Stream]] = {number: name for name, number in NUMBER.items()}

# Chunks in a row, what two of them have in common once; what is too long to be put together is like nothing else. Where bytes were not kept, a mark with their number: two outputs with the same
# beginning and the same end and another gap are not the same.
_HASH: Final = text("""
WITH ended AS (
  SELECT e.run_id, e.id, g.said FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[]), CAST(:said AS text[])) AS g(id, device_id, said)
  JOIN executions e ON e.id = g.id AND e.device_id = g.device_id WHERE e.state <> 'finished'
), pieces AS (
  SELECT c.run_id, c.execution_id, c.stream, c.at_offset, c.data, coalesce(max(c.at_offset + length(c.data)) OVER (
      PARTITION BY c.execution_id, c.stream ORDER BY c.at_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS reached,
    sum(length(c.data)) OVER (PARTITION BY c.execution_id, c.stream) <= :most AS is_compared
  FROM ended n JOIN output_chunks c ON c.run_id = n.run_id AND c.execution_id = n.id
), streams AS (
  SELECT run_id, execution_id, stream, coalesce(sha256(string_agg(CASE WHEN NOT is_compared THEN NULL WHEN at_offset > reached
      THEN '\\x01'::bytea || convert_to(CAST(at_offset - reached AS text), 'UTF8') || '\\x01'::bytea || data
      ELSE substring(data FROM CAST(reached - at_offset AS integer) + 1) END, ''::bytea ORDER BY at_offset)), uuid_send(execution_id)) AS digest
  FROM pieces GROUP BY run_id, execution_id, stream
), hashed AS (
  SELECT n.run_id, n.id, sha256(convert_to(n.said, 'UTF8') || coalesce(o.digest, '\\x00'::bytea) || coalesce(r.digest, '\\x00'::bytea)) AS hash,
    o.digest IS NOT NULL OR r.digest IS NOT NULL AS has_output
  FROM ended n
  LEFT JOIN streams o ON (o.run_id, o.execution_id, o.stream) = (n.run_id, n.id, 1)
  LEFT JOIN streams r ON (r.run_id, r.execution_id, r.stream) = (n.run_id, n.id, 2)
)
UPDATE executions e SET output_hash = h.hash FROM hashed h WHERE e.run_id = h.run_id AND e.id = h.id
RETURNING e.run_id, e.id, h.hash, h.has_output
""")

_UNKNOWN: Final = text("""
SELECT g.place FROM unnest(CAST(:runs AS bigint[]), CAST(:hashes AS bytea[])) WITH ORDINALITY AS g(run_id, hash, place)
WHERE NOT EXISTS (SELECT FROM output_texts t WHERE t.run_id = g.run_id AND t.hash = g.hash) ORDER BY g.place
""")

_ENDS: Final = text("""
WITH reached AS (
  SELECT g.place, c.stream, max(c.at_offset + length(c.data)) AS ends
  FROM unnest(CAST(:runs AS bigint[]), CAST(:executions AS uuid[])) WITH ORDINALITY AS g(run_id, execution_id, place)
  JOIN output_chunks c ON c.run_id = g.run_id AND c.execution_id = g.execution_id GROUP BY g.place, c.stream
)
SELECT g.place, c.stream, c.at_offset, c.data
FROM unnest(CAST(:runs AS bigint[]), CAST(:executions AS uuid[])) WITH ORDINALITY AS g(run_id, execution_id, place)
JOIN reached r ON r.place = g.place
JOIN output_chunks c ON c.run_id = g.run_id AND c.execution_id = g.execution_id AND c.stream = r.stream
WHERE c.at_offset < :part OR c.at_offset + length(c.data) > r.ends - :part
ORDER BY g.place, c.stream, c.at_offset
""")

# In the order of their keys: two gateways that bring the same outputs wait for one another, and never crosswise.
_KEEP: Final = text("""
INSERT INTO output_texts (run_id, hash, stdout, stderr, words)
SELECT run_id, hash, stdout, stderr, CAST(words AS tsvector)
FROM unnest(CAST(:runs AS bigint[]), CAST(:hashes AS bytea[]), CAST(:stdout AS text[]), CAST(:stderr AS text[]), CAST(:words AS text[]))
  AS g(run_id, hash, stdout, stderr, words)
ORDER BY run_id, hash ON CONFLICT DO NOTHING
""")


@dataclass
class _Ends:
    """The beginning and the end of one stream, put together from its chunks."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    reached: int = 0

    def add(self, offset: int, data: bytes) -> None:
        fresh = data[max(0, self.reached - offset) :]
        if offset > self.reached:
            self.tail.clear()
        begins = max(offset, self.reached)
        self.reached = max(self.reached, offset + len(data))
        if begins == len(self.head) and begins < PART:
            taken = PART - begins
            self.head += fresh[:taken]
            fresh = fresh[taken:]
        self.tail += fresh
        del self.tail[:-PART]

    @property
    def texts(self) -> list[str]:
        """One where nothing lies between the two."""
        if self.reached == len(self.head) + len(self.tail):
            return [_text(bytes(self.head + self.tail))] if self.reached else []
        return [_text(bytes(one)) for one in (self.head, self.tail) if one]


def _text(data: bytes) -> str:
    """Any bytes as PostgreSQL can hold them."""
    return data.decode(errors="replace").replace("\0", "\ufffd")


async def summarise(tx: AsyncConnection, reports: Sequence[Report]) -> None:
    """Of executions that end by these reports, and whose output is stored. To be called before anything that others wait for is locked."""
    if not reports:
        return
    unique = {report.execution_id: report for report in reports}.values()
    values = {
        "ids": [one.execution_id for one in unique],
        "devices": [one.device_id for one in unique],
        "said": [
            f"{one.outcome} {one.exit_code} {one.signal} {one.stdout_bytes} {one.stderr_bytes} " for one in unique
        ],
    }
    rows = (await tx.execute(_HASH, {**values, "most": COMPARED})).all()
    # One execution stands for all that are the same.
    by_key = {(row.run_id, row.hash): row for row in rows if row.has_output}
    fresh = await _unknown(tx, [by_key[key] for key in sorted(by_key)])
    for first in range(0, len(fresh), _AT_ONCE):
        await _keep(tx, fresh[first : first + _AT_ONCE])


async def _unknown(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    if not rows:
        return []
    keys = {"runs": [row.run_id for row in rows], "hashes": [row.hash for row in rows]}
    return [rows[place - 1] for place in (await tx.execute(_UNKNOWN, keys)).scalars()]


async def _keep(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> None:
    runs, executions = [row.run_id for row in rows], [row.id for row in rows]
    found = await tx.execute(_ENDS, {"runs": runs, "executions": executions, "part": PART})
    ends: dict[int, dict[Stream, _Ends]] = defaultdict(lambda: defaultdict(_Ends))
    for place, stream, offset, data in found:
        ends[place - 1][_STREAM[stream]].add(offset, bytes(data))
    columns = {
        "runs": runs,
        "hashes": [row.hash for row in rows],
        "stdout": [_joined(ends[place]["stdout"].texts) for place in range(len(rows))],
        "stderr": [_joined(ends[place]["stderr"].texts) for place in range(len(rows))],
        "words": [as_tsvector(list(_pieces(ends[place]))) for place in range(len(rows))],
    }
    await tx.execute(_KEEP, columns)


def _pieces(ends: dict[Stream, _Ends]) -> Iterator[tuple[Stream, str]]:
    yield from ((stream, one) for stream in NUMBER for one in ends[stream].texts)


#: Stands in a text for what lies between its beginning and its end.
CUT: Final = "\n[...]\n"


def _joined(texts: Iterable[str]) -> str:
    return CUT.join(texts)


async def text_of(
    tx: AsyncConnection, keys: Sequence[tuple[int, bytes]], *, characters: int | None = None
) -> dict[tuple[int, bytes], tuple[str, str]]:
    """(stdout, stderr) of outputs by run and hash, whole or their first `characters`; one without text is not in it."""
    if not keys:
        return {}
    values = {"runs": [run for run, _ in keys], "hashes": [one for _, one in keys], "characters": characters}
    rows = await tx.execute(_TEXTS, values)
    return {(row.run_id, bytes(row.hash)): (row.stdout, row.stderr) for row in rows}


_TEXTS: Final = text("""
SELECT t.run_id, t.hash, left(t.stdout, coalesce(:characters, length(t.stdout))) AS stdout,
  left(t.stderr, coalesce(:characters, length(t.stderr))) AS stderr
FROM unnest(CAST(:runs AS bigint[]), CAST(:hashes AS bytea[])) AS g(run_id, hash)
JOIN output_texts t ON t.run_id = g.run_id AND t.hash = g.hash
""")

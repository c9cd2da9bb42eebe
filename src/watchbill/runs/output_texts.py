"""What is known of an output as a whole once its execution ends: which others are the same, and the text that can be searched.

Written in the transaction that records the result, before it. Each output of a run is kept once, however many devices wrote the same.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.output_words import Stream, as_tsvector
from watchbill.runs.output import NUMBER, Chunk, Stored
from watchbill.runs.record import Report, Told

#: Bytes of each end of a stream that can be searched: 64 KiB of an execution.
PART: Final = 16 * 1024
#: Bytes of a stream that are compared as a whole; a longer one is the same as no other.
COMPARED: Final = 16 * 1024 * 1024
#: Executions whose text is in memory at one time.
_AT_ONCE: Final = 32
_STREAM: Final[dict[int, Stream]] = {number: name for name, number in NUMBER.items()}

# Chunks in a row, what two of them have in common once; what is too long to be put together is like nothing else. Where bytes were not
# kept, a mark with their number: two outputs with the same beginning and the same end and another gap are not the same.
_DIGESTS: Final = text("""
WITH ended AS (
  SELECT e.run_id, e.id, e.device_id FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[])) AS g(id, device_id)
  JOIN executions e ON e.id = g.id AND e.device_id = g.device_id WHERE e.state <> 'finished'
), pieces AS (
  SELECT c.run_id, c.execution_id, n.device_id, c.stream, c.at_offset, c.data, coalesce(max(c.at_offset + length(c.data)) OVER (
      PARTITION BY c.execution_id, c.stream ORDER BY c.at_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS reached,
    sum(length(c.data)) OVER (PARTITION BY c.execution_id, c.stream) <= :most AS is_compared
  FROM ended n JOIN output_chunks c ON c.run_id = n.run_id AND c.execution_id = n.id
)
SELECT run_id, execution_id, device_id, stream, coalesce(sha256(string_agg(CASE WHEN NOT is_compared THEN NULL WHEN at_offset > reached
    THEN '\\x01'::bytea || convert_to(CAST(at_offset - reached AS text), 'UTF8') || '\\x01'::bytea || data
    ELSE substring(data FROM CAST(reached - at_offset AS integer) + 1) END, ''::bytea ORDER BY at_offset)), uuid_send(execution_id)) AS digest
FROM pieces GROUP BY run_id, execution_id, device_id, stream
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


@dataclass
class _Output:
    """What was written by an execution. `whole`: all of it, where it is at hand."""

    run_id: int
    digests: dict[Stream, bytes] = field(default_factory=dict)
    whole: Sequence[Chunk] | None = None


async def summarise(
    tx: AsyncConnection, reports: Sequence[Report], stored: Mapping[uuid.UUID, Stored] = MappingProxyType({})
) -> dict[Told, bytes]:
    """By which an output is known, of each execution that ends by these reports: to be given to `record.finished`.

    All output is stored, `stored` of it just now. To be called before anything that others wait for is locked.
    """
    unique = {report.told: report for report in reports}
    outputs = {told: one for told in unique if (one := _at_hand(stored.get(told[0]), told))}
    outputs |= await _looked_up(tx, [told for told in unique if told not in outputs])
    hashes = {told: _hash(report, outputs.get(told)) for told, report in unique.items()}
    # One execution stands for all that are the same.
    by_key = {(output.run_id, hashes[told]): told for told, output in outputs.items()}
    fresh = await _unknown(tx, sorted(by_key))
    for first in range(0, len(fresh), _AT_ONCE):
        await _keep(tx, {key: (by_key[key][0], outputs[by_key[key]]) for key in fresh[first : first + _AT_ONCE]})
    return hashes


def _at_hand(stored: Stored | None, told: Told) -> _Output | None:
    """The same as `_DIGESTS` finds, where all there is has come just now. A batch has less than is compared."""
    if stored is None or not stored.whole or stored.whole[0].device_id != told[1]:
        return None
    chunks = sorted(stored.whole, key=lambda one: one.offset)
    digests: dict[Stream, bytes] = {}
    for stream in NUMBER:
        reached, whole = 0, hashlib.sha256()
        for chunk in (one for one in chunks if one.stream == stream):
            if chunk.offset > reached:
                whole.update(b"\x01%d\x01" % (chunk.offset - reached))
            whole.update(chunk.data[max(0, reached - chunk.offset) :])
            reached = max(reached, chunk.offset + len(chunk.data))
        if reached:
            digests[stream] = whole.digest()
    return _Output(stored.run_id, digests, chunks)


async def _looked_up(tx: AsyncConnection, ended: Sequence[Told]) -> dict[Told, _Output]:
    """Of executions that have not ended yet and have output."""
    found: dict[Told, _Output] = {}
    if ended:
        values = {"ids": [one for one, _ in ended], "devices": [one for _, one in ended], "most": COMPARED}
        for row in await tx.execute(_DIGESTS, values):
            output = found.setdefault((row.execution_id, row.device_id), _Output(row.run_id))
            output.digests[_STREAM[row.stream]] = bytes(row.digest)
    return found


def _hash(report: Report, output: _Output | None) -> bytes:
    said = f"{report.outcome} {report.exit_code} {report.signal} {report.stdout_bytes} {report.stderr_bytes} "
    digests = output.digests if output is not None else {}
    return hashlib.sha256(said.encode() + b"".join(digests.get(stream, b"\0") for stream in NUMBER)).digest()


_Key = tuple[int, bytes]


async def _unknown(tx: AsyncConnection, keys: Sequence[_Key]) -> list[_Key]:
    if not keys:
        return []
    columns = {"runs": [run for run, _ in keys], "hashes": [one for _, one in keys]}
    return [keys[place - 1] for place in (await tx.execute(_UNKNOWN, columns)).scalars()]


async def _keep(tx: AsyncConnection, outputs: Mapping[_Key, tuple[uuid.UUID, _Output]]) -> None:
    ends = {key: _ends_of(one.whole) for key, (_, one) in outputs.items() if one.whole is not None}
    ends |= await _stored_ends(tx, {key: id_ for key, (id_, _) in outputs.items() if key not in ends})
    some = [ends[key] for key in outputs]
    columns = {
        "runs": [run for run, _ in outputs],
        "hashes": [one for _, one in outputs],
        "stdout": [_joined(one["stdout"].texts) for one in some],
        "stderr": [_joined(one["stderr"].texts) for one in some],
        "words": [as_tsvector(list(_pieces(one))) for one in some],
    }
    await tx.execute(_KEEP, columns)


def _ends_of(chunks: Iterable[Chunk]) -> dict[Stream, _Ends]:
    ends: dict[Stream, _Ends] = defaultdict(_Ends)
    for chunk in chunks:
        ends[chunk.stream].add(chunk.offset, chunk.data)
    return ends


async def _stored_ends(tx: AsyncConnection, wanted: Mapping[_Key, uuid.UUID]) -> dict[_Key, dict[Stream, _Ends]]:
    keys = list(wanted)
    ends: list[dict[Stream, _Ends]] = [defaultdict(_Ends) for _ in keys]
    if keys:
        values = {"runs": [run for run, _ in keys], "executions": list(wanted.values()), "part": PART}
        for place, stream, offset, data in await tx.execute(_ENDS, values):
            ends[place - 1][_STREAM[stream]].add(offset, bytes(data))
    return dict(zip(keys, ends, strict=True))


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

"""The SQL of files: contents in pieces, each once, and when one is of no use any more. Decides nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Bytes of a stored piece; only the last one of a content may have fewer.
PIECE_BYTES: Final = 1024 * 1024

_BEGIN = text(
    "INSERT INTO file_contents (created_by, created_at, unused_since) VALUES (:operator, :now, :now) RETURNING id"
)
_APPEND = text("""
WITH open AS (SELECT id FROM file_contents WHERE id = :id AND sha256 IS NULL FOR UPDATE)
INSERT INTO file_pieces (content_id, position, data) SELECT id, :position, :data FROM open RETURNING position
""")
# Whoever stores the same content waits here for the other.
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('file ' || :sha256, 0))")
_WHOLE = """coalesce((SELECT sum(length(p.data)) FROM file_pieces p WHERE p.content_id = c.id), 0) = c.size"""
_THERE = text(f"SELECT c.id, {_WHOLE} AS is_whole FROM file_contents c WHERE c.sha256 = :sha256")
_DISCARD = text("DELETE FROM file_contents WHERE id = :id")
_SEAL = text("UPDATE file_contents SET sha256 = :sha256, size = :size WHERE id = :id AND sha256 IS NULL RETURNING id")
# From now on again: who stored it, or looked for it to refer to it, has as long as with a new one.
_FRESHEN = text("UPDATE file_contents SET unused_since = :now WHERE sha256 = :sha256 AND unused_since IS NOT NULL")
# An update, not a lock: a sweep that waits for the row looks again at whether it may go.
_REFER = text("""
UPDATE file_contents c SET unused_since = NULL
FROM (SELECT id FROM file_contents WHERE sha256 = ANY(:digests) ORDER BY id FOR UPDATE) held
WHERE c.id = held.id RETURNING c.sha256, c.size
""")
_INSERT_REFERENCES = text("""
INSERT INTO assembly_revision_files (assembly_id, revision, sha256)
SELECT CAST(:assembly_id AS uuid), CAST(:revision AS integer), d FROM unnest(CAST(:digests AS text[])) AS d GROUP BY d
""")
_STORED = text("SELECT sha256, size FROM file_contents WHERE sha256 = ANY(:digests)")
_MISSING = text("""
SELECT f.assembly_id, f.revision FROM unnest(CAST(:ids AS uuid[]), CAST(:revisions AS integer[])) AS g(assembly_id, revision)
JOIN assembly_revision_files f ON f.assembly_id = g.assembly_id AND f.revision = g.revision
LEFT JOIN file_contents c ON c.sha256 = f.sha256 WHERE c.id IS NULL GROUP BY 1, 2
""")
_DIGESTS = text("""
SELECT DISTINCT f.sha256 FROM unnest(CAST(:ids AS uuid[]), CAST(:revisions AS integer[])) AS g(assembly_id, revision)
JOIN assembly_revision_files f ON f.assembly_id = g.assembly_id AND f.revision = g.revision
""")
_READ = text("""
SELECT g.sha256, g.at_offset, c.size, substring(p.data FROM CAST(g.at_offset % :piece AS integer) + 1 FOR :most) AS data
FROM unnest(CAST(:digests AS text[]), CAST(:offsets AS bigint[])) AS g(sha256, at_offset)
JOIN file_contents c ON c.sha256 = g.sha256
LEFT JOIN file_pieces p ON p.content_id = c.id AND p.position = g.at_offset / :piece
""")
# What the latest revision of an assembly refers to is in use, and so is what a job or a run will take.
_IN_USE = """
EXISTS (
  SELECT FROM assembly_revision_files f JOIN assemblies a ON a.id = f.assembly_id
  WHERE f.sha256 = c.sha256 AND (f.revision = a.revision
    OR (f.assembly_id, f.revision) IN (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:revisions AS integer[]))))
)"""
_CANDIDATES = text("""
SELECT DISTINCT f.assembly_id, f.revision FROM assembly_revision_files f JOIN assemblies a ON a.id = f.assembly_id
JOIN file_contents c ON c.sha256 = f.sha256 WHERE f.revision <> a.revision
""")
_MARK = text(f"""
UPDATE file_contents c SET unused_since = CASE WHEN {_IN_USE} THEN NULL ELSE CAST(:now AS timestamptz) END
WHERE c.sha256 IS NOT NULL AND (c.unused_since IS NULL) <> {_IN_USE}
""")
_SWEEP = text(f"""
DELETE FROM file_contents c WHERE c.id IN (
  SELECT id FROM file_contents WHERE unused_since < :before ORDER BY unused_since LIMIT :limit FOR UPDATE SKIP LOCKED
) AND c.unused_since < :before AND NOT {_IN_USE}
RETURNING c.size
""")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a content from an offset on, and its whole size. No data = there is nothing at that place."""

    sha256: str
    offset: int
    size: int
    data: bytes


async def open_content(tx: AsyncConnection, operator_id: int | None, now: datetime) -> int:
    return int((await tx.execute(_BEGIN, {"operator": operator_id, "now": now})).scalar_one())


async def append(tx: AsyncConnection, content_id: int, position: int, data: bytes) -> bool:
    """False when there is no such content to add to."""
    found = await tx.execute(_APPEND, {"id": content_id, "position": position, "data": data})
    return found.first() is not None


async def discard(tx: AsyncConnection, content_id: int) -> None:
    await tx.execute(_DISCARD, {"id": content_id})


async def seal(tx: AsyncConnection, content_id: int, sha256: str, size: int, now: datetime) -> bool:
    """Make what was sent a content of that digest, or drop it where there is one already. False when it has gone."""
    await tx.execute(_HOLD, {"sha256": sha256})
    there = (await tx.execute(_THERE, {"sha256": sha256})).one_or_none()
    if there is not None and there.is_whole:
        await discard(tx, content_id)
        await tx.execute(_FRESHEN, {"sha256": sha256, "now": now})
        return True
    if there is not None:  # damaged: what has come is whole
        await discard(tx, there.id)
    sealed = await tx.execute(_SEAL, {"id": content_id, "sha256": sha256, "size": size})
    return sealed.first() is not None


async def refer(tx: AsyncConnection, digests: Collection[str]) -> dict[str, int]:
    """Contents that something is about to refer to, by digest their sizes; none of them goes before that is committed."""
    if not digests:
        return {}
    return {row.sha256: row.size for row in await tx.execute(_REFER, {"digests": sorted(digests)})}


async def insert_references(tx: AsyncConnection, assembly_id: UUID, revision: int, digests: Collection[str]) -> None:
    if digests:
        given = {"assembly_id": assembly_id, "revision": revision, "digests": sorted(digests)}
        await tx.execute(_INSERT_REFERENCES, given)


async def stored(tx: AsyncConnection, digests: Collection[str]) -> dict[str, int]:
    """Of these contents those that are there, by digest their sizes."""
    if not digests:
        return {}
    return {row.sha256: row.size for row in await tx.execute(_STORED, {"digests": sorted(digests)})}


async def digests_of(tx: AsyncConnection, revisions: Sequence[tuple[UUID, int]]) -> set[str]:
    return set((await tx.execute(_DIGESTS, _columns(revisions))).scalars())


async def incomplete(tx: AsyncConnection, revisions: Sequence[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """Of these revisions those of which a file is not kept any more."""
    return {(row.assembly_id, row.revision) for row in await tx.execute(_MISSING, _columns(revisions))}


async def read(tx: AsyncConnection, places: Sequence[tuple[str, int]], most: int) -> list[Part]:
    """At most `most` bytes from each (digest, offset) on, never over the end of a stored piece; absent contents are left out."""
    given = {"digests": [one for one, _ in places], "offsets": [offset for _, offset in places]}
    rows = await tx.execute(_READ, {**given, "piece": PIECE_BYTES, "most": most})
    return [Part(row.sha256, row.at_offset, row.size, bytes(row.data or b"")) for row in rows]


async def earlier_revisions(tx: AsyncConnection) -> list[tuple[UUID, int]]:
    """Revisions with stored files that are not the latest of their assembly."""
    return [(row.assembly_id, row.revision) for row in await tx.execute(_CANDIDATES)]


async def mark(tx: AsyncConnection, in_use: Sequence[tuple[UUID, int]], now: datetime) -> None:
    """Note which contents nothing refers to. `in_use`: revisions that count beside the latest ones."""
    await tx.execute(_MARK, {**_columns(in_use), "now": now})


async def sweep(tx: AsyncConnection, in_use: Sequence[tuple[UUID, int]], before: datetime, limit: int) -> Sequence[int]:
    """Remove contents that nothing has referred to since `before`; their sizes."""
    given = {**_columns(in_use), "before": before, "limit": limit}
    return (await tx.execute(_SWEEP, given)).scalars().all()


def _columns(revisions: Sequence[tuple[UUID, int]]) -> dict[str, object]:
    return {"ids": [one for one, _ in revisions], "revisions": [number for _, number in revisions]}

"""Files that devices fetch for their executions: who may have which, how long that may take, and which revisions runs still need.

Reads the revisions that runs have frozen; writes the bounds of their targets and nothing else.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.runs.taking import KILL_GRACE, SILENCE

#: How long a device may take to fetch the files of an execution. It is no part of the script's time limit.
FETCH_LIMIT: Final = timedelta(hours=1)

_ENTITLED = text("""
SELECT DISTINCT e.id, e.device_id, f.sha256
FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[]), CAST(:digests AS text[])) AS g(id, device_id, sha256)
JOIN executions e ON e.id = g.id AND e.device_id = g.device_id AND e.state <> 'finished'
JOIN runs r ON r.id = e.run_id
JOIN assembly_revision_files f ON f.sha256 = g.sha256
  AND f.assembly_id = CAST(r.components->e.component->>'assembly_id' AS uuid)
  AND f.revision = CAST(r.components->e.component->>'revision' AS integer)
""")
_LONGER = text("""
UPDATE run_targets t SET deadline_at = w.until_at
FROM (
  SELECT e.run_id, e.target_id, max(e.dispatched_at + r.time_limit_seconds * interval '1 second' + CAST(:extra AS interval)) AS until_at
  FROM executions e JOIN runs r ON r.id = e.run_id
  WHERE e.id = ANY(:ids) AND e.state <> 'finished' GROUP BY 1, 2
) w
WHERE t.run_id = w.run_id AND t.id = w.target_id AND t.state IN ('dispatched', 'running') AND t.deadline_at < w.until_at
""")
_LOCK = text("""
SELECT t.id FROM run_targets t JOIN executions e ON e.run_id = t.run_id AND e.target_id = t.id
WHERE e.id = ANY(:ids) ORDER BY t.id FOR UPDATE OF t
""")
_USED = text("""
SELECT DISTINCT g.assembly_id, g.revision
FROM unnest(CAST(:assemblies AS uuid[]), CAST(:revisions AS integer[])) AS g(assembly_id, revision)
WHERE EXISTS (SELECT FROM job_components c JOIN jobs j ON j.id = c.job_id AND j.deleted_at IS NULL
    WHERE c.assembly_id = g.assembly_id AND c.assembly_revision = g.revision)
  OR EXISTS (SELECT FROM runs r WHERE r.components @> jsonb_build_array(
    jsonb_build_object('assembly_id', g.assembly_id, 'revision', g.revision)))
""")


async def entitled(
    tx: AsyncConnection, wanted: Sequence[tuple[uuid.UUID, uuid.UUID, str]]
) -> set[tuple[uuid.UUID, uuid.UUID, str]]:
    """Of (execution, device, SHA-256) those where the execution is the device's, has not ended, and has that file."""
    if not wanted:
        return set()
    columns = {"ids": [w[0] for w in wanted], "devices": [w[1] for w in wanted], "digests": [w[2] for w in wanted]}
    return {(row.id, row.device_id, row.sha256) for row in await tx.execute(_ENTITLED, columns)}


async def allow_fetching(tx: AsyncConnection, execution_ids: Collection[uuid.UUID]) -> None:
    """These fetch files before they start: their targets are waited for as long as that may take besides."""
    if execution_ids:
        ids = list(execution_ids)
        await tx.execute(_LOCK, {"ids": ids})
        await tx.execute(_LONGER, {"ids": ids, "extra": FETCH_LIMIT + KILL_GRACE + SILENCE})


async def revisions_in_use(
    tx: AsyncConnection, revisions: Sequence[tuple[uuid.UUID, int]]
) -> list[tuple[uuid.UUID, int]]:
    """Of these revisions of assemblies those that a job names or a run has frozen."""
    if not revisions:
        return []
    columns = {"assemblies": [one for one, _ in revisions], "revisions": [number for _, number in revisions]}
    return [(row.assembly_id, row.revision) for row in await tx.execute(_USED, columns)]

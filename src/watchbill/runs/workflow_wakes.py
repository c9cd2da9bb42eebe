"""Who is to look at a run of a workflow next, and when. A wake is only ever inserted here and deleted by the runtime: it waits for no lock."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.kit import db

#: NOTIFY channel that says that a run of a workflow is to be looked at.
WORKFLOWS: Final = "watchbill_workflows"

_OF_OCCURRENCES = text("""
INSERT INTO workflow_wakes (run_id, at)
SELECT DISTINCT n.run_id, CAST(:now AS timestamptz) FROM workflow_nodes n
WHERE n.occurrence_ids && CAST(:ids AS uuid[]) AND n.state = 'running'
RETURNING run_id
""")
_CANCELLED = text("""
INSERT INTO workflow_wakes (run_id, at)
SELECT w.run_id, :now FROM workflow_runs w WHERE w.occurrence_id = ANY(CAST(:ids AS uuid[])) AND w.finished_at IS NULL
RETURNING run_id
""")
# A device that comes matters only to who waits for devices.
_ONLINE = text("""
INSERT INTO workflow_wakes (run_id, at)
SELECT DISTINCT n.run_id, CAST(:now AS timestamptz) FROM workflow_nodes n
JOIN workflow_sets s ON s.run_id = n.run_id AND s.port = 'awaited:' || n.node_id AND s.devices && CAST(:devices AS uuid[])
WHERE n.type = 'wait' AND n.state = 'running'
RETURNING run_id
""")
_WAKE = text("""
INSERT INTO workflow_wakes (run_id, at)
SELECT * FROM unnest(CAST(:runs AS bigint[]), CAST(:instants AS timestamptz[]))
""")

# Whoever holds a run is the only one that deletes its wakes: what is there now will be.
_REMIND = text("""
INSERT INTO workflow_wakes (run_id, at)
SELECT DISTINCT u.run_id, u.at FROM unnest(CAST(:runs AS bigint[]), CAST(:instants AS timestamptz[])) AS u(run_id, at)
WHERE NOT EXISTS (SELECT FROM workflow_wakes k WHERE k.run_id = u.run_id AND k.at = u.at)
""")


async def occurrences_ended(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Wake the workflows whose nodes these occurrences were the work of."""
    if (await tx.execute(_OF_OCCURRENCES, {"ids": list(occurrence_ids), "now": now})).first() is not None:
        await db.notify(tx, WORKFLOWS)


async def cancel_asked(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime) -> int:
    """Wake the workflows of occurrences that are to be stopped; how many of them are open."""
    number = len((await tx.execute(_CANCELLED, {"ids": list(occurrence_ids), "now": now})).all())
    if number:
        await db.notify(tx, WORKFLOWS)
    return number


async def devices_online(tx: AsyncConnection, device_ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Wake the workflows that wait for some of these devices."""
    if (await tx.execute(_ONLINE, {"devices": list(device_ids), "now": now})).first() is not None:
        await db.notify(tx, WORKFLOWS)


async def wake(tx: AsyncConnection, wakes: Sequence[tuple[int, datetime]]) -> None:
    """Have runs looked at: (run, when)."""
    if wakes:
        await tx.execute(_WAKE, _columns(wakes))
        await db.notify(tx, WORKFLOWS)


async def remind(tx: AsyncConnection, wakes: Sequence[tuple[int, datetime]]) -> None:
    """The same of runs that the caller holds, where nobody is to be woken then already."""
    if wakes:
        await tx.execute(_REMIND, _columns(wakes))
        await db.notify(tx, WORKFLOWS)


def _columns(wakes: Sequence[tuple[int, datetime]]) -> dict[str, list[object]]:
    return {"runs": [run for run, _ in wakes], "instants": [at for _, at in wakes]}

"""Whom a rerun means of an earlier occurrence, and which row of it each new row repeats. What the words mean is in `core.retargeting`."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.retargeting import WORDS, Fate, Which, is_meant
from watchbill.core.states import TargetEvent, TargetState
from watchbill.identity.actor import SiteScope
from watchbill.runs.moves import Move, move

# Few: a state has few reasons. So the words stay where they are, in the core, and the database only counts.
_FATES = text("""
SELECT state, reason, attempt > 0 AS was_handed_out, count(*)::integer AS number FROM run_targets
WHERE occurrence_id = ANY(:occurrences) AND (CAST(:sites AS bigint[]) IS NULL OR site_id = ANY(:sites)) GROUP BY 1, 2, 3
""")
_MEANT = text("""
SELECT t.occurrence_id, t.device_id FROM run_targets t
JOIN unnest(CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:handed AS boolean[])) AS f(state, reason, was_handed_out)
  ON t.state = f.state AND t.reason IS NOT DISTINCT FROM f.reason AND (t.attempt > 0) = f.was_handed_out
WHERE t.occurrence_id = ANY(:occurrences) ORDER BY t.id
""")
_LINK = text("""
UPDATE run_targets n SET origin_target_id = b.id
FROM occurrences o JOIN run_targets b ON b.occurrence_id = o.origin_occurrence_id
WHERE o.id = ANY(:occurrences) AND n.occurrence_id = o.id AND n.device_id = b.device_id
""")
# Those of the origin that still wait and whose device is in the new occurrence with a row that may start.
_TAKEN_OVER = text("""
SELECT b.id FROM run_targets b JOIN run_targets n ON n.occurrence_id = :new AND n.device_id = b.device_id AND n.state = 'pending'
WHERE b.occurrence_id = :origin AND b.state IN ('pending', 'waiting_online') ORDER BY b.id
""")


async def count_meant(tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID) -> dict[Which, int]:
    """How many devices each word means, of the reader's sites."""
    sites = None if scope.site_ids is None else sorted(scope.site_ids)
    rows = (await tx.execute(_FATES, {"occurrences": [occurrence_id], "sites": sites})).all()
    fates = [(Fate(TargetState(row.state), row.reason, row.was_handed_out), row.number) for row in rows]
    return {word: sum(number for fate, number in fates if is_meant(word, fate)) for word in WORDS}


async def devices_meant(
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], which: Which
) -> Mapping[uuid.UUID, list[uuid.UUID]]:
    """The devices that a word means, by occurrence."""
    rows = (await tx.execute(_FATES, {"occurrences": list(occurrence_ids), "sites": None})).all()
    meant = [row for row in rows if is_meant(which, Fate(TargetState(row.state), row.reason, row.was_handed_out))]
    found: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    if meant:
        columns = {
            "states": [row.state for row in meant],
            "reasons": [row.reason for row in meant],
            "handed": [row.was_handed_out for row in meant],
        }
        for row in await tx.execute(_MEANT, {"occurrences": list(occurrence_ids), **columns}):
            found[row.occurrence_id].append(row.device_id)
    return found


async def link(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> None:
    """Note in each row of these reruns which row of their origin it repeats."""
    if occurrence_ids:
        await tx.execute(_LINK, {"occurrences": list(occurrence_ids)})


async def take_over(tx: AsyncConnection, origin: uuid.UUID, new: uuid.UUID, now: datetime) -> None:
    """End what still waits in the origin for devices that the new occurrence has. What a gateway takes meanwhile goes on."""
    ids = (await tx.execute(_TAKEN_OVER, {"origin": origin, "new": new})).scalars().all()
    await move(tx, [Move(one, TargetEvent.SUPERSEDE, reason="superseded") for one in ids], now)

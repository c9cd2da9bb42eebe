"""Held occurrences when windows have changed: which of them may go earlier than was thought. Lets none of them go.

Each row keeps for which state of all windows it was judged last, so that each is judged once for each change, by whichever
scheduler comes to it, some at a time. What opens later than was thought is found out when it is to go (`runs.held`).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import windows
from watchbill.kit.budget import EVALUATION_SECONDS, Budget, Fault

# In the order of the index, so that where nothing has changed it is one look.
_UNJUDGED = text("""
SELECT o.id, o.job_id, o.held_until_at, o.detail FROM occurrences o
WHERE o.state = 'held' AND o.reason = 'held_by_window' AND o.windows_seen < :version
ORDER BY o.windows_seen, o.id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_JUDGED = text("""
UPDATE occurrences o SET windows_seen = :version, held_until_at = g.until, detail = g.detail
FROM unnest(CAST(:ids AS uuid[]), CAST(:until AS timestamptz[]), CAST(:details AS text[])) AS g(id, until, detail)
WHERE o.id = g.id AND o.state = 'held'
""")


async def review_held(tx: AsyncConnection, now: datetime, limit: int = 500) -> int:
    """Judge anew what windows hold and was not judged since they changed; returns how many were looked at, at most `limit`.

    A transaction of its own: whoever lets go locks jobs before occurrences.
    """
    # Read before the windows themselves: what changes in between is judged once more.
    version = await windows.version(tx)
    rows = (await tx.execute(_UNJUDGED, {"version": version, "limit": limit})).all()
    if not rows:
        return 0
    known = await windows.load(tx)
    covering = await windows.covering_jobs(tx, {row.job_id for row in rows})
    with Budget(EVALUATION_SECONDS) as budget:
        found = [budget.attempt(_bound, known, covering[row.job_id], row, now) for row in rows]
    # What cannot be judged stays as it is until its time has come.
    kept = [_stays(row) if isinstance(one, Fault) else one for row, one in zip(rows, found, strict=True)]
    columns = {"ids": [row.id for row in rows], "until": [one[0] for one in kept], "details": [one[1] for one in kept]}
    await tx.execute(_JUDGED, {**columns, "version": version})
    return len(rows)


def _bound(
    known: windows.WindowSet, covering: Collection[int], row: Row[Any], now: datetime
) -> tuple[datetime | None, str | None]:
    """Until when it is held, and why: as before, unless the windows open earlier now."""
    if row.held_until_at is None or row.held_until_at <= now:
        return _stays(row)
    verdict = known.verdict(covering, "UTC", now, until=row.held_until_at)
    opens_at = now if verdict.is_open else verdict.opens_at
    if opens_at is None or opens_at >= row.held_until_at:
        return _stays(row)
    return opens_at, verdict.sentence or row.detail


def _stays(row: Row[Any]) -> tuple[datetime | None, str | None]:
    return row.held_until_at, row.detail

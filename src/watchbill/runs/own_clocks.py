"""When jobs that follow the clocks of their targets start next on one of them, for whoever shows it. Reads only.

A job's own `next_due_at` is when the scheduler looks at it: when the first zone in use anywhere is there, be it one of its own or not.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.following import due_at
from watchbill.core.schedule import next_due
from watchbill.core.zones import zone_names
from watchbill.identity.actor import SiteScope
from watchbill.jobs import SavedJob
from watchbill.jobs.aiming import MEMBERS
from watchbill.jobs.definition import read_schedule
from watchbill.runs.resolving import ZONE

#: Processor time for all jobs of a page; the others are shown as the scheduler looks at them.
_SECONDS: Final = 0.5

# `waiting_at`: the wave that comes next of an occurrence which other zones have begun already.
_OWN = text(f"""
WITH {MEMBERS}, own AS (
  SELECT DISTINCT s.id AS job_id, {ZONE} AS zone
  FROM member m JOIN jobs s ON s.id = m.job_id AND s.zone_source <> 'fixed' AND s.enabled
  JOIN devices d ON d.id = m.device_id LEFT JOIN sites x ON x.id = d.site_id
  WHERE CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites)
), waiting AS (
  SELECT o.job_id, min(w.starts_at) AS starts_at FROM occurrences o
  JOIN occurrence_waves w ON w.occurrence_id = o.id JOIN own z ON z.job_id = o.job_id AND z.zone = w.timezone
  WHERE o.job_id = ANY(CAST(:job_ids AS bigint[])) AND o.state = 'open' AND w.starts_at > :now GROUP BY o.job_id
)
SELECT o.job_id, array_agg(o.zone ORDER BY o.zone) AS zones, min(w.starts_at) AS waiting_at
FROM own o LEFT JOIN waiting w ON w.job_id = o.job_id GROUP BY o.job_id
""")


async def next_starts(
    tx: AsyncConnection, scope: SiteScope, saved: Sequence[SavedJob], now: datetime
) -> dict[int, datetime | None]:
    """When each job starts next: on the first of its devices in these sites, where it follows their clocks.

    One statement for all, and none where no job follows clocks.
    """
    following = {job.id: job for job in saved if job.enabled and _is_following(job)}
    found: dict[int, datetime | None] = {job.id: job.next_due_at for job in saved}
    if following:
        asked = {"job_ids": list(following), "sites": scope.as_list(), "now": now, "known_zones": sorted(zone_names())}
        rows = (await tx.execute(_OWN, asked)).all()
        # Calendars are computed beside the event loop, which has other readers to serve.
        found |= await asyncio.to_thread(_starts, rows, following)
    return found


def _is_following(job: SavedJob) -> bool:
    return bool(job.definition["schedule"].get("timezone_source", "fixed") != "fixed")


def _starts(rows: Sequence[Row[Any]], following: Mapping[int, SavedJob]) -> dict[int, datetime | None]:
    latest = time.thread_time() + _SECONDS
    found: dict[int, datetime | None] = {}
    for row in rows:
        job = following[row.job_id]
        following_at = _start(job, row.zones) if time.thread_time() < latest else job.next_due_at
        found[job.id] = min((at for at in (row.waiting_at, following_at) if at is not None), default=None)
    return found


def _start(job: SavedJob, zones: Collection[str]) -> datetime | None:
    """By the scheduler's own functions, with the job's own zones instead of all that are in use."""
    schedule = read_schedule(job.definition["schedule"])[0]
    if schedule is None or job.next_due_at is None:
        return job.next_due_at
    try:
        nominal = next_due(schedule, job.mark_at)
        return job.next_due_at if nominal is None else due_at(schedule, nominal, zones)
    except (ValueError, ArithmeticError):
        return job.next_due_at  # its own tick says what is wrong

"""Telling others that a job changed: the scheduler by NOTIFY, live views by an event for each site that the job reaches."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.jobs.store import sites_of
from watchbill.kit import events
from watchbill.kit.events import Event

#: Whoever opens occurrences listens here: a due time may have come nearer.
CHANNEL = "watchbill_schedule"


async def changed(tx: AsyncConnection, changes: Mapping[int, str], now: datetime) -> None:
    """Publish `job.changed` (job id -> what happened) to everyone who may see the jobs."""
    sites = await sites_of(tx, list(changes))
    facts = [
        Event("job.changed", {"job_id": job_id, "change": change}, site_id)
        for job_id, change in changes.items()
        for site_id in sites.get(job_id, [None])
    ]
    await events.publish(tx, facts, now)

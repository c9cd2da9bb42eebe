"""The verbs of jobs for many at once, in a few statements for all of them. What each means is decided where the single verb is.

The caller holds the jobs and has left out those that may not be changed.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.job_rules_tags import ordered
from watchbill.core.job_rules_toggle import Toggle
from watchbill.core.job_rules_values import MAX_TAGS
from watchbill.identity import Actor, Permission, audit
from watchbill.jobs import bulk_store, listing
from watchbill.jobs.changes import CHANNEL, changed
from watchbill.jobs.definition import read_schedule
from watchbill.jobs.saving import is_so_already, toggle_detail, toggled_timing
from watchbill.jobs.timing import Timing
from watchbill.jobs.values import JobFilter, SavedJob
from watchbill.jobs.zones import zones_in_use
from watchbill.kit.db import notify


async def hold_many(tx: AsyncConnection, actor: Actor, job_ids: Sequence[int]) -> list[SavedJob]:
    """Of these jobs the visible ones, oldest first, held until the transaction ends."""
    actor.require(Permission.READ)
    return await listing.hold_many(tx, actor.scope, job_ids)


async def hold_matching(
    tx: AsyncConnection, actor: Actor, wanted: JobFilter, *, limit: int, only: listing.Only = ()
) -> list[SavedJob]:
    """The first `limit` jobs that a list would show, oldest first, held until the transaction ends."""
    actor.require(Permission.READ)
    return await listing.hold_matching(tx, actor.scope, wanted, limit=limit, only=only)


async def toggle_timings(
    tx: AsyncConnection, some: Sequence[SavedJob], wanted: Toggle, *, now: datetime
) -> dict[int, Timing]:
    """Where each job would go on after a pause or a resumption; what is so already is left out."""
    read = {job.id: read_schedule(job.definition["schedule"]) for job in some}
    follows = any(schedule is not None and schedule.is_following for schedule, _ in read.values())
    zones = await zones_in_use(tx) if follows else frozenset[str]()
    return {
        job.id: toggled_timing(job, wanted, *read[job.id], now=now, zones=zones)
        for job in some
        if not is_so_already(job, wanted)
    }


async def toggle_many(
    tx: AsyncConnection,
    actor: Actor,
    some: Sequence[SavedJob],
    wanted: Toggle,
    timings: dict[int, Timing],
    *,
    now: datetime,
) -> None:
    """Pause or resume held jobs as `toggle_timings` found."""
    actor.require(Permission.JOBS_WRITE)
    await bulk_store.toggle(tx, timings, enabled=wanted.enabled, by=actor.operator_id, now=now)
    details = {job.id: toggle_detail(job, wanted) for job in some}
    await _tell(tx, actor, "job.toggle", "toggled", details, now)
    await notify(tx, CHANNEL)


def tags_after(job: SavedJob, add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...] | None:
    """The tags of a job with some more and without others; None = too many."""
    found = ordered({*job.definition.get("tags", ()), *add} - {*remove})
    return found if len(found) <= MAX_TAGS else None


async def tag_many(
    tx: AsyncConnection, actor: Actor, some: Sequence[SavedJob], wanted: dict[int, tuple[str, ...]], *, now: datetime
) -> None:
    """Give held jobs other tags: those of `wanted`."""
    actor.require(Permission.JOBS_WRITE)
    await bulk_store.tag(tx, wanted, by=actor.operator_id, now=now)
    details: dict[int, dict[str, object]] = {
        job.id: {
            "name": job.definition["name"],
            "revision": job.revision + 1,
            "changed": ["tags"],
            "tags": list(wanted[job.id]),
        }
        for job in some
    }
    await _tell(tx, actor, "job.update", "updated", details, now)


async def delete_many(tx: AsyncConnection, actor: Actor, some: Sequence[SavedJob], *, now: datetime) -> None:
    """Take held jobs away; their history stays. What runs is cancelled before, by the caller."""
    actor.require(Permission.JOBS_WRITE)
    await bulk_store.delete(tx, [job.id for job in some], by=actor.operator_id, now=now)
    await _tell(tx, actor, "job.delete", "deleted", {job.id: {"name": job.definition["name"]} for job in some}, now)


async def _tell(
    tx: AsyncConnection, actor: Actor, action: str, change: str, details: dict[int, dict[str, object]], now: datetime
) -> None:
    about = [audit.About(one, None, detail) for one, detail in details.items()]
    await audit.record_many(tx, actor, action, "job", about, now=now)
    await changed(tx, dict.fromkeys(details, change), now)

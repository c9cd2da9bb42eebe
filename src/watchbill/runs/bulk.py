"""One action on many jobs: counts first, then does it to exactly as many, or to none. One transaction, one audit row a job.

What may be done to a job and what it means is decided by the verbs for one job; what is left out is told with its reason.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.job_rules_bulk import MAX_JOBS, Asked, Bulk, read_bulk
from watchbill.core.job_rules_values import MAX_TAGS
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, audit
from watchbill.jobs import NEEDED, JobFilter, SavedJob, needed_for
from watchbill.kit import db
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.runs.health import Health, with_health
from watchbill.runs.rerunning import Refusals, Rerun, rerun_many
from watchbill.runs.settling import settle_jobs
from watchbill.runs.stopping import cancel_jobs

_SPANS: Final = ("job_spans_other_sites", "This job has devices in sites that you do not see.")
_AS_SYSTEM: Final = ("needs_run_as_system", "It runs as SYSTEM, which needs the permission `run_as_system`.")


@dataclass(frozen=True, slots=True)
class BulkJob:
    """What became of one job, or would. `code` and `reason`: why it was left out. `name` None = there is no such job."""

    job_id: int
    name: str | None
    code: str | None = None
    reason: str | None = None
    occurrence_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class BulkDone:
    """`is_dry_run`: nothing was changed. Jobs in the order of their numbers."""

    action: str
    is_dry_run: bool
    jobs: Sequence[BulkJob]

    @property
    def count(self) -> int:
        """How many jobs change."""
        return sum(1 for job in self.jobs if job.code is None)

    @property
    def left_out(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for job in self.jobs:
            if job.code is not None:
                found[job.code] = found.get(job.code, 0) + 1
        return found


@dataclass(slots=True)
class _Work:
    """The jobs of one request while it is worked off."""

    jobs: dict[int, SavedJob]
    refused: Refusals = field(default_factory=dict)
    started: Mapping[int, uuid.UUID] = field(default_factory=dict)

    @property
    def fit(self) -> list[SavedJob]:
        return [job for job_id, job in self.jobs.items() if job_id not in self.refused]


async def bulk(tx: AsyncConnection, actor: Actor, body: object, *, now: datetime, request_id: str = "") -> BulkDone:
    """Count, or do, what was asked for; ConflictError when another number of jobs would change than was expected."""
    wanted, problems = read_bulk(body, now)
    if problems:
        raise InvalidError.of(problems, what="The request")
    needed = _needed(wanted)
    actor.require(*(one for one in needed if one is not Permission.RUN_AS_SYSTEM))
    work = await _chosen(tx, actor, wanted, now)
    for job in work.fit:
        if job.spans_other_sites:
            work.refused[job.id] = _SPANS
        elif not all(actor.may(one) for one in needed_for(job, needed)):
            work.refused[job.id] = _AS_SYSTEM
        elif job.locked_by is not None and _starts(wanted):
            refusal = jobs.locked(job.locked_by)
            work.refused[job.id] = (refusal.code, refusal.detail)
    match wanted.action:
        case "toggle":
            await _toggle(tx, actor, wanted, work, now)
        case "tag":
            await _tag(tx, actor, wanted, work, now)
        case "delete":
            await _delete(tx, actor, wanted, work, now)
        case "rerun":
            await _rerun(tx, actor, wanted, work, now, request_id)
    return _told(wanted, work)


def _starts(wanted: Bulk) -> bool:
    """Whether the jobs run by it, now or later."""
    return wanted.action == "rerun" or (wanted.action == "toggle" and wanted.toggle.enabled)


def _needed(wanted: Bulk) -> Sequence[Permission]:
    """A change of tags needs what other small changes need; it leaves alone what runs."""
    if wanted.action == "toggle" and wanted.toggle.enabled:
        return NEEDED["resume"]
    return NEEDED["toggle" if wanted.action == "tag" else wanted.action]


async def _chosen(tx: AsyncConnection, actor: Actor, wanted: Bulk, now: datetime) -> _Work:
    if wanted.job_ids is not None:
        found = await jobs.hold_many(tx, actor, wanted.job_ids)
        there = {job.id: job for job in found}
        gone = {one: ("job_not_found", "There is no such job.") for one in wanted.job_ids if one not in there}
        return _Work(there, gone)
    asked = wanted.asked
    healthy = with_health(actor.scope, cast("Health | None", asked.health), now)
    found = await jobs.hold_matching(tx, actor, _filter(asked), limit=MAX_JOBS + 1, only=healthy)
    if len(found) > MAX_JOBS:
        message = f"finds more than {MAX_JOBS:,} jobs, which is the most at once: narrow it"
        raise InvalidError.of([Problem("filter", "too_many_jobs", message)], what="The request")
    return _Work({job.id: job for job in found})


def _filter(asked: Asked) -> JobFilter:
    return JobFilter(asked.q, asked.kind, asked.state, asked.site_id, asked.enabled, tags=asked.tags)


def _goes_on(wanted: Bulk, number: int) -> bool:
    """Whether anything is to be written; ConflictError when it would be something else than was counted."""
    if wanted.expected is None:
        return False
    if wanted.expected != number:
        detail = (
            f"{number} {'job' if number == 1 else 'jobs'} would change now, not {wanted.expected}: nothing was done."
        )
        raise ConflictError(detail, code="count_changed")
    return number > 0


async def _toggle(tx: AsyncConnection, actor: Actor, wanted: Bulk, work: _Work, now: datetime) -> None:
    timings = await jobs.toggle_timings(tx, work.fit, wanted.toggle, now=now)
    state = "enabled" if wanted.toggle.enabled else "paused like this"
    for job in work.fit:
        if job.id not in timings:
            work.refused[job.id] = ("already_so", f"It is {state} already.")
    if _goes_on(wanted, len(work.fit)):
        await _settle(tx, work.fit, now)
        await jobs.toggle_many(tx, actor, work.fit, wanted.toggle, timings, now=now)


async def _tag(tx: AsyncConnection, actor: Actor, wanted: Bulk, work: _Work, now: datetime) -> None:
    after: dict[int, tuple[str, ...]] = {}
    for job in work.fit:
        tags = jobs.tags_after(job, wanted.add, wanted.remove)
        if tags is None:
            work.refused[job.id] = ("too_many_tags", f"It would have more than {MAX_TAGS} tags.")
        elif list(tags) == list(job.definition.get("tags", ())):
            work.refused[job.id] = ("already_so", "It has these tags already.")
        else:
            after[job.id] = tags
    if _goes_on(wanted, len(after)):
        await jobs.tag_many(tx, actor, work.fit, after, now=now)


async def _delete(tx: AsyncConnection, actor: Actor, wanted: Bulk, work: _Work, now: datetime) -> None:
    if _goes_on(wanted, len(work.fit)):
        await _settle(tx, work.fit, now)
        await cancel_jobs(tx, [job.id for job in work.fit], operator_id=actor.operator_id, now=now)
        await jobs.delete_many(tx, actor, work.fit, now=now)


async def _rerun(tx: AsyncConnection, actor: Actor, wanted: Bulk, work: _Work, now: datetime, request_id: str) -> None:
    """How many can start is known once they have: what only counts is taken back."""
    async with db.attempting(tx) as attempt:
        ids = [job.id for job in work.fit]
        made = await rerun_many(tx, actor, ids, wanted.which, wanted.reason, now=now, request_id=request_id)
        work.refused |= made.refused
        if _goes_on(wanted, len(made.started)):
            work.started = made.started
            await _tell_reruns(tx, actor, wanted, made, now)
        else:
            attempt.take_back()


async def _tell_reruns(tx: AsyncConnection, actor: Actor, wanted: Bulk, made: Rerun, now: datetime) -> None:
    about = [
        audit.About(
            job_id,
            None,
            {"occurrence": str(one), "reason": wanted.reason, "ignores_windows": one in made.overridden},
        )
        for job_id, one in made.started.items()
    ]
    await audit.record_many(tx, actor, "job.rerun", "job", about, now=now)


async def _settle(tx: AsyncConnection, some: Collection[SavedJob], now: datetime) -> None:
    """What fell due before a change is owed as the jobs were until then."""
    await settle_jobs(tx, [job.id for job in some if job.enabled], now)


def _told(wanted: Bulk, work: _Work) -> BulkDone:
    told = []
    for job_id in sorted(work.jobs.keys() | work.refused.keys()):
        job = work.jobs.get(job_id)
        code, reason = work.refused.get(job_id, (None, None))
        one = BulkJob(job_id, job.definition["name"] if job else None, code, reason)
        told.append(replace(one, occurrence_id=work.started.get(job_id)))
    return BulkDone(wanted.action, wanted.expected is None, told)

"""The scheduler's side of jobs: which are due, how they go on, when the next one is, whose pause is over. All set-based.

A job whose stored schedule can no longer be read is handed out with the reason, so that it alone ends in `error`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, and_, any_, case, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core import schedule as calendar
from watchbill.core.assembly_rules import DEFAULT_TIME_LIMIT_SECONDS
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.occurrence import first_mark, next_start
from watchbill.core.schedule import Schedule
from watchbill.identity import ENGINE, audit
from watchbill.jobs.changes import CHANNEL, changed
from watchbill.jobs.definition import policies_of, read_schedule
from watchbill.jobs.scope import scope_left
from watchbill.jobs.store import insert_revisions
from watchbill.jobs.tables import jobs
from watchbill.jobs.values import Advance, DueJob
from watchbill.jobs.zones import zones_in_use
from watchbill.kit.budget import EVALUATION_SECONDS, Budget, Fault
from watchbill.kit.clock import rfc3339
from watchbill.kit.db import notify
from watchbill.kit.errors import NotFoundError

_RESUMED_AT_ONCE = 500

# What other zone rules settled, or a clock that was ahead, is not what the present rules name: the ledger is whole from there on.
_ADVANCE = text("""
UPDATE jobs j SET mark_at = a.mark_at, next_due_at = a.next_due_at, state = a.state, state_reason = a.state_reason,
  ledger_from_at = greatest(j.ledger_from_at,
    CASE WHEN j.mark_at > a.mark_at OR j.tzdata_version <> :tzdata_version THEN j.mark_at END),
  last_occurrence_id = coalesce(a.last_occurrence_id, j.last_occurrence_id), tzdata_version = :tzdata_version,
  last_run_at = CASE WHEN j.id = ANY(CAST(:ran AS bigint[])) THEN CAST(:now AS timestamptz) ELSE j.last_run_at END
FROM jsonb_to_recordset(:rows) AS a(job_id bigint, mark_at timestamptz, next_due_at timestamptz, state text,
  state_reason text, last_occurrence_id uuid)
WHERE j.id = a.job_id
""").bindparams(bindparam("rows", type_=JSONB))

_NOTE_RUNS = text("UPDATE jobs SET last_run_at = :now WHERE id = ANY(:ids)")

_RESUME = text("""
UPDATE jobs j SET enabled = true, state = a.state, state_reason = a.state_reason, paused_until = NULL,
  mark_at = a.mark_at, next_due_at = a.next_due_at, tzdata_version = :tzdata_version,
  ledger_from_at = greatest(j.ledger_from_at, CASE WHEN j.mark_at > a.mark_at THEN j.mark_at END),
  revision = j.revision + 1, definition = jsonb_set(j.definition, '{enabled}', 'true'), updated_at = :now
FROM jsonb_to_recordset(:rows) AS a(job_id bigint, mark_at timestamptz, next_due_at timestamptz, state text,
  state_reason text)
WHERE j.id = a.job_id RETURNING j.id, j.revision, j.definition
""").bindparams(bindparam("rows", type_=JSONB))

# Where the rules of a job without bounds may find something is known only when they are asked: nobody is woken for that.
_SITES_DUE = text("""
SELECT DISTINCT coalesce(d.site_id, t.site_id, a.site_id, 0) FROM jobs j
JOIN job_targets t ON t.job_id = j.id AND NOT t.is_exclusion
LEFT JOIN devices d ON d.id = t.device_id
LEFT JOIN LATERAL unnest(j.allowed_site_ids) AS a(site_id) ON t.kind IN ('filter', 'all_devices')
WHERE j.next_due_at <= :until AND j.enabled AND j.deleted_at IS NULL
  AND (t.device_id IS NOT NULL OR t.site_id IS NOT NULL OR a.site_id IS NOT NULL)
  AND (j.allowed_site_ids IS NULL OR coalesce(d.site_id, t.site_id, a.site_id) = ANY(j.allowed_site_ids))
""")


def _due_query() -> Select[Any]:
    # Only these parts of the definition: the targets of a large job are not read to learn its policies.
    return select(
        jobs.c.id,
        jobs.c.revision,
        jobs.c.definition["schedule"].label("schedule"),
        jobs.c.definition["policies"].label("policies"),
        jobs.c.definition["duration"].label("duration"),
        jobs.c.definition["execution_context"].astext.label("execution_context"),
        case((jobs.c.job_kind == "onboarding", jobs.c.definition)).label("onboarding"),
        case((jobs.c.workflow_id.is_not(None), jobs.c.definition["components"][0])).label("workflow"),
        jobs.c.mark_at,
        jobs.c.next_due_at,
        jobs.c.allowed_site_ids.label("reach_site_ids"),
        scope_left().label("allowed_site_ids"),
        jobs.c.tzdata_version,
        jobs.c.zone_source,
    )


def _is_live() -> ColumnElement[bool]:
    return and_(jobs.c.enabled, jobs.c.deleted_at.is_(None))


async def take_due(tx: AsyncConnection, now: datetime, limit: int = 500) -> list[DueJob]:
    """The most overdue jobs, held until the transaction ends; those that another scheduler holds are left to it."""
    query = (
        _due_query()
        .where(jobs.c.next_due_at <= now, _is_live())
        .order_by(jobs.c.next_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=jobs)
    )
    return [_due_job(row) for row in await tx.execute(query)]


async def due_settings(tx: AsyncConnection, job_id: int) -> DueJob:
    """The same of one job, for a run that a person starts; held until the transaction ends."""
    query = _due_query().where(jobs.c.id == job_id, jobs.c.deleted_at.is_(None)).with_for_update(of=jobs)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such job.", code="job_not_found")
    return _due_job(row)


async def due_settings_of(tx: AsyncConnection, job_ids: Collection[int]) -> dict[int, DueJob]:
    """The same of several, by their ids; a deleted one is left out."""
    query = _due_query().where(
        jobs.c.id == any_(literal(sorted(job_ids), ARRAY(BigInteger))), jobs.c.deleted_at.is_(None)
    )
    rows = await tx.execute(query.order_by(jobs.c.id).with_for_update(of=jobs))
    return {row.id: _due_job(row) for row in rows}


async def earliest_due(tx: AsyncConnection) -> datetime | None:
    """When the next job is due or the next pause ends; it may be past, when another scheduler is at it."""
    due = select(func.min(jobs.c.next_due_at)).where(_is_live()).scalar_subquery()
    resumed = select(func.min(jobs.c.paused_until)).where(jobs.c.deleted_at.is_(None)).scalar_subquery()
    found: datetime | None = (await tx.execute(select(func.least(due, resumed)))).scalar_one()
    return found


async def sites_due_within(tx: AsyncConnection, now: datetime, seconds: float) -> list[int]:
    """Sites with work soon, so that a worker can be up before it; 0 = devices without a site."""
    rows = await tx.execute(_SITES_DUE, {"until": now + timedelta(seconds=seconds)})
    return sorted(rows.scalars())


async def note_runs(tx: AsyncConnection, job_ids: Collection[int], now: datetime) -> None:
    """Remember that these jobs opened an occurrence just now. The caller holds their rows."""
    if job_ids:
        await tx.execute(_NOTE_RUNS, {"ids": sorted(job_ids), "now": now})


async def advance(
    tx: AsyncConnection, advances: Sequence[Advance], tzdata_version: str, now: datetime, *, ran: Collection[int] = ()
) -> None:
    """Write where taken jobs go on, in one statement; who watches a job that ended or broke is told.

    `ran`: those that opened an occurrence just now, so that their rows are written once and not twice.
    """
    if not advances:
        return
    rows = [
        {
            "job_id": one.job_id,
            "mark_at": rfc3339(one.mark_at),
            "next_due_at": rfc3339(one.next_due_at) if one.next_due_at else None,
            "state": one.state,
            "state_reason": one.state_reason,
            "last_occurrence_id": str(one.last_occurrence_id) if one.last_occurrence_id else None,
        }
        for one in advances
    ]
    values = {"rows": rows, "tzdata_version": tzdata_version, "ran": sorted(ran), "now": now}
    await tx.execute(_ADVANCE, values)
    await changed(tx, {one.job_id: one.state for one in advances if one.state != "active"}, now)


async def recompute_for_new_zone_rules(tx: AsyncConnection, now: datetime, limit: int = 500) -> int:
    """Compute `next_due_at` anew where it was computed by another release of the zone rules; repeat until it returns 0.

    The mark stays: what was settled is settled, what the new rules name after it is due.
    """
    version = calendar.tzdata_version()
    query = (
        _due_query()
        .where(jobs.c.next_due_at.is_not(None), jobs.c.tzdata_version != version, _is_live())
        .order_by(jobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=jobs)
    )
    old = [_due_job(row) for row in await tx.execute(query)]
    zones = await zones_in_use(tx) if any(job.zone_source != "fixed" for job in old) else frozenset()
    await advance(tx, _all_recomputed(old, zones), version, now)
    if old:
        await notify(tx, CHANNEL)
    return len(old)


async def recompute_following(tx: AsyncConnection, zones: Collection[str], now: datetime, limit: int = 500) -> int:
    """Compute `next_due_at` anew where it depends on which zones are in use; returns how many moved.

    One call sees to all of them, `limit` at a time. Only those that move are held until the transaction ends.
    """
    moved, last_id = 0, 0
    while True:
        query = _due_query().where(*_is_following(), jobs.c.id > last_id).order_by(jobs.c.id).limit(limit)
        seen = [_due_job(row) for row in await tx.execute(query)]
        anew = _all_recomputed(seen, zones)
        stale = [job.id for job, one in zip(seen, anew, strict=True) if one.next_due_at != job.next_due_at]
        moved += await _move(tx, stale, zones, now)
        if len(seen) < limit:
            return moved
        last_id = seen[-1].id


async def _move(tx: AsyncConnection, job_ids: Sequence[int], zones: Collection[str], now: datetime) -> int:
    if not job_ids:
        return 0
    query = _due_query().where(jobs.c.id.in_(job_ids), *_is_following()).order_by(jobs.c.id).with_for_update(of=jobs)
    held = [_due_job(row) for row in await tx.execute(query)]
    await advance(tx, _all_recomputed(held, zones), calendar.tzdata_version(), now)
    await notify(tx, CHANNEL)
    return len(held)


def _is_following() -> tuple[ColumnElement[bool], ...]:
    return jobs.c.zone_source != "fixed", jobs.c.next_due_at.is_not(None), _is_live()


def _all_recomputed(some: Sequence[DueJob], zones: Collection[str]) -> list[Advance]:
    """Each by itself: one whose rules fail or take too long ends in `error` and keeps no other from going on."""
    with Budget(EVALUATION_SECONDS) as budget:
        return [_recomputed(budget, job, zones) for job in some]


def _recomputed(budget: Budget, job: DueJob, zones: Collection[str]) -> Advance:
    if job.schedule is None:
        return Advance(job.id, job.mark_at, None, "error", job.error, None)
    next_due = budget.attempt(next_start, job.schedule, job.mark_at, zones)
    if isinstance(next_due, Fault):
        return Advance(job.id, job.mark_at, None, "error", next_due.why, None)
    return Advance(job.id, job.mark_at, next_due, "active" if next_due else "completed", None, None)


async def resume_paused(tx: AsyncConnection, now: datetime) -> int:
    """Resume the jobs whose pause was to end by now; what fell due since the end of the pause is owed. Returns how many.

    Part of every tick: where no pause has ended it is one look into an index.
    """
    query = (
        select(jobs.c.id, jobs.c.definition["schedule"].label("schedule"), jobs.c.paused_until, jobs.c.zone_source)
        .where(jobs.c.paused_until <= now, jobs.c.deleted_at.is_(None))
        .order_by(jobs.c.paused_until)
        .limit(_RESUMED_AT_ONCE)
        .with_for_update(skip_locked=True, of=jobs)
    )
    ended = (await tx.execute(query)).all()
    if not ended:
        return 0
    zones = await zones_in_use(tx) if any(row.zone_source != "fixed" for row in ended) else frozenset()
    with Budget(EVALUATION_SECONDS) as budget:
        rows = [_resumed(budget, row.id, row.schedule, row.paused_until, zones) for row in ended]
    parameters = {"rows": rows, "tzdata_version": calendar.tzdata_version(), "now": now}
    resumed = (await tx.execute(_RESUME, parameters)).all()
    await insert_revisions(tx, [(row.id, row.revision, row.definition) for row in resumed], by=None, now=now)
    for row in resumed:
        await audit.record(tx, ENGINE, "job.toggle", "job", row.id, now=now, detail={"enabled": True})
    await changed(tx, {row.id: "toggled" for row in resumed}, now)
    await notify(tx, CHANNEL)
    return len(rows)


def _goes_on(schedule: Schedule, until: datetime, zones: Collection[str]) -> tuple[datetime, datetime | None]:
    mark = first_mark(schedule, until, zones)
    return mark, next_start(schedule, mark, zones)


def _resumed(
    budget: Budget, job_id: int, stored_schedule: Any, until: datetime, zones: Collection[str]
) -> dict[str, object]:
    schedule, error = read_schedule(stored_schedule)
    mark, next_due = until, None
    found = budget.attempt(_goes_on, schedule, until, zones) if schedule else None
    if isinstance(found, Fault):
        error = found.why
    elif found is not None:
        mark, next_due = found
    return {
        "job_id": job_id,
        "mark_at": rfc3339(mark),
        "next_due_at": rfc3339(next_due) if next_due else None,
        "state": "error" if error else ("active" if next_due else "completed"),
        "state_reason": error,
    }


def _onboarding(definition: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if definition is None:
        return None
    component, scope = definition["components"][0], definition["targets"][0]
    return {"component": component, "scope": scope, "credential_ids": definition["credential_ids"]}


def _workflow(component: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if component is None:
        return None
    revision = component["revision"]
    return {
        "assembly_id": component["assembly_id"],
        "revision": None if revision == "latest" else revision,
        "variables": component["variables"],
    }


def _due_job(row: Row[Any]) -> DueJob:
    schedule, error = read_schedule(row.schedule)
    policies = policies_of(row.policies)
    return DueJob(
        id=row.id,
        revision=row.revision,
        schedule=schedule,
        error=error,
        mark_at=row.mark_at,
        next_due_at=row.next_due_at,
        policies=policies,
        time_limit_seconds=row.duration["time_limit_seconds"] or DEFAULT_TIME_LIMIT_SECONDS,
        expires_after_seconds=row.duration["expires_after_seconds"],
        run_limit_seconds=row.duration.get("run_limit_seconds"),
        zone_source=row.zone_source,
        allowed_site_ids=row.allowed_site_ids,
        reach_site_ids=row.reach_site_ids,
        failure_threshold_percent=policies.failure_threshold_percent,
        tzdata_version=row.tzdata_version,
        execution_context=row.execution_context or ExecutionContext.NONE.value,
        onboarding=_onboarding(row.onboarding),
        workflow=_workflow(row.workflow),
    )

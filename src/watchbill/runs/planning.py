"""What a due job means in rows: occurrences to open, ledger rows of what was missed, and where the job goes on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbill.core.occurrence import CatchUpPolicy, Kind, Owed, owed, public_id
from watchbill.core.schedule import Schedule, period_hint
from watchbill.jobs import Advance, DueJob
from watchbill.runs.opening import Missed, Opening

#: How long a device may stay away from an occurrence when the job does not say.
DEFAULT_EXPIRY = timedelta(hours=24)


@dataclass
class Plan:
    """Everything one tick writes."""

    openings: list[Opening] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)


def plan(due: Sequence[DueJob], now: datetime) -> Plan:
    """A fault in one job's schedule puts that job into `error` and touches no other."""
    whole = Plan()
    for job in due:
        try:
            _add(whole, job, now)
        except (ValueError, ArithmeticError) as error:
            whole.advances.append(_broken(job, str(error)))
    return whole


def _add(whole: Plan, job: DueJob, now: datetime) -> None:
    if job.schedule is None:
        raise ValueError(job.error or "the stored schedule cannot be read")
    policy = CatchUpPolicy(job.policies.catch_up, job.policies.catch_up_window_seconds)
    result = owed(job.schedule, job.mark_at, now, policy)
    whole.openings += [opening(job, "schedule", due.at, now=now, is_late=due.late) for due in result.open]
    whole.missed += [
        Missed(
            public_id(job.id, "schedule", gap.first, ""),
            job.id,
            job.revision,
            gap.first,
            gap.last,
            gap.count,
            gap.reason,
        )
        for gap in result.missed
    ]
    whole.advances.append(_advance(job, result))


def _advance(job: DueJob, result: Owed) -> Advance:
    is_over = result.next_due is None
    newest = public_id(job.id, "schedule", result.open[-1].at, "") if result.open else None
    return Advance(
        job_id=job.id,
        mark_at=result.mark,
        next_due_at=result.next_due,
        state="completed" if is_over else "active",
        state_reason=None,
        last_occurrence_id=newest,
    )


def _broken(job: DueJob, why: str) -> Advance:
    return Advance(
        job_id=job.id,
        mark_at=job.mark_at,
        next_due_at=None,
        state="error",
        state_reason=why,
        last_occurrence_id=None,
    )


def opening(
    job: DueJob,
    kind: Kind,
    instant: datetime,
    *,
    now: datetime,
    is_late: bool = False,
    request_id: str = "",
) -> Opening:
    """An occurrence of `job` for `instant` with the policies of its present revision."""
    return Opening(
        id=public_id(job.id, kind, instant, request_id),
        job_id=job.id,
        job_revision=job.revision,
        kind=kind,
        scheduled_for=instant,
        expires_at=max(instant, now if is_late else instant) + expiry(job, instant),
        request_id=request_id,
        is_late=is_late,
        allowed_site_ids=job.allowed_site_ids,
        failure_threshold_percent=job.failure_threshold_percent,
        time_limit_seconds=job.time_limit_seconds,
        offline=job.policies.offline,
        overlap=job.policies.overlap,
    )


def expiry(job: DueJob, instant: datetime) -> timedelta:
    """How long devices that are away are waited for: as saved, else until the next instant, at most a day."""
    if job.expires_after_seconds is not None:
        return timedelta(seconds=job.expires_after_seconds)
    gap = _gap(job.schedule, instant)
    return min(gap, DEFAULT_EXPIRY) if gap else DEFAULT_EXPIRY


def _gap(schedule: Schedule | None, instant: datetime) -> timedelta | None:
    return period_hint(schedule, instant) if schedule else None

"""What a due job means in rows: occurrences to open, to hold or to skip, what was missed, and where the job goes on. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from watchbill.core.following import due_at, local_time, wave_start
from watchbill.core.job_rules_values import SHARED_CONTEXTS
from watchbill.core.occurrence import (
    CatchUp,
    CatchUpPolicy,
    Kind,
    MissedRange,
    Owed,
    fitting_splay,
    owed,
    public_id,
    wave_timing,
)
from watchbill.core.schedule import Schedule, period_hint
from watchbill.core.states import OccurrenceReason
from watchbill.jobs import Advance, DueJob
from watchbill.runs.not_run import Held, Missed, Skipped
from watchbill.runs.to_open import Launch, Opening, Wave
from watchbill.windows import WindowSet

#: How long a device may stay away from an occurrence when the job does not say.
DEFAULT_EXPIRY: Final = timedelta(hours=24)
#: How far back a person may ask to catch up at the end of a pause.
LONGEST_CATCH_UP_SECONDS: Final = 7 * 86_400
_NO_WINDOWS: Final = WindowSet()
_NOTHING: Final[Mapping[int, Collection[int]]] = MappingProxyType({})
_NO_ZONES: Final[Mapping[int, Collection[str]]] = MappingProxyType({})
_GUARDED: Final = "It was late after an outage, and the storm guard holds what is late until it is let go."
_WAVE_GUARDED: Final = (
    "Its turn came during an outage, and the storm guard starts nothing that is late: rerun it for these devices."
)


@dataclass
class Plan:
    """Everything one tick writes; `runs.carry_out` writes it."""

    openings: list[Opening] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)

    def join(self, other: "Plan") -> None:
        self.openings += other.openings
        self.held += other.held
        self.skipped += other.skipped
        self.missed += other.missed
        self.advances += other.advances


@dataclass(frozen=True, slots=True)
class Around:
    """What besides the job decides about its instants.

    `zones`: those in use, for jobs that follow them. `guard_until`: late instants up to it wait for a person. `covering`: by job,
    the windows that cover it as a whole. `own_zones`: by job, those of its targets, while a guard is up. `is_in_doubt`: the clock has just jumped, and nothing starts by itself.
    """

    zones: Collection[str] = ()
    guard_until: datetime | None = None
    windows: WindowSet = _NO_WINDOWS
    covering: Mapping[int, Collection[int]] = field(default_factory=lambda: _NOTHING)
    is_in_doubt: bool = False
    own_zones: Mapping[int, Collection[str]] = field(default_factory=lambda: _NO_ZONES)


def plan(
    due: Sequence[DueJob],
    now: datetime,
    *,
    zones: Collection[str] = (),
    guard_until: datetime | None = None,
    windows: WindowSet = _NO_WINDOWS,
    covering: Mapping[int, Collection[int]] = _NOTHING,
) -> Plan:
    """`plan_around`, where nothing is in doubt. The names are those of `Around`."""
    return plan_around(due, now, Around(zones, guard_until, windows, covering))


def plan_around(due: Sequence[DueJob], now: datetime, around: Around) -> Plan:
    """A fault in one job's schedule puts that job into `error` and touches no other.

    `around.covering` is what `windows.covering_jobs` says of the due jobs.
    """
    whole = Plan()
    for job in due:
        try:
            whole.join(_plan_one(job, now, around))
        except (ValueError, ArithmeticError) as error:
            whole.advances.append(broken(job, str(error)))
    return whole


def _plan_one(job: DueJob, now: datetime, around: Around) -> Plan:
    schedule = readable(job)
    result = owed(schedule, job.mark_at, now, _policy(job), around.zones)
    own = _placed(job, result, now, around)
    own.missed = [missed(job, schedule, gap) for gap in result.missed]
    own.advances = [_advance(job, result, _newest(own))]
    return own


def make_up(job: DueJob, since: datetime, catch_up: CatchUp, now: datetime, around: Around) -> Plan:
    """What a job that was paused runs after all, because a person asks for it. What it does not run was not missed."""
    schedule, policy = readable(job), CatchUpPolicy(catch_up, LONGEST_CATCH_UP_SECONDS)
    result = owed(schedule, since, now, policy, around.zones)
    if schedule.is_following and catch_up == "latest":
        # Several wall clocks may be in time somewhere still; one run was asked for.
        result = replace(result, open=result.open[-1:])
    return _placed(job, result, now, around, policy)


def readable(job: DueJob) -> Schedule:
    """The job's schedule; ValueError says why it cannot be read."""
    if job.schedule is None:
        raise ValueError(job.error or "the stored schedule cannot be read")
    return job.schedule


def _launch(job: DueJob) -> Launch | None:
    """Of a job that launches a workflow: which, with what."""
    if job.workflow is None:
        return None
    asked = job.workflow
    return Launch(UUID(asked["assembly_id"]), "job", asked["revision"], asked["variables"])


def _policy(job: DueJob) -> CatchUpPolicy:
    return CatchUpPolicy(job.policies.catch_up, job.policies.catch_up_window_seconds)


def _placed(job: DueJob, result: Owed, now: datetime, around: Around, policy: CatchUpPolicy | None = None) -> Plan:
    """What is owed and not missed, each instant where it belongs: opened, held or skipped. `policy` None = the job's own."""
    own = Plan()
    for due in result.open:
        one = opening(job, "schedule", due.at, now=now, is_late=due.late, zones=around.zones, policy=policy)
        _place(own, job, one, now, around)
    why = "It was late, and the job leaves it to a person what becomes of it then."
    own.held += [_held(job, at, OccurrenceReason.MISFIRE_HOLD, why) for at in result.held]
    return own


def _place(own: Plan, job: DueJob, one: Opening, now: datetime, around: Around) -> None:
    late = _guarded_waves(one, around)
    waits = _waits(one, around, late)
    if waits is not None:
        own.held.append(_held(job, one.scheduled_for, *waits))
        return
    one = _without(one, late)
    blocked = blocked_by_window(job, one, now, around)
    if blocked is None:
        own.openings.append(one)
    elif isinstance(blocked, Held):
        own.held.append(blocked)
    else:
        own.skipped.append(blocked)


def _waits(one: Opening, around: Around, late: Collection[str]) -> tuple[OccurrenceReason, str] | None:
    """Why it waits for a person; None = it does not. Where all turns of its targets are late or past, it does as a whole."""
    is_guarded = around.guard_until is not None and one.scheduled_for <= around.guard_until
    if is_guarded and (one.is_late or around.is_in_doubt):
        return OccurrenceReason.STORM_GUARD, _GUARDED
    if late and all(wave.zone in late or wave.reason for wave in _own_waves(one, around)):
        return OccurrenceReason.STORM_GUARD, _GUARDED
    if around.is_in_doubt:
        return (
            OccurrenceReason.MISFIRE_HOLD,
            "It was due by a clock that had jumped a moment before, when the job was changed.",
        )
    return None


def _own_waves(one: Opening, around: Around) -> Sequence[Wave]:
    """Those that a target is in, as far as it is known."""
    own = around.own_zones.get(one.job_id)
    return [wave for wave in one.waves if own is None or wave.zone in own]


def _guarded_waves(one: Opening, around: Around) -> frozenset[str]:
    """The zones whose turn was late after an outage, and that would start now all the same."""
    until = around.guard_until
    if until is None:
        return frozenset()
    late = (wave for wave in _own_waves(one, around) if wave.reason is None and wave.from_at > wave.starts_at)
    return frozenset(wave.zone for wave in late if wave.starts_at <= until)


def _without(one: Opening, late: Collection[str]) -> Opening:
    """Its other waves keep their turns; who is in one of these is left out, and a person may rerun it for them."""
    if not late:
        return one
    return replace(one, waves=tuple(_left_out(wave) if wave.zone in late else wave for wave in one.waves))


def _left_out(wave: Wave) -> Wave:
    return replace(wave, reason="late_start", detail=_WAVE_GUARDED)


def blocked_by_window(job: DueJob, one: Opening, now: datetime, around: Around) -> Held | Skipped | None:
    """What becomes of an occurrence whose job is closed as a whole; None = nothing stands against it.

    Where devices start at different times, by zone or splay, each of them is judged at its own start.
    """
    covering = around.covering.get(job.id, ())
    if not covering or one.waves or one.splay_seconds:
        return None
    at = now if one.is_late else one.scheduled_for
    verdict = around.windows.verdict(covering, "UTC", at, until=one.expires_at)
    if verdict.is_open:
        return None
    if verdict.action == "defer":
        reason = OccurrenceReason.HELD_BY_WINDOW
        return _held(job, one.scheduled_for, reason, verdict.sentence, verdict.opens_at)
    wall = _local_time(job.schedule, one.scheduled_for)
    reason = OccurrenceReason.BLACKOUT
    return Skipped(one.id, job.id, job.revision, one.scheduled_for, reason, verdict.sentence, wall)


def _held(
    job: DueJob, at: datetime, reason: OccurrenceReason, detail: str | None, until: datetime | None = None
) -> Held:
    wall = _local_time(job.schedule, at)
    return Held(public_id(job.id, "schedule", at, ""), job.id, job.revision, at, reason, detail, until, wall)


def missed(job: DueJob, schedule: Schedule, gap: MissedRange) -> Missed:
    """The row of neighbouring instants that will not run."""
    return Missed(
        id=public_id(job.id, "schedule", gap.first, ""),
        job_id=job.id,
        job_revision=job.revision,
        first=gap.first,
        last=gap.last,
        number=gap.count,
        reason=OccurrenceReason(gap.reason),
        is_capped=gap.capped,
        local_time=_local_time(schedule, gap.first),
    )


def _local_time(schedule: Schedule | None, at: datetime) -> datetime | None:
    """The wall clock that an instant of a following schedule names."""
    return local_time(at) if schedule is not None and schedule.is_following else None


def _newest(own: Plan) -> UUID | None:
    """The row that the job shows as its last, whether it ran or not."""
    rows = [
        *((one.scheduled_for, one.id) for one in own.openings),
        *((one.scheduled_for, one.id) for one in own.held),
        *((one.scheduled_for, one.id) for one in own.skipped),
        *((one.last, one.id) for one in own.missed),
    ]
    return max(rows)[1] if rows else None


def _advance(job: DueJob, result: Owed, newest: UUID | None) -> Advance:
    return Advance(
        job_id=job.id,
        mark_at=result.mark,
        next_due_at=result.next_due,
        state="completed" if result.next_due is None else "active",
        state_reason=None,
        last_occurrence_id=newest,
    )


def broken(job: DueJob, why: str) -> Advance:
    """The job ends in `error`: it is not evaluated again until somebody edits it."""
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
    zones: Collection[str] = (),
    policy: CatchUpPolicy | None = None,
) -> Opening:
    """An occurrence of `job` for `instant` with the policies of its present revision, but for a `policy` of late waves.

    Only what the schedule itself starts is spread or follows zones; what a person starts begins now, everywhere.
    """
    begin = max(instant, now) if is_late else instant
    stop_by = begin + timedelta(seconds=job.run_limit_seconds) if job.run_limit_seconds else None
    is_own = kind == "schedule"
    is_shared = job.execution_context in SHARED_CONTEXTS
    waves = _waves(job, instant, now, zones, policy or _policy(job)) if is_own else ()
    return Opening(
        id=public_id(job.id, kind, instant, request_id),
        job_id=job.id,
        job_revision=job.revision,
        kind=kind,
        scheduled_for=instant,
        expires_at=_earlier(begin + expiry(job, instant), stop_by),
        request_id=request_id,
        is_late=is_late,
        allowed_site_ids=job.allowed_site_ids,
        reach_site_ids=job.reach_site_ids,
        no_targets=job.policies.no_targets,
        execution_context=job.execution_context,
        onboarding=job.onboarding,
        workflow=_launch(job),
        no_user_session=job.policies.no_user_session,
        max_change_devices=job.policies.max_change_devices,
        max_change_percent=job.policies.max_change_percent,
        failure_threshold_percent=job.failure_threshold_percent,
        time_limit_seconds=job.time_limit_seconds,
        offline=job.policies.offline,
        overlap=job.policies.overlap,
        overlap_scope=job.policies.overlap_scope,
        waves_plan=job.policies.waves,
        concurrency=None if is_shared else job.policies.concurrency,
        forks=job.policies.concurrency if is_shared else None,
        interrupted=job.policies.interrupted,
        site_concurrency=job.policies.site_concurrency,
        starts_from=begin,
        stop_by_at=stop_by,
        splay_seconds=_splay(job, instant if waves else begin) if is_own else 0,
        splay_salt=f"|{int(instant.timestamp())}" if job.policies.splay_mode == "per_occurrence" else "",
        zone_source=job.zone_source,
        waves=waves,
        local_time=_local_time(job.schedule, instant) if kind not in {"manual", "rerun"} else None,
    )


def _waves(
    job: DueJob, nominal: datetime, now: datetime, zones: Collection[str], policy: CatchUpPolicy
) -> tuple[Wave, ...]:
    schedule = job.schedule
    if schedule is None or not schedule.is_following:
        return ()
    expires_after = expiry(job, nominal)
    return tuple(_wave(job, schedule, nominal, now, zone, expires_after, policy) for zone in sorted({"UTC", *zones}))


def _wave(
    job: DueJob,
    schedule: Schedule,
    nominal: datetime,
    now: datetime,
    zone: str,
    expires_after: timedelta,
    policy: CatchUpPolicy,
) -> Wave:
    wall = f"{local_time(nominal):%Y-%m-%d %H:%M} in {zone}"
    start = wave_start(schedule, nominal, zone)
    if start is None:
        passed = due_at(schedule, nominal, (zone,))
        why = f"{wall} is not shown by any clock there: it is skipped by a change of the clocks, and not made up for."
        return Wave(zone, passed, passed, passed, None, "outside_window", why)
    timing = wave_timing(schedule, nominal, start, now, policy)
    begin = start if timing == "on_time" else max(start, now)
    stop_by = begin + timedelta(seconds=job.run_limit_seconds) if job.run_limit_seconds else None
    late = f"{wall} had passed when this occurrence was opened." if timing == "late_start" else None
    reason = "late_start" if late else None
    return Wave(zone, start, begin, _earlier(begin + expires_after, stop_by), stop_by, reason, late)


def _earlier(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else min(one, other)


def _splay(job: DueJob, at: datetime) -> int:
    """The job's splay, cut so that no start reaches the next instant or the end of the whole run."""
    splay = job.policies.splay_seconds
    if splay and job.schedule is not None:
        splay = max(fitting_splay(job.schedule, at, splay), 0)
    return min(splay, job.run_limit_seconds - 1) if job.run_limit_seconds else splay


def expiry(job: DueJob, instant: datetime) -> timedelta:
    """How long devices that are away are waited for: as saved, else until the next instant, at most a day."""
    return lasting(job.schedule, job.expires_after_seconds, instant)


def lasting(schedule: Schedule | None, expires_after_seconds: int | None, instant: datetime) -> timedelta:
    """The same for a job that is not saved yet."""
    if expires_after_seconds is not None:
        return timedelta(seconds=expires_after_seconds)
    gap = period_hint(schedule, instant) if schedule else None
    return min(gap, DEFAULT_EXPIRY) if gap else DEFAULT_EXPIRY

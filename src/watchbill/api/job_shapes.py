"""The job as OpenAPI documents it, and as replies show it. What is allowed beyond shape is decided in `core.job_rules`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from watchbill import jobs
from watchbill.api.common import FieldProblem, Id, Instant, Model
from watchbill.api.documented import Documented
from watchbill.core import schedule as calendar
from watchbill.core.job_rules_values import (
    CATCH_UP_WINDOW_SECONDS,
    EXPIRES_AFTER_SECONDS,
    MAX_TARGETS,
    RETRY_DELAY_SECONDS,
    RUN_LIMIT_SECONDS,
    SPLAY_SECONDS,
    TIME_LIMIT_SECONDS,
)
from watchbill.core.occurrence import fitting_splay
from watchbill.core.schedule_types import Flag
from watchbill.identity import Actor
from watchbill.jobs import JobRevision, JobState, Outlook, SavedJob
from watchbill.runs import Coming, JobHistory, Occurrence, Preview

_LIMIT_LOW, _LIMIT_HIGH = TIME_LIMIT_SECONDS
_EXPIRES_LOW, _EXPIRES_HIGH = EXPIRES_AFTER_SECONDS
_WINDOW_LOW, _WINDOW_HIGH = CATCH_UP_WINDOW_SECONDS
_RUN_LOW, _RUN_HIGH = RUN_LIMIT_SECONDS
_SPLAY_LOW, _SPLAY_HIGH = SPLAY_SECONDS


class JobComponent(Model):
    """One script with its variables. A secret is given as a text, shown as `{"is_set": true}`, and kept by sending that."""

    assembly_id: UUID
    kind: Literal["script"] = "script"
    variables: dict[str, Any] = Field(default_factory=dict)
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] | Literal["latest"] = "latest"


class JobTarget(Model):
    kind: Literal["device"]
    device_id: UUID


class JobSchedule(Model):
    """When it is due. Wall clocks are in `timezone`; fields beyond `type` and `timezone` belong to certain types."""

    type: str = Field(
        description="immediately, once, every_5_minutes, every_10_minutes, every_15_minutes, every_30_minutes, hourly,"
        " daily, weekly, monthly, yearly, cron or rrule"
    )
    timezone: str = Field(default="UTC", description="absent where `timezone_source` is site or device")
    timezone_source: Literal["fixed", "site", "device"] = Field(
        default="fixed",
        description="whose clocks it is read on: those of `timezone`, of each device's site, of each device",
    )
    start: str | None = Field(default=None, description="wall clock such as 2026-05-04T07:00, or instant with offset")
    end: str | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    expression: str | None = Field(default=None, description="for type cron")
    rule: str | None = Field(default=None, description="for type rrule")
    exdate: list[str] | None = Field(default=None, description="for type rrule")
    rdate: list[str] | None = Field(default=None, description="for type rrule")


class JobDuration(Model):
    """Null = the assembly's time limit; the gap to the next instant, at most a day; no limit of the whole run.

    The run limit counts from the instant and is at least the time limit of one device.
    """

    time_limit_seconds: Annotated[int, Field(ge=_LIMIT_LOW, le=_LIMIT_HIGH)] | None = None
    expires_after_seconds: Annotated[int, Field(ge=_EXPIRES_LOW, le=_EXPIRES_HIGH)] | None = None
    run_limit_seconds: Annotated[int, Field(ge=_RUN_LOW, le=_RUN_HIGH)] | None = None


class JobPolicies(Model):
    """What happens when things go other than planned.

    A splay spreads the starts of the devices; it is shorter than the time to the next instant. `hold` waits for a person, and
    is not for schedules that follow the clocks of sites or devices.
    """

    overlap: Literal["skip", "queue_one", "replace", "allow"] = "skip"
    overlap_scope: Literal["device", "job"] = "device"
    catch_up: Literal["latest", "skip", "all", "hold"] = "latest"
    catch_up_window_seconds: Annotated[int, Field(ge=_WINDOW_LOW, le=_WINDOW_HIGH)] | None = None
    offline: Literal["wait", "skip"] = "wait"
    splay_seconds: Annotated[int, Field(ge=_SPLAY_LOW, le=_SPLAY_HIGH)] = 0
    splay_mode: Literal["fixed", "per_occurrence"] = Field(
        default="fixed", description="a device's delay is always the same, or another at each occurrence"
    )
    retries: Literal[0] = 0
    retry_delay_seconds: int = Field(default=RETRY_DELAY_SECONDS, ge=RETRY_DELAY_SECONDS, le=RETRY_DELAY_SECONDS)
    continue_on_failure: Literal[False] = False
    concurrency: None = None
    waves: None = None
    failure_threshold_percent: Annotated[int, Field(ge=0, le=100)] = 0


class _Job(Model):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    job_kind: Literal["automation"] = "automation"
    components: Annotated[list[JobComponent], Field(min_length=1, max_length=1)]
    exclusions: list[JobTarget] = Field(default_factory=list, max_length=MAX_TARGETS)
    execution_context: Literal["system"] = "system"
    credential_id: None = None
    use_service_account: Literal[False] = False
    duration: JobDuration = Field(default_factory=JobDuration)
    policies: JobPolicies = Field(default_factory=JobPolicies)


class JobBody(_Job):
    """A job needs a name, components, targets and a schedule; everything else has a default."""

    targets: Annotated[list[JobTarget], Field(min_length=1, max_length=MAX_TARGETS)]
    schedule: JobSchedule
    enabled: bool | None = Field(default=None, description="a new job is enabled; an edit leaves it as it is")


class ToggleBody(Model):
    """`reason` and `until` belong to a pause; `catch_up` to a resumption: what becomes of the instants of the pause."""

    enabled: bool
    reason: Annotated[str, Field(max_length=500)] | None = None
    until: Annotated[str, Field(max_length=64, description="an instant in the future")] | None = None
    catch_up: Literal["skip", "latest", "all", "hold"] | None = Field(default=None, description="skip when absent")


class LastOccurrence(Model):
    id: UUID
    scheduled_for_at: Instant
    state: str
    outcome: str | None
    counts: dict[str, int]


class JobTargets(Model):
    """Devices in the caller's sites: to run on, left out by exclusions, and of the first how many are online."""

    devices: int
    excluded: int
    online: int


class JobAction(Model):
    action: str
    allowed: bool
    reason: str | None


class JobDefinition(_Job):
    """The job as saved, defaults filled in."""

    targets: list[JobTarget]
    schedule: Annotated[dict[str, Any], Documented(JobSchedule)]
    enabled: bool


class JobReply(JobDefinition):
    """A job as it stands. Devices of sites that the caller does not see are not listed."""

    id: Id
    revision: int
    state: JobState
    state_reason: str | None
    paused_until: Instant | None
    next_due_at: Instant | None
    schedule_text: str | None
    last_occurrence: LastOccurrence | None
    recent_outcomes: list[str]
    target_summary: JobTargets
    created_by: str | None
    updated_by: str | None
    created_at: Instant
    updated_at: Instant
    allowed_actions: list[JobAction]


class JobChange(Model):
    """One field that a save changed, by its path; null = not there. A secret is told as `{"is_set": true}` on both sides.

    `targets.<device id>` is one device; `targets.order` says that only their order is another.
    """

    field: str
    before: Any
    after: Any


class JobRevisionReply(JobDefinition):
    """The job as one save left it, and what it changed; the first one changed nothing."""

    revision: int
    changed_by: str | None
    changed_at: Instant
    changes: list[JobChange]


class PlanReply(Model):
    """What saving a file would do to the one visible job with its name. `action` null = it would be refused, as `problems` say.

    Changes name devices and assemblies as a file does: `targets` from null to `Harbour/crane` is a device more. Against a new
    job they are what the file says beyond the defaults.
    """

    name: str | None
    action: Literal["create", "update", "unchanged"] | None
    job_id: Id | None
    revision: int | None
    schedule_text: str | None
    changes: list[JobChange]
    problems: list[FieldProblem]


class PreviewBlocked(Model):
    """A window, by its name, that keeps devices of the caller's sites from starting at an instant."""

    window: str
    kind: Literal["allow", "deny"]
    devices: int


class PreviewInstant(Model):
    """One coming instant, as the ledger will name it, and what the clocks of its zone show then.

    `flags`: shifted_gap and first_of_two (of changes of the clocks), clamped (to the month's end), in_blackout (closed for the
    whole job), held (it waits for a window to open). `passed_over`: dates that do not exist. `blocked`: devices that a window
    keeps from starting. Where the job follows clocks, `local` is the wall clock of all waves and has no offset; the first of them
    starts at `first_start_at`, the last at `last_start_at`. A splay spreads the starts over `splay_seconds`.
    """

    at: Instant
    local: str
    offset: str | None
    flags: list[Flag]
    passed_over: list[str]
    blocked: list[PreviewBlocked]
    first_start_at: Instant | None
    last_start_at: Instant | None
    splay_seconds: int


class PreviewTargets(Model):
    """Devices that would run as things stand, and how many are left out for which reason."""

    devices: int
    online: int
    offline: int
    left_out: dict[str, int]


class PreviewReply(Model):
    """What a job would do. `blockers` are what would refuse its save, or keep it from running."""

    schedule_text: str | None
    instants: list[PreviewInstant]
    targets: PreviewTargets
    blockers: list[FieldProblem]


_SAME = (
    "id", "revision", "state", "state_reason", "paused_until", "next_due_at", "created_by", "updated_by", "created_at",
    "updated_at",
)  # fmt: skip


def job_reply(job: SavedJob, history: JobHistory, actor: Actor) -> JobReply:
    """The contract's reply: the definition without secrets, and where the job stands."""
    return JobReply.model_validate(
        {
            **jobs.shown(job.definition, job.visible_devices),
            **{name: getattr(job, name) for name in _SAME},
            "enabled": job.enabled,
            "schedule_text": _in_words(job.definition["schedule"]),
            "last_occurrence": _last(history.last) if history.last else None,
            "recent_outcomes": list(history.recent),
            "target_summary": job.targets,
            "allowed_actions": jobs.allowed_actions(actor, job, has_run=history.last is not None),
        }
    )


def revision_reply(one: JobRevision) -> JobRevisionReply:
    """A revision's definition was made fit for its reader already."""
    changes = [asdict(change) for change in one.changes]
    made = {"revision": one.revision, "changed_by": one.changed_by, "changed_at": one.changed_at, "changes": changes}
    return JobRevisionReply.model_validate({**one.definition, **made})


def preview_reply(preview: Preview) -> PreviewReply:
    targets = preview.targets
    return PreviewReply(
        schedule_text=preview.outlook.schedule_text,
        instants=[_instant(preview.outlook, one) for one in preview.instants],
        targets=PreviewTargets(
            devices=targets.online + targets.offline,
            online=targets.online,
            offline=targets.offline,
            left_out=dict(targets.left_out),
        ),
        blockers=[FieldProblem.model_validate(problem) for problem in preview.problems],
    )


def _last(last: Occurrence) -> LastOccurrence:
    return LastOccurrence(
        id=last.id,
        scheduled_for_at=last.scheduled_for_at,
        state=last.state,
        outcome=last.outcome,
        counts=dict(last.counts),
    )


def _in_words(schedule: Mapping[str, Any]) -> str | None:
    return _words_of(json.dumps(schedule, sort_keys=True))


@lru_cache(maxsize=4096)
def _words_of(schedule: str) -> str | None:
    """Reading a schedule is a third of what a row of a list costs, and it is the same one at each look."""
    try:
        return calendar.in_words(calendar.parse(json.loads(schedule)))
    except calendar.ScheduleProblems:
        return None  # the job's state says what is wrong with it


def _instant(outlook: Outlook, coming: Coming) -> PreviewInstant:
    schedule, one = outlook.schedule, coming.instant
    splay = outlook.policies.splay_seconds
    return PreviewInstant(
        at=one.at,
        local=one.local.isoformat(timespec="minutes"),
        offset=None if schedule is not None and schedule.is_following else _offset(one.offset),
        flags=list(one.flags),
        passed_over=list(one.passed_over),
        blocked=[PreviewBlocked.model_validate(window) for window in coming.blocked],
        first_start_at=coming.first_start_at,
        last_start_at=coming.last_start_at,
        splay_seconds=fitting_splay(schedule, one.at, splay) if schedule is not None else 0,
    )


def _offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

"""The job as OpenAPI documents it, and as replies show it. What is allowed beyond shape is decided in `core.job_rules`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from watchbill import jobs
from watchbill.api.common import FieldProblem, Id, Instant, Model, StoredInstant
from watchbill.api.documented import Documented
from watchbill.api.onboarding_shapes import OnboardingComponent, OnboardingScopeTarget
from watchbill.api.target_shapes import JobExclusion, JobTarget
from watchbill.api.wave_shapes import JobWaves, Places
from watchbill.core import schedule as calendar
from watchbill.core.job_rules_onboarding import MAX_CREDENTIALS
from watchbill.core.job_rules_tags import TAG
from watchbill.core.job_rules_values import (
    CATCH_UP_WINDOW_SECONDS,
    DEFAULT_RETRY_DELAY_SECONDS,
    DEFAULT_RETRY_ON,
    EXPIRES_AFTER_SECONDS,
    MAX_COMPONENTS,
    MAX_TAGS,
    RETRIES,
    RETRY_DELAY_SECONDS,
    RUN_LIMIT_SECONDS,
    SPLAY_SECONDS,
    TIME_LIMIT_SECONDS,
)
from watchbill.core.problems import Problem
from watchbill.core.targets import MAX_TARGETS
from watchbill.identity import Actor
from watchbill.jobs import JobRevision, JobState, SavedJob
from watchbill.runs import MISSED_SPAN, JobHealth, JobHistory, Occurrence

_LIMIT_LOW, _LIMIT_HIGH = TIME_LIMIT_SECONDS
_EXPIRES_LOW, _EXPIRES_HIGH = EXPIRES_AFTER_SECONDS
_WINDOW_LOW, _WINDOW_HIGH = CATCH_UP_WINDOW_SECONDS
_RUN_LOW, _RUN_HIGH = RUN_LIMIT_SECONDS
_SPLAY_LOW, _SPLAY_HIGH = SPLAY_SECONDS
_RETRY_LOW, _RETRY_HIGH = RETRIES
_DELAY_LOW, _DELAY_HIGH = RETRY_DELAY_SECONDS


#: A short word by which people find jobs.
JobTag = Annotated[str, Field(pattern=TAG)]


class JobComponent(Model):
    """One script or playbook with its variables, or the workflow that is launched, with its parameters.

    A secret is given as a text, shown as `{"is_set": true}`, and kept by sending that.
    """

    assembly_id: UUID
    kind: Literal["script", "playbook", "workflow"] = Field(
        default="script", description="what the assembly is; a job has scripts, or playbooks, or one workflow"
    )
    variables: dict[str, Any] = Field(default_factory=dict)
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] | Literal["latest"] = "latest"
    role: Literal["run", "check"] = Field(
        default="run",
        description="check: its exit code says whether the components after it, up to the next check, run on this device. 0: it is as"
        " it should be, and they do not; after they ran, the check looks once more",
    )
    not_compliant_exit_codes: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(max_length=255)] | None = (
        Field(
            default=None,
            description="of a check: the exit codes that say that what follows is needed; 1 when absent. Any other means that it failed",
        )
    )


class JobSchedule(Model):
    """When it is due. Wall clocks are in `timezone`; fields beyond `type` and `timezone` belong to certain types."""

    type: str = Field(
        description="immediately, once, every_5_minutes, every_10_minutes, every_15_minutes, every_30_minutes, hourly,"
        " daily, weekly, monthly, yearly, cron or rrule"
    )
    timezone: str = Field(
        default="UTC", description="IANA name such as Europe/Berlin; left out where `timezone_source` is site or device"
    )
    timezone_source: Literal["fixed", "site", "device"] = Field(
        default="fixed",
        description="whose clocks the schedule is read on. fixed: those of `timezone`, so that all devices start at one instant."
        " site: those of each device's site, device: those of each device itself, so that daily at 03:00 starts at three in the"
        " morning everywhere, zone by zone, as one occurrence",
    )
    start: str | None = Field(default=None, description="wall clock such as 2026-05-04T07:00, or instant with offset")
    end: str | None = Field(default=None, description="nothing falls due later; included; as `start`")
    count: Annotated[int, Field(ge=1, description="ends after so many instants")] | None = None
    expression: str | None = Field(default=None, description="for type cron: five fields, such as `0 3 * * mon-fri`")
    rule: str | None = Field(default=None, description="for type rrule: RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO`")
    exdate: list[str] | None = Field(default=None, description="for type rrule: wall clocks that are left out")
    rdate: list[str] | None = Field(default=None, description="for type rrule: wall clocks besides the rule's")


class JobDuration(Model):
    """Null = the assembly's time limit; the gap to the next instant, at most a day; no limit of the whole run.

    The run limit counts from the instant and is at least the time limit of one device.
    """

    time_limit_seconds: (
        Annotated[
            int,
            Field(ge=_LIMIT_LOW, le=_LIMIT_HIGH, description="how long it may run on one device, from its start there"),
        ]
        | None
    ) = None
    expires_after_seconds: (
        Annotated[
            int,
            Field(ge=_EXPIRES_LOW, le=_EXPIRES_HIGH, description="how long a device that is away is waited for"),
        ]
        | None
    ) = None
    run_limit_seconds: (
        Annotated[
            int,
            Field(
                ge=_RUN_LOW,
                le=_RUN_HIGH,
                description="how long an occurrence may take on all its devices together, counted from its due time (in each zone, "
                "where it follows clocks): then what still runs is stopped, and nothing more is started",
            ),
        ]
        | None
    ) = None


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
    splay_seconds: Annotated[
        int,
        Field(
            ge=_SPLAY_LOW,
            le=_SPLAY_HIGH,
            description="devices start spread over so many seconds, so that not all start at once",
        ),
    ] = 0
    splay_mode: Literal["fixed", "per_occurrence"] = Field(
        default="fixed",
        description="how a splay chooses each device's delay. fixed: the same at every occurrence, so that it is known when a device"
        " runs. per_occurrence: another one each time, so that no device is always the last",
    )
    retries: Annotated[
        int, Field(ge=_RETRY_LOW, le=_RETRY_HIGH, description="how often a device tries again, from what went wrong on")
    ] = 0
    retry_delay_seconds: int = Field(default=DEFAULT_RETRY_DELAY_SECONDS, ge=_DELAY_LOW, le=_DELAY_HIGH)
    retry_on: list[Literal["failed", "timed_out", "warning"]] = Field(
        default=list(DEFAULT_RETRY_ON),
        max_length=10,
        description="what is tried again. Never what is lost, or was cut short by its device: that may have run to its end",
    )
    continue_on_failure: bool = Field(
        default=False,
        description="of several components: whether those after a failure run all the same; else they are skipped",
    )
    concurrency: Places | None = Field(
        default=None,
        description="most devices of an occurrence at once. Who is away takes no place, and waits for one when it is back",
    )
    site_concurrency: Places | None = Field(default=None, description="the same for each of its sites")
    waves: JobWaves | None = Field(
        default=None, description="not for schedules that follow the clocks of sites or devices, and without a splay"
    )
    failure_threshold_percent: Annotated[int, Field(ge=0, le=100)] = 0
    no_targets: Literal["skip", "fail"] = Field(
        default="skip", description="what an occurrence is that finds no device to run on"
    )
    max_change_percent: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="an occurrence waits for a person when its devices differ by more from those of the one before",
    )
    max_change_devices: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    no_user_session: Literal["skip", "wait"] = Field(
        default="skip",
        description="what a device does on which nobody is signed in, where the context is current_user. skip: it is left out. wait: it "
        "runs when somebody signs in, until its latest start; for no other context",
    )
    interrupted: Literal["lost", "again"] = Field(
        default="lost",
        description="a device on which a playbook was running when its worker died. lost: nobody knows how far it came, and it is left at "
        "that. again: it runs once more, which only a playbook that may be repeated says; for no script",
    )


class _Named(Model):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    tags: Annotated[list[JobTag], Field(max_length=MAX_TAGS, description="each once; kept by the alphabet")] = Field(
        default_factory=list
    )
    job_kind: Literal["automation", "onboarding"] = Field(
        default="automation",
        description="automation: scripts or playbooks on devices. onboarding: brings the machines of a network under management",
    )
    components: Annotated[
        list[JobComponent | OnboardingComponent],
        Field(
            min_length=1,
            max_length=MAX_COMPONENTS,
            description="scripts or playbooks, run in order on each device; the one workflow that is launched; the one of onboarding",
        ),
    ]
    execution_context: (
        Literal["system", "current_user", "ssh", "ssh_individual", "winrm", "winrm_individual"] | None
    ) = Field(
        default="system",
        description="for scripts: whose rights the script has. system: the agent's. current_user: those of who is signed in on the "
        "device, once in each session; never the agent's, also where nobody is signed in. For playbooks: how the Engine reaches the "
        "devices, in one run for all of a site (ssh, winrm) or in one for each device (ssh_individual, which is their default, "
        "winrm_individual)",
    )
    credential_id: Id | None = Field(
        default=None,
        description="what it signs in to its devices with, where the context does: a credential for ssh, or for winrm; see"
        " `GET /api/credentials`",
    )
    use_service_account: bool = Field(
        default=False,
        description="instead of a credential: the account that the Engine keeps on each device, where its agent has made it",
    )
    credential_ids: Annotated[list[Id], Field(max_length=MAX_CREDENTIALS)] | None = Field(
        default=None,
        description="of an onboarding job: the credentials that are tried on a machine in this order, each account once",
    )
    duration: JobDuration = Field(default_factory=JobDuration)
    policies: JobPolicies = Field(default_factory=JobPolicies)


class _Job(_Named):
    exclusions: list[JobExclusion] = Field(default_factory=list, max_length=MAX_TARGETS)


class JobBody(_Job):
    """A job needs a name, components, a schedule, and targets unless it launches a workflow; everything else has a default."""

    targets: list[JobTarget | OnboardingScopeTarget] = Field(
        default_factory=list, max_length=MAX_TARGETS, description="none where a workflow is launched, else at least one"
    )
    schedule: JobSchedule
    enabled: bool | None = Field(default=None, description="a new job is enabled; an edit leaves it as it is")


class ToggleBody(Model):
    """`reason` and `until` belong to a pause; `catch_up` to a resumption: what becomes of the instants of the pause."""

    enabled: bool = Field(description="false pauses the job: no occurrence is opened; true resumes it")
    reason: (
        Annotated[str, Field(max_length=500, description="of a pause: why, for those who come after you")] | None
    ) = None
    until: (
        Annotated[
            str,
            Field(
                max_length=64,
                description="of a pause: an instant in the future with offset, when the job resumes by itself",
            ),
        ]
        | None
    ) = None
    catch_up: Literal["skip", "latest", "all", "hold"] | None = Field(
        default=None,
        description="of a resumption: what becomes of the instants that passed during the pause. skip (when absent): nothing, and"
        " they do not count as missed. latest: the newest runs now. all: each runs, oldest first, at most a hundred. hold: each waits"
        " for a person. The last seven days count",
    )


class LastOccurrence(Model):
    id: UUID
    scheduled_for_at: StoredInstant
    state: str
    outcome: str | None
    counts: dict[str, int]


class RecentOccurrence(Model):
    """One of the last occurrences; click it for the run."""

    id: UUID
    scheduled_for_at: StoredInstant
    state: str
    outcome: str | None


class JobWillNotFire(Model):
    code: Literal[
        "paused",
        "completed",
        "error",
        "storm_guard",
        "no_devices",
        "window_closed",
        "no_eligible_devices",
        "devices_closed",
    ]
    sentence: str


class JobTargets(Model):
    """What the caller sees of the targets. Devices named one by one: to run on, left out by exclusions, and of the first how many are
    online. Filters and sites by name: whom they find is told by the preview.
    """

    devices: int
    excluded: int
    online: int | None = Field(description="null where so many are named that a list does not look at each of them")
    filters: list[str]
    sites: list[str]
    all_devices: bool


class JobAction(Model):
    action: str
    allowed: bool
    reason: str | None


class JobDefinition(_Job):
    """The job as saved, defaults filled in."""

    targets: list[JobTarget | OnboardingScopeTarget]
    schedule: Annotated[dict[str, Any], Documented(JobSchedule)]
    enabled: bool


class _Stands(Model):
    id: Id
    revision: int
    state: JobState
    state_reason: str | None
    paused_until: Instant | None
    next_due_at: Instant | None
    schedule_text: str | None
    last_run_at: Instant | None
    last_occurrence: LastOccurrence | None
    recent_outcomes: list[RecentOccurrence]
    waiting_count: int
    missed_count: int
    missed_span_seconds: int
    drift: str | None
    will_not_fire: JobWillNotFire | None
    target_summary: JobTargets
    created_by: str | None
    updated_by: str | None
    created_at: Instant
    updated_at: Instant
    allowed_actions: list[JobAction]


class JobListItem(_Named, _Stands):
    """A job in a list, as in its own reply but for `targets` and `exclusions`, which may be thousands: `target_summary` counts them."""

    schedule: Annotated[dict[str, Any], Documented(JobSchedule)]
    enabled: bool


class JobReply(JobDefinition, _Stands):
    """A job as it stands. Devices of sites that the caller does not see are not listed.

    `next_due_at`: when it starts next; where it follows clocks (`timezone_source`), on the first of its devices in the caller's
    sites, be that a later zone of an occurrence that others have begun. The order `next_due` of a list is that of the first zone
    in use anywhere. `warnings` answer a save that starts the job at once (schedule `immediately`): which windows keep devices from
    starting, and what becomes of these. They are said once, and empty elsewhere.

    `recent_outcomes`: the last ten, newest first. `waiting_count`: targets in the caller's sites that have not begun.
    `missed_count`: due instants of the last `missed_span_seconds` that nobody ran. `drift`: a sentence where it really starts less often than
    its schedule says. `will_not_fire`: why nothing will start next; what takes asking each device is told of one job only.
    """

    warnings: list[FieldProblem]


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

    name: str | None = Field(description="the job's name as the file gives it")
    action: Literal["create", "update", "unchanged"] | None
    job_id: Id | None = Field(description="of the job that there is; null where one would be made")
    revision: int | None = Field(description="of the job that there is, for `If-Match` of the import")
    schedule_text: str | None = Field(description="the schedule of the file in words")
    changes: list[JobChange]
    problems: list[FieldProblem]


_SAME = (
    "id", "revision", "state", "state_reason", "paused_until", "created_by", "updated_by", "created_at", "updated_at",
    "last_run_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands, as its reader may know it. `next_start`: as `runs.next_starts` says."""

    history: JobHistory
    health: JobHealth
    next_start: datetime | None


def job_reply(job: SavedJob, standing: Standing, actor: Actor, *, warnings: Sequence[Problem] = ()) -> JobReply:
    """The contract's reply: the definition without secrets, and where the job stands."""
    told = [FieldProblem.model_validate(one) for one in warnings]
    return JobReply.model_validate(
        {**jobs.shown(job.definition, job.seen), **_stands(job, standing, actor), "warnings": told}
    )


def job_item(job: SavedJob, standing: Standing, actor: Actor) -> JobListItem:
    shown = job.listed.shown if job.listed is not None else jobs.shown(job.definition)
    return JobListItem.model_validate({**shown, **_stands(job, standing, actor)})


def _stands(job: SavedJob, standing: Standing, actor: Actor) -> dict[str, Any]:
    history, health = standing.history, standing.health
    return {
        **{name: getattr(job, name) for name in _SAME},
        "enabled": job.enabled,
        "next_due_at": standing.next_start,
        "schedule_text": _in_words(job),
        "last_occurrence": _last(history.last) if history.last else None,
        "recent_outcomes": list(history.recent),
        "waiting_count": health.waiting,
        "missed_count": health.missed,
        "missed_span_seconds": MISSED_SPAN.total_seconds(),
        "drift": health.drift,
        "will_not_fire": health.will_not_fire,
        "target_summary": job.targets,
        "allowed_actions": jobs.allowed_actions(actor, job, has_run=history.last is not None),
    }


def revision_reply(one: JobRevision) -> JobRevisionReply:
    """A revision's definition was made fit for its reader already."""
    changes = [asdict(change) for change in one.changes]
    made = {"revision": one.revision, "changed_by": one.changed_by, "changed_at": one.changed_at, "changes": changes}
    return JobRevisionReply.model_validate({**one.definition, **made})


def _last(last: Occurrence) -> LastOccurrence:
    same = {name: getattr(last, name) for name in ("id", "scheduled_for_at", "state", "outcome")}
    return LastOccurrence(**same, counts=dict(last.counts))


def _in_words(job: SavedJob) -> str | None:
    return _words_of(job.listed.schedule if job.listed else json.dumps(job.definition["schedule"], sort_keys=True))


@lru_cache(maxsize=4096)
def _words_of(schedule: str) -> str | None:
    """Reading a schedule is a third of what a row of a list costs, and it is the same one at each look."""
    try:
        return calendar.in_words(calendar.parse(json.loads(schedule)))
    except calendar.ScheduleProblems:
        return None  # the job's state says what is wrong with it

"""The values a job is made of, and in one place what of the contract this version can do. Decides nothing.

A later version extends the tables here; the checks in `job_rules` read them and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from watchbill.core.fields import Choice
from watchbill.core.schedule import Schedule
from watchbill.core.steps import Role
from watchbill.core.targets import Placed, Target
from watchbill.core.waves import WavePlan

Overlap = Literal["skip", "queue_one", "replace", "allow"]
OverlapScope = Literal["device", "job"]
SplayMode = Literal["fixed", "per_occurrence"]
CatchUp = Literal["skip", "latest", "all", "hold"]
Offline = Literal["wait", "skip"]
Interrupted = Literal["lost", "again"]
NoTargets = Literal["skip", "fail"]
NoUserSession = Literal["skip", "wait"]
OnboardingPlatform = Literal["auto", "linux", "windows"]


class ComponentKind(StrEnum):
    SCRIPT = "script"
    PLAYBOOK = "playbook"
    WORKFLOW = "workflow"
    DEVICE_ONBOARDING = "device_onboarding"


class ExecutionContext(StrEnum):
    SYSTEM = "system"
    CURRENT_USER = "current_user"
    SSH = "ssh"
    SSH_INDIVIDUAL = "ssh_individual"
    WINRM = "winrm"
    WINRM_INDIVIDUAL = "winrm_individual"
    #: Of a job that runs on no device by itself: nobody names it, and replies show null.
    NONE = "none"


class Fit(StrEnum):
    """Whether a kind of component runs in an execution context."""

    YES = "yes"
    LATER = "later"
    NEVER = "never"


_K, _C = ComponentKind, ExecutionContext
_REMOTE = (_C.SSH, _C.SSH_INDIVIDUAL, _C.WINRM, _C.WINRM_INDIVIDUAL)
#: Where the Engine itself reaches into devices, over their network.
REMOTE_CONTEXTS: Final = frozenset(_REMOTE)
#: One run of a playbook for all devices of a site together, with Ansible's own parallel work.
SHARED_CONTEXTS: Final = frozenset((_C.SSH, _C.WINRM))
_LOCAL = (_C.SYSTEM, _C.CURRENT_USER)
#: Which component runs in which context; every pair has its cell.
CONTEXT_MATRIX: Final[Mapping[tuple[ComponentKind, ExecutionContext], Fit]] = {
    (_K.SCRIPT, _C.SYSTEM): Fit.YES,
    (_K.SCRIPT, _C.CURRENT_USER): Fit.YES,
    **{(_K.SCRIPT, context): Fit.NEVER for context in (*_REMOTE, _C.NONE)},
    **{(_K.PLAYBOOK, context): Fit.NEVER for context in (*_LOCAL, _C.NONE)},
    **{(_K.PLAYBOOK, context): Fit.YES for context in _REMOTE},
    **{(kind, context): Fit.NEVER for kind in (_K.WORKFLOW, _K.DEVICE_ONBOARDING) for context in _C},
}
#: The context of a job that names none.
DEFAULT_CONTEXTS: Final[Mapping[ComponentKind, ExecutionContext]] = {
    _K.SCRIPT: _C.SYSTEM,
    _K.PLAYBOOK: _C.SSH_INDIVIDUAL,
}

JOB_KINDS: Final = Choice(("automation", "onboarding"), ("agent_maintenance",))
COMPONENT_KINDS: Final = Choice((_K.SCRIPT, _K.PLAYBOOK, _K.WORKFLOW))
OVERLAPS: Final = Choice(("skip", "queue_one", "replace", "allow"))
OVERLAP_SCOPES: Final = Choice(("device", "job"))
CATCH_UPS: Final = Choice(("latest", "skip", "all", "hold"))
SPLAY_MODES: Final = Choice(("fixed", "per_occurrence"))
OFFLINES: Final = Choice(("wait", "skip"))
NO_TARGETS: Final = Choice(("skip", "fail"))
INTERRUPTED: Final = Choice(("lost", "again"))
NO_USER_SESSIONS: Final = Choice(("skip", "wait"))

MAX_COMPONENTS: Final = 20
TIME_LIMIT_SECONDS: Final = (1, 7 * 86_400)
EXPIRES_AFTER_SECONDS: Final = (60, 30 * 86_400)
CATCH_UP_WINDOW_SECONDS: Final = (60, 7 * 86_400)
RUN_LIMIT_SECONDS: Final = (60, 30 * 86_400)
SPLAY_SECONDS: Final = (0, 86_400)
CHANGE_PERCENT: Final = (0, 100)
CHANGE_DEVICES: Final = (0, 1_000_000)
RETRIES: Final = (0, 10)
RETRY_DELAY_SECONDS: Final = (1, 86_400)
DEFAULT_RETRY_DELAY_SECONDS: Final = 60
DEFAULT_RETRY_ON: Final = ("failed", "timed_out")
NOT_COMPLIANT_EXIT_CODES: Final = (1,)
MAX_TAGS: Final = 20

#: What a reply adds to a job.
READ_ONLY: Final = frozenset(
    {
        "id", "state", "state_reason", "paused_until", "next_due_at", "schedule_text", "last_occurrence",
        "recent_outcomes", "target_summary", "created_by", "updated_by", "revision", "created_at", "updated_at",
        "allowed_actions", "waiting_count", "missed_count", "missed_span_seconds", "drift", "will_not_fire", "last_run_at",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComponentDraft:
    """One component as read: which values are secret is known only to its assembly. `revision` None = the latest."""

    assembly_id: UUID | None
    kind: ComponentKind
    revision: int | None
    variables: Mapping[str, object]
    role: Role = Role.RUN
    not_compliant_exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """One assembly in a job. `revision` None = the latest one when an occurrence falls due.

    `variables` holds open values only. A secret is in `secrets` when it was given, in `kept` when the stored one stays.
    """

    assembly_id: UUID
    kind: ComponentKind
    revision: int | None
    variables: Mapping[str, object]
    secrets: Mapping[str, str] = field(repr=False)
    kept: frozenset[str]
    role: Role = Role.RUN
    #: Of a check: the exit codes that say that what follows is needed.
    not_compliant_exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Policies:
    """How a job behaves when things go other than planned. None = the calendar's default (semantics D11, D18).

    What came later than the first stored jobs has a default here, so that those can still be read.
    """

    overlap: Overlap
    overlap_scope: OverlapScope
    catch_up: CatchUp
    catch_up_window_seconds: int | None
    offline: Offline
    splay_seconds: int
    retries: int
    retry_delay_seconds: int
    continue_on_failure: bool
    concurrency: int | None
    failure_threshold_percent: int
    splay_mode: SplayMode = "fixed"
    #: What an occurrence is that finds no device to run on: skipped, or failed.
    no_targets: NoTargets = "skip"
    #: An occurrence is held for a person when the devices it finds differ by more from those of the one before. None = any.
    max_change_percent: int | None = None
    max_change_devices: int | None = None
    #: Most devices at once of a run, and of each of its sites. None = any number.
    site_concurrency: int | None = None
    waves: WavePlan | None = None
    #: What a device does on which nobody is signed in, where the job runs as who is: it is left out, or waits for somebody.
    no_user_session: NoUserSession = "skip"
    #: What is tried again.
    retry_on: tuple[str, ...] = DEFAULT_RETRY_ON
    #: A device on which a playbook was running when its worker died: its outcome is lost, or it runs again, which only a playbook
    #: that may be repeated says.
    interrupted: Interrupted = "lost"

    def step_rules(self) -> dict[str, object] | None:
        """What runs need to know when a component has ended; None = no retries, and a failure ends it."""
        if not self.retries and not self.continue_on_failure:
            return None
        return {
            "continue_on_failure": self.continue_on_failure,
            "retries": self.retries,
            "retry_delay_seconds": self.retry_delay_seconds,
            "retry_on": list(self.retry_on),
        }

    def to_json(self) -> dict[str, object]:
        return {
            "overlap": self.overlap,
            "overlap_scope": self.overlap_scope,
            "catch_up": self.catch_up,
            "catch_up_window_seconds": self.catch_up_window_seconds,
            "offline": self.offline,
            "splay_seconds": self.splay_seconds,
            "splay_mode": self.splay_mode,
            "retries": self.retries,
            "retry_delay_seconds": self.retry_delay_seconds,
            "retry_on": list(self.retry_on),
            "continue_on_failure": self.continue_on_failure,
            "concurrency": self.concurrency,
            "site_concurrency": self.site_concurrency,
            "waves": self.waves.to_json() if self.waves else None,
            "failure_threshold_percent": self.failure_threshold_percent,
            "no_targets": self.no_targets,
            "max_change_percent": self.max_change_percent,
            "max_change_devices": self.max_change_devices,
            "no_user_session": self.no_user_session,
            "interrupted": self.interrupted,
        }


@dataclass(frozen=True, slots=True)
class Duration:
    """`time_limit_seconds` None = the assembly's, to be filled in when the job is saved.

    A time limit is for one device from its start; `run_limit_seconds` is for the whole run from its instant, None = no limit.
    """

    time_limit_seconds: int | None
    expires_after_seconds: int | None
    run_limit_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Onboarding:
    """The one component of a job that brings machines under management."""

    platform: OnboardingPlatform
    install_branch: str
    ssh_port: int
    winrm_port: int
    smb_port: int
    #: Machines that are worked on at once.
    concurrency: int

    def to_json(self) -> dict[str, object]:
        return {
            "kind": ComponentKind.DEVICE_ONBOARDING.value,
            "platform": self.platform,
            "install_branch": self.install_branch,
            "ssh_port": self.ssh_port,
            "winrm_port": self.winrm_port,
            "smb_port": self.smb_port,
            "concurrency": self.concurrency,
        }


@dataclass(frozen=True, slots=True)
class JobDraft:
    """A job as read: every value is right by itself; what it refers to is still to be looked up.

    Targets come with their place in the list. `enabled` None = not said. `schedule` None only where it was faulty.
    """

    name: str
    description: str
    job_kind: str
    components: tuple[ComponentDraft, ...]
    targets: Placed
    exclusions: Placed
    schedule: Schedule | None
    execution_context: ExecutionContext
    duration: Duration
    policies: Policies
    enabled: bool | None
    tags: tuple[str, ...] = ()
    credential_id: int | None = None
    use_service_account: bool = False
    #: Of a job that brings machines under management: how, and with which credentials, in the order in which they are tried.
    onboarding: Onboarding | None = None
    credential_ids: tuple[int, ...] = ()

    @property
    def is_workflow(self) -> bool:
        """Whether it launches a workflow."""
        return bool(self.components) and self.components[0].kind is ComponentKind.WORKFLOW


@dataclass(frozen=True, slots=True)
class Job:
    """A job that may be saved: nothing is missing, everything it refers to exists."""

    name: str
    description: str
    job_kind: str
    components: tuple[Component, ...]
    targets: tuple[Target, ...]
    exclusions: tuple[Target, ...]
    schedule: Schedule
    execution_context: ExecutionContext
    #: None only of a job that launches a workflow.
    time_limit_seconds: int | None
    expires_after_seconds: int | None
    run_limit_seconds: int | None
    policies: Policies
    enabled: bool | None
    tags: tuple[str, ...] = ()
    #: What it signs in to its devices with; neither where it runs through their agents.
    credential_id: int | None = None
    use_service_account: bool = False
    onboarding: Onboarding | None = None
    credential_ids: tuple[int, ...] = ()

    @property
    def workflow_id(self) -> UUID | None:
        """The workflow that it launches."""
        first = self.components[0] if self.components else None
        return first.assembly_id if first is not None and first.kind is ComponentKind.WORKFLOW else None

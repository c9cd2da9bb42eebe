"""What jobs that look for machines are told and what they found, as OpenAPI documents it and as replies show it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from watchbill.api.common import Id, Instant, Model
from watchbill.api.run_shapes import OccurrenceReply
from watchbill.core.job_rules_onboarding import CONCURRENCY, PORTS
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.core.scope import Line, LineKind, Outline
from watchbill.kit.paging import Page
from watchbill.runs import OnboardingOrigin, OnboardingRow

_LOW, _HIGH = PORTS
Port = Annotated[int, Field(ge=_LOW, le=_HIGH)]
#: Addresses as somebody writes them: one text with many lines, or several.
ScopeText = Annotated[list[str], Field(max_length=10_000)] | str


class OnboardingComponent(Model):
    """How a job of kind `onboarding` brings machines under management: its one component."""

    kind: Literal["device_onboarding"]
    platform: Literal["auto", "linux", "windows"] = Field(
        default="auto", description="auto: as each machine shows it. Else machines of the other are `unsupported`"
    )
    install_branch: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        default="stable", description="the branch whose agent is installed; see `GET /api/agent_packages`"
    )
    ssh_port: Port = 22
    winrm_port: Port = 5985
    smb_port: Port = 445
    concurrency: Annotated[int, Field(ge=CONCURRENCY[0], le=CONCURRENCY[1])] = Field(
        default=5, description="machines that are worked on at once"
    )


class OnboardingScopeTarget(Model):
    """Where a job of kind `onboarding` looks for machines: its one target.

    Entries are IPv4 or IPv6 addresses, ranges `10.4.0.10-10.4.0.40` or `10.4.0.10-40`, networks `10.4.0.0/24` (without their network and
    broadcast addresses) and host names, each with an optional `:port` (`[fd00::1]:2222`); separated by new lines, commas or semicolons, `#`
    begins a comment. An exclusion leaves out an address whatever its port.
    """

    kind: Literal["onboarding_scope"]
    site_id: Id
    entries: ScopeText
    exclusions: ScopeText = Field(default_factory=list)


class ScopeBody(Model):
    """A scope that is being written."""

    entries: ScopeText = Field(default_factory=list)
    exclusions: ScopeText = Field(default_factory=list)


class ScopeLine(Model):
    """One line as it is written, from 1 through all texts of the list."""

    line: int
    text: str
    kind: LineKind
    count: int = Field(description="addresses and names that it names, whether other lines name them too or not")
    problem: str | None = Field(description="why it cannot be used")
    note: str | None


class ScopeReply(Model):
    """What there is of a scope: `count` of all lines that are right, each address once, less what is excluded."""

    count: int
    excluded_count: int
    most: int = Field(description="at most so many are allowed")
    entries: list[ScopeLine]
    exclusions: list[ScopeLine]


class OnboardingTask(Model):
    """A line of the timeline. `snippet`: what the machine said, without secrets."""

    task: str
    state: Literal["running", "done", "failed", "cut_off"]
    detail: str | None
    snippet: str | None
    started_at: str
    finished_at: str | None


class OnboardingTargetReply(Model):
    """One address of an occurrence, how it stands and what was done.

    `pending`, `connecting` and `installing` are still to end; `waiting_approval` becomes `approved`, `denied` or `expired` by a person's
    decision about the approval `approval_id`, or by time.
    """

    id: int
    run_id: int
    occurrence_id: UUID
    site_id: int
    address: str | None = Field(description="null where a name led to none")
    ports: list[int] = Field(description="those that its entries give besides the job's")
    names: list[str]
    entry: str = Field(description="the first entry of the scope that names it")
    state: OnboardingState
    reason: OnboardingReason | None
    detail: str | None
    snippet: str | None
    timeline: list[OnboardingTask]
    platform: str | None
    hostname: str | None = Field(description="what the machine calls itself")
    agent_version: str | None
    credential_id: int | None = Field(description="the one that worked")
    credential_name: str | None
    host_key: str | None = Field(description="the fingerprint of its SSH host key")
    approval_id: UUID | None
    device_id: UUID | None
    attempt: int
    started_at: Instant | None
    finished_at: Instant | None


class OnboardingCount(Model):
    state: OnboardingState
    reason: OnboardingReason | None
    number: int


class Addresses(Model):
    """A page of the addresses of an occurrence. `occurrence` is null, and nothing is listed, where the job has not run yet."""

    occurrence: OccurrenceReply | None
    counts: list[OnboardingCount] = Field(description="of all addresses, whatever is asked for")
    unfinished: int = Field(description="how many another run of `unfinished` would look at")
    items: list[OnboardingTargetReply]
    next_cursor: str | None


class TargetIds(Model):
    target_ids: Annotated[list[int], Field(min_length=1, max_length=10_000)]


class RedeployBody(Model):
    """Which addresses to look at again: the whole scope as it is saved now, or of an occurrence (the latest when absent) the unfinished ones
    (unreachable, failed, refused, expired, cancelled) or those named. Who is managed already is left alone in each case.
    """

    targets: Literal["all", "unfinished"] | TargetIds = "unfinished"
    occurrence: Annotated[str, Field(max_length=64)] | None = None
    reason: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, description="why; it is shown with the occurrence"
    )


class ApprovalOrigin(Model):
    """The job that brought a machine, where one did."""

    job_id: int
    job_name: str
    occurrence_id: UUID
    run_id: int
    target_id: int
    address: str | None


def scope_reply(found: Outline, most: int) -> ScopeReply:
    return ScopeReply(
        count=found.count,
        excluded_count=found.excluded_count,
        most=most,
        entries=[_line(one) for one in found.lines],
        exclusions=[_line(one) for one in found.exclusion_lines],
    )


def _line(one: Line) -> ScopeLine:
    return ScopeLine.model_validate(asdict(one))


def target_reply(row: OnboardingRow) -> OnboardingTargetReply:
    return OnboardingTargetReply.model_validate(
        {name: getattr(row, name) for name in OnboardingTargetReply.model_fields if name != "timeline"}
        | {"timeline": [_task(one) for one in row.timeline]}
    )


def _task(one: Mapping[str, Any]) -> OnboardingTask:
    return OnboardingTask.model_validate({name: one.get(name) for name in OnboardingTask.model_fields})


def addresses_reply(
    occurrence: OccurrenceReply | None,
    counts: Mapping[tuple[OnboardingState, OnboardingReason | None], int],
    page: Page[OnboardingRow],
    unfinished: int,
) -> Addresses:
    return Addresses(
        occurrence=occurrence,
        counts=[
            OnboardingCount(state=state, reason=reason, number=number) for (state, reason), number in counts.items()
        ],
        unfinished=unfinished,
        items=[target_reply(row) for row in page.items],
        next_cursor=page.next_cursor,
    )


def origin_reply(origin: OnboardingOrigin | None) -> ApprovalOrigin | None:
    return ApprovalOrigin.model_validate(asdict(origin)) if origin else None

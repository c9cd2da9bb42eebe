"""What became of jobs as OpenAPI documents it and as replies show it: occurrences, runs, device rows, executions, output."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from watchbill.api.common import Instant, Model
from watchbill.api.wave_shapes import RolloutReply
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.states import OccurrenceState, Outcome, TargetState
from watchbill.core.stop_answers import StopAnswer
from watchbill.jobs.definition import masked
from watchbill.runs import Backfilled, DeviceRow, Difference, Execution, Occurrence, Piece, Ran, Run

#: A wall clock without a zone, such as 2026-05-04T07:00.
WallClock = Annotated[
    datetime,
    PlainSerializer(lambda wall: wall.isoformat(timespec="minutes"), return_type=str, when_used="json"),
]


class WaveReply(Model):
    """The targets in one zone, of a job that follows zones, or a wave of devices: when they start, and how they stand.

    A wave of devices has a `size`; its `starts_at` is when it began, null before. `ended_at`: when it gave way to the next or to a soak.
    """

    wave: int
    timezone: str | None
    starts_at: Instant | None
    size: int | None
    ended_at: Instant | None
    promoted_by: int | None
    counts: dict[str, int]


class OccurrenceReply(Model):
    """A row of the ledger. `counts` holds the targets of the caller's sites by state.

    `detail` is the sentence behind `reason`. `local_time` is the wall clock it is for where the job follows zones; `waves`, one
    for each zone, are told where one occurrence is asked for and in a job's run history.
    """

    id: UUID
    job_id: int
    kind: str
    scheduled_for_at: Instant
    state: OccurrenceState
    reason: str | None
    outcome: Outcome | None
    is_late: bool
    range_end_at: Instant | None
    range_count: int
    job_revision: int
    origin_occurrence_id: UUID | None
    started_by: int | None
    cancel_requested_at: Instant | None
    created_at: Instant
    opened_at: Instant | None
    closed_at: Instant | None
    detail: str | None
    held_until_at: Instant | None
    is_range_capped: bool
    local_time: WallClock | None
    start_reason: str | None
    ignores_windows: bool
    counts: dict[str, int]
    verdicts: dict[str, int] = Field(
        description="of a job with checks: targets of the caller's sites by what was found"
    )
    waves: list[WaveReply]
    rollout: RolloutReply | None = Field(
        description="of one that goes in waves of devices or with a limit; told where `waves` are"
    )


class ComponentReply(BaseModel):
    """A component as frozen with the run; secret variables are named, never shown."""

    model_config = ConfigDict(extra="ignore")
    position: int
    assembly_id: UUID
    name: str
    revision: int
    content_sha256: str
    interpreter: str | None = Field(description="what a script is run by; null of a playbook")
    variables: dict[str, Any]
    role: Literal["run", "check"] = "run"
    not_compliant_exit_codes: list[int] = Field(default_factory=list)


class RunReply(Model):
    id: int
    occurrence_id: UUID
    kind: str
    execution_context: str | None = Field(description="null of onboarding, which runs on no device")
    components: list[ComponentReply]
    time_limit_seconds: int
    created_at: Instant


class OccurrenceWithRuns(OccurrenceReply):
    runs: list[RunReply]


class OccurrenceDetail(OccurrenceWithRuns):
    """One occurrence with what a person wants to know beside it."""

    sentence: str = Field(description="what became of it, or how far it is, in words")
    started_by_name: str | None = Field(description="who began it; null where the job's own schedule did")
    usual_seconds: float | None = Field(
        description="from opened to closed, the median of the last twenty that went well; null where there are fewer than three"
    )


class RunDetail(RunReply):
    job_id: int
    occurrence: OccurrenceReply


class ExecutionReply(Model):
    """One attempt to run one component on one device. Sizes are the true ones, kept or not.

    Outcome `skipped`: this component did not run, as the reason says: `after_failure`, `compliant` (nothing to fix), `check_failed`,
    `cancelled`, `lost`, `time_limit`, `no_user_session` (the user of its session had signed out), or what stopped it.
    """

    id: UUID
    component: int = Field(description="its place in the run's components, from 0")
    is_recheck: bool = Field(description="a check that looks again after its fix")
    attempt: int
    state: str
    outcome: str | None
    result: Literal["success", "warning", "failed", "not_compliant"] | None = Field(
        description="what its exit code means by the rules of its component; null where it did not exit by itself"
    )
    exit_code: int | None
    signal: int | None
    reason: str | None
    detail: str | None
    started_at: Instant | None
    finished_at: Instant | None
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    cancel_answer: str | None
    last_line: str | None
    session_id: str | None = Field(description="the session of a signed-in user that it ran in, as its device names it")
    session_user_name: str | None = Field(description="whose session that was")
    output: str | None = Field(
        description="the same for all devices of an occurrence that wrote the same and ended the same way"
    )
    recap: "RecapReply | None" = Field(
        description="of a playbook; null of a script, and before the first task has ended"
    )


class RecapReply(Model):
    """How many tasks of a playbook came out how on a device, as Ansible counts: `ok` has those too that changed something."""

    ok: int
    changed: int
    unreachable: int
    failed: int
    skipped: int
    rescued: int
    ignored: int


class DeviceBriefly(Model):
    id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    online: bool


class DeviceBrief(DeviceBriefly):
    os: str


class RerunAsReply(Model):
    """The newest row that repeats a row, in an occurrence after it."""

    target_id: int
    occurrence_id: UUID
    state: TargetState


class DeviceRowReply(Model):
    """A frozen device of an occurrence and what became of it."""

    target_id: int
    run_id: int
    device: DeviceBrief
    state: TargetState
    reason: str | None
    detail: str | None
    wave: int
    attempt: int
    verdict: Literal["compliant", "fixed", "still_wrong"] | None = Field(
        description="what the job's checks found on it; null without a check, or where one did not say"
    )
    started_at: Instant | None
    finished_at: Instant | None
    expires_at: Instant
    deadline_at: Instant | None
    starts_at: Instant | None
    exit_code: int | None
    last_line: str | None
    recap: RecapReply | None = Field(description="of all its playbooks together; null of scripts")
    late_result: dict[str, Any] | None
    inventory_revision: int | None = Field(
        description="which state of the device's inventory was looked at when it was frozen"
    )
    found_by: list[str] = Field(description="the rules that found it, as they were; none for who is named one by one")
    excluded_by: list[str]
    cancel_requested_at: Instant | None
    cancel_answer: StopAnswer | None = Field(description="what became of a stop; null where none was asked for")
    cancel_sentence: str | None
    origin_target_id: int | None = Field(description="the row of an earlier occurrence that this one repeats")
    rerun_as: RerunAsReply | None
    executions: list[ExecutionReply]


class DevicePlaces(Model):
    """Where the pages of a list of device rows begin; the first has no cursor. Without `state` and `verdict` they never move."""

    total: int
    every: int
    cursors: list[str | None]


class DevicePlace(Model):
    """A device row and how many are before it in the list."""

    target_id: int | None
    place: int | None


class MovedDevice(Model):
    """A device that is in one of the two only, and why."""

    device_id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    change: Literal["joined", "left"]
    why: str


class MembershipDiff(Model):
    """Who joined and who left from one occurrence to the other, in the caller's sites, by host name.

    A device belongs to an occurrence when it was considered and neither excluded nor out of scope, whether or not it then ran.
    """

    joined: int
    left: int
    stayed: int
    items: list[MovedDevice]
    next_cursor: str | None


class ExecutionWithJob(ExecutionReply):
    """`component_name`: the assembly that ran, as it was called then. `verdict`: what the checks of the job found on the device.

    `workflow_id`: the workflow that it was a node of; its name is the `job_name` then, and there is no such job to be read.
    """

    job_id: int
    job_name: str
    occurrence_id: UUID
    run_id: int
    verdict: Literal["compliant", "fixed", "still_wrong"] | None
    component_name: str | None
    workflow_id: UUID | None


class RerunCounts(Model):
    """How many devices of an occurrence each word of a rerun means, in the caller's sites."""

    failed: int
    not_finished: int
    unreachable: int
    never_started: int
    still_waiting: int
    lost: int


class BackfillReply(Model):
    """What a range comes to. `devices` would run each instant; `rows` are the target rows of all of them.

    Of a job that follows zones an instant is the name of a wall clock, which the local times tell. `opened`: occurrences that this
    request has opened.
    """

    dry_run: bool
    count: int
    first_at: Instant
    last_at: Instant
    first_local_time: WallClock | None
    last_local_time: WallClock | None
    devices: int
    rows: int
    opened: int


class Cleared(Model):
    occurrences: int


class OutputPiece(Model):
    """Bytes of a stream in a row; `skipped` bytes before them were not kept. Text unless it is not UTF-8, then base64."""

    offset: int
    skipped: int
    text: str | None
    base64: str | None


class OutputReply(Model):
    """A part of one stream. Ask again from `next_offset`; nothing more comes once `is_complete`."""

    stream: Literal["stdout", "stderr"]
    offset: int
    next_offset: int
    total_bytes: int
    truncated: bool
    is_complete: bool
    pieces: list[OutputPiece]


def output_piece(piece: Piece) -> OutputPiece:
    text, raw = _decoded(piece.data)
    return OutputPiece(offset=piece.offset, skipped=piece.skipped, text=text, base64=raw)


def _decoded(data: bytes) -> tuple[str | None, str | None]:
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(data).decode()


def occurrence_reply(one: Occurrence) -> OccurrenceReply:
    return OccurrenceReply.model_validate(one)


def backfill_reply(one: Backfilled, *, is_dry_run: bool) -> BackfillReply:
    same = {name: getattr(one, name) for name in BackfillReply.model_fields.keys() - {"dry_run", "opened"}}
    return BackfillReply(dry_run=is_dry_run, opened=len(one.opened), **same)


def with_runs(one: Occurrence, its_runs: Sequence[Run]) -> OccurrenceWithRuns:
    return OccurrenceWithRuns(**occurrence_reply(one).model_dump(), runs=[run_reply(run) for run in its_runs])


def run_reply(run: Run) -> RunReply:
    return RunReply(
        id=run.id,
        occurrence_id=run.occurrence_id,
        kind=run.kind,
        execution_context=None if run.execution_context == ExecutionContext.NONE else run.execution_context,
        components=[_component(part) for part in run.components if "assembly_id" in part],
        time_limit_seconds=run.time_limit_seconds,
        created_at=run.created_at,
    )


def _component(part: Any) -> ComponentReply:
    return ComponentReply.model_validate({**part, "variables": masked(part["variables"])})


def execution_reply(one: Execution) -> ExecutionReply:
    output = one.output_hash.hex() if one.output_hash is not None else None
    return ExecutionReply(output=output, **{name: getattr(one, name) for name in _OF_EXECUTION})


def execution_with_job(one: Ran) -> ExecutionWithJob:
    same = {
        name: getattr(one, name)
        for name in ("job_id", "job_name", "occurrence_id", "verdict", "component_name", "workflow_id")
    }
    return ExecutionWithJob(**execution_reply(one.execution).model_dump(), run_id=one.execution.run_id, **same)


def membership_diff(found: Difference) -> MembershipDiff:
    return MembershipDiff(
        joined=found.joined,
        left=found.left,
        stayed=found.stayed,
        items=[MovedDevice.model_validate(asdict(one)) for one in found.devices.items],
        next_cursor=found.devices.next_cursor,
    )


def device_row(row: DeviceRow) -> DeviceRowReply:
    return DeviceRowReply(
        device=DeviceBrief(
            id=row.device_id,
            hostname=row.hostname,
            site_id=row.site_id,
            site_name=row.site_name,
            online=row.is_online,
            os=row.os,
        ),
        recap=RecapReply(**row.recap.to_json()) if row.recap else None,
        rerun_as=RerunAsReply.model_validate(row.rerun_as) if row.rerun_as else None,
        late_result=dict(row.late_result) if row.late_result else None,
        executions=[execution_reply(one) for one in row.executions],
        **{name: getattr(row, name) for name in _SAME},
    )


_SAME = tuple(set(DeviceRowReply.model_fields) - {"device", "recap", "late_result", "rerun_as", "executions"})
_OF_EXECUTION = ExecutionReply.model_fields.keys() - {"output"}

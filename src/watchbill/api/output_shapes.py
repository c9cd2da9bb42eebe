"""Shapes of outputs in groups and of what a search of output finds."""

from uuid import UUID

from pydantic import Field

from watchbill.api.common import Instant, Model
from watchbill.core.states import TargetState
from watchbill.runs import Hit, OutputGroup


class OutputGroupReply(Model):
    """Devices of an occurrence that wrote the same and ended the same way."""

    output: str = Field(
        description="the name of the group, for `GET …/devices?output=`; `unknown` for what ended before outputs were compared"
    )
    devices: int
    outcome: str | None
    exit_code: int | None
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    execution_id: UUID = Field(description="one of them; its output is that of all")
    stdout: str = Field(description="how it begins; a line `[...]` stands for what is left out of a long one")
    stderr: str


class HitReply(Model):
    """One execution whose output has what was asked for.

    `text` is a stretch of one stream around the first place, which is from `begins` to `ends` within it; null where no one place has it.
    """

    execution_id: UUID
    run_id: int
    target_id: int
    job_id: int
    job_name: str | None = Field(description="null when the job is deleted, or reaches none of your sites any more")
    occurrence_id: UUID
    device_id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    state: TargetState
    exit_code: int | None
    finished_at: Instant | None
    output: str = Field(description="the same for all that wrote the same in one run")
    stream: str | None
    text: str | None
    begins: int | None
    ends: int | None


def output_group(one: OutputGroup) -> OutputGroupReply:
    same = {name: getattr(one, name) for name in OutputGroupReply.model_fields.keys() - {"output"}}
    return OutputGroupReply(output=one.name, **same)


_PLACE = {"output", "text", "begins", "ends"}


def hit_reply(one: Hit) -> HitReply:
    return HitReply(
        output=one.output_hash.hex(),
        text=one.snippet.text if one.snippet else None,
        begins=one.snippet.begins if one.snippet else None,
        ends=one.snippet.ends if one.snippet else None,
        **{name: getattr(one, name) for name in HitReply.model_fields.keys() - _PLACE},
    )

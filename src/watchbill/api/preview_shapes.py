"""What a job would do, as OpenAPI documents it and as replies show it."""

from dataclasses import asdict
from datetime import timedelta
from typing import Literal

from pydantic import Field

from watchbill.api.common import FieldProblem, Instant, Model
from watchbill.core.occurrence import fitting_splay
from watchbill.core.schedule_types import Flag
from watchbill.core.waves import split
from watchbill.jobs import Outlook
from watchbill.runs import Coming, Preview


class PreviewBlocked(Model):
    """A window, by its name, that keeps devices of the caller's sites from starting at an instant."""

    window: str
    kind: Literal["allow", "deny"]
    devices: int


class PreviewInstant(Model):
    """One coming instant, as the ledger will name it, and what the clocks of its zone show then.

    `flags`: shifted_gap and first_of_two (of changes of the clocks), clamped (to the month's end), in_blackout (closed for the
    whole job), held (it waits for a window to open). `passed_over`: dates that do not exist. `blocked`: devices that a window
    keeps from starting, window by window; `closed_devices` of the targets these are together.
    Where the job follows clocks, `local` is the wall clock of all waves and has no offset; the first of them starts at `first_start_at`, the last at
    `last_start_at`. A splay spreads the starts over `splay_seconds`.
    """

    at: Instant
    local: str
    offset: str | None
    flags: list[Flag]
    passed_over: list[str]
    blocked: list[PreviewBlocked]
    closed_devices: int
    first_start_at: Instant | None
    last_start_at: Instant | None
    splay_seconds: int


class PreviewTargets(Model):
    """Devices that would run as things stand, and how many are left out for which reason.

    For a job that runs as who is signed in, `no_user_session` are those on which nobody was when they told it last.
    `lacking`: of those left out as `preflight_failed`, how many have no value of which required variable.
    """

    devices: int
    online: int
    offline: int
    left_out: dict[str, int]
    lacking: dict[str, int]
    awaiting_user: int = Field(
        description="of `devices`, those on which nobody was signed in when they told it last, and which wait for somebody"
    )


class PreviewChanges(Model):
    """How the devices differ from those of the last occurrence, which had `before`."""

    joined: int
    left: int
    before: int


class PreviewReply(Model):
    """What a job would do. `blockers` are what would refuse its save, or keep it from running."""

    schedule_text: str | None
    steps: list[str] = Field(
        description="what happens on each device, in words: its components in order, what checks decide, failures, other tries, sessions"
    )
    instants: list[PreviewInstant]
    targets: PreviewTargets
    addresses: int | None = Field(
        description="of an onboarding job: how many addresses it looks at; null of another, and where its scope is faulty"
    )
    waves: list[int] = Field(
        description="devices in each wave as things stand, first the canaries if there are any; empty without waves"
    )
    blockers: list[FieldProblem]
    changed: PreviewChanges | None = Field(
        description="null where nothing ran before, or the caller does not see all that the job may reach"
    )


def preview_reply(preview: Preview) -> PreviewReply:
    targets = preview.targets
    return PreviewReply(
        schedule_text=preview.outlook.schedule_text,
        steps=list(preview.outlook.steps),
        instants=[_instant(preview.outlook, one) for one in preview.instants],
        targets=PreviewTargets(
            devices=targets.online + targets.offline,
            online=targets.online,
            offline=targets.offline,
            left_out=dict(targets.left_out),
            lacking=dict(targets.lacking),
            awaiting_user=targets.unattended,
        ),
        addresses=preview.outlook.addresses,
        waves=_waves(preview),
        blockers=[FieldProblem.model_validate(problem) for problem in preview.problems],
        changed=PreviewChanges.model_validate(asdict(preview.changed)) if preview.changed else None,
    )


def _waves(preview: Preview) -> list[int]:
    plan, targets = preview.outlook.policies.waves, preview.targets
    return split(targets.online + targets.offline, plan, targets.canaries) if plan is not None else []


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
        closed_devices=coming.closed_devices,
        first_start_at=coming.first_start_at,
        last_start_at=coming.last_start_at,
        splay_seconds=fitting_splay(schedule, one.at, splay) if schedule is not None else 0,
    )


def _offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

"""Occurrences that a person starts: the immediate one at acceptance, and reruns. They obey overlap and never move the cadence."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.occurrence import Kind
from watchbill.core.problems import Problem
from watchbill.core.retargeting import Which, said
from watchbill.core.states import TargetState
from watchbill.identity.actor import Actor
from watchbill.jobs import DueJob
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.runs import closed, history, retargeting
from watchbill.runs.device_rows import devices_in
from watchbill.runs.history import Occurrence
from watchbill.runs.opening import open_occurrences
from watchbill.runs.planning import opening
from watchbill.runs.to_open import Opening

NOT_RUN_YET: Final = "This job has not run yet: there is nothing to repeat."


def nothing_is(which: Which) -> str:
    return f"No device of that occurrence is {said(which)}."


@dataclass(frozen=True, slots=True)
class Again:
    """Whom a rerun is for: everybody the job targets now, some of an earlier occurrence, or chosen devices of it.

    `reason`: why it is started, which is what lets it start although a window is closed. `expected`: how many devices of the
    earlier occurrence it is for, as a person was told before.
    """

    which: Literal["all"] | Which | Sequence[uuid.UUID] = "all"
    of: uuid.UUID | datetime | None = None
    reason: str | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """What makes a start a rerun: the occurrence before, its devices or (None) whom the job targets now, and why."""

    origin: uuid.UUID | None
    device_ids: Sequence[uuid.UUID] | None
    reason: str | None


async def open_manual(
    tx: AsyncConnection,
    actor: Actor,
    job_id: int,
    *,
    now: datetime,
    request_id: str = "",
    repeat: Repeat | None = None,
) -> Occurrence:
    """Open an occurrence for this very moment. The same `request_id` in the same second is the same occurrence.

    It asks neither whether the job is paused nor whether its schedule has ended, and leaves the cadence as it is. It is refused where
    the credential of the job is locked.
    """
    settings = await jobs.due_settings(tx, job_id)
    await jobs.refuse_locked(tx, job_id)
    new = by_hand(actor, settings, repeat, now=now, request_id=request_id)
    await open_occurrences(tx, [new], now)
    return await history.get_occurrence(tx, actor.scope, job_id, new.id)


def by_hand(actor: Actor, job: DueJob, repeat: Repeat | None, *, now: datetime, request_id: str) -> Opening:
    """The occurrence that a person starts at this moment."""
    kind: Kind = "rerun" if repeat else "manual"
    new = replace(
        opening(job, kind, now.replace(microsecond=0), now=now, request_id=request_of(actor, request_id)),
        allowed_site_ids=allowed_sites(actor, job.allowed_site_ids),
        started_by=actor.operator_id,
    )
    if repeat is None:
        return new
    return replace(new, device_ids=repeat.device_ids, origin=repeat.origin, start_reason=repeat.reason)


def request_of(actor: Actor, request_id: str) -> str:
    """What tells one request from all others: two people may choose the same key."""
    return f"{actor.operator_id}:{request_id}" if request_id else uuid.uuid4().hex


def allowed_sites(actor: Actor, saved: Sequence[int] | None) -> list[int] | None:
    """The sites of whoever starts it, within those that the job was saved with: an old list may name devices of others."""
    mine = actor.scope.site_ids
    if mine is None:
        return None if saved is None else list(saved)
    return sorted(mine if saved is None else mine & set(saved))


async def rerun(
    tx: AsyncConnection, actor: Actor, job_id: int, again: Again, *, now: datetime, request_id: str = ""
) -> Occurrence:
    """A new occurrence from the saved job, linked to the one it repeats, whose frozen list it keeps unless it is for all.

    Refused where a window keeps one of its devices from starting now, unless a reason is given by somebody who may override it.
    """
    if again.of is None:
        before = await history.find_occurrence(tx, actor.scope, job_id, None)
    else:
        before = await history.get_occurrence(tx, actor.scope, job_id, again.of)
    if again.which == "all":
        device_ids = None
    elif before is None:
        raise ConflictError(NOT_RUN_YET, code="no_occurrence")
    else:
        device_ids = await _chosen(tx, before.id, again.which)
        _as_expected(again, len(device_ids))
    repeat = Repeat(before.id if before else None, device_ids, again.reason)
    started = await open_manual(tx, actor, job_id, now=now, request_id=request_id, repeat=repeat)
    if repeat.origin is not None:
        await retargeting.link(tx, [started.id])
        if again.which == "still_waiting":
            await retargeting.take_over(tx, repeat.origin, started.id, now)
    if await closed.override(tx, actor, started.id, again.reason, now):
        return replace(started, ignores_windows=True)
    return started


def _as_expected(again: Again, number: int) -> None:
    if again.expected is not None and again.expected != number:
        detail = f"It would run on {number} {'device' if number == 1 else 'devices'} now, not on {again.expected}: nothing was started."
        raise ConflictError(detail, code="count_changed")


async def _chosen(tx: AsyncConnection, occurrence_id: uuid.UUID, which: Which | Sequence[uuid.UUID]) -> list[uuid.UUID]:
    if isinstance(which, str):
        found = (await retargeting.devices_meant(tx, [occurrence_id], which)).get(occurrence_id, [])
        if not found:
            raise ConflictError(nothing_is(which), code="nothing_to_rerun")
        return found
    frozen = {device for device, _ in await devices_in(tx, occurrence_id, list(TargetState))}
    strange = [device for device in which if device not in frozen]
    if strange:
        problems = [
            Problem("targets.device_ids", "device_not_in_occurrence", f"{device} was not a target of that occurrence")
            for device in strange
        ]
        raise InvalidError.of(problems, what="The rerun")
    return list(which)

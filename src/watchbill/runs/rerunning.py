"""Reruns of many jobs in a few statements for all of them. What a rerun is, is decided in `runs.manual`, and used here."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.job_rules_bulk import Which
from watchbill.identity import Actor
from watchbill.kit import db
from watchbill.runs import closed, history, retargeting
from watchbill.runs.manual import NOT_RUN_YET, Repeat, by_hand, nothing_is
from watchbill.runs.opening import open_occurrences
from watchbill.runs.to_open import Opening

#: Job -> code and sentence of the refusal.
Refusals = dict[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rerun:
    """What many reruns came to. `overridden`: occurrences that started although a window is closed."""

    started: Mapping[int, uuid.UUID] = field(default_factory=dict)
    overridden: Collection[uuid.UUID] = ()
    refused: Refusals = field(default_factory=dict)


async def rerun_many(
    tx: AsyncConnection,
    actor: Actor,
    job_ids: Collection[int],
    which: Which,
    reason: str | None,
    *,
    now: datetime,
    request_id: str = "",
) -> Rerun:
    """Run held jobs again, those that may be. The others are told with the reason, and nothing of theirs is left behind."""
    repeats, refused = await _repeats(tx, job_ids, which, reason)
    settings = await jobs.due_settings_of(tx, repeats)
    openings = [by_hand(actor, settings[one], repeats[one], now=now, request_id=request_id) for one in sorted(repeats)]
    shut_out: dict[uuid.UUID, list[str]] = {}
    # Who starts and on what is known once they are open: those that windows keep back are not opened the second time.
    async with db.attempting(tx) as attempt:
        blocked = await _open(tx, openings, now)
        if blocked and not closed.may_override(actor, reason):
            shut_out = blocked
            attempt.take_back()
    if shut_out:
        refused |= {
            one.job_id: ("window_closed", closed.refusal(shut_out[one.id]).detail)
            for one in openings
            if one.id in shut_out
        }
        openings = [one for one in openings if one.id not in shut_out]
        blocked = await _open(tx, openings, now)
    await closed.ignore_windows(tx, blocked)
    await retargeting.link(tx, [one.id for one in openings if one.origin is not None])
    return Rerun({one.job_id: one.id for one in openings}, frozenset(blocked), refused)


async def _open(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> dict[uuid.UUID, list[str]]:
    opened = await open_occurrences(tx, openings, now) if openings else set()
    return await closed.blocked_of(tx, opened, now)


async def _repeats(
    tx: AsyncConnection, job_ids: Collection[int], which: Which, reason: str | None
) -> tuple[dict[int, Repeat], Refusals]:
    """What each job repeats and on which devices, and why some repeat nothing."""
    before = await history.latest_opened(tx, list(job_ids))
    if which == "all":
        return {one: Repeat(before.get(one), None, reason) for one in job_ids}, {}
    devices = await retargeting.devices_meant(tx, list(before.values()), which)
    repeats: dict[int, Repeat] = {}
    refused: Refusals = {}
    for one in job_ids:
        if one not in before:
            refused[one] = ("no_occurrence", NOT_RUN_YET)
        elif not devices.get(before[one]):
            refused[one] = ("nothing_to_rerun", nothing_is(which))
        else:
            repeats[one] = Repeat(before[one], devices[before[one]], reason)
    return repeats, refused

"""Another look at the addresses of a job: all of its scope, or of an earlier occurrence those that are not done."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.onboarding_states import is_done
from watchbill.core.problems import Problem
from watchbill.identity.actor import Actor
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.runs import history
from watchbill.runs.history import Occurrence
from watchbill.runs.manual import NOT_RUN_YET, Repeat, by_hand
from watchbill.runs.onboarding_rows import keys_and_ends, keys_of, latest_that_looked
from watchbill.runs.opening import open_occurrences


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Which addresses: all of the saved scope, the unfinished ones of an occurrence (None = the latest that looked), or some of its rows."""

    which: Literal["all", "unfinished"] | Sequence[int] = "unfinished"
    of: uuid.UUID | datetime | None = None
    reason: str | None = None


async def look_again(
    tx: AsyncConnection, actor: Actor, job_id: int, again: LookAgain, *, now: datetime, request_id: str = ""
) -> Occurrence:
    """Open an occurrence for this moment, linked to the one that it repeats."""
    settings = await jobs.due_settings(tx, job_id)
    if settings.onboarding is None:
        raise ConflictError("This job brings no machines under management: rerun it.", code="not_onboarding")
    before = await _before(tx, actor, job_id, again)
    only = None if before is None or again.which == "all" else await _only(tx, before.id, again.which)
    repeat = Repeat(before.id if before else None, None, again.reason)
    new = replace(by_hand(actor, settings, repeat, now=now, request_id=request_id), only=only)
    await open_occurrences(tx, [new], now)
    return await history.get_occurrence(tx, actor.scope, job_id, new.id)


async def _before(tx: AsyncConnection, actor: Actor, job_id: int, again: LookAgain) -> Occurrence | None:
    before = again.of or await latest_that_looked(tx, job_id)
    if before is not None:
        return await history.get_occurrence(tx, actor.scope, job_id, before)
    if again.which != "all":
        raise ConflictError(NOT_RUN_YET, code="no_occurrence")
    return None


async def _only(
    tx: AsyncConnection, occurrence_id: uuid.UUID, which: Literal["unfinished"] | Sequence[int]
) -> list[str]:
    if which == "unfinished":
        ends = await keys_and_ends(tx, occurrence_id)
        keys = [key for key, state, reason in ends if not is_done(state, reason)]
        if not keys:
            raise ConflictError("Every address of that occurrence is done with.", code="nothing_to_redeploy")
        return keys
    known = await keys_of(tx, occurrence_id, [int(one) for one in which])
    strange = [one for one in which if one not in known]
    if strange:
        problems = [
            Problem("targets.target_ids", "target_not_in_occurrence", f"{one} is no address of that occurrence")
            for one in strange
        ]
        raise InvalidError.of(problems, what="The request")
    return list(known.values())

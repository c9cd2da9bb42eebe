"""A stop that a person asks for: of one target, a run, an occurrence or all of a job; and what the devices answered to it."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import queue
from watchbill.core.states import TargetState
from watchbill.core.stop_answers import StopAnswer, answer_of
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import ConflictError, NotFoundError
from watchbill.runs.moves import Moved
from watchbill.runs.onboarding_moves import to_stop
from watchbill.runs.stopping import stop_occurrences, stop_targets

_TARGET = text("""
SELECT id, state, attempt, deadline_at IS NULL OR state = 'cancelling' AS is_over FROM run_targets
WHERE id = :target_id AND occurrence_id = :occurrence_id AND (CAST(:sites AS bigint[]) IS NULL OR site_id = ANY(:sites))
""")
_OF_RUN = text("""
SELECT id, state, attempt FROM run_targets WHERE run_id = :run_id AND deadline_at IS NOT NULL AND state <> 'cancelling' ORDER BY id
""")
_OPEN_OF_JOB = text("SELECT id FROM occurrences WHERE job_id = :job_id AND state IN ('open', 'held') ORDER BY id")
_OFFLINE = text("""
SELECT count(*) FROM unnest(CAST(:devices AS uuid[])) AS d(id)
WHERE NOT EXISTS (SELECT FROM device_presence p WHERE p.device_id = d.id AND p.gateway_id IS NOT NULL)
""")
# Counted by what was said; what that means is told by the core.
_ANSWERS = text("""
SELECT t.state, e.cancel_answer, e.outcome, e.tree, p.gateway_id IS NOT NULL AS is_online, count(*)::integer AS number
FROM run_targets t
LEFT JOIN LATERAL (SELECT x.cancel_answer, x.outcome, x.tree FROM executions x WHERE x.run_id = t.run_id AND x.target_id = t.id
    AND x.outcome IS DISTINCT FROM 'skipped'
  ORDER BY x.attempt DESC, x.component DESC LIMIT 1) e ON true
LEFT JOIN device_presence p ON p.device_id = t.device_id
WHERE t.occurrence_id = :occurrence_id AND t.cancel_requested_at IS NOT NULL
  AND (CAST(:sites AS bigint[]) IS NULL OR t.site_id = ANY(:sites))
GROUP BY 1, 2, 3, 4, 5
""")


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop came to: targets that had not begun are withdrawn, the others have to answer; `offline` of these are away."""

    withdrawn: int
    asked: int
    offline: int

    @property
    def targets(self) -> int:
        return self.withdrawn + self.asked


@dataclass(frozen=True, slots=True)
class Answers:
    """How many targets of an occurrence were to be stopped, by what became of that. `offline`: of those without an answer, away."""

    counts: dict[StopAnswer, int]
    offline: int


async def require_target(
    tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, target_id: int
) -> Row[*tuple[Any, ...]]:
    """A target of an occurrence that the reader sees: its id, its state, and whether it is over or being stopped."""
    values = {"target_id": target_id, "occurrence_id": occurrence_id, "sites": _sites(scope)}
    row = (await tx.execute(_TARGET, values)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such target in this occurrence.", code="target_not_found")
    return row


async def cancel_target(
    tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, target_id: int, now: datetime
) -> Stopped:
    """Stop one device of an occurrence; the others go on."""
    row = await require_target(tx, scope, occurrence_id, target_id)
    moved = [] if row.is_over else await stop_targets(tx, [row], now)
    if not moved:
        state = "has ended" if row.state != TargetState.CANCELLING else "is being stopped"
        raise ConflictError(f"This target {state} already.", code="target_not_active")
    return await _came_to(tx, moved)


async def cancel_run(tx: AsyncConnection, run_id: int, now: datetime) -> Stopped:
    """Stop everything of one run."""
    await queue.cancel(tx, [run_id], now)
    return await _came_to(tx, await stop_targets(tx, (await tx.execute(_OF_RUN, {"run_id": run_id})).all(), now))


async def cancel_occurrence(
    tx: AsyncConnection, occurrence_id: uuid.UUID, *, operator_id: int | None, now: datetime
) -> Stopped:
    return await _stop(tx, [occurrence_id], operator_id, now)


async def cancel_all_of(
    tx: AsyncConnection, job_id: int, *, operator_id: int | None, now: datetime
) -> tuple[list[uuid.UUID], Stopped]:
    """Stop everything of a job that is open or held; also which occurrences that was."""
    ids = list((await tx.execute(_OPEN_OF_JOB, {"job_id": job_id})).scalars())
    return ids, await _stop(tx, ids, operator_id, now)


async def _stop(tx: AsyncConnection, ids: Sequence[uuid.UUID], operator_id: int | None, now: datetime) -> Stopped:
    """Of devices, and of addresses that are being looked at."""
    pending, at_work = await to_stop(tx, ids)
    found = await _came_to(tx, await stop_occurrences(tx, ids, operator_id=operator_id, now=now))
    return replace(found, withdrawn=found.withdrawn + pending, asked=found.asked + at_work)


async def _came_to(tx: AsyncConnection, moved: Sequence[Moved]) -> Stopped:
    asked = [one.device_id for one in moved if one.after is TargetState.CANCELLING]
    offline = (await tx.execute(_OFFLINE, {"devices": asked})).scalar_one() if asked else 0
    return Stopped(len(moved) - len(asked), len(asked), offline)


async def stop_answers(tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID) -> Answers:
    """What the devices of the reader's sites have answered so far."""
    counts: Counter[StopAnswer] = Counter()
    offline = 0
    for row in await tx.execute(_ANSWERS, {"occurrence_id": occurrence_id, "sites": _sites(scope)}):
        answer = answer_of(TargetState(row.state), row.cancel_answer, row.outcome, row.tree)
        counts[answer] += row.number
        offline += row.number if answer in ("waiting", "no_answer") and not row.is_online else 0
    return Answers(dict(counts), offline)


def _sites(scope: SiteScope) -> list[int] | None:
    return None if scope.site_ids is None else sorted(scope.site_ids)

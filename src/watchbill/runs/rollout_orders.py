"""A person's word on waves: begin the next one now, or stop what has not begun."""

import uuid
from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.waves import Phase, Step
from watchbill.identity import Actor
from watchbill.kit.errors import ConflictError
from watchbill.runs import history, rollouts
from watchbill.runs.history import Occurrence
from watchbill.runs.moves import publish_occurrences
from watchbill.runs.rollouts import Rollout

_PROMOTE = text("""
WITH moved AS (
  UPDATE rollouts SET phase = 'running', wave = wave + 1, soak_until_at = NULL, look_at = NULL WHERE occurrence_id = :id RETURNING wave
), over AS (
  UPDATE occurrence_waves w SET ended_at = coalesce(w.ended_at, :now) FROM moved m WHERE w.occurrence_id = :id AND w.wave = m.wave - 1
)
UPDATE occurrence_waves w SET starts_at = :now, promoted_by = :operator FROM moved m WHERE w.occurrence_id = :id AND w.wave = m.wave
""")
_BRAKE = text("""
UPDATE rollouts SET phase = 'braked', soak_until_at = NULL, look_at = NULL, braked_at = :now, braked_by = :operator,
  brake_detail = :detail, cancels_running = :cancels
WHERE occurrence_id = :id
""")


async def promote(
    tx: AsyncConnection, actor: Actor, job_id: int, occurrence_id: uuid.UUID, *, wave: int | None, now: datetime
) -> tuple[Occurrence, bool]:
    """Begin the next wave, whatever it waits for. `wave` None = the next one; one that has begun already is left as it is."""
    one = await _held(tx, actor, job_id, occurrence_id)
    if one.plan is None:
        raise ConflictError("This run has no waves.", code="no_waves")
    if wave is not None and wave <= one.step.wave:
        return await history.get_occurrence(tx, actor.scope, job_id, occurrence_id), False
    _check(one, wave)
    await tx.execute(_PROMOTE, {"id": occurrence_id, "operator": actor.operator_id, "now": now})
    await _carry_on(tx, replace(one, step=Step(Phase.RUNNING, one.step.wave + 1)), now)
    return await history.get_occurrence(tx, actor.scope, job_id, occurrence_id), True


def _check(one: Rollout, wave: int | None) -> None:
    if one.step.phase is Phase.BRAKED:
        raise ConflictError("The brake has stopped this run.", code="braked")
    if one.step.wave >= one.waves:
        raise ConflictError(f"All {one.waves} waves of this run have begun.", code="no_more_waves")
    if wave is not None and wave != one.step.wave + 1:
        raise ConflictError(f"The next wave is {one.step.wave + 1}.", code="not_the_next_wave")


async def brake(
    tx: AsyncConnection,
    actor: Actor,
    job_id: int,
    occurrence_id: uuid.UUID,
    *,
    reason: str | None,
    cancels_running: bool,
    now: datetime,
) -> tuple[Occurrence, bool]:
    """Start nothing more: what has not begun is skipped by the sites' workers. False = the brake is on already."""
    one = await _held(tx, actor, job_id, occurrence_id)
    is_new = one.step.phase is not Phase.BRAKED or cancels_running
    if is_new:
        detail = f"By {actor.name}: {reason}" if reason else f"By {actor.name}."
        values = {"id": occurrence_id, "operator": actor.operator_id, "now": now, "detail": detail}
        await tx.execute(_BRAKE, {**values, "cancels": cancels_running})
        await _carry_on(tx, replace(one, step=Step(Phase.BRAKED, one.step.wave)), now)
    return await history.get_occurrence(tx, actor.scope, job_id, occurrence_id), is_new


async def _held(tx: AsyncConnection, actor: Actor, job_id: int, occurrence_id: uuid.UUID) -> Rollout:
    """The rollout, locked, of an occurrence of which the caller sees every device."""
    await history.get_occurrence(tx, actor.scope, job_id, occurrence_id)
    await history.require_whole(tx, actor.scope, occurrence_id)
    found = await rollouts.lock(tx, [occurrence_id])
    if not found:
        detail = "This occurrence does not go in waves or with a limit, or is over."
        raise ConflictError(detail, code="no_rollout")
    return found[0]


async def _carry_on(tx: AsyncConnection, one: Rollout, now: datetime) -> None:
    await rollouts.carry_on(tx, [one], now)
    await publish_occurrences(tx, [(one.job_id, one.occurrence_id)], now)

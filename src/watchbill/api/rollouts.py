"""A person's word on waves: promote the next one, or put the brake on."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from watchbill import jobs, runs
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Model, Now, Tx, router
from watchbill.api.run_shapes import OccurrenceReply, occurrence_reply
from watchbill.identity import audit

resource = router(prefix="/api/scheduled_jobs", tags=["occurrences"])


class PromoteRequest(Model):
    wave: (
        Annotated[int, Field(ge=2, le=100, description="the wave to begin; one that has begun is left as it is")] | None
    ) = None


class BrakeRequest(Model):
    reason: Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, min_length=1)] | None = None
    cancel_running: bool = Field(default=False, description="stop also what runs")


@resource.post("/{job_id}/occurrences/{occurrence}/promote", status_code=202)
async def promote_job_occurrence(
    job_id: Id, occurrence: UUID, caller: Caller, tx: Tx, now: Now, body: PromoteRequest | None = None
) -> OccurrenceReply:
    """Begin the next wave now, whatever it waits for: a person, a soak, devices of the wave before.

    With `wave` the same request twice begins one wave only.
    """
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["rerun"])
    wave = body.wave if body else None
    found, is_new = await runs.promote(tx, caller, job_id, occurrence, wave=wave, now=now)
    if is_new and found.rollout is not None:
        detail = {"job_id": job_id, "wave": found.rollout.wave}
        await audit.record(tx, caller, "occurrence.promote", "occurrence", occurrence, now=now, detail=detail)
    return occurrence_reply(found)


@resource.post("/{job_id}/occurrences/{occurrence}/brake", status_code=202)
async def brake_job_occurrence(
    job_id: Id, occurrence: UUID, caller: Caller, tx: Tx, now: Now, body: BrakeRequest | None = None
) -> OccurrenceReply:
    """Start nothing more of an occurrence: what has not begun is skipped as `not_started_brake`, what runs goes on.

    For runs that go in waves or with a limit. It is not taken back: run the job again for the rest.
    """
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["cancel"])
    wanted = body or BrakeRequest()
    found, is_new = await runs.brake(
        tx, caller, job_id, occurrence, reason=wanted.reason, cancels_running=wanted.cancel_running, now=now
    )
    if is_new:
        detail = {"job_id": job_id, "reason": wanted.reason, "cancel_running": wanted.cancel_running}
        await audit.record(tx, caller, "occurrence.brake", "occurrence", occurrence, now=now, detail=detail)
    return occurrence_reply(found)

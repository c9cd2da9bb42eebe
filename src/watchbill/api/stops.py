"""Stops that a person asks for, of one target, a run, an occurrence or all of a job, and what the devices answered."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import Field

from watchbill import jobs, runs
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Model, Now, Tx, router
from watchbill.api.naming import which as which_occurrence
from watchbill.api.run_shapes import OccurrenceReply, occurrence_reply
from watchbill.identity import audit
from watchbill.runs import Stopped

resource = router(prefix="/api", tags=["runs"])

_JOB = "/scheduled_jobs/{job_id}"
_OCCURRENCE = f"{_JOB}/occurrences/{{occurrence}}"


class StopCounts(Model):
    """What a stop came to. `targets` = `withdrawn` + `asked`."""

    targets: int
    withdrawn: int = Field(description="had not begun, and are over")
    asked: int = Field(description="run, or may; each answers in its device row, or is lost when its bound passes")
    offline: int = Field(description="of those asked, whose device is away: it is told when it comes back")


class Cancelled(StopCounts):
    """The stop of an occurrence, and the occurrence."""

    occurrence: OccurrenceReply


class JobCancelled(StopCounts):
    """The stop of everything of a job, and which of its occurrences were open or held."""

    occurrences: list[UUID]


class StopAnswers(Model):
    """How many targets, of the caller's sites, were to be stopped, by what became of it; the sentences are in the device rows.

    Also those count that a window, a limit or a newer run stopped.
    """

    waiting: int = Field(description="have not answered yet")
    withdrawn: int = Field(description="had not begun")
    killed: int = Field(description="were stopped with everything that they had started")
    already_done: int = Field(description="had ended before the stop reached them")
    could_not: int = Field(description="have processes that could not be stopped and may still run")
    no_answer: int = Field(description="did not answer within their bound, and count as lost until they do")
    offline: int = Field(description="of those waiting or without an answer, whose device is away")


@resource.post(f"{_OCCURRENCE}/cancel", status_code=202)
async def cancel_job_occurrence(job_id: Id, occurrence: str, caller: Caller, tx: Tx, now: Now) -> Cancelled:
    """Stop an occurrence: what waits is withdrawn, what runs is stopped and answers in its device row."""
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["cancel"])
    found = await runs.get_occurrence(tx, caller.scope, job_id, which_occurrence(occurrence))
    await runs.require_whole(tx, caller.scope, found.id)
    stopped = await runs.cancel_occurrence(tx, found.id, operator_id=caller.operator_id, now=now)
    detail = {"job_id": job_id, "targets": stopped.targets}
    await audit.record(tx, caller, "occurrence.cancel", "occurrence", found.id, now=now, detail=detail)
    after = occurrence_reply(await runs.get_occurrence(tx, caller.scope, job_id, found.id))
    return Cancelled(**_counts(stopped), occurrence=after)


@resource.get(f"{_OCCURRENCE}/cancel")
async def get_stop_answers(job_id: Id, occurrence: str, caller: Caller, tx: Tx) -> StopAnswers:
    """What the devices of an occurrence answered to a stop, in counts."""
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, which_occurrence(occurrence))
    answers = await runs.stop_answers(tx, caller.scope, found.id)
    names = StopAnswers.model_fields.keys() - {"offline"}
    counts = {str(name): number for name, number in answers.counts.items()}
    return StopAnswers(offline=answers.offline, **{name: counts.get(name, 0) for name in names})


@resource.post(f"{_OCCURRENCE}/targets/{{target_id}}/cancel", status_code=202)
async def cancel_job_target(
    job_id: Id,
    occurrence: str,
    target_id: Annotated[Id, Path(description="as device rows name it")],
    caller: Caller,
    tx: Tx,
    now: Now,
) -> StopCounts:
    """Stop one device of an occurrence; the others go on."""
    await jobs.require_visible(tx, caller, job_id)
    caller.require(*jobs.NEEDED["cancel"])
    found = await runs.get_occurrence(tx, caller.scope, job_id, which_occurrence(occurrence))
    await runs.require_target(tx, caller.scope, found.id, target_id)
    stopped = await runs.cancel_target(tx, caller.scope, found.id, target_id, now)
    detail = {"job_id": job_id, "target": target_id}
    await audit.record(tx, caller, "target.cancel", "occurrence", found.id, now=now, detail=detail)
    return StopCounts(**_counts(stopped))


@resource.post("/runs/{run_id}/cancel", status_code=202)
async def cancel_run(run_id: Id, caller: Caller, tx: Tx, now: Now) -> StopCounts:
    """Stop everything of one run."""
    run, job_id = await runs.get_run(tx, run_id, jobs.visible_ids(caller.scope))
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["cancel"])
    await runs.require_whole(tx, caller.scope, run.occurrence_id)
    stopped = await runs.cancel_run(tx, run_id, now)
    detail = {"job_id": job_id, "targets": stopped.targets}
    await audit.record(tx, caller, "run.cancel", "run", run_id, now=now, detail=detail)
    return StopCounts(**_counts(stopped))


@resource.post(f"{_JOB}/cancel", status_code=202)
async def cancel_all_of_job(job_id: Id, caller: Caller, tx: Tx, now: Now) -> JobCancelled:
    """Stop everything of a job that is open or held. Its schedule goes on."""
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["cancel"])
    ids, stopped = await runs.cancel_all_of(tx, job_id, operator_id=caller.operator_id, now=now)
    detail = {"occurrences": len(ids), "targets": stopped.targets}
    await audit.record(tx, caller, "job.cancel", "job", job_id, now=now, detail=detail)
    return JobCancelled(**_counts(stopped), occurrences=ids)


def _counts(one: Stopped) -> dict[str, int]:
    return {name: getattr(one, name) for name in StopCounts.model_fields}

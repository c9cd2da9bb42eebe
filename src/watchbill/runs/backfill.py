"""Backfill: running a job for instants of the past that a person names by a range, each of them, one after another on each device.

Kind and request are part of what identifies such an occurrence: an instant that ran can be repeated, a retried request cannot.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.following import LAST_WAVE, local_time
from watchbill.core.job_rules_values import Overlap
from watchbill.core.leading import nominal_of
from watchbill.core.problems import Problem
from watchbill.core.schedule import Schedule, instants_between
from watchbill.identity import Actor
from watchbill.jobs import DueJob
from watchbill.jobs.aiming import SPEC
from watchbill.kit.budget import Budget, OverBudgetError
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.runs.manual import allowed_sites, request_of
from watchbill.runs.opening import open_occurrences
from watchbill.runs.planning import opening
from watchbill.runs.resolving import COUNTED_ONLY, NO_WAVES, RESOLVE
from watchbill.runs.to_open import Opening

MOST_INSTANTS: Final = 1_000
MOST_ROWS: Final = 1_000_000
#: How long its rows wait for their devices and for each other.
LASTING: Final = timedelta(days=7)
_SECONDS: Final = 1.0
_YEARS: Final = range(1970, 2401)
_TICK: Final = timedelta(microseconds=1)

_REACH = text(f"""
WITH setting AS (
  SELECT CAST(:id AS uuid) AS id, CAST(:job_id AS bigint) AS job_id, CAST(:allowed AS bigint[]) AS allowed_site_ids,
    CAST(:reach AS bigint[]) AS reach_site_ids,
    CAST(:offline AS text) AS offline, {COUNTED_ONLY},
    (SELECT j.definition->>'execution_context' FROM jobs j WHERE j.id = :job_id) AS execution_context,
    ARRAY(SELECT v.content->>'interpreter' FROM job_components c JOIN assemblies a ON a.id = c.assembly_id
      JOIN assembly_revisions v ON v.assembly_id = a.id AND v.revision = coalesce(c.assembly_revision, a.revision)
      WHERE c.job_id = :job_id AND v.content->>'interpreter' IS NOT NULL ORDER BY c.position) AS interpreters
), aimed AS (
  SELECT s.id AS aim_id, t.kind, t.position, t.is_exclusion, t.device_id, t.filter_id, t.site_id
  FROM setting s JOIN job_targets t ON t.job_id = s.job_id
), {SPEC}, wave AS (
  {NO_WAVES}
), {RESOLVE}
SELECT count(*) AS rows, count(*) FILTER (WHERE reason IS NULL) AS devices FROM resolved
""")


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends belong to it. Instants; for a job that follows zones, wall clocks.

    `overlap` None = one after another on each device, whatever the job says of overlap.
    """

    begin: datetime
    end: datetime
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a range comes to: its instants, the devices that would run each of them, and the target rows that this makes.

    `opened`: what this request has opened, nothing in a dry run or a repeated request. For a job that follows zones an instant
    is the name of a wall clock, which the local times tell.
    """

    count: int
    first_at: datetime
    last_at: datetime
    first_local_time: datetime | None
    last_local_time: datetime | None
    devices: int
    rows: int
    opened: frozenset[uuid.UUID] = frozenset()


async def backfill(
    tx: AsyncConnection,
    actor: Actor,
    job_id: int,
    wanted: Range,
    *,
    now: datetime,
    request_id: str = "",
    is_dry_run: bool = False,
) -> Backfilled:
    """Open an occurrence for each instant of the range, whether or not it ran; a dry run tells what that would be.

    As with every start by a person, a pause, the end of the schedule and catch-up do not count; windows and overlap do.
    """
    job = await jobs.due_settings(tx, job_id)
    await jobs.refuse_locked(tx, job_id)
    if job.schedule is None:
        raise ConflictError(f"The job's schedule cannot be read: {job.error}", code="job_unreadable")
    instants = _instants(job.schedule, wanted, now)
    first = _opening(job, instants[0], wanted, actor, now, request_of(actor, request_id))
    rows, devices = await _reach(tx, first, now)
    if rows * len(instants) > MOST_ROWS:
        raise _too_many_rows(len(instants), rows)
    of_zones = job.schedule.is_following
    told = Backfilled(
        count=len(instants),
        first_at=instants[0],
        last_at=instants[-1],
        first_local_time=local_time(instants[0]) if of_zones else None,
        last_local_time=local_time(instants[-1]) if of_zones else None,
        devices=devices,
        rows=rows * len(instants),
    )
    if is_dry_run:
        return told
    openings = [_opening(job, at, wanted, actor, now, first.request_id) for at in instants]
    return replace(told, opened=frozenset(await open_occurrences(tx, openings, now)))


def _instants(schedule: Schedule, wanted: Range, now: datetime) -> list[datetime]:
    """What the schedule names within the range, oldest first."""
    problems = _misfits(schedule, wanted)
    if problems:
        raise InvalidError.of(problems, what="The backfill")
    begin, end = (nominal_of(at) if schedule.is_following else at for at in (wanted.begin, wanted.end))
    if begin > end:
        problems.append(Problem("to", "before_from", "must not be before `from`"))
    if end > (now - LAST_WAVE if schedule.is_following else now):
        where = ", in every zone on Earth" if schedule.is_following else ""
        problems.append(Problem("to", "in_the_future", f"must be in the past{where}"))
    found = [] if problems else _listed(schedule, begin, end)
    if not found and not problems:
        problems.append(Problem("from", "no_instants", "the job's schedule names no instant in this range"))
    if len(found) > MOST_INSTANTS:
        message = f"the range holds more than {MOST_INSTANTS:,} instants; the {MOST_INSTANTS:,}th is {_shown(schedule, found)}"
        problems.append(Problem("to", "too_many_instants", message))
    if problems:
        raise InvalidError.of(problems, what="The backfill")
    return found


def _misfits(schedule: Schedule, wanted: Range) -> list[Problem]:
    """Ends of the range that are not of the kind that this schedule is read by."""
    ends = (("from", wanted.begin), ("to", wanted.end))
    if far := [field for field, at in ends if at.year not in _YEARS]:
        # What lies further off cannot be reckoned with: dates end somewhere.
        what = f"must lie in the years {_YEARS[0]} to {_YEARS[-1]}"
        return [Problem(field, "out_of_range", what) for field in far]
    if schedule.is_following:
        what = (
            "must be a wall clock without offset, such as 2026-05-04T05:00: this job follows the clocks of its targets"
        )
        return [Problem(field, "offset_not_allowed", what) for field, at in ends if at.tzinfo is not None]
    what = "needs an offset, such as 2026-05-04T05:00:00Z"
    return [Problem(field, "timezone_missing", what) for field, at in ends if at.tzinfo is None]


def _listed(schedule: Schedule, begin: datetime, end: datetime) -> list[datetime]:
    """At most one more than are allowed."""
    try:
        with Budget(_SECONDS) as budget:
            return budget.run(lambda: list(islice(instants_between(schedule, begin - _TICK, end), MOST_INSTANTS + 1)))
    except OverBudgetError:
        problem = Problem("to", "too_far", "the instants of this range take too long to find: ask for a shorter one")
        raise InvalidError.of([problem], what="The backfill") from None


def _shown(schedule: Schedule, found: Sequence[datetime]) -> str:
    last = found[MOST_INSTANTS - 1]
    return f"{local_time(last):%Y-%m-%dT%H:%M}" if schedule.is_following else f"{last:%Y-%m-%dT%H:%M:%SZ}"


def _opening(job: DueJob, at: datetime, wanted: Range, actor: Actor, now: datetime, request_id: str) -> Opening:
    """It waits for its turn behind the others of the request, so a limit of the whole run has no beginning to count from."""
    return replace(
        opening(job, "backfill", at, now=now, request_id=request_id),
        expires_at=now + LASTING,
        starts_from=now,
        stop_by_at=None,
        overlap=wanted.overlap or "queue_one",
        allowed_site_ids=allowed_sites(actor, job.allowed_site_ids),
        started_by=actor.operator_id,
    )


async def _reach(tx: AsyncConnection, one: Opening, now: datetime) -> tuple[int, int]:
    """Target rows of one such occurrence, and devices that would run it."""
    values = {
        "id": one.id,
        "job_id": one.job_id,
        "now": now,
        "allowed": None if one.allowed_site_ids is None else list(one.allowed_site_ids),
        "reach": None if one.reach_site_ids is None else list(one.reach_site_ids),
        "offline": one.offline,
        "skipping": [one.job_id] if (one.overlap, one.overlap_scope) == ("skip", "device") else [],
        "known_zones": [],
    }
    row = (await tx.execute(_REACH, values)).one()
    return row.rows, row.devices


def _too_many_rows(instants: int, rows: int) -> InvalidError:
    most = MOST_ROWS // rows
    message = (
        f"{instants:,} instants for {rows:,} devices would make {instants * rows:,} rows, and {MOST_ROWS:,} are allowed:"
        f" ask for at most {most:,} instants at a time"
    )
    return InvalidError.of([Problem("to", "too_many_rows", message)], what="The backfill")

"""What a job would do, saved or not: its next instants, the schedule in words, and what stands against it.

The same calendar and the same rules as the scheduler's and a save's; nothing is written. Whom it would reach is for `runs` to
say, which freezes targets: `Who` is what it needs to know for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core import schedule as calendar
from watchbill.core.job_rules_values import JobDraft
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission
from watchbill.jobs import saving
from watchbill.jobs.definition import device_ids, policies_of, read_schedule, variables_of
from watchbill.jobs.values import SavedJob

#: How many instants a preview shows.
PREVIEWED: Final = 10


@dataclass(frozen=True, slots=True)
class Who:
    """The targets of a job as one reader sees them, and the policies that decide who is left out."""

    targets: Sequence[UUID]
    exclusions: Sequence[UUID]
    interpreter: str | None
    overlap: str
    offline: str
    job_id: int | None = None
    allowed_site_ids: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """`schedule_text` None = the schedule is faulty; `problems` says how, and what else would refuse or stop the job."""

    schedule_text: str | None
    instants: Sequence[calendar.Instant]
    who: Who
    problems: Sequence[Problem]


async def outlook(
    tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime, before: SavedJob | None = None
) -> Outlook:
    """Of a job that is not saved; faulty parts leave the rest of the preview standing."""
    actor.require(Permission.READ)
    judged = await saving.judge(tx, actor, definition, now=now, before=before)
    draft = judged.draft
    interpreter = await _interpreter(tx, [(one.assembly_id, one.revision) for one in draft.components])
    policies = draft.policies
    who = Who(list(draft.targets), list(draft.exclusions), interpreter, policies.overlap, policies.offline)
    return Outlook(*_timetable(_sound_schedule(draft, judged.problems), now), who, judged.problems)


async def outlook_of(tx: AsyncConnection, job: SavedJob, *, now: datetime) -> Outlook:
    """Of a saved job as it stands."""
    schedule, error = read_schedule(job.definition["schedule"])
    components = [(assembly_id, revision) for assembly_id, revision, _ in variables_of(job.definition)]
    targets, exclusions = (device_ids(job.definition[name]) for name in ("targets", "exclusions"))
    policies = policies_of(job.definition["policies"])
    interpreter = await _interpreter(tx, components)
    who = Who(targets, exclusions, interpreter, policies.overlap, policies.offline, job.id, job.allowed_site_ids)
    problems = []
    if error:
        problems.append(Problem("schedule", "unreadable", error))
    if not job.enabled:
        problems.append(Problem("enabled", "paused", "is paused: no occurrence is opened until it is resumed"))
    return Outlook(*_timetable(schedule, now), who, problems)


def _sound_schedule(draft: JobDraft, problems: Sequence[Problem]) -> calendar.Schedule | None:
    is_faulty = any(problem.field.startswith("schedule") and problem.code == "never_fires" for problem in problems)
    return None if is_faulty else draft.schedule


def _timetable(schedule: calendar.Schedule | None, now: datetime) -> tuple[str | None, Sequence[calendar.Instant]]:
    if schedule is None:
        return None, ()
    anchored = calendar.anchored(schedule, now)
    return calendar.in_words(anchored), calendar.upcoming(anchored, now, PREVIEWED)


async def _interpreter(tx: AsyncConnection, components: Sequence[tuple[UUID | None, int | None]]) -> str | None:
    """What the first component needs on a device, when it is known."""
    for assembly_id, revision in components[:1]:
        found = await assemblies.hold_many(tx, [assembly_id]) if assembly_id else []
        for assembly in found:
            wanted = (assembly.id, revision or assembly.revision)
            loaded = await assemblies.load_revisions(tx, [wanted])
            return loaded[wanted].draft.interpreter.value if wanted in loaded else None
    return None

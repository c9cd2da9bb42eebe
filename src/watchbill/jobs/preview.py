"""What a job would do, saved or not: its next instants, the schedule in words, whom it would reach now, and what stands against it.

The same calendar and the same rules as the scheduler's and a save's; nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core import schedule as calendar
from watchbill.core.job_rules_values import JobDraft
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission
from watchbill.jobs import saving, store
from watchbill.jobs.definition import device_ids, read_schedule, variables_of
from watchbill.jobs.values import SavedJob

#: How many instants a preview shows.
PREVIEWED: Final = 10


@dataclass(frozen=True, slots=True)
class TargetCounts:
    """Devices in the reader's sites as they stand: those that would run, and those left out by reason."""

    online: int = 0
    offline: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """`schedule_text` None = the schedule is faulty; `problems` says how, and what else would refuse or stop the job."""

    schedule_text: str | None
    instants: Sequence[calendar.Instant]
    targets: TargetCounts
    problems: Sequence[Problem]


async def preview(
    tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime, before: SavedJob | None = None
) -> Preview:
    """Of a job that is not saved; faulty parts leave the rest of the preview standing."""
    actor.require(Permission.READ)
    judged = await saving.judge(tx, actor, definition, now=now, before=before)
    draft = judged.draft
    interpreter = await _interpreter(tx, [(one.assembly_id, one.revision) for one in draft.components])
    counts = await _count(tx, actor, list(draft.targets), list(draft.exclusions), interpreter)
    return Preview(*_timetable(_sound_schedule(draft, judged.problems), now), counts, judged.problems)


async def preview_saved(tx: AsyncConnection, actor: Actor, job: SavedJob, *, now: datetime) -> Preview:
    """Of a saved job as it stands."""
    schedule, error = read_schedule(job.definition["schedule"])
    components = [(assembly_id, revision) for assembly_id, revision, _ in variables_of(job.definition)]
    targets, exclusions = (device_ids(job.definition[name]) for name in ("targets", "exclusions"))
    counts = await _count(tx, actor, targets, exclusions, await _interpreter(tx, components))
    problems = []
    if error:
        problems.append(Problem("schedule", "unreadable", error))
    if not job.enabled:
        problems.append(Problem("enabled", "paused", "is paused: no occurrence is opened until it is resumed"))
    if not counts.online + counts.offline:
        problems.append(Problem("targets", "no_eligible_targets", "hold no device that would run it now"))
    return Preview(*_timetable(schedule, now), counts, problems)


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


async def _count(
    tx: AsyncConnection, actor: Actor, targets: list[UUID], exclusions: list[UUID], interpreter: str | None
) -> TargetCounts:
    online = offline = 0
    left_out: dict[str, int] = {}
    rows = await store.count_targets(tx, actor.scope, targets=targets, exclusions=exclusions, interpreter=interpreter)
    for reason, is_online, number in rows:
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + number
        elif is_online:
            online += number
        else:
            offline += number
    return TargetCounts(online, offline, left_out)

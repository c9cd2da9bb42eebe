"""What a job would do, saved or not: its next instants, the schedule in words, and what stands against it.

The same calendar and the same rules as the scheduler's and a save's; nothing is written. Whom it would reach is for `runs` to
say, which freezes targets: `Who` is what it needs to know for that.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core import schedule as calendar
from watchbill.core.job_rules_onboarding import MOST_ADDRESSES, onboarding_in_words
from watchbill.core.job_rules_values import Duration, ExecutionContext, JobDraft, Onboarding, Policies
from watchbill.core.job_rules_workflow import workflow_in_words
from watchbill.core.occurrence import first_mark
from watchbill.core.problems import Problem
from watchbill.core.schedule_types import Immediate
from watchbill.core.scope import read_scope
from watchbill.core.step_words import Told, steps_in_words
from watchbill.core.steps import Role
from watchbill.core.targets import OnboardingScope, Target
from watchbill.core.variable_rules import carries_secrets, required
from watchbill.credentials import locked_reason
from watchbill.identity import Actor, Permission
from watchbill.jobs import saving
from watchbill.jobs.definition import (
    TARGET_LISTS,
    complete,
    onboarding_of,
    policies_of,
    read_schedule,
    targets_of,
    variables_of,
)
from watchbill.jobs.file_names import resolve
from watchbill.jobs.values import SavedJob
from watchbill.jobs.zones import zones_for
from watchbill.kit.db import limit

#: How many instants a preview shows.
PREVIEWED: Final = 10


@dataclass(frozen=True, slots=True)
class Who:
    """The targets of a job as one reader sees them, and the policies that decide who is left out."""

    targets: Sequence[Target]
    exclusions: Sequence[Target]
    interpreters: Sequence[str]
    overlap: str
    offline: str
    job_id: int | None = None
    #: As in `DueJob`; for a job that is not saved, the scope of its writer.
    allowed_site_ids: Sequence[int] | None = None
    reach_site_ids: Sequence[int] | None = None
    overlap_scope: str = "device"
    #: Variables that others than the job and the assembly must give, and whether a device needs a key that secrets are sealed to.
    needed: Sequence[str] = ()
    needs_key: bool = False
    #: What a device does on which nobody is signed in: skip or wait. None = it is not asked who is.
    no_user_session: str | None = None
    execution_context: str = "system"


@dataclass(frozen=True, slots=True)
class Outlook:
    """`schedule` and its text None = it is faulty; `problems` says how, and what else would refuse or stop the job.

    The instants of a schedule that follows clocks are the names of wall clocks; `zones` are those in use, where it has waves.
    `starts_now`: when it would start at once if it were saved, None = it would not. `steps`: what happens on each device, in words.
    """

    schedule_text: str | None
    instants: Sequence[calendar.Instant]
    who: Who
    problems: Sequence[Problem]
    schedule: calendar.Schedule | None
    policies: Policies
    duration: Duration
    zones: Collection[str] = ()
    starts_now: datetime | None = None
    steps: Sequence[str] = ()
    #: Of a job that brings machines under management: how many addresses it looks at; None = another job, or a faulty scope.
    addresses: int | None = None


@dataclass(frozen=True, slots=True)
class _Timetable:
    """A schedule with its start, its next instants, and the zones whose clocks it goes by."""

    schedule: calendar.Schedule | None
    instants: Sequence[calendar.Instant]
    zones: Collection[str]


async def outlook(
    tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime, before: SavedJob | None = None
) -> Outlook:
    """Of a job that is not saved, by ids or by names as a file has them; faulty parts leave the rest of the preview standing.

    `before`: the job that it would be saved over.
    """
    actor.require(Permission.READ)
    resolved = await resolve(tx, actor, definition)
    judged = await saving.judge(tx, actor, resolved.definition, now=now, before=before)
    draft = judged.draft
    problems = [*(one for one in judged.problems if one.field not in resolved.replaced), *resolved.problems]
    needs = await _needs(tx, [(one.assembly_id, one.revision, _given(one.variables)) for one in draft.components])
    who = _who(list(draft.targets), list(draft.exclusions), needs, draft.policies)
    context = draft.execution_context
    who = replace(
        who,
        job_id=before.id if before else None,
        allowed_site_ids=actor.scope.as_list(),
        reach_site_ids=actor.scope.as_list(),
    )
    parts = [
        Told(needs.names_of.get(one.assembly_id), one.role, one.not_compliant_exit_codes) for one in draft.components
    ]
    times = _timetable(_sound_schedule(draft, problems), now, await zones_for(tx, draft.schedule))
    found = _outlook(times, who, problems, draft.policies, draft.duration)
    starts_now = now if _starts_at_once(draft, times.schedule, before) else None
    if draft.onboarding is not None:
        return replace(found, starts_now=starts_now, **_of_onboarding(tx, draft.onboarding, draft.targets))
    if draft.is_workflow:
        return replace(found, starts_now=starts_now, steps=needs.launched)
    steps = steps_in_words(parts, draft.policies, context)
    return replace(_in_context(found, context), starts_now=starts_now, steps=steps)


def _of_onboarding(tx: AsyncConnection, onboarding: Onboarding, targets: Iterable[Target]) -> dict[str, Any]:
    """What it does in words, and on how many addresses."""
    most = limit(tx, "onboarding_addresses", MOST_ADDRESSES)
    scopes = [one for one in targets if isinstance(one, OnboardingScope)]
    scope = read_scope(scopes[0].entries, scopes[0].exclusions, field="targets.0", most=most)[0] if scopes else None
    addresses = scope.count if scope else None
    return {"addresses": addresses, "steps": onboarding_in_words(onboarding, addresses)}


def _starts_at_once(draft: JobDraft, schedule: calendar.Schedule | None, before: SavedJob | None) -> bool:
    """As a save decides it: an edit that leaves the schedule alone starts nothing."""
    if schedule is None or not isinstance(schedule.rule, Immediate):
        return False
    if before is None:
        return draft.enabled is not False
    enabled = before.enabled if draft.enabled is None else draft.enabled
    return enabled and read_schedule(before.definition["schedule"])[0] != schedule


async def outlook_of(tx: AsyncConnection, job: SavedJob, *, now: datetime) -> Outlook:
    """Of a saved job as it stands."""
    schedule, error = read_schedule(job.definition["schedule"])
    targets, exclusions = (targets_of(job.definition, name) for name in TARGET_LISTS)
    policies = policies_of(job.definition["policies"])
    needs = await _needs(tx, variables_of(job.definition))
    who = replace(
        _who(targets, exclusions, needs, policies),
        job_id=job.id,
        allowed_site_ids=job.scope_left,
        reach_site_ids=job.allowed_site_ids,
    )
    problems = []
    if error:
        problems.append(Problem("schedule", "unreadable", error))
    if not job.enabled:
        problems.append(Problem("enabled", "paused", "is paused: no occurrence is opened until it is resumed"))
    if job.locked_by is not None:
        problems.append(Problem("credential_id", "credential_locked", locked_reason(job.locked_by)))
    times = _timetable(schedule, now, await zones_for(tx, schedule))
    found = _outlook(times, who, problems, policies, Duration(**complete(job.definition)["duration"]))
    context = ExecutionContext(job.definition["execution_context"] or ExecutionContext.NONE)
    if context is ExecutionContext.NONE and needs.launched:
        return replace(found, steps=needs.launched)
    if context is ExecutionContext.NONE:
        return replace(found, **_of_onboarding(tx, onboarding_of(job.definition), targets))
    parts = [_told(one, needs.names_of) for one in complete(job.definition)["components"]]
    return replace(_in_context(found, context), steps=steps_in_words(parts, policies, context))


def _in_context(found: Outlook, context: ExecutionContext) -> Outlook:
    """Who is signed in is asked for jobs that run as them alone."""
    is_asked = context is ExecutionContext.CURRENT_USER
    return replace(found, who=replace(found.who, no_user_session=found.policies.no_user_session)) if is_asked else found


def _told(component: Mapping[str, Any], names: Mapping[UUID | None, str]) -> Told:
    codes = component.get("not_compliant_exit_codes") or ()
    return Told(names.get(UUID(str(component["assembly_id"]))), Role(component.get("role", Role.RUN)), codes)


def _given(variables: Mapping[str, object]) -> dict[str, object]:
    """An empty field of a form sends null: the variable is then not given."""
    return {name: value for name, value in variables.items() if value is not None}


def _who(targets: Sequence[Target], exclusions: Sequence[Target], needs: "_Needs", policies: Policies) -> Who:
    return Who(
        targets,
        exclusions,
        needs.interpreters,
        policies.overlap,
        policies.offline,
        overlap_scope=policies.overlap_scope,
        needed=needs.names,
        needs_key=needs.key,
    )


def _outlook(
    times: _Timetable, who: Who, problems: Sequence[Problem], policies: Policies, duration: Duration
) -> Outlook:
    return Outlook(
        schedule_text=calendar.in_words(times.schedule) if times.schedule else None,
        instants=times.instants,
        who=who,
        problems=problems,
        schedule=times.schedule,
        policies=policies,
        duration=duration,
        zones=times.zones,
    )


def _sound_schedule(draft: JobDraft, problems: Sequence[Problem]) -> calendar.Schedule | None:
    is_faulty = any(problem.field.startswith("schedule") and problem.code == "never_fires" for problem in problems)
    return None if is_faulty else draft.schedule


def _timetable(schedule: calendar.Schedule | None, now: datetime, zones: Collection[str]) -> _Timetable:
    if schedule is None:
        return _Timetable(None, (), ())
    anchored = calendar.anchored(schedule, now)
    return _Timetable(anchored, calendar.upcoming(anchored, first_mark(anchored, now, zones), PREVIEWED), zones)


@dataclass(frozen=True, slots=True)
class _Needs:
    """What the components need of a device, as far as it is known."""

    interpreters: Sequence[str] = ()
    names: Sequence[str] = ()
    key: bool = False
    #: What the assemblies are called.
    names_of: Mapping[UUID | None, str] = field(default_factory=dict)
    #: Of a job that launches a workflow: what that does, in words.
    launched: Sequence[str] = ()


async def _needs(
    tx: AsyncConnection, components: Sequence[tuple[UUID | None, int | None, Mapping[str, object]]]
) -> _Needs:
    found = await assemblies.hold_many(tx, sorted({one for one, _, _ in components if one is not None}))
    latest = {one.id: one.revision for one in found}
    given = [
        ((one, number or latest[one]), number, said)
        for one, number, said in components
        if one is not None and one in latest
    ]
    loaded = await assemblies.load_revisions(tx, sorted({which for which, _, _ in given}))
    for which, number, _ in given:
        if which in loaded and (graph := loaded[which].draft.workflow) is not None:
            return _Needs(launched=workflow_in_words(loaded[which].draft.name, number, graph))
    parts = [(loaded[which].draft, said) for which, _, said in given if which in loaded]
    names = sorted({name for declared, said in parts for name in required(declared, said)})
    # A secret of a playbook is given by the Engine itself: it is sealed for no device.
    has_secrets = any(carries_secrets(declared, said) for declared, said in parts if not declared.is_playbook)
    interpreters = sorted({declared.interpreter.value for declared, _ in parts if declared.interpreter})
    return _Needs(interpreters, names, has_secrets, {one.id: one.draft.name for one in found})

"""What a job may say: reads one as the API or a file gives it, and judges it against what it refers to. Pure.

Two steps, because what a job names must be looked up in between: `read` needs only the job, `settle` also the facts. Their
problems together are all there are; a fault in one part hides none in another.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from watchbill.core import job_rules_onboarding as onboarding
from watchbill.core import job_rules_workflow as workflows
from watchbill.core import schedule as calendar
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.fields import Choice, Fields, is_integer, join, shown
from watchbill.core.job_rules_conflicts import conflicts, run_limit_fault
from watchbill.core.job_rules_kinds import kind_conflicts, kind_fault, read_context
from watchbill.core.job_rules_login import LoginFacts, judge_login, login_conflicts, read_credential_id
from watchbill.core.job_rules_steps import retry_policies, role_of
from watchbill.core.job_rules_tags import tags
from watchbill.core.job_rules_values import (
    CATCH_UP_WINDOW_SECONDS,
    CATCH_UPS,
    CHANGE_DEVICES,
    CHANGE_PERCENT,
    COMPONENT_KINDS,
    EXPIRES_AFTER_SECONDS,
    INTERRUPTED,
    JOB_KINDS,
    MAX_COMPONENTS,
    NO_TARGETS,
    NO_USER_SESSIONS,
    OFFLINES,
    OVERLAP_SCOPES,
    OVERLAPS,
    READ_ONLY,
    RUN_LIMIT_SECONDS,
    SPLAY_MODES,
    SPLAY_SECONDS,
    TIME_LIMIT_SECONDS,
    CatchUp,
    Component,
    ComponentDraft,
    ComponentKind,
    Duration,
    ExecutionContext,
    Interrupted,
    Job,
    JobDraft,
    NoTargets,
    NoUserSession,
    Offline,
    Overlap,
    OverlapScope,
    Policies,
    SplayMode,
)
from watchbill.core.job_rules_variables import settle_variables
from watchbill.core.job_rules_waves import CANARIES, CONCURRENCY, read_waves
from watchbill.core.problems import Problem, under
from watchbill.core.targets import (
    EXCLUSION_KINDS,
    TARGET_KINDS,
    TargetFacts,
    judge_targets,
    nothing_is_left,
    read_targets,
)

_MOST_COMPONENTS_READ: Final = 50


@dataclass(frozen=True, slots=True)
class ReadJob:
    """What was read; faulty parts hold defaults, so that the rest can still be judged."""

    draft: JobDraft
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class AssemblyFacts:
    """What is known of one assembly that a job refers to. `revisions` holds at least the ones the job asks for, if they exist.

    `without_files` are those of them of which a file is not kept any more.
    """

    latest: int
    is_archived: bool
    revisions: Mapping[int, AssemblyDraft]
    without_files: Collection[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a job is judged against. `targets` are those that exist in the sites of whoever saves it, devices only if not revoked."""

    now: datetime
    assemblies: Mapping[UUID, AssemblyFacts]
    targets: TargetFacts
    #: For each component of the stored job: its assembly and the names of the secrets it holds.
    stored_secrets: Sequence[tuple[UUID, frozenset[str]]] = ()
    #: An edit that leaves the schedule alone must not fail because its instants have passed meanwhile.
    stored_schedule: calendar.Schedule | None = None
    #: Zones in use, for a schedule that follows clocks.
    zones: Collection[str] = ()
    #: Variables that have a value for everything, a site or a device.
    set_elsewhere: Collection[str] = ()
    #: The credential that the job names.
    login: LoginFacts | None = None
    #: The credentials that an onboarding job names.
    logins: Mapping[int, LoginFacts] = field(default_factory=dict)
    #: How many addresses a scope may have.
    most_addresses: int = onboarding.MOST_ADDRESSES
    #: What an edit that does not say leaves as it is.
    stored_enabled: bool = True


@dataclass(slots=True)
class Settled:
    """The job ready to be saved, or None with the reasons why not."""

    job: Job | None
    problems: list[Problem] = field(default_factory=list)


def read(definition: object) -> ReadJob:
    """Read a job's own words and name everything that is wrong with them."""
    problems: list[Problem] = []
    fields = Fields.of(definition, problems)
    job_kind = fields.choice("job_kind", JOB_KINDS, default="automation") or "automation"
    if job_kind == "onboarding":
        draft = _read_onboarding(fields)
    else:
        draft = _read_workflow(fields) if workflows.is_workflow(fields) else _read_automation(fields)
    problems += conflicts(draft)
    fields.refuse_unknown("a job", READ_ONLY)
    return ReadJob(draft, tuple(problems))


def _read_automation(fields: Fields) -> JobDraft:
    components = _components(fields)
    draft = JobDraft(
        **_common(fields),
        job_kind="automation",
        components=components,
        targets=read_targets(fields, "targets", TARGET_KINDS, least=1),
        exclusions=read_targets(fields, "exclusions", EXCLUSION_KINDS, least=0),
        execution_context=read_context(fields, components),
        credential_id=read_credential_id(fields),
        use_service_account=fields.boolean("use_service_account", default=False),
    )
    onboarding.refuse_credential_ids(fields)
    fields.problems += kind_conflicts(components)
    fields.problems += login_conflicts(draft)
    if nothing_is_left(draft.targets, draft.exclusions):
        fields.refuse("exclusions", "nothing_left", "exclude every target: nothing is left to run on")
    return draft


def _read_onboarding(fields: Fields) -> JobDraft:
    onboarding.refuse_others(fields)
    draft = JobDraft(
        **_common(fields),
        job_kind="onboarding",
        components=(),
        targets=onboarding.read_scope_targets(fields),
        exclusions={},
        execution_context=ExecutionContext.NONE,
        onboarding=onboarding.read_onboarding(fields),
        credential_ids=onboarding.read_credential_ids(fields),
    )
    fields.problems += onboarding.onboarding_conflicts(draft, _policies(Fields.of({}, [])))
    return draft


def _read_workflow(fields: Fields) -> JobDraft:
    workflows.refuse_others(fields)
    draft = JobDraft(
        **_common(fields),
        job_kind="automation",
        components=_components(fields),
        targets={},
        exclusions={},
        execution_context=ExecutionContext.NONE,
    )
    workflows.refuse_in_component(fields, draft)
    return workflows.meaningful(fields, draft, _policies(Fields.of({}, [])))


def _common(fields: Fields) -> dict[str, Any]:
    """What every job says."""
    return {
        "name": fields.name(),
        "description": fields.text("description", most=10_000, default=""),
        "schedule": _schedule(fields),
        "duration": _duration(fields.object("duration")),
        "policies": _policies(fields.object("policies")),
        "enabled": fields.optional_boolean("enabled"),
        "tags": tags(fields),
    }


def settle(draft: JobDraft, facts: Facts) -> Settled:
    """Judge what a job refers to, fill in what follows from it, and anchor its schedule."""
    settled = Settled(None)
    components = [_settle_component(position, facts, draft, settled.problems) for position in _positions(draft)]
    settled.problems += judge_targets("targets", draft.targets, facts.targets)
    settled.problems += judge_targets("exclusions", draft.exclusions, facts.targets)
    if draft.policies.waves is not None and draft.policies.waves.canary is not None:
        settled.problems += judge_targets(CANARIES, draft.policies.waves.canary.targets, facts.targets)
    is_enabled = facts.stored_enabled if draft.enabled is None else draft.enabled
    settled.problems += judge_login(draft, facts.login, is_enabled=is_enabled)
    if draft.onboarding is not None:
        settled.problems += onboarding.judge_scope(draft.targets, facts.most_addresses)
        settled.problems += onboarding.judge_credentials(draft, facts.logins, is_enabled=is_enabled)
    schedule = _settle_schedule(draft, facts, settled.problems)
    whole = [component for component in components if component is not None]
    if draft.duration.time_limit_seconds is None and whole:
        settled.problems += run_limit_fault(draft.duration.run_limit_seconds, _declared_limit(whole, facts))
    is_whole = draft.onboarding is not None or (whole and len(whole) == len(components))
    if not settled.problems and schedule is not None and is_whole:
        settled.job = _job(draft, whole, schedule, facts)
    return settled


def _positions(draft: JobDraft) -> range:
    return range(len(draft.components))


def _job(draft: JobDraft, components: list[Component], schedule: calendar.Schedule, facts: Facts) -> Job:
    return Job(
        name=draft.name,
        description=draft.description,
        job_kind=draft.job_kind,
        components=tuple(components),
        targets=tuple(draft.targets),
        exclusions=tuple(draft.exclusions),
        schedule=schedule,
        execution_context=draft.execution_context,
        time_limit_seconds=draft.duration.time_limit_seconds or _default_limit(draft, components, facts),
        expires_after_seconds=draft.duration.expires_after_seconds,
        run_limit_seconds=draft.duration.run_limit_seconds,
        policies=draft.policies,
        enabled=draft.enabled,
        tags=draft.tags,
        credential_id=draft.credential_id,
        use_service_account=draft.use_service_account,
        onboarding=draft.onboarding,
        credential_ids=draft.credential_ids,
    )


def _default_limit(draft: JobDraft, components: Sequence[Component], facts: Facts) -> int | None:
    if draft.is_workflow:
        return None
    return _declared_limit(components, facts) if draft.onboarding is None else onboarding.TIME_LIMIT_SECONDS


def _declared_limit(components: Sequence[Component], facts: Facts) -> int:
    return min(sum(_declared(one, facts).time_limit_seconds for one in components), TIME_LIMIT_SECONDS[1])


def _declared(component: Component, facts: Facts) -> AssemblyDraft:
    assembly = facts.assemblies[component.assembly_id]
    return assembly.revisions[component.revision or assembly.latest]


def _components(fields: Fields) -> tuple[ComponentDraft, ...]:
    items = fields.items("components", least=1, most=_MOST_COMPONENTS_READ)
    if len(items) > MAX_COMPONENTS:
        fields.refuse("components", "length", f"must have at most {MAX_COMPONENTS} components, not {len(items)}")
    paths = [join(fields.path, f"components.{position}") for position in range(len(items))]
    return tuple(_component(Fields.of(item, fields.problems, path)) for item, path in zip(items, paths, strict=True))


def _component(fields: Fields) -> ComponentDraft:
    kind = fields.choice("kind", COMPONENT_KINDS, default=ComponentKind.SCRIPT)
    draft = ComponentDraft(
        assembly_id=fields.identifier("assembly_id"),
        kind=ComponentKind(kind or ComponentKind.SCRIPT),
        revision=_revision(fields),
        variables=fields.object("variables").value,
        **role_of(fields),
    )
    fields.refuse_unknown("a component")
    return draft


def _revision(fields: Fields) -> int | None:
    value = fields.take("revision")
    if value is None or value == "latest":
        return None
    if is_integer(value) and 1 <= value < 2**31:
        return value
    fields.refuse("revision", "not_allowed", f'must be "latest" or the number of a revision, not {shown(value)}')
    return None


def _schedule(fields: Fields) -> calendar.Schedule | None:
    value = fields.take("schedule")
    if value is None:
        fields.refuse("schedule", "required", "is required: an object with at least a type")
        return None
    inner = Fields.of(value, [], "schedule")
    if not isinstance(value, Mapping):
        fields.refuse("schedule", "wrong_type", f"must be an object, not {shown(value)}")
        return None
    try:
        return calendar.parse(inner.value)
    except calendar.ScheduleProblems as error:
        fields.problems += under(join(fields.path, "schedule"), _ours(error.problems))
        return None


def _ours(problems: Sequence[calendar.Problem]) -> list[Problem]:
    return [Problem(problem.field, problem.code, problem.message) for problem in problems]


def _duration(fields: Fields) -> Duration:
    duration = Duration(
        time_limit_seconds=fields.optional_integer("time_limit_seconds", *TIME_LIMIT_SECONDS),
        expires_after_seconds=fields.optional_integer("expires_after_seconds", *EXPIRES_AFTER_SECONDS),
        run_limit_seconds=fields.optional_integer("run_limit_seconds", *RUN_LIMIT_SECONDS),
    )
    fields.refuse_unknown("duration")
    return duration


def _policies(fields: Fields) -> Policies:
    word = _word_reader(fields)
    policies = Policies(
        overlap=cast("Overlap", word("overlap", OVERLAPS, "skip")),
        overlap_scope=cast("OverlapScope", word("overlap_scope", OVERLAP_SCOPES, "device")),
        catch_up=cast("CatchUp", word("catch_up", CATCH_UPS, "latest")),
        catch_up_window_seconds=fields.optional_integer("catch_up_window_seconds", *CATCH_UP_WINDOW_SECONDS),
        offline=cast("Offline", word("offline", OFFLINES, "wait")),
        splay_seconds=fields.integer("splay_seconds", *SPLAY_SECONDS, default=0),
        splay_mode=cast("SplayMode", word("splay_mode", SPLAY_MODES, "fixed")),
        **retry_policies(fields),
        concurrency=fields.optional_integer("concurrency", *CONCURRENCY),
        site_concurrency=fields.optional_integer("site_concurrency", *CONCURRENCY),
        waves=read_waves(fields),
        failure_threshold_percent=fields.integer("failure_threshold_percent", 0, 100, default=0),
        no_targets=cast("NoTargets", word("no_targets", NO_TARGETS, "skip")),
        max_change_percent=fields.optional_integer("max_change_percent", *CHANGE_PERCENT),
        max_change_devices=fields.optional_integer("max_change_devices", *CHANGE_DEVICES),
        no_user_session=cast("NoUserSession", word("no_user_session", NO_USER_SESSIONS, "skip")),
        interrupted=cast("Interrupted", word("interrupted", INTERRUPTED, "lost")),
    )
    fields.refuse_unknown("policies")
    return policies


def _word_reader(fields: Fields) -> Callable[[str, Choice, str], str]:
    return lambda name, choice, default: fields.choice(name, choice, default=default) or default


def _settle_component(position: int, facts: Facts, draft: JobDraft, problems: list[Problem]) -> Component | None:
    component, path = draft.components[position], f"components.{position}"
    if component.assembly_id is None:
        return None
    declared = find_declared(component, facts.assemblies.get(component.assembly_id), path, problems)
    if declared is None:
        return None
    problems += kind_fault(component.kind, declared, path)
    if draft.is_workflow:
        problems += workflows.judge_workflow(declared, path)
        given = workflows.settle_parameters(declared, component.variables, f"{path}.variables", problems)
        return Component(component.assembly_id, component.kind, component.revision, given, {}, frozenset())
    variables = settle_variables(
        declared,
        component.variables,
        _kept(position, component.assembly_id, facts),
        f"{path}.variables",
        facts.set_elsewhere,
    )
    problems += variables.problems
    return Component(
        component.assembly_id,
        component.kind,
        component.revision,
        variables.plain,
        variables.secrets,
        variables.kept,
        component.role,
        component.not_compliant_exit_codes,
    )


def _kept(position: int, assembly_id: UUID, facts: Facts) -> frozenset[str]:
    """The stored secrets that this component may keep: only for the assembly that they were given to."""
    if position >= len(facts.stored_secrets):
        return frozenset()
    stored_for, names = facts.stored_secrets[position]
    return names if stored_for == assembly_id else frozenset()


def find_declared(
    component: ComponentDraft, known: AssemblyFacts | None, path: str, problems: list[Problem]
) -> AssemblyDraft | None:
    """The revision that a component asks for; None when there is none. What is wrong with it goes to `problems`."""
    if known is None:
        message = f"there is no assembly {component.assembly_id}"
        problems.append(Problem(f"{path}.assembly_id", "assembly_not_found", message))
        return None
    if known.is_archived:
        message = f"the assembly {component.assembly_id} is archived"
        problems.append(Problem(f"{path}.assembly_id", "assembly_archived", message))
    declared = known.revisions.get(component.revision or known.latest)
    if declared is None:
        message = f"there is no revision {component.revision}; the assembly has 1 to {known.latest}"
        problems.append(Problem(f"{path}.revision", "revision_not_found", message))
    elif component.revision in known.without_files:
        message = f"files of revision {component.revision} are not kept any more; the latest revision is {known.latest}"
        problems.append(Problem(f"{path}.revision", "files_not_kept", message))
    return declared


def _settle_schedule(draft: JobDraft, facts: Facts, problems: list[Problem]) -> calendar.Schedule | None:
    if draft.schedule is None:
        return None
    kept = facts.stored_schedule
    if kept is not None and draft.schedule in (kept, replace(kept, start=None)):
        return kept  # who names no start leaves the one that was found when the job was saved first
    problems += under("schedule", _ours(calendar.check_new(draft.schedule, facts.now, facts.zones)))
    return calendar.anchored(draft.schedule, facts.now)

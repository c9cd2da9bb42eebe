"""What a job that launches a workflow may say: the workflow is its only component, and says itself on which devices what runs. Pure.

Most of what other jobs say has no meaning for it: a value is refused with the reason, and null or empty is let pass, since replies have it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from watchbill.core.assembly_rules import AssemblyDraft, Variable, value_problem
from watchbill.core.fields import Fields, shown
from watchbill.core.job_rules_values import ComponentKind, Duration, JobDraft, Policies
from watchbill.core.problems import Problem
from watchbill.core.schedule_wording import counted, listed
from watchbill.core.steps import Role
from watchbill.core.workflow_types import Graph, NodeType

#: The policies that mean something here.
_POLICIES: Final = frozenset(("overlap", "catch_up", "catch_up_window_seconds"))
#: What belongs to the nodes: what is let pass, and why not more.
_FOREIGN: Final[Mapping[str, tuple[object, str]]] = {
    "targets": ([], "must be empty: the device sets of the workflow say on which devices it runs"),
    "exclusions": ([], "must be empty: whom the workflow leaves out stands in its device sets"),
    "execution_context": (None, "must be null: each script and playbook of the workflow has its own"),
    "credential_id": (None, "must be null: each playbook of the workflow names its own"),
    "use_service_account": (False, "must be false: each playbook of the workflow says how it signs in"),
    "credential_ids": ([], "must be null: it is for onboarding"),
}
_TIMES: Final[Mapping[str, str]] = {
    "time_limit_seconds": "must be null: the scripts and playbooks of the workflow have their own",
    "expires_after_seconds": "must be null: the nodes of the workflow say how long devices are waited for",
    "run_limit_seconds": "must be null: the time limit of the workflow says how long a run may take",
}
_OF_NODES: Final = "belongs to the nodes of the workflow: leave it out"
_OVERLAP: Final = "must be skip, queue_one or allow: a run of a workflow is not replaced by the next one; cancel it, or let its time limit end it"


def is_workflow(fields: Fields) -> bool:
    """Whether a job as it was sent launches a workflow."""
    components = fields.value.get("components")
    return isinstance(components, list) and any(
        isinstance(one, Mapping) and one.get("kind") == ComponentKind.WORKFLOW for one in components
    )


def refuse_others(fields: Fields) -> None:
    """What other jobs say."""
    for name, (empty, why) in _FOREIGN.items():
        value = fields.take(name)
        if value is not None and value != empty:
            fields.refuse(name, "not_allowed", why)


def refuse_in_component(fields: Fields, draft: JobDraft) -> None:
    if len(draft.components) > 1:
        message = "must hold the workflow alone: what is to come before or after it is a node of a workflow"
        fields.refuse("components", "length", message)
    for place, one in enumerate(draft.components):
        if one.kind is ComponentKind.WORKFLOW and one.role is not Role.RUN:
            message = "must be run: a workflow has no exit code by which it could decide about what follows"
            fields.refuse(f"components.{place}.role", "not_allowed", message)


def meaningful(fields: Fields, draft: JobDraft, plain: Policies) -> JobDraft:
    """The draft without what means nothing here, which is refused. `plain`: the policies of a job that says none."""
    said, default = draft.policies.to_json(), plain.to_json()
    for name, value in said.items():
        if name not in _POLICIES and value != default[name] and (name, value) != ("overlap_scope", "job"):
            fields.refuse(f"policies.{name}", "not_allowed", _OF_NODES)
    if draft.policies.overlap == "replace":
        fields.refuse("policies.overlap", "not_allowed", _OVERLAP)
    for name, why in _TIMES.items():
        if getattr(draft.duration, name) is not None:
            fields.refuse(f"duration.{name}", "not_allowed", why)
    if draft.schedule is not None and draft.schedule.is_following:
        message = "must be fixed: a run of a workflow begins once, at one instant"
        fields.refuse("schedule.timezone_source", "not_allowed", message)
    kept = {name: getattr(draft.policies, name) for name in _POLICIES}
    return replace(draft, policies=replace(plain, **kept), duration=Duration(None, None))


def settle_parameters(
    declared: AssemblyDraft, given: Mapping[str, object], path: str, problems: list[Problem]
) -> dict[str, object]:
    """The parameters that a job sets; those that it does not have their defaults at each launch."""
    values = {name: value for name, value in given.items() if value is not None}
    settled: dict[str, object] = {}
    for name, value in values.items():
        variable = declared.variable(name)
        fault = _parameter_fault(declared, variable, value)
        if fault:
            problems.append(Problem(f"{path}.{shown(name)[1:-1]}", *fault))
        else:
            settled[name] = value
    problems += [
        Problem(f"{path}.{one.name}", "required", "is required: the workflow has no default for it")
        for one in declared.variables
        if one.is_required and one.default is None and one.name not in values
    ]
    return settled


def _parameter_fault(declared: AssemblyDraft, variable: Variable | None, value: object) -> tuple[str, str] | None:
    if variable is None:
        known = ", ".join(one.name for one in declared.variables if one.is_promptable) or "none"
        return "unknown_variable", f"is not a parameter of the workflow; it has: {known}"
    if not variable.is_promptable:
        return "not_promptable", "may not be set by a job: the workflow does not let those who launch it choose it"
    return value_problem(variable, value)


def judge_workflow(declared: AssemblyDraft, path: str) -> Iterator[Problem]:
    """Whether a job can launch it."""
    graph = declared.workflow
    if graph is not None and all(node.type is not NodeType.TRIGGER_JOB for node in graph.nodes):
        message = (
            f"“{declared.name}” has no trigger of type {NodeType.TRIGGER_JOB}: give it one, so that jobs can launch it"
        )
        yield Problem(f"{path}.assembly_id", "no_trigger", message)


_SETS: Final = frozenset((NodeType.DEVICES_FILTER, NodeType.DEVICES_LIST, NodeType.DEVICES_SITE))
_ON_DEVICES: Final = frozenset((NodeType.SCRIPT, NodeType.PLAYBOOK))
_BUSY: Final = {
    "skip": "While another run of the workflow is open, it is skipped.",
    "queue_one": "While another run of the workflow is open, one waits for its end.",
    "allow": "It goes beside other runs of the workflow.",
}


def workflow_in_words(name: str, revision: int | None, graph: Graph) -> list[str]:
    """What a launch does, and what is taken from the workflow. `revision` None = the latest."""
    which = "as it is then" if revision is None else f"at revision {revision}"
    at_once = f", at most {graph.max_parallel} at once" if graph.max_parallel else ""
    sets = [f"`{node.name}`" for node in graph.nodes if node.type in _SETS]
    work = [f"`{node.name}` ({node.settings['execution_context']})" for node in graph.nodes if node.type in _ON_DEVICES]
    on = f"Devices are those of the workflow: {listed(sets)}." if sets else "The workflow names no devices."
    runs = f"Contexts and credentials are those of its nodes: {listed(work)}." if work else ""
    hours = f"A run is stopped after {_span(graph.time_limit_seconds)}."
    first = f"1. Launch the workflow `{name}` {which}: {counted(len(graph.nodes), 'node')}{at_once}."
    return [one for one in (first, on, runs, hours, _BUSY[graph.concurrency]) if one]


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return counted(seconds // size, unit)
    return counted(seconds, "second")

"""Judges what the nodes of a workflow refer to, once that has been looked up: what they run, and with which values. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from uuid import UUID

from watchbill.core import job_rules
from watchbill.core.assembly_rules import AssemblyDraft, VariableType
from watchbill.core.fields import shown
from watchbill.core.job_rules_values import ComponentDraft, ComponentKind
from watchbill.core.job_rules_variables import settle_variables
from watchbill.core.job_rules_waves import CANARIES
from watchbill.core.problems import Problem
from watchbill.core.workflow_settings import node_job
from watchbill.core.workflow_settings_jobs import moved
from watchbill.core.workflow_settings_kinds import computed, literal
from watchbill.core.workflow_types import Node, NodeType


def judge_node(node: Node, facts: job_rules.Facts) -> list[Problem]:
    """What is wrong with what a script, playbook or workflow node refers to. Paths begin with `settings`; other types have none.

    Of the facts, those about assemblies and logins are looked at, and what sites and devices have values of. All else that a graph
    names, the canaries of waves among it, is listed by `workflow_settings.references` and judged with that.
    """
    if node.type is NodeType.WORKFLOW:
        return _judge_workflow(node, facts)
    if node.type not in (NodeType.SCRIPT, NodeType.PLAYBOOK):
        return []
    formulas = computed(node.settings["variables"])
    known = replace(facts, set_elsewhere={*facts.set_elsewhere, *formulas}, stored_secrets=())
    draft = job_rules.read(node_job(node)).draft
    found = job_rules.settle(draft, known).problems
    problems = [_of_node(problem, node) for problem in found if not problem.field.startswith(f"{CANARIES}.")]
    declared = _declared(node, facts)
    if declared is not None:
        problems += _secrets_given(declared, node.settings["variables"])
        problems += _undeclared(declared, formulas, "settings.variables")
    return problems


def _of_node(problem: Problem, node: Node) -> Problem:
    """A node's type is the kind of its component, and the assembly is what is wrong then."""
    if problem.code == "kind_mismatch":
        message = f"must be a {node.type}, as this node is: take a node of the other type for it"
        return Problem("settings.assembly_id", problem.code, message)
    return moved(problem, "settings")


def _declared(node: Node, facts: job_rules.Facts) -> AssemblyDraft | None:
    known = facts.assemblies.get(UUID(node.settings["assembly_id"]))
    revision = node.settings["revision"]
    return known.revisions.get(known.latest if revision == "latest" else revision) if known else None


def _secrets_given(declared: AssemblyDraft, given: Mapping[str, object]) -> Iterator[Problem]:
    for variable in declared.variables:
        if variable.type is VariableType.SECRET and variable.name in given:
            message = "is a secret, and a workflow keeps none: store it as a variable of the Engine, a site or a device"
            yield Problem(f"settings.variables.{variable.name}", "secret_not_allowed", message)


def _undeclared(declared: AssemblyDraft, formulas: Mapping[str, str], path: str) -> Iterator[Problem]:
    known = ", ".join(variable.name for variable in declared.variables) or "none"
    for name in formulas:
        if declared.variable(name) is None:
            message = f"is not declared; declared are: {known}"
            yield Problem(f"{path}.{shown(name)[1:-1]}", "unknown_variable", message)


def _judge_workflow(node: Node, facts: job_rules.Facts) -> list[Problem]:
    problems: list[Problem] = []
    asked = node.settings["revision"]
    component = ComponentDraft(
        UUID(node.settings["assembly_id"]), ComponentKind.WORKFLOW, None if asked == "latest" else asked, {}
    )
    known = facts.assemblies.get(UUID(node.settings["assembly_id"]))
    declared = job_rules.find_declared(component, known, "settings", problems)
    if declared is None:
        return problems
    if declared.kind.value != ComponentKind.WORKFLOW.value:
        message = f"must be a workflow, and is a {declared.kind}: use a node of that type"
        return [*problems, Problem("settings.assembly_id", "kind_mismatch", message)]
    given, path = node.settings["parameters"], "settings.parameters"
    formulas = computed(given)
    problems += settle_variables(declared, literal(given), (), path, formulas).problems
    return [*problems, *_undeclared(declared, formulas, path)]

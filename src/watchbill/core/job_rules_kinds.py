"""What kinds of components a job may have together, and in which execution contexts they run. Pure."""

from collections.abc import Iterator, Sequence

from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.fields import Choice, Fields
from watchbill.core.job_rules_values import (
    CONTEXT_MATRIX,
    DEFAULT_CONTEXTS,
    ComponentDraft,
    ComponentKind,
    ExecutionContext,
    Fit,
)
from watchbill.core.problems import Problem
from watchbill.core.steps import Role


def read_context(fields: Fields, components: Sequence[ComponentDraft]) -> ExecutionContext:
    """The execution context of a job, by the kind of its first component where it names none."""
    kind = components[0].kind if components else ComponentKind.SCRIPT
    default = DEFAULT_CONTEXTS.get(kind, ExecutionContext.SYSTEM)
    value = fields.choice("execution_context", contexts_of(kind), default=default)
    return ExecutionContext(value or default)


def contexts_of(kind: ComponentKind) -> Choice:
    """The execution contexts that a kind of component may name, now and later."""
    fits = {context: CONTEXT_MATRIX[kind, context] for context in ExecutionContext}
    now = tuple(context.value for context, fit in fits.items() if fit is Fit.YES)
    later = tuple(context.value for context, fit in fits.items() if fit is Fit.LATER)
    return Choice(now, later)


def kind_conflicts(components: Sequence[ComponentDraft]) -> Iterator[Problem]:
    """What components cannot be together, or cannot be as what they are."""
    for place, one in enumerate(components):
        if one.kind is not components[0].kind:
            message = f"must be {components[0].kind} as the first component: a job runs scripts or playbooks, not both"
            yield Problem(f"components.{place}.kind", "mixed_kinds", message)
        elif one.kind is ComponentKind.PLAYBOOK and one.role is not Role.RUN:
            message = "must be run: a playbook has no exit code by which it could decide about what follows"
            yield Problem(f"components.{place}.role", "not_allowed", message)


def kind_fault(kind: ComponentKind, declared: AssemblyDraft, path: str) -> list[Problem]:
    """Why an assembly cannot be that kind of component."""
    if kind.value == declared.kind.value:
        return []
    return [Problem(f"{path}.kind", "kind_mismatch", f"must be {declared.kind}, as the assembly is; not {kind}")]

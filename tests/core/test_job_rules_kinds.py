"""Scripts run by the agent and playbooks from the Engine, each in contexts of their own, and never in one job."""

from uuid import UUID

import pytest

from tests.core.test_job_rules import ASSEMBLY, SCRIPT, VALUES, component, facts, job
from watchbill.core.assembly_check import check as check_assembly
from watchbill.core.job_rules import AssemblyFacts, Facts, read, settle
from watchbill.core.job_rules_kinds import contexts_of
from watchbill.core.job_rules_values import CONTEXT_MATRIX, ComponentKind, ExecutionContext

PLAYBOOK = UUID(int=3)
PLAYS = {"name": "Set up", "kind": "playbook", "content": "- hosts: all\n", "time_limit_seconds": 600}


def with_playbook() -> Facts:
    scripts, plays = check_assembly(SCRIPT).draft, check_assembly(PLAYS).draft
    return facts(
        assemblies={
            ASSEMBLY: AssemblyFacts(1, is_archived=False, revisions={1: scripts}),
            PLAYBOOK: AssemblyFacts(1, is_archived=False, revisions={1: plays}),
        }
    )


def judged(definition):
    """A job that signs in by the account on its devices, where its context signs in at all."""
    has_playbook = definition["components"][0].get("kind") == "playbook"
    context = definition.get("execution_context", "ssh" if has_playbook else "system")
    reading = read({"use_service_account": context not in {"system", "current_user"}, **definition})
    settled = settle(reading.draft, with_playbook())
    return settled.job if not reading.problems else None, [*reading.problems, *settled.problems]


def found(definition):
    return sorted((problem.field, problem.code) for problem in judged(definition)[1])


def test_every_pair_of_component_and_context_has_its_cell():
    pairs = {(kind, context) for kind in ComponentKind for context in ExecutionContext}
    assert set(CONTEXT_MATRIX) == pairs
    assert contexts_of(ComponentKind.SCRIPT).now == ("system", "current_user")
    assert contexts_of(ComponentKind.PLAYBOOK).now == ("ssh", "ssh_individual", "winrm", "winrm_individual")


def playbook(**changes):
    return {"assembly_id": str(PLAYBOOK), "kind": "playbook"} | changes


def test_playbooks_run_one_after_the_other_from_the_engine():
    saved, problems = judged(job(components=[playbook(), playbook(revision=1)]))
    assert not problems
    assert saved is not None
    assert (saved.execution_context, saved.time_limit_seconds) == ("ssh_individual", 1200)
    for context in ("ssh", "ssh_individual", "winrm", "winrm_individual"):
        assert found(job(components=[playbook()], execution_context=context)) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"components": [playbook()], "execution_context": "system", "use_service_account": True},
            ("execution_context", "not_allowed"),
        ),
        ({"execution_context": "ssh", "use_service_account": False}, ("execution_context", "not_allowed")),
        ({"components": [playbook(), component()]}, ("components.1.kind", "mixed_kinds")),
        ({"components": [component(), playbook()]}, ("components.1.kind", "mixed_kinds")),
        (
            {"components": [playbook(assembly_id=str(ASSEMBLY), variables=VALUES)]},
            ("components.0.kind", "kind_mismatch"),
        ),
        ({"components": [playbook(kind="script")]}, ("components.0.kind", "kind_mismatch")),
        ({"components": [playbook(role="check"), playbook()]}, ("components.0.role", "not_allowed")),
        (
            {"components": [playbook()], "policies": {"no_user_session": "wait"}},
            ("policies.no_user_session", "not_allowed"),
        ),
    ],
)
def test_what_a_playbook_cannot_be_is_refused(changes, problem):
    assert found(job(**changes)) == [problem]

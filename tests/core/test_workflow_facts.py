"""What nodes refer to, judged against what there is: assemblies, the variables they declare, and credentials."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.factories.workflows import ASSEMBLY, LEAST, graph_of, node, workflow
from watchbill.core.assembly_rules import AssemblyDraft, AssemblyKind, Interpreter, Variable, VariableType
from watchbill.core.credential_rules import CredentialKind
from watchbill.core.fields import Fields
from watchbill.core.job_rules import AssemblyFacts, Facts
from watchbill.core.job_rules_login import LoginFacts
from watchbill.core.targets import TargetFacts
from watchbill.core.workflow_facts import judge_node
from watchbill.core.workflow_settings import SETTINGS
from watchbill.core.workflow_types import Node, NodeType

KINDS = {
    UUID(ASSEMBLY): AssemblyKind.SCRIPT,
    UUID(int=8): AssemblyKind.PLAYBOOK,
    UUID(int=9): AssemblyKind.WORKFLOW,
    UUID(int=10): AssemblyKind.SCRIPT,
}
DECLARED = (
    Variable("Age", VariableType.NUMBER, default=24),
    Variable("Where", VariableType.STRING, is_required=True),
    Variable("Token", VariableType.SECRET),
)


def facts(**changes) -> Facts:
    known = {
        assembly_id: AssemblyFacts(
            2,
            is_archived=assembly_id == UUID(int=10),
            revisions={number: _draft(kind) for number in (1, 2)},
        )
        for assembly_id, kind in KINDS.items()
    }
    return replace(Facts(datetime(2026, 5, 4, tzinfo=UTC), known, TargetFacts()), **changes)


def _draft(kind):
    declared = DECLARED[:2] if kind is AssemblyKind.WORKFLOW else DECLARED
    interpreter = Interpreter.BASH if kind is AssemblyKind.SCRIPT else None
    return AssemblyDraft("Clean", "", kind, interpreter, "true", declared, 900, ())


def found(kind, known=None, **settings):
    values = SETTINGS[NodeType(kind)].read(Fields.of(LEAST[kind] | settings, []))
    problems = judge_node(Node("run", NodeType(kind), "Run", values), known or facts())
    return sorted((problem.field, problem.code) for problem in problems)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"variables": {"Where": "here"}}, []),
        ({"variables": {"Where": {"expression": "parameters.host"}}}, []),
        ({"variables": {"Where": "here", "Age": {"expression": "1"}}, "revision": 1}, []),
        ({}, [("settings.variables.Where", "required")]),
        ({"variables": {"Where": 1}}, [("settings.variables.Where", "wrong_type")]),
        ({"variables": {"Where": "x", "Size": 1}}, [("settings.variables.Size", "unknown_variable")]),
        (
            {"variables": {"Where": "x", "Size": {"expression": "1"}}},
            [("settings.variables.Size", "unknown_variable")],
        ),
        ({"variables": {"Where": "x", "Token": "hush"}}, [("settings.variables.Token", "secret_not_allowed")]),
        (
            {"variables": {"Where": "x", "Token": {"expression": "'hush'"}}},
            [("settings.variables.Token", "secret_not_allowed")],
        ),
        ({"revision": 3}, [("settings.revision", "revision_not_found")]),
        ({"assembly_id": str(UUID(int=1))}, [("settings.assembly_id", "assembly_not_found")]),
        (
            {"assembly_id": str(UUID(int=10)), "variables": {"Where": "x"}},
            [("settings.assembly_id", "assembly_archived")],
        ),
        ({"assembly_id": str(UUID(int=8)), "variables": {"Where": "x"}}, [("settings.assembly_id", "kind_mismatch")]),
    ],
)
def test_a_script_is_judged_as_the_component_of_a_job(settings, expected):
    assert found("script", **settings) == expected


def test_what_has_a_value_elsewhere_need_not_be_given():
    assert found("script", facts(set_elsewhere=["Where"])) == []


def test_canaries_are_judged_with_what_else_the_graph_names():
    waves = {"sizes": [1], "canary": {"targets": [{"kind": "filter", "filter_id": 4}]}}
    assert found("script", variables={"Where": "x"}, policies={"waves": waves}) == []


def test_a_playbook_needs_a_credential_that_fits():
    own = {
        "assembly_id": str(UUID(int=8)),
        "variables": {"Where": "x"},
        "credential_id": 4,
        "use_service_account": False,
    }
    assert found("playbook", **own) == [("settings.credential_id", "credential_not_found")]
    assert found("playbook", facts(login=LoginFacts(CredentialKind.SSH)), **own) == []
    assert found("playbook", facts(login=LoginFacts(CredentialKind.WINRM)), **own) == [
        ("settings.credential_id", "wrong_kind")
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"parameters": {"Where": "x"}}, []),
        ({"parameters": {"Where": {"expression": "parameters.host"}}}, []),
        ({}, [("settings.parameters.Where", "required")]),
        ({"parameters": {"Where": "x", "Age": "old"}}, [("settings.parameters.Age", "wrong_type")]),
        (
            {"parameters": {"Where": "x", "No": {"expression": "1"}}},
            [("settings.parameters.No", "unknown_variable")],
        ),
        ({"revision": 9}, [("settings.revision", "revision_not_found")]),
        ({"assembly_id": ASSEMBLY}, [("settings.assembly_id", "kind_mismatch")]),
    ],
)
def test_a_workflow_is_given_what_it_declares(settings, expected):
    assert found("workflow", **({"assembly_id": str(UUID(int=9))} | settings)) == expected


def test_other_nodes_refer_to_nothing_that_is_judged_here():
    graph = graph_of(workflow([node("start", "trigger_manual")], []))
    assert judge_node(graph.nodes[0], facts()) == []

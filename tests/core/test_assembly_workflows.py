"""What an assembly of kind workflow may say of itself: its parameters, its graph, and nothing that belongs to scripts and playbooks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.assembly_check import check, from_json

START = {"id": "start", "type": "trigger_manual", "name": "By hand", "settings": {}}
PAUSE = {"id": "pause", "type": "wait", "name": "Pause", "settings": {"for": "duration", "seconds": 5}}
EDGE = {"from": "start.out", "to": "pause.in", "route_on": "success"}


def workflow(**changes: object) -> dict[str, Any]:
    return {"name": "Patch", "kind": "workflow", "workflow": {"nodes": [START, PAUSE], "edges": [EDGE]}} | changes


def found(definition):
    return [(problem.field, problem.code) for problem in check(definition).problems]


def declaring(**variable):
    return workflow(variables=[{"name": "threshold", "type": "number"} | variable])


def test_the_least_that_a_workflow_needs():
    checked = check(workflow())
    assert not checked.problems
    written: dict[str, Any] = checked.draft.to_json()
    assert written.keys() == {"name", "description", "kind", "variables", "workflow"}
    assert [node["id"] for node in written["workflow"]["nodes"]] == ["start", "pause"]
    assert from_json(written) == checked.draft


def test_a_workflow_needs_its_graph_and_others_have_none():
    assert found(workflow(workflow=None)) == [("workflow", "required")]
    script = {"name": "Clean", "interpreter": "bash", "content": "true"}
    assert found(script | {"workflow": None}) == []
    assert found(script | {"workflow": workflow()["workflow"]}) == [("workflow", "not_allowed")]
    playbook = {"name": "Site", "kind": "playbook", "content": "- hosts: all\n"}
    assert found(playbook | {"workflow": {}}) == [("workflow", "not_allowed")]


def test_what_belongs_to_scripts_is_refused_and_what_replies_have_is_let_pass():
    foreign = {
        "content": "echo",
        "interpreter": "bash",
        "warning_exit_codes": [3],
        "files": [{"name": "a", "sha256": "0" * 64}],
        "collections": [{"name": "a.b"}],
        "time_limit_seconds": 60,
    }
    assert sorted(found(workflow(**foreign))) == sorted((name, "not_allowed") for name in foreign)
    empty: dict[str, object] = {
        "content": "",
        "interpreter": None,
        "warning_exit_codes": [],
        "files": [],
        "collections": [],
    }
    assert found(workflow(**empty, time_limit_seconds=3600)) == []
    assert found(workflow(content=None, files=None, time_limit_seconds=None)) == []


def test_a_secret_is_no_parameter_and_the_message_says_where_it_belongs():
    (problem,) = check(declaring(type="secret")).problems
    assert (problem.field, problem.code) == ("variables.0.type", "not_allowed")
    assert "variables of the Engine" in problem.message


def test_a_parameter_is_promptable_unless_it_says_otherwise():
    assert check(declaring()).draft.variables[0].is_promptable
    checked = check(declaring(promptable=False, default=5))
    assert not checked.problems
    assert not checked.draft.variables[0].is_promptable
    assert found(declaring(promptable="yes")) == [("variables.0.promptable", "wrong_type")]
    script = {"name": "Clean", "interpreter": "bash", "content": "true"}
    variable = {"name": "Where", "type": "string"}
    assert found(script | {"variables": [variable | {"promptable": None}]}) == []
    refused = script | {"variables": [variable | {"promptable": True}]}
    assert found(refused) == [("variables.0.promptable", "not_allowed")]


def test_a_required_parameter_that_no_launch_can_give_is_refused():
    assert found(declaring(required=True, promptable=False)) == [("variables.0.promptable", "not_allowed")]
    hook = {
        "id": "hook",
        "type": "trigger_webhook",
        "name": "By a webhook",
        "settings": {"payload": [{"parameter": "threshold", "path": "a.b"}]},
    }
    graph = {
        "nodes": [START, hook, PAUSE],
        "edges": [EDGE, {"from": "hook.out", "to": "pause.in", "route_on": "success"}],
    }
    assert found(declaring(required=True, promptable=False) | {"workflow": graph}) == []


def test_a_parameter_may_be_called_what_a_shell_reserves():
    assert found(workflow(variables=[{"name": "PATH", "type": "string"}])) == []
    assert found(workflow(variables=[{"name": "1st", "type": "string"}])) == [("variables.0.name", "invalid_name")]


def test_the_digest_is_told_by_graph_and_parameters_and_not_by_the_name():
    one, renamed = check(workflow()).draft, check(workflow(name="Other")).draft
    assert one.substance == renamed.substance
    assert one.substance != check(declaring()).draft.substance
    slower = {**PAUSE, "settings": {"for": "duration", "seconds": 6}}
    assert one.substance != check(workflow(workflow={"nodes": [START, slower], "edges": [EDGE]})).draft.substance


waits = st.lists(st.integers(1, 1000), min_size=1, max_size=6)
parameters = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
            "type": st.sampled_from(["string", "number", "boolean"]),
        },
        optional={
            "promptable": st.booleans(),
            "description": st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        },
    ),
    max_size=4,
    unique_by=lambda one: one["name"],
)


@given(waits, parameters, st.sampled_from(["skip", "queue_one", "allow"]), st.none() | st.integers(1, 100))
def test_what_is_written_is_read_back(seconds, variables, concurrency, max_parallel):
    nodes = [
        {**PAUSE, "id": f"n{place}", "settings": {"for": "duration", "seconds": n}} for place, n in enumerate(seconds)
    ]
    edges = [{"from": "start.out", "to": f"n{place}.in", "route_on": "success"} for place in range(len(nodes))]
    graph = {"nodes": [START, *nodes], "edges": edges, "concurrency": concurrency, "max_parallel": max_parallel}
    checked = check(workflow(variables=variables, workflow=graph))
    assert not checked.problems
    assert from_json(checked.draft.to_json()) == checked.draft


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["nodes", "edges", "schema", "concurrency", "x"]), anything), anything)
def test_no_graph_breaks_the_reading(graph, variables):
    checked = check(workflow(workflow=graph, variables=variables))
    assert checked.problems


@pytest.mark.parametrize("value", [5, "x", []])
def test_a_graph_is_an_object(value):
    assert ("workflow", "wrong_type") in found(workflow(workflow=value))

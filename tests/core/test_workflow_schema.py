"""The schema of a workflow's document against the rules that judge it, and what a palette is told."""

import json
from copy import deepcopy

import jsonschema_rs
import pytest
from hypothesis import given

from tests.factories.workflows import (
    LEAST,
    PARAMETERS,
    UNTIMED,
    documents,
    edge,
    graph_of,
    node,
    patching,
    read,
    workflow,
)
from watchbill.core.fields import Fields
from watchbill.core.problems import Problem
from watchbill.core.workflow_schema import TITLES, document_schema, shapes_json
from watchbill.core.workflow_settings import SETTINGS
from watchbill.core.workflow_types import SHAPES, NodeType

SCHEMA = jsonschema_rs.Draft202012Validator(document_schema())


def test_the_schema_is_one():
    jsonschema_rs.meta.validate(document_schema())
    assert json.loads(json.dumps(document_schema())) == document_schema()


@UNTIMED
@given(documents())
def test_what_the_rules_accept_is_valid_as_it_is_written_and_as_it_is_kept(document):
    graph = graph_of(document)
    assert SCHEMA.is_valid(document)
    assert SCHEMA.is_valid(document | {"workflow": graph.to_json()})


VALUES = [
    None,
    True,
    False,
    0,
    1,
    60,
    100,
    1.5,
    "",
    "n",
    "any",
    "difference",
    LEAST["devices_list"]["device_ids"],
    "latest",
    "10%",
    "1",
    [],
    {},
    [1],
    ["failed"],
    [204],
    {"A": "b"},
]


def _changes(value, path=()):
    """Every place within a value, with others in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in list(inner):
        yield from _changes(one, (*path, name))
        yield from (((*path, name), other) for other in VALUES)


def _changed(value, path, other):
    changed = deepcopy(value)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = other
    return changed


@pytest.mark.parametrize("kind", NodeType)
def test_whatever_else_the_rules_accept_of_settings_is_valid_too(kind):
    schema = jsonschema_rs.Draft202012Validator(document_schema()["$defs"][f"settings_{kind}"])
    waves = {
        "sizes": [1, "5%"],
        "canary": {"tag": "first", "targets": [{"kind": "filter", "filter_id": 1}]},
        "stop": {},
    }
    more = {"policies": {"waves": waves, "retries": 2}, "variables": {"A": {"expression": "1"}}}
    whole = SETTINGS[kind].read(Fields.of(LEAST[kind] | (more if kind in ("script", "playbook") else {}), []))
    accepted = 0
    for path, other in _changes(whole):
        changed = _changed(whole, path, other)
        problems: list[Problem] = []
        SETTINGS[kind].read(Fields.of(changed, problems))
        accepted += not problems
        assert problems or schema.is_valid(changed), changed
    assert accepted or not whole


def test_whatever_else_the_rules_accept_of_a_graph_is_valid_too():
    nodes = [
        node("start", "trigger_manual"),
        node("call", "http", expect=[200]) | {"retries": 2, "time_limit_seconds": 60},
    ]
    graph = graph_of(workflow(nodes, [edge("start.out", "call.in", "failed")])).to_json()
    accepted = 0
    for path, other in _changes(graph):
        document = workflow([], []) | {"workflow": _changed(graph, path, other)}
        is_right = read(document)[0] is not None
        accepted += is_right
        assert not is_right or SCHEMA.is_valid(document), path
    assert accepted > 50


def test_a_real_workflow_is_valid():
    assert SCHEMA.is_valid(patching())


@pytest.mark.parametrize("kind", NodeType)
def test_the_least_settings_of_every_type_are_valid_and_others_are_not(kind):
    assert SCHEMA.is_valid(workflow([node("a", kind)], []))
    assert not SCHEMA.is_valid(workflow([node("a", kind, strange=1)], []))


@pytest.mark.parametrize("kind", [kind for kind in NodeType if LEAST[kind] and kind is not NodeType.DEVICES_TAKE])
def test_what_the_rules_require_the_schema_requires(kind):
    document = workflow([node("a", kind) | {"settings": {}}], [])
    lacking = {problem.field.split(".")[4] for problem in read(document)[1] if problem.code == "required"}
    told = {name for error in SCHEMA.iter_errors(document) for name in lacking if f'"{name}"' in error.message}
    # What depends on the value of another setting is beyond a schema.
    assert told == lacking - {"seconds", "window_id", "percent", "credential_id"}


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": []},
        {"schema": 2},
        {"max_parallel": 0},
        {"concurrency": "maybe"},
        {"strange": 1},
        {"edges": [{"from": "a.out", "to": "b.nowhere"}]},
        {"edges": [{"from": "a", "to": "b.in"}]},
        {"nodes": [node("A", "join")]},
        {"nodes": [node("a", "join") | {"retries": 1}]},
        {"nodes": [node("a", "join") | {"time_limit_seconds": 5}]},
    ],
)
def test_what_the_schema_can_tell_it_refuses_as_the_rules_do(changes):
    document = patching()
    document["workflow"] |= changes
    assert not SCHEMA.is_valid(document)
    assert read(document)[0] is None


def test_a_palette_has_every_type_with_its_ports():
    shapes = {one["type"]: one for one in shapes_json()["node_types"]}
    assert shapes.keys() == {kind.value for kind in NodeType} == {kind.value for kind in TITLES}
    for kind, shape in SHAPES.items():
        assert [port["name"] for port in shapes[kind]["inputs"]] == [port.name for port in shape.inputs]
        assert [port["name"] for port in shapes[kind]["outputs"]] == [port.name for port in shape.outputs]
    assert shapes["split"]["inputs"][0]["takes_from"] == ["playbook", "script"]
    assert len({title for title, _ in TITLES.values()}) == len(TITLES)


def test_a_parameter_is_as_an_assembly_shows_it():
    for one in PARAMETERS:
        SCHEMA.validate(patching() | {"variables": [one.to_json() | {"promptable": True}]})
    assert not SCHEMA.is_valid(patching() | {"variables": [{"name": "key", "type": "secret"}]})

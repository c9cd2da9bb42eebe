"""The schema of a workflow's document against the rules that judge it, and what a palette is told."""

import json

import jsonschema_rs
import pytest
from hypothesis import given

from tests.factories.workflows import LEAST, PARAMETERS, documents, graph_of, node, patching, read, workflow
from watchbill.core.workflow_schema import TITLES, document_schema, shapes_json
from watchbill.core.workflow_types import SHAPES, NodeType

SCHEMA = jsonschema_rs.Draft202012Validator(document_schema())


def test_the_schema_is_one():
    jsonschema_rs.meta.validate(document_schema())
    assert json.loads(json.dumps(document_schema())) == document_schema()


@given(documents())
def test_what_the_rules_accept_is_valid_as_it_is_written_and_as_it_is_kept(document):
    graph = graph_of(document)
    SCHEMA.validate(document)
    SCHEMA.validate(document | {"workflow": graph.to_json()})


def test_a_real_workflow_is_valid():
    SCHEMA.validate(patching())


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

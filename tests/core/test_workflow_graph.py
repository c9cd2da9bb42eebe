"""Every rule about the graph of a workflow, each with a document that breaks it: the code, the node and the port it is told at."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.workflows import (
    DEVICE,
    PARAMETERS,
    UNTIMED,
    anything,
    changed_somewhere,
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
from watchbill.core.workflow_graph import MAX_BYTES, located, read_graph
from watchbill.core.workflow_types import (
    MAX_EDGES,
    MAX_NODES,
    SHAPES,
    Edge,
    NodeType,
    PortKind,
    RouteOn,
)

START = node("start", "trigger_manual")


def led(*nodes: Any, edges: Any = (), **changes: Any) -> Any:
    """A workflow in which the trigger leads to each of these nodes that it can lead to."""
    to = [edge("start.out", f"{one['id']}.in") for one in nodes if SHAPES[one["type"]].inputs[:1] and _has_in(one)]
    return workflow([START, *nodes], [*to, *edges], **changes)


def _has_in(one: Any) -> bool:
    return any(port.name == "in" for port in SHAPES[one["type"]].inputs)


def found(document: Any) -> set[tuple[str, str | None, str | None]]:
    return {(one.problem.code, one.node, one.port) for one in located(read(document)[1], document)}


def fields_of(document: Any) -> set[tuple[str, str]]:
    return {(problem.field, problem.code) for problem in read(document)[1]}


@UNTIMED
@given(documents())
def test_a_workflow_is_read_as_it_is_written(document):
    graph = graph_of(document)
    assert graph_of({"workflow": json.loads(json.dumps(graph.to_json()))}) == graph
    assert [one.id for one in graph.nodes] == [one["id"] for one in document["workflow"]["nodes"]]
    assert len(graph.edges) == len(document["workflow"]["edges"])


def test_a_real_workflow_gets_every_default():
    graph = graph_of(patching())
    assert (graph.max_parallel, graph.time_limit_seconds, graph.concurrency) == (None, 604_800, "skip")
    assert graph.edges[0] == Edge("start", "out", "check", "in", RouteOn.SUCCESS)
    assert graph.edges[2].route_on is None
    check = next(one for one in graph.nodes if one.id == "check")
    assert check.settings["execution_context"] == "system"
    assert check.settings["policies"]["offline"] == "wait"
    assert (check.retries, check.retry_delay_seconds, check.on_error) == (0, 60, "stop")


SCRIPT = node("run", "script")
WEB = node("web", "devices_list")
WIRED = edge("web.devices", "run.devices")
WAIT = node("hold", "wait")
JOIN = node("meet", "join")
BROKEN = [
    # The document itself.
    (workflow([], []), ("length", None, None)),
    (workflow([START], [], schema=2), ("not_available_yet", None, None)),
    (workflow([START], [], schema=True), ("not_available_yet", None, None)),
    (workflow([START], [], max_parallel=0), ("out_of_range", None, None)),
    (workflow([START], [], time_limit_seconds=59), ("out_of_range", None, None)),
    (workflow([START], [], concurrency="replace"), ("not_allowed", None, None)),
    (workflow([START], [], colour="red"), ("unknown_field", None, None)),
    (workflow([START, *(node(f"n{number}", "split") for number in range(MAX_NODES))], []), ("length", None, None)),
    (workflow([START], [edge("a.out", "b.in")] * (MAX_EDGES + 1)), ("length", None, None)),
    (led(node("tell", "notify", message="x" * 10_000), x="x" * MAX_BYTES), ("length", None, None)),
    # A node.
    (workflow([START, "text"], []), ("wrong_type", None, None)),
    (workflow([node("Start", "trigger_manual")], []), ("invalid_name", "Start", None)),
    (workflow([node("1a", "trigger_manual")], []), ("invalid_name", "1a", None)),
    (workflow([node("a" * 41, "trigger_manual")], []), ("length", "a" * 41, None)),
    (workflow([node("start", "trigger_job"), START], []), ("duplicate", "start", None)),
    (workflow([START, node("a", "robot")], []), ("not_allowed", "a", None)),
    (workflow([START, {"id": "a", "name": "A"}], []), ("required", "a", None)),
    (workflow([START | {"name": " x"}], []), ("invalid_text", "start", None)),
    (workflow([START | {"x": 0.5}], []), ("out_of_range", "start", None)),
    (workflow([START | {"shape": "round"}], []), ("unknown_field", "start", None)),
    (workflow([START | {"settings": {"a": 1}}], []), ("unknown_field", "start", None)),
    (workflow([START | {"settings": []}], []), ("wrong_type", "start", None)),
    (led(WAIT | {"time_limit_seconds": 0}), ("out_of_range", "hold", None)),
    (led(JOIN | {"time_limit_seconds": 60}), ("no_effect", "meet", None)),
    (led(WAIT | {"retries": 1}), ("no_effect", "hold", None)),
    (led(node("call", "http") | {"retries": 11}), ("out_of_range", "call", None)),
    (led(node("call", "http") | {"retry_delay_seconds": 5}), ("no_effect", "call", None)),
    (led(WAIT | {"on_error": "ignore"}), ("not_allowed", "hold", None)),
    (workflow([START | {"on_error": "continue"}], []), ("no_effect", "start", None)),
    # An edge.
    (workflow([START], ["start.out"]), ("wrong_type", None, None)),
    (led(WAIT, edges=[{"to": "hold.in"}]), ("required", None, None)),
    (led(WAIT, edges=[edge("start", "hold.in")]), ("invalid", None, None)),
    (led(WAIT, edges=[edge("start.out", "hold.in.")]), ("invalid", None, None)),
    (led(WAIT, edges=[edge("start.out", "hold.in") | {"label": "x"}]), ("unknown_field", "hold", "in")),
    (led(WAIT, edges=[edge("gone.out", "hold.in", "failed")]), ("unknown_node", "gone", "out")),
    (led(WAIT, edges=[edge("hold.out", "gone.in")]), ("unknown_node", "gone", "in")),
    (led(WAIT, edges=[edge("start.result", "hold.in")]), ("unknown_port", "start", "result")),
    (led(WAIT, JOIN, edges=[edge("hold.out", "meet.devices")]), ("unknown_port", "meet", "devices")),
    (led(WEB, WAIT, edges=[edge("web.devices", "hold.in")]), ("kind_mismatch", "hold", "in")),
    (
        led(node("a", "approval"), node("b", "split"), edges=[edge("a.result", "b.result")]),
        ("kind_mismatch", "b", "result"),
    ),
    (led(WAIT, edges=[edge("start.out", "hold.in", "success")]), ("duplicate", "hold", "in")),
    (led(WAIT, edges=[edge("start.out", "hold.in", "sometimes")]), ("not_allowed", "start", "out")),
    (led(WEB, SCRIPT, edges=[edge("web.devices", "run.devices", "success")]), ("not_allowed", "web", "devices")),
    (led(node("if", "condition"), JOIN, edges=[edge("if.true", "meet.in", "always")]), ("not_allowed", "if", "true")),
    # Ports.
    (led(SCRIPT), ("not_wired", "run", "devices")),
    (workflow([START, WEB, SCRIPT], [WIRED]), ("not_wired", "run", "in")),
    (led(node("some", "devices_take")), ("not_wired", "some", "devices")),
    (led(WEB, node("both", "devices_combine"), edges=[edge("web.devices", "both.a")]), ("not_wired", "both", "b")),
    (led(node("parts", "split")), ("not_wired", "parts", "result")),
    (
        led(WEB, node("more", "devices_site"), SCRIPT, edges=[WIRED, edge("more.devices", "run.devices")]),
        ("port_taken", "run", "devices"),
    ),
    (led(node("hold", "wait") | {"settings": {"for": "devices", "percent": 50}}), ("not_wired", "hold", "devices")),
    (led(WEB, WAIT, edges=[edge("web.devices", "hold.devices")]), ("not_allowed", "hold", "devices")),
    # The whole.
    (workflow([WEB], []), ("no_trigger", None, None)),
    (workflow([START, node("again", "trigger_manual")], []), ("duplicate", "again", None)),
    (led(WAIT, JOIN, edges=[edge("hold.out", "meet.in"), edge("meet.out", "hold.in")]), ("cycle", "hold", "in")),
    (led(WAIT, edges=[edge("hold.out", "hold.in")]), ("cycle", "hold", "in")),
    (
        led(
            SCRIPT,
            node("parts", "split"),
            edges=[edge("run.result", "parts.result"), edge("parts.failed", "run.devices")],
        ),
        ("cycle", "run", "devices"),
    ),
    (
        workflow([START, WAIT, JOIN], [edge("hold.out", "meet.in"), edge("meet.out", "hold.in")]),
        ("unreachable", "hold", "in"),
    ),
    (led(WAIT, node("meet", "join", mode="n", n=3), edges=[edge("hold.out", "meet.in")]), ("impossible", "meet", None)),
    (
        led(
            WAIT,
            node("meet", "join"),
            edges=[edge("hold.out", "meet.in", "success"), edge("hold.out", "meet.in", "failed")],
        ),
        ("impossible", "meet", None),
    ),
    (
        led(node("if", "condition"), JOIN, edges=[edge("if.true", "meet.in"), edge("if.false", "meet.in")]),
        ("impossible", "meet", None),
    ),
    # Expressions.
    (led(node("if", "condition", expression="1 +")), ("invalid_expression", "if", None)),
    (led(node("if", "condition", expression="parameters.limit > 1")), ("unknown_parameter", "if", None)),
    (led(WAIT, node("if", "condition", expression="inputs.hold == 1")), ("unknown_input", "if", None)),
    (led(node("if", "condition", expression="run.colour == 1")), ("unknown_name", "if", None)),
    (led(node("ask", "approval", message="{{ inputs.run.failed }}")), ("unknown_input", "ask", None)),
    (led(node("ask", "approval", message="{{ 1 ")), ("invalid_expression", "ask", None)),
    (led(node("tell", "notify", subject="{{ parameters.limit }}")), ("unknown_parameter", "tell", None)),
    (led(node("call", "http", url="https://{{ run.nothing }}/")), ("unknown_name", "call", None)),
    (led(node("call", "http", headers={"X-A": "{{ parameters.no }}"})), ("unknown_parameter", "call", None)),
    (led(node("call", "http", method="PUT", body="{{ parameters.no }}")), ("unknown_parameter", "call", None)),
    (led(node("set", "set_value", expression="parameters.no")), ("unknown_parameter", "set", None)),
    (
        led(node("sub", "workflow", parameters={"A": {"expression": "parameters.no"}})),
        ("unknown_parameter", "sub", None),
    ),
    (
        led(WEB, node("run", "script", variables={"A": {"expression": "inputs.web"}}), edges=[WIRED]),
        ("unknown_input", "run", None),
    ),
    (
        workflow([node("hook", "trigger_webhook", payload=[{"parameter": "no", "path": "a"}])], []),
        ("unknown_parameter", "hook", None),
    ),
]


@pytest.mark.parametrize(("document", "expected"), BROKEN)
def test_every_rule_is_told_with_its_code_node_and_port(document, expected):
    assert expected in found(document)
    assert read(document)[0] is None


@pytest.mark.parametrize("value", [None, 1, "x", [], True])
def test_a_workflow_is_an_object(value):
    assert fields_of({"workflow": value}) == {("workflow", "required" if value is None else "wrong_type")}


def test_one_fault_is_told_once():
    """A faulty node or edge is no reason to call others unknown, unwired or unreachable."""
    assert found(
        workflow([START, node("A", "wait"), JOIN], [edge("start.out", "meet.in"), edge("a.out", "meet.in")])
    ) == {("invalid_name", "A", None)}
    assert found(
        workflow([START, node("a", "robot"), JOIN], [edge("start.out", "a.in"), edge("a.out", "meet.in")])
    ) == {("not_allowed", "a", None)}
    assert found(led(WEB, SCRIPT, edges=[edge("web.rest", "run.devices")])) == {("unknown_port", "web", "rest")}
    assert found(workflow([node("start", "robot")], [])) == {("not_allowed", "start", None)}
    assert found(led(WAIT) | {"workflow": {"nodes": [START, WAIT], "edges": "none"}}) == {("wrong_type", None, None)}
    line = [edge("hold.out", "meet.in"), edge("meet.out", "last.in")]
    for faulty, code in [
        (edge("start.out", "hold.in", "never"), ("not_allowed", "start", "out")),
        (edge("start", "hold.in"), ("invalid", None, None)),
        (edge("gone.out", "hold.in"), ("unknown_node", "gone", "out")),
        (edge("start.in", "hold.in"), ("unknown_port", "start", "in")),
    ]:
        assert found(workflow([START, WAIT, JOIN, node("last", "wait")], [faulty, *line])) == {code}


def test_faults_in_every_part_are_named_at_once():
    document = led(
        node("if", "condition", expression="parameters.no"),
        SCRIPT,
        node("ask", "approval", timeout_seconds=1),
        edges=[edge("if.true", "nobody.in"), edge("run.out", "ask.in", "never")],
        max_parallel=1_000,
    )
    assert fields_of(document) == {
        ("workflow.max_parallel", "out_of_range"),
        ("workflow.nodes.1.settings.expression", "unknown_parameter"),
        ("workflow.nodes.2.ports.devices", "not_wired"),
        ("workflow.nodes.3.settings.timeout_seconds", "out_of_range"),
        ("workflow.edges.3.to", "unknown_node"),
        ("workflow.edges.4.route_on", "not_allowed"),
    }


def test_a_circle_is_told_by_its_nodes():
    names = ["a", "b", "c"]
    nodes = [node(name, "wait") for name in names]
    edges = [edge(f"{one}.out", f"{other}.in") for one, other in [("a", "b"), ("b", "c"), ("c", "a")]]
    (problem,) = read(led(*nodes, edges=edges))[1]
    assert (problem.field, problem.code) == ("workflow.edges.5", "cycle")
    assert problem.message.endswith("a → b → c → a")


def test_the_place_of_a_name_is_told():
    (problem,) = read(led(node("ask", "approval", message="Go on with {{ parameters.limit }}?")))[1]
    assert problem.field == "workflow.nodes.1.settings.message"
    assert problem.message == (
        "limit is not a parameter of this workflow; declared are: host, is_urgent, threshold (at character 15)"
    )


def test_a_node_with_two_routes_may_lead_to_another_twice():
    twice = [edge("hold.out", "next.in", "warning"), edge("hold.out", "next.in", "failed")]
    assert not read(workflow([START, WAIT, node("next", "wait")], [edge("start.out", "hold.in"), *twice]))[1]


def test_a_join_of_all_takes_always_beside_another_route():
    both = [edge("hold.out", "meet.in", "always"), edge("hold.out", "meet.in", "failed")]
    assert not read(workflow([START, WAIT, JOIN], [edge("start.out", "hold.in"), *both]))[1]


def test_a_join_takes_as_many_as_can_come():
    assert not read(led(WAIT, node("meet", "join", mode="n", n=2), edges=[edge("hold.out", "meet.in")]))[1]


@pytest.mark.parametrize("kind", [kind for kind in NodeType if SHAPES[kind].is_trigger])
def test_one_trigger_of_any_type_is_enough(kind):
    assert not read(workflow([node("start", kind)], []))[1]


def test_the_largest_workflow_is_read_soon():
    names = [f"n{number}" for number in range(MAX_NODES - 1)]
    line = [edge(f"{one}.out", f"{other}.in") for one, other in zip(["start", *names], names, strict=False)]
    more = [edge(f"{names[at]}.out", f"{names[at + 7]}.in", "always") for at in range(MAX_NODES - 10)]
    graph = graph_of(workflow([START, *(node(name, "wait") for name in names)], [*line, *more]))
    assert len(graph.nodes) == MAX_NODES
    closing = edge(f"{names[-1]}.out", f"{names[0]}.in")
    (problem,) = read(workflow([START, *(node(name, "wait") for name in names)], [*line, closing]))[1]
    assert problem.code == "cycle"


PORTS = [
    (kind, port, other, target)
    for kind, shape in SHAPES.items()
    for port in shape.outputs
    for other, there in SHAPES.items()
    for target in there.inputs
]


@pytest.mark.parametrize("kinds", PortKind)
def test_ports_join_when_a_kind_of_one_is_a_kind_of_the_other(kinds):
    for kind, port, other, target in PORTS:
        if kinds not in port.kinds:
            continue
        document = workflow([node("a", kind), node("b", other)], [edge(f"a.{port.name}", f"b.{target.name}")])
        fits = bool(port.kinds & target.kinds)
        is_special = other is NodeType.SPLIT and kind not in (NodeType.SCRIPT, NodeType.PLAYBOOK)
        assert (("kind_mismatch", "b", target.name) in found(document)) is (not fits or is_special)


# Whatever is broken is told; nothing breaks the rules themselves.


@UNTIMED
@given(st.data(), anything)
def test_any_value_anywhere_is_judged_without_a_fault_of_our_own(data, value):
    changed = data.draw(changed_somewhere(patching(), value))
    graph, problems = read(changed)
    assert (graph is None) is bool(problems)
    assert len(located(problems, changed)) == len(problems)
    if graph is not None:
        assert graph_of({"workflow": graph.to_json()}) == graph


@UNTIMED
@given(documents(most=6), st.data())
def test_without_one_of_its_edges_or_nodes_a_workflow_is_right_or_told_wrong(document, data):
    part = data.draw(st.sampled_from(["nodes", "edges"]))
    items = document["workflow"][part]
    if items:
        items.pop(data.draw(st.integers(0, len(items) - 1)))
    graph, problems = read(document)
    assert (graph is None) is bool(problems)
    assert all(problem.field.startswith("workflow") for problem in problems)


@UNTIMED
@given(anything)
def test_problems_of_anything_have_places_or_none(value):
    problem = Problem("workflow.nodes.0.settings", "x", "x")
    for document in (value, {"workflow": value}, {"workflow": {"nodes": value, "edges": value}}):
        for field in ("workflow.nodes.0.settings", "workflow.edges.0.to", "workflow.nodes.-1", "name", "workflow"):
            (one,) = located([replace(problem, field=field)], document)
            assert one.node is None or isinstance(one.node, str)


def test_a_graph_within_another_document_is_told_under_its_path():
    problems: list[Problem] = []
    assert read_graph(Fields.of({"workflow": {"nodes": []}}, problems, "definition"), PARAMETERS) is None
    assert [problem.field for problem in problems] == ["definition.workflow.nodes"]


def test_devices_are_named_once():
    twice = node("web", "devices_list", device_ids=[DEVICE, DEVICE.upper()])
    assert ("workflow.nodes.1.settings.device_ids", "duplicate") in fields_of(workflow([START, twice], []))

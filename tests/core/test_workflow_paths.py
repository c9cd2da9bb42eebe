"""What a graph is asked: who takes part, in which order, and whether workflows lead back to themselves."""

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.factories.workflows import UNTIMED, documents, edge, graph_of, node, patching, workflow
from watchbill.core.workflow_paths import circles, order, reachable, recursion, sub_workflows
from watchbill.core.workflow_types import Edge, Graph, Node, NodeType


def two_ways() -> Graph:
    """One that begins by hand and by a webhook, with a part of its own for each and devices that both need."""
    nodes = [
        node("hand", "trigger_manual"),
        node("hook", "trigger_webhook"),
        node("web", "devices_list"),
        node("db", "devices_list"),
        node("some", "devices_take"),
        node("clean", "script"),
        node("bad", "split"),
        node("repair", "script"),
        node("tell", "notify"),
        node("idle", "devices_list"),
    ]
    edges = [
        edge("hand.out", "clean.in"),
        edge("web.devices", "clean.devices"),
        edge("clean.result", "bad.result"),
        edge("hook.out", "repair.in"),
        edge("db.devices", "some.devices"),
        edge("some.devices", "repair.devices"),
        edge("repair.out", "tell.in"),
        edge("clean.out", "tell.in"),
        edge("clean.result", "repair.inputs"),
    ]
    return graph_of(workflow(nodes, edges))


def test_who_takes_part_depends_on_the_trigger():
    assert reachable(two_ways(), "hand") == {"hand", "clean", "web", "bad", "tell"}
    assert reachable(two_ways(), "hook") == {"hook", "repair", "some", "db", "tell"}


def test_all_of_a_plain_workflow_takes_part():
    graph = graph_of(patching())
    assert reachable(graph, "start") == {one.id for one in graph.nodes} - {"hook"}


@UNTIMED
@given(documents())
def test_what_takes_part_has_what_it_needs(document):
    graph = graph_of(document)
    controlled = {one.id for one in graph.nodes if one.shape.has_control}
    everyone: set[str] = set()
    for trigger in (one for one in graph.nodes if one.shape.is_trigger):
        part = reachable(graph, trigger.id)
        everyone |= part
        for one in graph.edges:
            if one.target_port == "in":
                assert one.source not in part or one.target in part
            elif one.target in part:
                assert one.source in part or one.source in controlled
    assert everyone >= controlled


@UNTIMED
@given(documents())
def test_every_node_comes_after_all_that_lead_to_it(document):
    graph = graph_of(document)
    places = {node_id: place for place, node_id in enumerate(order(graph))}
    assert places.keys() == {one.id for one in graph.nodes}
    assert all(places[one.source] < places[one.target] for one in graph.edges)


def test_among_equals_the_order_is_that_of_the_document():
    assert order(two_ways())[:4] == ("hand", "hook", "web", "db")


_ids = [f"n{number}" for number in range(8)]
_pairs = st.lists(st.tuples(st.sampled_from(_ids), st.sampled_from(_ids)), max_size=20)


@UNTIMED
@given(_pairs)
def test_circles_are_told_if_and_only_if_there_are_some(pairs):
    edges = [Edge(source, "out", target, "in") for source, target in pairs]
    found = list(circles(_ids, edges))
    for circle in found:
        assert len(set(circle)) == len(circle)
        assert all(pair in pairs for pair in zip(circle, (*circle[1:], circle[0]), strict=True))
    ending = {node_id for node_id in _ids if _leads_back(node_id, pairs)}
    assert bool(found) is bool(ending)
    assert {one for circle in found for one in circle} <= ending
    gone = {one for circle in found for one in circle}
    rest = [pair for pair in pairs if not gone & set(pair)]
    assert not any(_leads_back(one, rest) for one in _ids)


def _leads_back(start: str, pairs: list[tuple[str, str]]) -> bool:
    found: set[str] = set()
    waiting = [target for source, target in pairs if source == start]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += (target for source, target in pairs if source == one)
    return start in found


def holding(*parts: int) -> Graph:
    """A workflow that runs these, by their numbers."""
    nodes = [
        Node(f"n{place}", NodeType.WORKFLOW, "Part", {"assembly_id": str(UUID(int=part)), "revision": "latest"})
        for place, part in enumerate(parts)
    ]
    return replace(Graph((), ()), nodes=tuple(nodes))


def leads_back(start: int, graphs: dict[int, Graph]) -> list[int] | None:
    found = recursion(UUID(int=start), {UUID(int=number): graph for number, graph in graphs.items()})
    return [one.int for one in found] if found else None


def test_the_parts_of_a_workflow_are_named_once():
    assert sub_workflows(holding(2, 3, 2)) == (UUID(int=2), UUID(int=3))
    assert sub_workflows(graph_of(patching())) == ()


def test_workflows_that_lead_back_are_told_by_the_way():
    assert leads_back(1, {1: holding(1)}) == [1, 1]
    assert leads_back(1, {1: holding(2, 3), 2: holding(4), 3: holding(4), 4: holding()}) is None
    assert leads_back(1, {1: holding(2, 3), 2: holding(), 3: holding(4), 4: holding(1)}) == [1, 3, 4, 1]
    assert leads_back(1, {1: holding(2), 2: holding(3), 3: holding(2)}) == [1, 2, 3, 2]
    assert leads_back(1, {1: holding(9)}) is None
    assert leads_back(9, {}) is None


def test_a_long_line_of_workflows_is_no_trouble():
    assert leads_back(0, {number: holding(number + 1) for number in range(2_000)}) is None


def test_many_ways_to_the_same_workflows_are_walked_once():
    graphs = {number: holding(*[number + 1] * 3, number + 2) for number in range(60)}
    assert leads_back(0, graphs) is None

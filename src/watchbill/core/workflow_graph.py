"""Reads the graph of a workflow and names everything that is wrong with it; a graph that is read can be run. Pure.

Nodes and edges one by one here, what they are together in `core.workflow_graph_rules`, and what a graph is asked when it runs in
`core.workflow_paths`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from watchbill.core.assembly_rules import Variable
from watchbill.core.fields import Choice, Fields, join, shown
from watchbill.core.problems import Problem
from watchbill.core.workflow_graph_rules import PlacedEdge, PlacedNode, Wiring, judge
from watchbill.core.workflow_settings import SETTINGS
from watchbill.core.workflow_steps import WORK
from watchbill.core.workflow_types import (
    DEFAULT_RUN_LIMIT_SECONDS,
    MAX_EDGES,
    MAX_NODES,
    MAX_PARALLEL,
    NODE_LIMIT_SECONDS,
    RETRIES,
    RETRY_DELAY_SECONDS,
    RUN_LIMIT_SECONDS,
    SCHEMA,
    Concurrency,
    Edge,
    Graph,
    Node,
    NodeType,
    OnError,
    RouteOn,
)

NODE_TYPES: Final = Choice(tuple(NodeType))
ROUTES: Final = Choice(tuple(RouteOn))
ON_ERRORS: Final = Choice(("stop", "continue"))
CONCURRENCIES: Final = Choice(("skip", "queue_one", "allow"))
NODE_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_END: Final = re.compile(r"([a-z][a-z0-9_]{0,39})\.([a-z]{1,20})")
#: Where the editor may draw a node.
PLACE: Final = (-1_000_000, 1_000_000)
MAX_BYTES: Final = 1024 * 1024
DEFAULT_RETRY_DELAY_SECONDS: Final = 60
_T: Final = NodeType
#: What takes a time that can be bounded. What is work can also be done once more.
WITH_TIME_LIMIT: Final = WORK | {_T.WAIT}
_NO_TIME: Final = "must be null: a node of this type ends at once, or says by timeout_seconds how long it may take"


def read_graph(fields: Fields, parameters: Sequence[Variable]) -> Graph | None:
    """The field `workflow` of an assembly, judged as a whole; None when anything is wrong, which is among the problems then.

    `parameters` are the variables that the assembly declares.
    """
    problems = fields.problems
    before = len(problems)
    if fields.take("workflow") is None:
        fields.refuse("workflow", "required", "is required: an object with nodes and edges")
        return None
    inner = fields.object("workflow")
    if len(problems) > before or _is_too_large(inner):
        return None
    wiring = Wiring(_nodes(inner), _edges(inner), frozenset(variable.name for variable in parameters))
    graph = _graph(inner, wiring)
    inner.refuse_unknown("a workflow")
    has_edges = bool(wiring.edges) or inner.value.get("edges") in (None, [])
    if wiring.nodes and has_edges:  # of a list that could not be read, everything would be called missing
        problems += judge(wiring)
    return graph if len(problems) == before else None


def _is_too_large(fields: Fields) -> bool:
    try:
        size = len(json.dumps(fields.value, default=str))
    except RecursionError:
        fields.problems.append(Problem(fields.path, "too_deep", "is nested too deep to be read"))
        return True
    if size > MAX_BYTES:
        message = f"is too large: at most {MAX_BYTES // 1024} KiB as JSON, not {size // 1024}"
        fields.problems.append(Problem(fields.path, "length", message))
    return size > MAX_BYTES


def _graph(fields: Fields, wiring: Wiring) -> Graph:
    if (schema := fields.take("schema")) not in (None, SCHEMA) or isinstance(schema, bool):
        fields.refuse("schema", "not_available_yet", f"must be {SCHEMA}: this version knows no other format")
    concurrency = fields.choice("concurrency", CONCURRENCIES, default="skip") or "skip"
    return Graph(
        tuple(one.node for one in wiring.nodes if one.node is not None),
        tuple(one.edge for one in wiring.edges if one.edge is not None),
        max_parallel=fields.optional_integer("max_parallel", *MAX_PARALLEL),
        time_limit_seconds=fields.integer("time_limit_seconds", *RUN_LIMIT_SECONDS, default=DEFAULT_RUN_LIMIT_SECONDS),
        concurrency=cast("Concurrency", concurrency),
    )


def _nodes(fields: Fields) -> tuple[PlacedNode, ...]:
    items = fields.items("nodes", least=1, most=MAX_NODES)
    read: list[PlacedNode] = []
    taken: set[str] = set()
    for place, item in enumerate(items):
        path = join(fields.path, f"nodes.{place}")
        one = Fields.of(item, fields.problems, path)
        node_id = _node_id(one, taken)
        read.append(PlacedNode(path, node_id, _node(one, node_id)))
    return tuple(read)


def _node_id(fields: Fields, taken: set[str]) -> str:
    """Its id, also of a node with other faults; nothing when that is one of them."""
    before = len(fields.problems)
    node_id = fields.text("id", least=1, most=40)
    if len(fields.problems) > before:
        return ""
    if not NODE_ID.fullmatch(node_id):
        message = "must begin with a small letter and go on with small letters, digits and underscores"
        fields.refuse("id", "invalid_name", message)
        return ""
    if node_id in taken:
        fields.refuse("id", "duplicate", f"{node_id} is the id of another node")
        return ""
    taken.add(node_id)
    return node_id


def _node(fields: Fields, node_id: str) -> Node | None:
    word = fields.choice("type", NODE_TYPES)
    kind = NodeType(word) if word else None
    settings = _settings(fields, kind)
    node = Node(
        id=node_id,
        type=kind or _T.JOIN,
        name=fields.name(),
        settings=settings,
        x=fields.integer("x", *PLACE, default=0),
        y=fields.integer("y", *PLACE, default=0),
        time_limit_seconds=fields.optional_integer("time_limit_seconds", *NODE_LIMIT_SECONDS),
        retries=fields.integer("retries", *RETRIES, default=0),
        retry_delay_seconds=fields.integer(
            "retry_delay_seconds", *RETRY_DELAY_SECONDS, default=DEFAULT_RETRY_DELAY_SECONDS
        ),
        on_error=cast("OnError", fields.choice("on_error", ON_ERRORS, default="stop") or "stop"),
    )
    fields.refuse_unknown("a node")
    if kind is None:
        return None
    _judge_tries(fields, node)
    return node


def _settings(fields: Fields, kind: NodeType | None) -> dict[str, Any]:
    if kind is None:  # which settings there are depends on it
        fields.take("settings")
        return {}
    return SETTINGS[kind].read(fields.object("settings"))


def _judge_tries(fields: Fields, node: Node) -> None:
    """What would do nothing is refused."""
    if node.time_limit_seconds is not None and node.type not in WITH_TIME_LIMIT:
        fields.refuse("time_limit_seconds", "no_effect", _NO_TIME)
    if node.retries and node.type not in WORK:
        fields.refuse("retries", "no_effect", f"must be 0: a node of type {node.type} is not tried again")
    elif not node.retries and node.retry_delay_seconds != DEFAULT_RETRY_DELAY_SECONDS:
        fields.refuse("retry_delay_seconds", "no_effect", "has no effect without retries")
    if node.shape.is_trigger and node.on_error != "stop":
        fields.refuse("on_error", "no_effect", "must be stop: a trigger cannot fail")


def _edges(fields: Fields) -> tuple[PlacedEdge, ...]:
    items = fields.items("edges", most=MAX_EDGES)
    paths = [join(fields.path, f"edges.{place}") for place in range(len(items))]
    return tuple(_edge(Fields.of(item, fields.problems, path)) for item, path in zip(items, paths, strict=True))


def _edge(fields: Fields) -> PlacedEdge:
    source, target = _end(fields, "from"), _end(fields, "to")
    is_named = fields.value.get("route_on") is not None
    route = fields.choice("route_on", ROUTES) if is_named else fields.take("route_on")
    fields.refuse_unknown("an edge")
    if source is None or target is None or (is_named and route is None):
        return PlacedEdge(fields.path, None, target)
    edge = _routed(fields, Edge(*source, *target, RouteOn(str(route)) if is_named else None))
    return PlacedEdge(fields.path, edge, target)


def _routed(fields: Fields, edge: Edge) -> Edge:
    """Control that leaves by `out` goes on after success unless it says otherwise; nothing else has a route."""
    if edge.source_port == "out":
        return Edge(edge.source, edge.source_port, edge.target, edge.target_port, edge.route_on or RouteOn.SUCCESS)
    if edge.route_on is not None:
        message = "must be null: a route belongs to edges from the port out, by how their node ended"
        fields.refuse("route_on", "not_allowed", message)
    return Edge(edge.source, edge.source_port, edge.target, edge.target_port)


def _end(fields: Fields, name: str) -> tuple[str, str] | None:
    value = fields.take(name)
    found = _END.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        code = "required" if value is None else "invalid"
        fields.refuse(name, code, f"must be a node and its port, such as check.result, not {shown(value)}")
        return None
    return found[1], found[2]


@dataclass(frozen=True, slots=True)
class Located:
    """A problem with the node and the port of it that it is about, for who draws the graph."""

    problem: Problem
    node: str | None = None
    port: str | None = None


def located(problems: Iterable[Problem], definition: object) -> list[Located]:
    """The problems of an assembly document, with their places in its graph as far as they have one."""
    workflow = definition.get("workflow") if isinstance(definition, Mapping) else None
    document = workflow if isinstance(workflow, Mapping) else {}
    return [Located(problem, *_place(problem.field, document)) for problem in problems]


def _place(field: str, document: Mapping[str, object]) -> tuple[str | None, str | None]:
    match field.split("."):
        case ["workflow", "nodes", number, *rest]:
            node_id = _item(document, "nodes", number).get("id")
            port = rest[1] if rest[:1] == ["ports"] and len(rest) > 1 else None
            return (node_id if isinstance(node_id, str) else None), port
        case ["workflow", "edges", number, *rest]:
            end = _item(document, "edges", number).get("to" if rest[:1] != ["from"] else "from")
            if rest[:1] == ["route_on"]:
                end = _item(document, "edges", number).get("from")
            found = _END.fullmatch(end) if isinstance(end, str) else None
            return (found[1], found[2]) if found else (None, None)
        case _:
            return None, None


def _item(document: Mapping[str, object], name: str, number: str) -> Mapping[str, object]:
    items = document.get(name)
    is_there = isinstance(items, list) and number.isascii() and number.isdigit() and len(number) < 9
    item = items[int(number)] if is_there and isinstance(items, list) and int(number) < len(items) else None
    return item if isinstance(item, Mapping) else {}

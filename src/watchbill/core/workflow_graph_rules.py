"""What the nodes and edges of a workflow must be together: wired where needed, of fitting kinds, without a circle, and reachable.

Faulty nodes and edges are passed over, so that one fault is told once. A port is named by the path `….nodes.N.ports.NAME`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from watchbill.core.problems import Problem
from watchbill.core.workflow_paths import circles, forward
from watchbill.core.workflow_settings import uses
from watchbill.core.workflow_settings_kinds import Use
from watchbill.core.workflow_types import Edge, Node, NodeType, Port, RouteOn

_T: Final = NodeType
#: What `run.…` is about.
RUN_NAMES: Final = ("id", "workflow", "source", "started_at")
#: Ports that take only what some types of node give, although others have ports of the same kind.
TAKES_FROM: Final[Mapping[tuple[NodeType, str], frozenset[NodeType]]] = {
    (_T.SPLIT, "result"): frozenset((_T.SCRIPT, _T.PLAYBOOK)),
}


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node where it stands. `id` is empty when it is faulty, `node` None when the type is."""

    path: str
    id: str
    node: Node | None


@dataclass(frozen=True, slots=True)
class PlacedEdge:
    """An edge where it stands; None when it is faulty by itself. `target` is known of some of those too."""

    path: str
    edge: Edge | None
    target: tuple[str, str] | None


@dataclass(slots=True)
class Wiring:
    """All that was read of a graph."""

    nodes: tuple[PlacedNode, ...]
    edges: tuple[PlacedEdge, ...]
    parameters: frozenset[str]
    by_id: dict[str, PlacedNode] = field(default_factory=dict)
    #: The edges between ports that are there, with their paths.
    wired: list[tuple[str, Edge]] = field(default_factory=list)
    #: By node and port, what comes in.
    incoming: dict[tuple[str, str], list[tuple[str, Edge]]] = field(default_factory=lambda: defaultdict(list))
    #: Nodes and ports that an edge leads to, be it faulty: they are not called unwired on top.
    fed: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.by_id = {one.id: one for one in self.nodes if one.id}
        self.fed = {one.target for one in self.edges if one.target is not None}
        for one in self.edges:
            if one.edge is not None:
                self.incoming[one.edge.target, one.edge.target_port].append((one.path, one.edge))

    def node(self, node_id: str) -> Node | None:
        found = self.by_id.get(node_id)
        return found.node if found else None

    @property
    def whole(self) -> Iterator[tuple[str, Node]]:
        """Nodes with an id and a type, with their paths."""
        return ((one.path, one.node) for one in self.nodes if one.id and one.node is not None)


def judge(wiring: Wiring) -> list[Problem]:
    """Everything that is wrong between nodes and edges that are right by themselves."""
    problems = [problem for path, edge in _placed(wiring) for problem in _edge_faults(wiring, path, edge)]
    problems += _duplicates(wiring)
    problems += _port_faults(wiring)
    problems += _triggers(wiring)
    problems += _circles(wiring)
    problems += _unreachable(wiring)
    problems += _waits(wiring)
    problems += _joins(wiring)
    problems += _names(wiring)
    return problems


def _placed(wiring: Wiring) -> Iterator[tuple[str, Edge]]:
    return ((one.path, one.edge) for one in wiring.edges if one.edge is not None)


def _edge_faults(wiring: Wiring, path: str, edge: Edge) -> Iterator[Problem]:
    """Its two ends, and whether they fit; an edge that does is wired from now on."""
    faults: list[Problem] = []
    source = _port(wiring, f"{path}.from", edge.source, edge.source_port, faults, is_output=True)
    target = _port(wiring, f"{path}.to", edge.target, edge.target_port, faults, is_output=False)
    yield from faults
    if source is None or target is None:
        return
    if not source.kinds & target.kinds:
        message = f"takes {_kinds(target)}, and {edge.source}.{edge.source_port} gives {_kinds(source)}"
        yield Problem(f"{path}.to", "kind_mismatch", message)
        return
    takes = _takes_from(wiring, edge)
    if takes:
        yield Problem(f"{path}.to", "kind_mismatch", f"takes only what these types of node give: {', '.join(takes)}")
        return
    wiring.wired.append((path, edge))


def _port(wiring: Wiring, path: str, node_id: str, name: str, faults: list[Problem], *, is_output: bool) -> Port | None:
    if node_id not in wiring.by_id:
        if not any(not one.id for one in wiring.nodes):  # it may be the one whose id is faulty
            faults.append(Problem(path, "unknown_node", f"there is no node {node_id}"))
        return None
    node = wiring.node(node_id)
    if node is None:
        return None
    ports = node.shape.outputs if is_output else node.shape.inputs
    found = next((port for port in ports if port.name == name), None)
    if found is None:
        what = "output" if is_output else "input"
        known = ", ".join(port.name for port in ports) or "none"
        faults.append(Problem(path, "unknown_port", f"{node.type} has no {what} {name}; it has: {known}"))
    return found


def _kinds(port: Port) -> str:
    return " or ".join(sorted(port.kinds))


def _takes_from(wiring: Wiring, edge: Edge) -> list[str]:
    """The types that the target's port takes from, where the source is of none of them."""
    source, target = wiring.node(edge.source), wiring.node(edge.target)
    if source is None or target is None:
        return []
    types = TAKES_FROM.get((target.type, edge.target_port))
    return sorted(types) if types and source.type not in types else []


def _duplicates(wiring: Wiring) -> Iterator[Problem]:
    seen: set[Edge] = set()
    for path, edge in wiring.wired:
        if edge in seen:
            yield Problem(path, "duplicate", "is there twice: the same ends, and the same route")
        seen.add(edge)


def _port_faults(wiring: Wiring) -> Iterator[Problem]:
    """Ports that need an edge and have none, and those that have one too many."""
    for path, node in wiring.whole:
        for port in node.shape.inputs:
            edges = wiring.incoming.get((node.id, port.name), [])
            if port.is_required and (node.id, port.name) not in wiring.fed:
                message = f"is not wired: {node.type} needs {_kinds(port)} there"
                yield Problem(f"{path}.ports.{port.name}", "not_wired", message)
            for extra, _ in [] if port.is_many else edges[1:]:
                first = f"{edges[0][1].source}.{edges[0][1].source_port}"
                yield Problem(f"{extra}.to", "port_taken", f"takes one edge, and has one from {first} already")


def _triggers(wiring: Wiring) -> Iterator[Problem]:
    found: dict[NodeType, str] = {}
    for path, node in wiring.whole:
        if not node.shape.is_trigger:
            continue
        first = found.setdefault(node.type, node.id)
        if first != node.id:
            yield Problem(
                f"{path}.type", "duplicate", f"is there already, as {first}: a workflow has one of each trigger"
            )
    if not found and all(one.node is not None for one in wiring.nodes):
        message = "must hold a trigger (trigger_manual, trigger_job or trigger_webhook): nothing would ever begin"
        yield Problem("workflow.nodes", "no_trigger", message)


def _circles(wiring: Wiring) -> Iterator[Problem]:
    edges = [edge for _, edge in wiring.wired]
    for circle in circles([node.id for _, node in wiring.whole], edges):
        closing = (circle[-1], circle[0])
        path = next(path for path, edge in wiring.wired if (edge.source, edge.target) == closing)
        words = " → ".join((*circle, circle[0]))
        yield Problem(path, "cycle", f"closes a circle, and a workflow only goes forward: {_short(words)}")


def _short(words: str) -> str:
    return words if len(words) <= 1_000 else f"{words[:500]} … {words[-400:]}"


def _unreachable(wiring: Wiring) -> Iterator[Problem]:
    """Nodes that never can run. One that nothing leads into is told as a port that is not wired.

    Where a faulty edge leads may be reached once that is put right.
    """
    triggers = {node.id for _, node in wiring.whole if node.shape.is_trigger}
    if not triggers:
        return
    right = {path for path, _ in wiring.wired}
    unsure = {one.target[0] for one in wiring.edges if one.target and one.path not in right}
    reached = forward(triggers | unsure, [edge for _, edge in wiring.wired if edge.target_port == "in"])
    for path, node in wiring.whole:
        if (node.id, "in") in wiring.fed and node.id not in reached:
            message = "is never reached: no edges lead from a trigger to it"
            yield Problem(f"{path}.ports.in", "unreachable", message)


def _waits(wiring: Wiring) -> Iterator[Problem]:
    """A wait has devices where it waits for them."""
    for path, node in wiring.whole:
        if node.type is not _T.WAIT or node.settings.get("for") is None:
            continue
        edges = wiring.incoming.get((node.id, "devices"), [])
        if node.settings["for"] == "devices" and (node.id, "devices") not in wiring.fed:
            yield Problem(f"{path}.ports.devices", "not_wired", "is not wired: whom to wait for must come in there")
        elif node.settings["for"] != "devices" and edges:
            message = f"must not be wired: the wait is for a {node.settings['for']}, not for devices"
            yield Problem(f"{edges[0][0]}.to", "not_allowed", message)


def _joins(wiring: Wiring) -> Iterator[Problem]:
    """As many edges as a join asks for must be able to be taken in one run."""
    for path, node in wiring.whole:
        if node.type is not _T.JOIN:
            continue
        edges = {edge for _, edge in wiring.incoming.get((node.id, "in"), [])}
        wanted = {"all": len(edges), "n": node.settings.get("n") or 0}.get(str(node.settings.get("mode")), 0)
        most = most_taken(edges)
        if wanted > most:
            name = "n" if node.settings.get("mode") == "n" else "mode"
            message = f"asks for {wanted} edges, and at most {most} of those that lead here are taken in one run"
            yield Problem(f"{path}.settings.{name}", "impossible", message)


def most_taken(edges: Collection[Edge]) -> int:
    """Of edges into one port: how many one run can take. A node ends in one way, and a condition decides for one port."""
    by_source: dict[str, Counter[tuple[str, RouteOn | None]]] = defaultdict(Counter)
    for edge in edges:
        by_source[edge.source][edge.source_port, edge.route_on] += 1
    return sum(_most_of_one(routes) for routes in by_source.values())


def _most_of_one(routes: Counter[tuple[str, RouteOn | None]]) -> int:
    always = routes[("out", RouteOn.ALWAYS)]
    return always + max((number for (_, route), number in routes.items() if route is not RouteOn.ALWAYS), default=0)


def _names(wiring: Wiring) -> Iterator[Problem]:
    """Expressions speak of what is declared and wired."""
    for path, node in wiring.whole:
        edges = wiring.incoming.get((node.id, "inputs"), [])
        wired = {edge.source for _, edge in edges}
        for use in uses(node):
            fault = _name_fault(use, wiring.parameters, wired)
            if fault:
                code, message = fault
                yield Problem(f"{path}.settings.{use.path}", code, f"{message} (at character {use.at + 1})")
        yield from _payload_faults(f"{path}.settings.payload", node, wiring.parameters)


def _name_fault(use: Use, parameters: frozenset[str], wired: set[str]) -> tuple[str, str] | None:
    head, name = use.name.head, use.name.name[:64]
    if head == "parameters" and name not in parameters:
        known = ", ".join(sorted(parameters)) or "none"
        return "unknown_parameter", f"{name} is not a parameter of this workflow; declared are: {known}"
    if head == "inputs" and name not in wired:
        known = ", ".join(sorted(wired)) or "none"
        return "unknown_input", f"{name} is not wired to the port inputs of this node; wired are: {known}"
    if head == "run" and name not in RUN_NAMES:
        return "unknown_name", f"run has no {name}; it has: {', '.join(RUN_NAMES)}"
    return None


def _payload_faults(path: str, node: Node, parameters: frozenset[str]) -> Iterator[Problem]:
    for place, one in enumerate(node.settings.get("payload", ())):
        if one["parameter"] and one["parameter"] not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            message = f"{one['parameter']} is not a parameter of this workflow; declared are: {known}"
            yield Problem(f"{path}.{place}.parameter", "unknown_parameter", message)

"""What a graph is asked: who takes part in a run, who leads where, and which nodes lead back to themselves.

Every walk is a loop, not a recursion: a graph may be one long line.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from watchbill.core.workflow_types import Edge, Graph


def forward(starts: Iterable[str], edges: Iterable[Edge]) -> set[str]:
    """All that these nodes lead to along these edges, themselves too."""
    return _walked(starts, ((edge.source, edge.target) for edge in edges))


def _walked(starts: Iterable[str], pairs: Iterable[tuple[str, str]]) -> set[str]:
    following: dict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        following[source].append(target)
    found = set(starts)
    waiting = list(found)
    while waiting:
        new = set(following.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def reachable(graph: Graph, trigger_id: str) -> frozenset[str]:
    """The nodes that take part in a run that begins at a trigger.

    Nodes with control when edges of control lead to them; nodes of data when what they are wired to takes part, or needs them.
    """
    controlled = {node.id for node in graph.nodes if node.shape.has_control}
    control = [edge for edge in graph.edges if edge.target_port == "in"]
    reached = forward([trigger_id], control)
    data = [edge for edge in graph.edges if edge.target_port != "in"]
    given = _walked(reached, ((edge.source, edge.target) for edge in data if edge.target not in controlled))
    return frozenset(_walked(given, ((edge.target, edge.source) for edge in data if edge.source not in controlled)))


def _sorted(node_ids: Sequence[str], edges: Iterable[Edge]) -> tuple[list[str], set[str]]:
    """Nodes in order, and those that circles keep from having one."""
    pairs = {(edge.source, edge.target) for edge in edges}
    missing = dict.fromkeys(node_ids, 0)
    following: dict[str, list[str]] = defaultdict(list)
    for source, target in sorted(pairs):
        missing[target] += 1
        following[source].append(target)
    ready = deque(node_id for node_id in node_ids if not missing[node_id])
    ordered: list[str] = []
    while ready:
        node_id = ready.popleft()
        ordered.append(node_id)
        for target in following[node_id]:
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return ordered, set(node_ids) - set(ordered)


def circles(node_ids: Sequence[str], edges: Iterable[Edge]) -> Iterator[tuple[str, ...]]:
    """Circles that share no node, at least one in every knot; each begins with the node that the document lists first."""
    edges = list(edges)
    following: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        following[edge.source].add(edge.target)
    left = _sorted(node_ids, edges)[1]
    places = {node_id: place for place, node_id in enumerate(node_ids)}
    for node_id in node_ids:
        if node_id not in left:
            continue
        circle = _way_back(node_id, {one: following[one] & left for one in left}, places)
        if circle:
            left -= set(circle)
            yield circle


def _way_back(start: str, following: Mapping[str, set[str]], places: Mapping[str, int]) -> tuple[str, ...]:
    """The shortest way from a node to itself; nothing when there is none."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        node_id = waiting.popleft()
        for target in sorted(following[node_id], key=places.__getitem__):
            if target == start:
                return _traced(came_from, start, node_id)
            if target not in came_from:
                came_from[target] = node_id
                waiting.append(target)
    return ()


def _traced(came_from: Mapping[str, str], start: str, end: str) -> tuple[str, ...]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))

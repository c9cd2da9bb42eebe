"""Graphs of workflows as pure values: written shortly, and a strategy of random ones without a circle."""

from typing import Any, Final

from hypothesis import strategies as st

from watchbill.core.workflow_types import SHAPES, Edge, Graph, Node, NodeType, RouteOn

_T = NodeType
DEVICES: Final = frozenset((_T.DEVICES_LIST, _T.DEVICES_COMBINE, _T.SPLIT))
#: What hypothesis draws from: work, what only decides or waits, and what finds devices.
_KINDS: Final = (
    _T.SCRIPT,
    _T.HTTP,
    _T.WORKFLOW,
    _T.APPROVAL,
    _T.WAIT,
    _T.CONDITION,
    _T.SET_VALUE,
    _T.JOIN,
    _T.NOTIFY,
    _T.DEVICES_LIST,
    _T.DEVICES_COMBINE,
    _T.SPLIT,
)


def node(node_id: str, kind: NodeType = _T.HTTP, **changes: Any) -> Node:
    return Node(node_id, kind, node_id, **changes)


def edge(written: str, route_on: RouteOn | None = RouteOn.SUCCESS) -> Edge:
    """`a > b` from `out` to `in`; `a.true > b` and `a.devices > b.devices` name the ports."""
    source, target = (end.strip() for end in written.split(">"))
    source_id, _, source_port = source.partition(".")
    target_id, _, target_port = target.partition(".")
    is_route = source_port in ("", "out")
    return Edge(source_id, source_port or "out", target_id, target_port or "in", route_on if is_route else None)


def graph(nodes: list[Node], edges: list[Edge | str], **changes: Any) -> Graph:
    """With a trigger `start`."""
    made = tuple(edge(one) if isinstance(one, str) else one for one in edges)
    return Graph((node("start", _T.TRIGGER_MANUAL), *nodes), made, **changes)


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> Graph:
    """Every edge leads from an earlier node to a later one; the document names them in any order."""
    growing = _Growing(draw)
    growing.nodes.append(node("start", _T.TRIGGER_MANUAL))
    if draw(st.booleans()):
        growing.nodes.append(node("hook", _T.TRIGGER_WEBHOOK))
    for kind in draw(st.lists(st.sampled_from(_KINDS), min_size=1, max_size=most)):
        growing.add(kind)
    places = draw(st.sampled_from((None, None, 1, 2, 3)))
    return Graph(tuple(draw(st.permutations(growing.nodes))), tuple(growing.edges), max_parallel=places)


class _Growing:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def add(self, kind: NodeType) -> None:
        """One more node; one that would lack devices or a result is passed over."""
        node_id = f"n{len(self.nodes)}"
        edges: list[Edge] = []
        for port in SHAPES[kind].inputs:
            sources = [
                (one, output.name)
                for one in self.nodes
                for output in one.shape.outputs
                if output.kinds & port.kinds and (kind is not _T.SPLIT or one.type is _T.SCRIPT)
            ]
            if port.is_required and not sources:
                return
            least, most = int(port.is_required), 3 if port.is_many else 1
            chosen = self.draw(st.lists(st.sampled_from(sources), min_size=least, max_size=most)) if sources else []
            edges += [Edge(one.id, output, node_id, port.name, self.route(output)) for one, output in chosen]
        self.edges += edges
        self.nodes.append(self.made(node_id, kind, len([one for one in edges if one.target_port == "in"])))

    def route(self, output: str) -> RouteOn | None:
        return self.draw(st.sampled_from(list(RouteOn))) if output == "out" else None

    def made(self, node_id: str, kind: NodeType, incoming: int) -> Node:
        settings: dict[str, Any] = {}
        if kind is _T.JOIN:
            mode = self.draw(st.sampled_from(("all", "any", "n")))
            settings = {"mode": mode, "n": self.draw(st.integers(1, incoming)) if mode == "n" else None}
        return node(
            node_id,
            kind,
            settings=settings,
            retries=self.draw(st.sampled_from((0, 0, 1, 2))),
            retry_delay_seconds=self.draw(st.sampled_from((1, 60))),
            on_error=self.draw(st.sampled_from(("stop", "continue"))),
        )

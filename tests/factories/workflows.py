"""Documents of workflows: nodes and edges written shortly, and a strategy of random workflows that every check accepts."""

from copy import deepcopy
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from watchbill.core.assembly_rules import Variable, VariableType
from watchbill.core.fields import Fields
from watchbill.core.problems import Problem
from watchbill.core.workflow_graph import read_graph
from watchbill.core.workflow_graph_rules import most_taken
from watchbill.core.workflow_types import SHAPES, Edge, Graph, NodeType, PortKind, RouteOn

Document = dict[str, Any]
#: A busy machine is no fault of what is tested.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ASSEMBLY = str(UUID(int=7))
DEVICE = str(UUID(int=101))
PARAMETERS = (
    Variable("threshold", VariableType.NUMBER, default=5),
    Variable("host", VariableType.STRING),
    Variable("is_urgent", VariableType.BOOLEAN),
)
VARIABLES = [one.to_json() for one in PARAMETERS]
#: The least that the settings of each type hold.
LEAST: dict[str, Document] = {
    "trigger_manual": {},
    "trigger_job": {},
    "trigger_webhook": {},
    "devices_filter": {"filter_id": 1},
    "devices_list": {"device_ids": [DEVICE]},
    "devices_site": {"site_id": 1},
    "devices_combine": {"operation": "union"},
    "devices_take": {"number": 1},
    "split": {},
    "script": {"assembly_id": ASSEMBLY},
    "playbook": {"assembly_id": ASSEMBLY, "use_service_account": True},
    "workflow": {"assembly_id": ASSEMBLY},
    "condition": {"expression": "true"},
    "wait": {"for": "duration", "seconds": 60},
    "approval": {"message": "Go on?", "timeout_seconds": 3600},
    "http": {"url": "https://example.org/hook"},
    "notify": {"channel_id": 1, "subject": "News", "message": "It is done."},
    "set_value": {"expression": "1"},
    "join": {},
}


def node(node_id: str, kind: str, **settings: Any) -> Document:
    """A node with the least settings of its type, and these."""
    return {"id": node_id, "type": kind, "name": f"Node {node_id}", "settings": LEAST.get(kind, {}) | settings}


def edge(source: str, target: str, route_on: str | None = None) -> Document:
    return {"from": source, "to": target, "route_on": route_on}


def workflow(nodes: list[Any], edges: list[Any], **changes: Any) -> Document:
    """A document of an assembly."""
    graph = {"nodes": nodes, "edges": edges} | changes
    return {"name": "Patch", "kind": "workflow", "variables": VARIABLES, "workflow": graph}


def read(document: Document) -> tuple[Graph | None, list[Problem]]:
    """The graph of a document, and what is wrong with it."""
    problems: list[Problem] = []
    graph = read_graph(Fields.of({"workflow": document.get("workflow")}, problems), PARAMETERS)
    return graph, problems


def graph_of(document: Document) -> Graph:
    """The graph of a document that is right."""
    graph, problems = read(document)
    assert graph is not None, problems
    return graph


def patching() -> Document:
    """A workflow that a person might draw: check, decide, ask, and act on those that need it."""
    nodes = [
        node("start", "trigger_manual"),
        node("hook", "trigger_webhook", payload=[{"parameter": "host", "path": "alert.labels.host", "required": True}]),
        node("web", "devices_filter"),
        node("check", "script", variables={"Limit": {"expression": "parameters.threshold * 2"}, "Deep": True}),
        node("bad", "split"),
        node("any_bad", "condition", expression="inputs.check.failed + inputs.check.warning > 0"),
        node("ask", "approval", message="{{ inputs.check.failed }} devices are ill. Repair them?"),
        node("repair", "playbook", policies={"waves": {"sizes": [1, "50%"]}}),
        node("tell", "notify", message="{{ default(inputs.repair.state, 'nothing was done') }}"),
    ]
    edges = [
        edge("start.out", "check.in"),
        edge("hook.out", "check.in"),
        edge("web.devices", "check.devices"),
        edge("check.result", "bad.result"),
        edge("check.out", "any_bad.in", "always"),
        edge("check.result", "any_bad.inputs"),
        edge("any_bad.true", "ask.in"),
        edge("check.result", "ask.inputs"),
        edge("ask.out", "repair.in"),
        edge("bad.failed", "repair.devices"),
        edge("repair.out", "tell.in", "always"),
        edge("any_bad.false", "tell.in"),
        edge("repair.result", "tell.inputs"),
    ]
    return workflow(nodes, edges)


_TYPES = list(NodeType)
_VARIANTS: dict[NodeType, list[Document]] = {
    NodeType.WAIT: [
        {"for": "duration", "seconds": 5},
        {"for": "window", "window_id": 3},
        {"for": "devices", "percent": 80},
    ],
    NodeType.DEVICES_TAKE: [{"number": 3}, {"percent": 10, "order": "random"}],
    NodeType.DEVICES_COMBINE: [{"operation": "union"}, {"operation": "intersection"}, {"operation": "difference"}],
}
_POLICIES: list[Document] = [
    {},
    {"offline": "skip", "concurrency": 5, "no_targets": "fail", "failure_threshold_percent": 10},
    {"retries": 2, "retry_delay_seconds": 5, "retry_on": ["failed"]},
    {
        "waves": {
            "sizes": [1, "20%"],
            "soak_seconds": 30,
            "order_by": "site",
            "stop": {"failed_percent": 5},
            "canary": {"targets": [{"kind": "filter", "filter_id": 4}, {"kind": "device", "device_id": DEVICE}]},
        }
    },
]


@st.composite
def documents(draw: st.DrawFn, most: int = 10) -> Document:
    """Workflows with up to so many nodes, of every type, that nothing is wrong with."""
    growing = _Growing(draw)
    kinds = st.sampled_from([kind for kind in _TYPES if SHAPES[kind].is_trigger])
    for kind in draw(st.lists(kinds, min_size=1, max_size=3, unique=True)):
        growing.add(kind)
    for kind in draw(
        st.lists(st.sampled_from([kind for kind in _TYPES if not SHAPES[kind].is_trigger]), max_size=most)
    ):
        growing.add(kind)
    places = st.none() | st.integers(1, 100)
    return workflow(
        growing.nodes,
        growing.edges,
        max_parallel=draw(places),
        concurrency=draw(st.sampled_from(["skip", "queue_one", "allow"])),
    )


class _Growing:
    """A workflow that grows node by node, each wired to some that are there; a type that nothing fits is passed over."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.nodes: list[Document] = []
        self.edges: list[Document] = []

    def add(self, kind: NodeType) -> None:
        node_id = f"n{len(self.nodes)}_{kind}"[:40]
        settings = self.settings(kind)
        edges: list[Document] = []
        for port in SHAPES[kind].inputs:
            sources = self.sources(kind, port.name, port.kinds)
            is_needed = port.is_required or (kind is NodeType.WAIT and settings["for"] == "devices")
            if is_needed and not sources:
                return
            is_barred = kind is NodeType.WAIT and port.name == "devices" and not is_needed
            least, most = (1 if is_needed else 0), (3 if port.is_many else 1)
            chosen = [] if is_barred or not sources else self.draw(_some(sources, least, most))
            edges += [edge(source, f"{node_id}.{port.name}", self.route(source)) for source in chosen]
        self.finish(node_id, kind, settings, edges)

    def sources(self, kind: NodeType, port: str, kinds: frozenset[PortKind]) -> list[str]:
        return [
            f"{one['id']}.{output.name}"
            for one in self.nodes
            for output in SHAPES[NodeType(one["type"])].outputs
            if output.kinds & kinds
            and (kind is not NodeType.SPLIT or one["type"] in ("script", "playbook") or port != "result")
        ]

    def route(self, source: str) -> str | None:
        return self.draw(st.sampled_from(list(RouteOn))).value if source.endswith(".out") else None

    def settings(self, kind: NodeType) -> Document:
        if kind is NodeType.TRIGGER_WEBHOOK:
            chosen = self.draw(_some(list(PARAMETERS), 0, 3))
            return {"payload": [{"parameter": one.name, "path": "a.0.b"} for one in chosen]}
        if kind in (NodeType.SCRIPT, NodeType.PLAYBOOK):
            own = {"policies": self.draw(st.sampled_from(_POLICIES)), "revision": self.draw(_REVISIONS)}
            return LEAST[kind] | own
        return dict(self.draw(st.sampled_from(_VARIANTS.get(kind, [LEAST[kind]]))))

    def finish(self, node_id: str, kind: NodeType, settings: Document, edges: list[Document]) -> None:
        names = [one["from"].split(".")[0] for one in edges if one["to"] == f"{node_id}.inputs"]
        source = self.draw(st.sampled_from(["parameters.threshold", "run.id", *(f"inputs.{name}" for name in names)]))
        values = {"A": {"expression": source}, "B": self.draw(_LITERALS)}
        computed: dict[NodeType, Document] = {
            NodeType.CONDITION: {"expression": f"default({source}, 1) == 1"},
            NodeType.SET_VALUE: {"expression": f"[{source}]"},
            NodeType.APPROVAL: {"message": f"It is {{{{ {source} }}}}."},
            NodeType.NOTIFY: {"message": f"It is {{{{ {source} }}}}."},
            NodeType.HTTP: {
                "method": "POST",
                "headers": {"X-Of": f"{{{{ {source} }}}}"},
                "body": f"{{{{ json({source}) }}}}",
            },
            NodeType.SCRIPT: {"variables": values},
            NodeType.PLAYBOOK: {"variables": values},
            NodeType.WORKFLOW: {"parameters": values},
            NodeType.JOIN: self.draw(st.sampled_from(_joins(edges))) if kind is NodeType.JOIN else {},
        }
        settings |= computed.get(kind, {})
        self.edges += edges
        self.nodes.append(node(node_id, kind.value) | {"settings": settings})


_REVISIONS: st.SearchStrategy[object] = st.sampled_from(["latest", 1, 12, None])
_LITERALS: st.SearchStrategy[object] = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab ", max_size=3)


def _some(items: list[Any], least: int, most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(items), min_size=least, max_size=most, unique=True)


def _joins(edges: list[Document]) -> list[Document]:
    most = most_taken({_edge(one) for one in edges})
    modes: list[Document] = [{"mode": "any"}, {"mode": "n", "n": most}]
    return [*modes, {"mode": "all"}] if most == len(edges) else modes


def _edge(written: Document) -> Edge:
    (source, output), (target, port) = written["from"].split("."), written["to"].split(".")
    return Edge(source, output, target, port, RouteOn(written["route_on"]) if written["route_on"] else None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def changed_somewhere(draw: st.DrawFn, document: Document, value: Any) -> Document:
    """The document with this value in the place of some other within its graph, or beside others."""
    changed = deepcopy(document)
    path = draw(st.sampled_from(_places(changed["workflow"], ("workflow",))))
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed


def _places(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inner for place in _places(one, (*path, name)))]

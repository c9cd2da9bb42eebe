"""The words of workflows: kinds of nodes with their typed ports, edges, the graph, and the states of nodes. Pure values; they judge nothing.

A new kind of node begins here: its word in `NodeType`, its ports in `SHAPES`. What its settings may say is in
`core.workflow_settings`, and what is done for it in `core.workflow_steps` and the package `workflows`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal


class NodeType(StrEnum):
    TRIGGER_MANUAL = "trigger_manual"
    TRIGGER_JOB = "trigger_job"
    TRIGGER_WEBHOOK = "trigger_webhook"
    DEVICES_FILTER = "devices_filter"
    DEVICES_LIST = "devices_list"
    DEVICES_SITE = "devices_site"
    DEVICES_COMBINE = "devices_combine"
    DEVICES_TAKE = "devices_take"
    SPLIT = "split"
    SCRIPT = "script"
    PLAYBOOK = "playbook"
    WORKFLOW = "workflow"
    CONDITION = "condition"
    WAIT = "wait"
    APPROVAL = "approval"
    HTTP = "http"
    NOTIFY = "notify"
    SET_VALUE = "set_value"
    JOIN = "join"


class PortKind(StrEnum):
    CONTROL = "control"
    DEVICES = "devices"
    RESULT = "result"
    VALUE = "value"


class RouteOn(StrEnum):
    """When a control edge is taken, by how its source ended."""

    ALWAYS = "always"
    SUCCESS = "success"
    WARNING = "warning"
    FAILED = "failed"


class NodeState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    #: A person is asked.
    AWAITING_APPROVAL = "awaiting_approval"
    SUCCESS = "success"
    WARNING = "warning"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    #: What it did is unknown: its worker ended in the middle of something that must not be repeated blindly.
    LOST = "lost"


class WorkflowState(StrEnum):
    """Of a run. `queued`: another run of the workflow goes first."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCESS = "success"
    WARNING = "warning"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S, _K, _T = NodeState, PortKind, NodeType
TERMINAL_NODE: Final = frozenset((_S.SUCCESS, _S.WARNING, _S.FAILED, _S.TIMED_OUT, _S.SKIPPED, _S.CANCELLED, _S.LOST))
FAILED_NODE: Final = frozenset((_S.FAILED, _S.TIMED_OUT, _S.LOST))
OPEN_RUN: Final = frozenset((WorkflowState.QUEUED, WorkflowState.RUNNING, WorkflowState.CANCELLING))

#: What may be said of how long a run, a node, and an approval may take, how often a node is tried again, and how much there may be.
MAX_NODES: Final = 500
MAX_EDGES: Final = 2_000
RUN_LIMIT_SECONDS: Final = (60, 90 * 86_400)
DEFAULT_RUN_LIMIT_SECONDS: Final = 7 * 86_400
NODE_LIMIT_SECONDS: Final = (1, 30 * 86_400)
RETRIES: Final = (0, 10)
RETRY_DELAY_SECONDS: Final = (1, 86_400)
MAX_PARALLEL: Final = (1, 100)
#: The document is version 1 of its format.
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Port:
    """One end of edges. An input with `is_required` has an edge; one without `is_many` has one at most."""

    name: str
    kinds: frozenset[PortKind]
    is_required: bool = False
    is_many: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """The ports of a kind of node. One without control ports is evaluated once all that it is wired to has ended."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    is_trigger: bool = False

    def input(self, name: str) -> Port | None:
        return next((port for port in self.inputs if port.name == name), None)

    def output(self, name: str) -> Port | None:
        return next((port for port in self.outputs if port.name == name), None)

    @property
    def has_control(self) -> bool:
        return any(_K.CONTROL in port.kinds for port in (*self.inputs, *self.outputs))


def _port(name: str, *kinds: PortKind, is_required: bool = False, is_many: bool = False) -> Port:
    return Port(name, frozenset(kinds), is_required, is_many)


#: Control comes in here, from any number of nodes, and leaves there.
_IN: Final = _port("in", _K.CONTROL, is_required=True, is_many=True)
_OUT: Final = _port("out", _K.CONTROL, is_many=True)
_DEVICES_IN: Final = _port("devices", _K.DEVICES, is_required=True)
_DEVICES_OUT: Final = _port("devices", _K.DEVICES, is_many=True)
#: What expressions of the node may speak of, as `inputs.<id of the source>`.
_INPUTS: Final = _port("inputs", _K.RESULT, _K.VALUE, is_many=True)
_RESULT: Final = _port("result", _K.RESULT, is_many=True)
_VALUE: Final = _port("value", _K.VALUE, is_many=True)
_TRIGGER: Final = Shape((), (_OUT,), is_trigger=True)
_DEVICE_SET: Final = Shape((), (_DEVICES_OUT,))
_ON_DEVICES: Final = Shape((_IN, _DEVICES_IN, _INPUTS), (_OUT, _RESULT))

SHAPES: Final[Mapping[NodeType, Shape]] = {
    _T.TRIGGER_MANUAL: _TRIGGER,
    _T.TRIGGER_JOB: _TRIGGER,
    _T.TRIGGER_WEBHOOK: _TRIGGER,
    _T.DEVICES_FILTER: _DEVICE_SET,
    _T.DEVICES_LIST: _DEVICE_SET,
    _T.DEVICES_SITE: _DEVICE_SET,
    _T.DEVICES_COMBINE: Shape(
        (_port("a", _K.DEVICES, is_required=True), _port("b", _K.DEVICES, is_required=True)), (_DEVICES_OUT,)
    ),
    _T.DEVICES_TAKE: Shape((_DEVICES_IN,), (_DEVICES_OUT, _port("rest", _K.DEVICES, is_many=True))),
    _T.SPLIT: Shape(
        (_port("result", _K.RESULT, is_required=True),),
        tuple(
            _port(name, _K.DEVICES, is_many=True) for name in ("succeeded", "warning", "failed", "offline", "changed")
        ),
    ),
    _T.SCRIPT: _ON_DEVICES,
    _T.PLAYBOOK: _ON_DEVICES,
    _T.WORKFLOW: Shape((_IN, _INPUTS), (_OUT, _RESULT)),
    _T.CONDITION: Shape(
        (_IN, _INPUTS), (_port("true", _K.CONTROL, is_many=True), _port("false", _K.CONTROL, is_many=True))
    ),
    _T.WAIT: Shape((_IN, _port("devices", _K.DEVICES)), (_OUT,)),
    _T.APPROVAL: Shape((_IN, _INPUTS), (_OUT, _RESULT)),
    _T.HTTP: Shape((_IN, _INPUTS), (_OUT, _RESULT)),
    _T.NOTIFY: Shape((_IN, _INPUTS), (_OUT,)),
    _T.SET_VALUE: Shape((_IN, _INPUTS), (_OUT, _VALUE)),
    _T.JOIN: Shape((_IN,), (_OUT,)),
}

OnError = Literal["stop", "continue"]
Concurrency = Literal["skip", "queue_one", "allow"]
Source = Literal["manual", "job", "webhook", "workflow"]
#: Which trigger a launch begins at. A workflow that is a node of another begins as by hand.
TRIGGERS: Final[Mapping[Source, NodeType]] = {
    "manual": _T.TRIGGER_MANUAL,
    "job": _T.TRIGGER_JOB,
    "webhook": _T.TRIGGER_WEBHOOK,
    "workflow": _T.TRIGGER_MANUAL,
}


@dataclass(frozen=True, slots=True)
class Node:
    """One step. `settings` are checked, with every default filled in; what they hold depends on the type.

    `on_error`: whether a failure that no route takes care of ends the workflow, or is only a warning of it.
    """

    id: str
    type: NodeType
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Where the editor draws it.
    x: int = 0
    y: int = 0
    #: From its start, with all its tries; None = none of its own.
    time_limit_seconds: int | None = None
    retries: int = 0
    retry_delay_seconds: int = 60
    on_error: OnError = "stop"

    @property
    def shape(self) -> Shape:
        return SHAPES[self.type]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.type.value,
            "name": self.name,
            "settings": dict(self.settings),
            "x": self.x,
            "y": self.y,
            "time_limit_seconds": self.time_limit_seconds,
            "retries": self.retries,
            "retry_delay_seconds": self.retry_delay_seconds,
            "on_error": self.on_error,
        }


@dataclass(frozen=True, slots=True)
class Edge:
    """From an output to an input, written `node.port`. `route_on` only of control that leaves by the port `out`; else None."""

    source: str
    source_port: str
    target: str
    target_port: str
    route_on: RouteOn | None = None

    def to_json(self) -> dict[str, Any]:
        written = {"from": f"{self.source}.{self.source_port}", "to": f"{self.target}.{self.target_port}"}
        return {**written, "route_on": self.route_on.value if self.route_on else None}


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked workflow, as a revision of its assembly holds it. Its parameters are the variables that the assembly declares."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    #: Nodes at work at the same time; None = any number.
    max_parallel: int | None = None
    time_limit_seconds: int = DEFAULT_RUN_LIMIT_SECONDS
    #: What a launch does while another run of this workflow is open.
    concurrency: Concurrency = "skip"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "max_parallel": self.max_parallel,
            "time_limit_seconds": self.time_limit_seconds,
            "concurrency": self.concurrency,
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
        }

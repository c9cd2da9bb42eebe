"""What comes next in a run of a workflow: which edges are taken, which nodes begin, which never will, and how it all ended. Pure.

A `Board` holds the rows of one run while a step is decided; whoever carries the step out begins the nodes that `ready` names, tells how
they ended with `end`, and asks again until nothing is ready. Nothing here knows what a node does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from watchbill.core.states import TargetState
from watchbill.core.workflow_paths import forward, reachable
from watchbill.core.workflow_types import (
    FAILED_NODE,
    TERMINAL_NODE,
    Edge,
    Graph,
    Node,
    NodeState,
    NodeType,
    PortKind,
    RouteOn,
    WorkflowState,
)

_S, _T = NodeState, NodeType
#: What takes a place of `max_parallel`: others only decide, or wait.
WORK: Final = frozenset((_T.SCRIPT, _T.PLAYBOOK, _T.WORKFLOW, _T.HTTP))
#: What is done on devices.
ON_DEVICES: Final = frozenset((_T.SCRIPT, _T.PLAYBOOK))
_GOES_ON: Final = frozenset((_S.SUCCESS, _S.WARNING, *FAILED_NODE))

Readiness = Literal["wait", "ready", "skip"]


@dataclass(slots=True)
class Row:
    """A node in a run. `is_changed`: the step has to write it. `stops`: its work is to be stopped."""

    node_id: str
    state: NodeState = NodeState.PENDING
    reason: str | None = None
    detail: str | None = None
    attempt: int = 0
    is_kept: bool = False
    starts_at: datetime | None = None
    deadline_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Any = None
    occurrence_ids: list[Any] = field(default_factory=list)
    child_run_id: int | None = None
    request: Any = None
    is_taken: bool = False
    is_changed: bool = False
    stops: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL_NODE

    @property
    def is_ending(self) -> bool:
        """Whether its work was told to stop, so that only its end is waited for."""
        return self.state is NodeState.RUNNING and self.reason in ("time_limit", "cancelled")


def first_rows(graph: Graph, trigger: NodeType) -> list[Row]:
    """The rows of a run that begins: what another trigger leads to is left out of it. LookupError: there is no such trigger."""
    begins = next((node.id for node in graph.nodes if node.type is trigger), None)
    if begins is None:
        raise LookupError(f"the workflow has no trigger of type {trigger}")
    taking_part = reachable(graph, begins)
    return [
        Row(node.id)
        if node.id in taking_part
        else Row(node.id, _S.SKIPPED, "other_trigger", "It belongs to another way of starting this workflow.")
        for node in graph.nodes
    ]


def downstream(graph: Graph, node_ids: Iterable[str]) -> set[str]:
    """These nodes and all that any edge leads to from them: what runs again when they do."""
    return forward(node_ids, graph.edges)


def is_control(source: Node, edge: Edge) -> bool:
    port = source.shape.output(edge.source_port)
    return port is not None and PortKind.CONTROL in port.kinds


class Wiring:
    """The edges of a graph by their ends; made once for a document."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = {node.id: node for node in graph.nodes}
        self.control_in: dict[str, list[Edge]] = {node.id: [] for node in graph.nodes}
        self.data_in: dict[str, list[Edge]] = {node.id: [] for node in graph.nodes}
        self.routes: dict[str, set[RouteOn]] = {node.id: set() for node in graph.nodes}
        for edge in graph.edges:
            is_route = is_control(self.nodes[edge.source], edge)
            (self.control_in if is_route else self.data_in)[edge.target].append(edge)
            if is_route and edge.route_on is not None:
                self.routes[edge.source].add(edge.route_on)

    def handles_failure(self, node_id: str) -> bool:
        return bool(self.routes[node_id] & {RouteOn.FAILED, RouteOn.ALWAYS})


@dataclass(slots=True)
class Board:
    """A run while a step of it is decided. `is_cancelling`: somebody stopped it, or its time is over."""

    wiring: Wiring
    rows: dict[str, Row]
    now: datetime
    is_cancelling: bool = False

    def taken(self, edge: Edge) -> bool | None:
        """Whether control goes along an edge; None = not decided yet."""
        row = self.rows[edge.source]
        if not row.is_over:
            return None
        if row.state not in _GOES_ON:
            return False
        if self.wiring.nodes[edge.source].type is _T.CONDITION:
            return row.state is _S.SUCCESS and row.result is (edge.source_port == "true")
        return self._takes(edge, row.state)

    def _takes(self, edge: Edge, state: NodeState) -> bool:
        match edge.route_on:
            case RouteOn.ALWAYS:
                return True
            case RouteOn.FAILED:
                return state in FAILED_NODE
            case RouteOn.WARNING:
                return state is _S.WARNING
            case _:
                is_mild = state is _S.WARNING and RouteOn.WARNING not in self.wiring.routes[edge.source]
                return state is _S.SUCCESS or is_mild

    @property
    def is_failing(self) -> bool:
        """Whether a failure ends the run: nothing new begins."""
        return any(row.state in FAILED_NODE and self._ends_it(row.node_id) for row in self.rows.values())

    def _ends_it(self, node_id: str) -> bool:
        return self.wiring.nodes[node_id].on_error == "stop" and not self.wiring.handles_failure(node_id)

    def ready(self) -> list[str]:
        """The nodes that begin now. What never will is skipped, and what can end at once because of a stop does."""
        if self.is_cancelling or self.is_failing:
            self._wind_up()
            return []
        found: list[str] = []
        free = self._places()
        # A skip may decide about what comes later in the document, or earlier.
        while self._skip_some():
            continue
        for row in self.rows.values():
            if row.state is not _S.PENDING or self._is_put_off(row) or self._readiness(row.node_id) != "ready":
                continue
            is_work = self.wiring.nodes[row.node_id].type in WORK
            if not is_work or free > 0:
                found.append(row.node_id)
                free -= is_work
        return found

    def _places(self) -> int:
        most = self.wiring.graph.max_parallel
        if most is None:
            return len(self.rows)
        return most - sum(
            row.state is _S.RUNNING and self.wiring.nodes[row.node_id].type in WORK for row in self.rows.values()
        )

    def _is_put_off(self, row: Row) -> bool:
        return row.starts_at is not None and row.starts_at > self.now

    def _skip_some(self) -> bool:
        skipped = [
            row
            for row in self.rows.values()
            if row.state is _S.PENDING and not row.attempt and self._readiness(row.node_id) == "skip"
        ]
        for row in skipped:
            self._set(row, _S.SKIPPED, "not_taken", "No route led here.")
        return bool(skipped)

    def _readiness(self, node_id: str) -> Readiness:
        node = self.wiring.nodes[node_id]
        if node.shape.has_control and not node.shape.is_trigger:
            routes = [self.taken(edge) for edge in self.wiring.control_in[node_id]]
            found = _joined(node, routes) if node.type is _T.JOIN else _plainly(routes)
            if found != "ready":
                return found
        return "ready" if all(self.rows[edge.source].is_over for edge in self.wiring.data_in[node_id]) else "wait"

    def start(self, node_id: str) -> Row:
        """A node begins: its first try, or another one."""
        row = self.rows[node_id]
        node = self.wiring.nodes[node_id]
        row.attempt += 1
        self._set(row, _S.RUNNING)
        row.starts_at, row.finished_at = None, None
        if row.started_at is None:
            row.started_at = self.now
            if node.time_limit_seconds is not None:
                row.deadline_at = self.now + timedelta(seconds=node.time_limit_seconds)
        return row

    def end(
        self,
        node_id: str,
        state: NodeState,
        *,
        result: Any = None,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """A node has ended; where it went wrong it is tried again as often as it says."""
        row, node = self.rows[node_id], self.wiring.nodes[node_id]
        if self._is_tried_again(row, node, state):
            self._set(row, _S.PENDING, "retry", detail)
            row.starts_at = self.now + timedelta(seconds=node.retry_delay_seconds)
            row.request, row.is_taken = None, False
            return
        self._set(row, state, reason, detail)
        row.result = result

    def _is_tried_again(self, row: Row, node: Node, state: NodeState) -> bool:
        if state not in (_S.FAILED, _S.TIMED_OUT) or node.type not in WORK or row.attempt > node.retries:
            return False
        is_late = row.deadline_at is not None and row.deadline_at <= self.now
        return not (is_late or self.is_cancelling or self.is_failing)

    def _set(self, row: Row, state: NodeState, reason: str | None = None, detail: str | None = None) -> None:
        row.state, row.reason, row.detail, row.is_changed = state, reason, detail, True
        if state in TERMINAL_NODE:
            row.starts_at, row.deadline_at, row.stops = None, None, False
            row.finished_at = self.now

    def _wind_up(self) -> None:
        """Nothing new begins: what has not begun never will, what only waits ends, what is at work is stopped where the run is."""
        why, words = ("cancelled", "The run was stopped.") if self.is_cancelling else (
            "workflow_failed",
            "Another node failed, and nothing took care of that.",
        )  # fmt: skip
        for row in self.rows.values():
            if row.state is _S.PENDING:
                state = _S.CANCELLED if self.is_cancelling or row.attempt else _S.SKIPPED
                self._set(row, state, why, words)
            elif row.state is _S.AWAITING_APPROVAL or (row.state is _S.RUNNING and self._only_waits(row)):
                self._set(row, _S.CANCELLED, why, words)
            elif row.state is _S.RUNNING and self.is_cancelling and row.reason is None:
                row.stops, row.reason, row.is_changed = True, "cancelled", True

    def _only_waits(self, row: Row) -> bool:
        kind = self.wiring.nodes[row.node_id].type
        return kind is _T.WAIT or (kind is _T.HTTP and not row.is_taken and self.is_cancelling)

    def time_out(self) -> None:
        """End what its limit has passed; what is at work elsewhere is stopped first, and ends when it has."""
        for row in self.rows.values():
            if row.deadline_at is None or row.deadline_at > self.now or row.is_over or row.is_ending:
                continue
            kind = self.wiring.nodes[row.node_id].type
            if kind is _T.APPROVAL and row.state is _S.AWAITING_APPROVAL:
                result = {"state": "failed", "decision": "timed_out", "by": None, "comment": None}
                self._set(row, _S.TIMED_OUT, "nobody_decided", "Nobody decided in time, which counts as a refusal.")
                row.result = result
            elif row.state is _S.PENDING or kind not in WORK or (kind is _T.HTTP and not row.is_taken):
                self._set(row, _S.TIMED_OUT, "time_limit", "Its time was over.")
            else:
                row.stops, row.reason, row.is_changed = True, "time_limit", True

    def is_over(self) -> bool:
        return all(row.is_over for row in self.rows.values())

    def outcome(self) -> WorkflowState:
        """How a run ended of which every node has."""
        if self.is_cancelling:
            return WorkflowState.CANCELLED
        if self.is_failing:
            return WorkflowState.FAILED
        is_marked = any(
            row.state is _S.WARNING or (row.state in FAILED_NODE and not self.wiring.handles_failure(row.node_id))
            for row in self.rows.values()
        )
        return WorkflowState.WARNING if is_marked else WorkflowState.SUCCESS

    def next_look(self) -> datetime | None:
        """When something of it falls due by itself. What has fallen due waits for something else, as for a place."""
        bounds = [
            at
            for row in self.rows.values()
            if not (row.is_over or row.is_ending)
            for at in (row.starts_at if row.state is _S.PENDING else None, row.deadline_at)
            if at is not None and at > self.now
        ]
        return min(bounds, default=None)


def _plainly(routes: Sequence[bool | None]) -> Readiness:
    if None in routes:
        return "wait"
    return "ready" if any(routes) else "skip"


def _joined(node: Node, routes: Sequence[bool | None]) -> Readiness:
    """A join waits for as many routes as it says, and is skipped once so many cannot be any more."""
    mode = node.settings.get("mode", "all")
    needed = {"all": len(routes), "any": 1}.get(mode) or int(node.settings.get("n") or 1)
    taken, open_ = sum(one is True for one in routes), sum(one is None for one in routes)
    if taken >= needed:
        return "ready"
    return "wait" if taken + open_ >= needed else "skip"


#: How a node counts in the counters of its occurrence.
COUNTED_AS: Final[Mapping[NodeState, TargetState]] = {
    **{state: TargetState(state.value) for state in NodeState if state is not _S.AWAITING_APPROVAL},
    _S.AWAITING_APPROVAL: TargetState.RUNNING,
}


def counts_as_step(node: Node) -> bool:
    """Whether a node is counted: what only starts a run or finds devices is none of its steps."""
    return node.shape.has_control and not node.shape.is_trigger

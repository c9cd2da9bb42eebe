"""A run of a workflow without an Engine: nodes begin when the board says so, and end as a plan says, in an order that a test chooses."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from watchbill.core.workflow_steps import WORK, Board, Row, Wiring, first_rows
from watchbill.core.workflow_types import FAILED_NODE, Graph, NodeState, NodeType, RouteOn

_S, _T = NodeState, NodeType
NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
#: What ends in the very step in which it begins.
AT_ONCE: Final = frozenset(NodeType) - WORK - {_T.APPROVAL, _T.WAIT}
#: How each try of a node ends; of a condition success means true, and warning means false.
Plan = Mapping[str, Sequence[NodeState]]
#: Chooses among so many.
Choose = Callable[[int], int]


@dataclass
class Play:
    """One run. `begun` counts the tries of each node."""

    graph: Graph
    plan: Plan
    choose: Choose = lambda number: 0
    trigger: NodeType = _T.TRIGGER_MANUAL
    #: After so many ends somebody stops the run; None = nobody does.
    stop_after: int | None = None
    begun: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    most_at_work: int = 0

    def __post_init__(self) -> None:
        rows = {row.node_id: row for row in first_rows(self.graph, self.trigger)}
        self.board = Board(Wiring(self.graph), rows, NOW)

    @property
    def states(self) -> dict[str, NodeState]:
        return {row.node_id: row.state for row in self.board.rows.values()}

    def row(self, node_id: str) -> Row:
        return self.board.rows[node_id]

    def run(self) -> "Play":
        """To its end; AssertionError where nothing can end it any more."""
        for _ in range(20 * len(self.graph.nodes) + 20):
            self.step()
            if self.board.is_over():
                return self
            self.go_on()
        raise AssertionError(f"it does not end: {self.states}")

    def step(self) -> None:
        """As far as it comes without anything from outside."""
        self.board.time_out()
        while ready := self.board.ready():
            for node_id in ready:
                self.begin(node_id)
        at_work = [one.id for one in self.graph.nodes if one.type in WORK and self.row(one.id).state is _S.RUNNING]
        self.most_at_work = max(self.most_at_work, len(at_work))

    def begin(self, node_id: str) -> None:
        assert self.row(node_id).state is _S.PENDING, "it begins once for each try"
        _may_begin(self.board, node_id)
        self.begun[node_id] += 1
        row = self.board.start(node_id)
        kind = self.board.wiring.nodes[node_id].type
        if kind is _T.APPROVAL:
            row.state = _S.AWAITING_APPROVAL
        elif kind in AT_ONCE:
            self.end(node_id)

    def go_on(self) -> None:
        """One thing at work ends, or time passes until something falls due."""
        if self.stop_after is not None and self.ends >= self.stop_after:
            self.board.is_cancelling = True
        at_work = sorted(row.node_id for row in self.board.rows.values() if row.state in _AT_WORK)
        chosen = self.choose(len(at_work) + 1) if at_work else 0
        at = self.board.next_look()
        if at_work and (chosen < len(at_work) or at is None):
            self.end(at_work[min(chosen, len(at_work) - 1)])
        elif not self.board.is_cancelling:
            assert at is not None and at > self.board.now, f"nothing will ever wake it: {self.states}"
            self.pass_time(at)

    def pass_time(self, until: datetime | float) -> None:
        self.board.now = until if isinstance(until, datetime) else self.board.now + timedelta(seconds=until)

    def end(self, node_id: str, state: NodeState | None = None) -> None:
        self.ends += 1
        row = self.row(node_id)
        planned = state or planned_end(self.plan, node_id, row.attempt)
        if row.stops:
            planned = _S.TIMED_OUT if row.reason == "time_limit" else _S.CANCELLED
        if self.board.wiring.nodes[node_id].type is _T.CONDITION and planned not in FAILED_NODE:
            self.board.end(node_id, _S.SUCCESS, result=planned is _S.SUCCESS)
        else:
            self.board.end(node_id, planned)


_AT_WORK: Final = (_S.RUNNING, _S.AWAITING_APPROVAL)


def planned_end(plan: Plan, node_id: str, attempt: int) -> NodeState:
    ends = plan.get(node_id) or (_S.SUCCESS,)
    return ends[min(attempt, len(ends)) - 1]


def _may_begin(board: Board, node_id: str) -> None:
    """What must have been decided before a node begins, said in another way than the board does."""
    node = board.wiring.nodes[node_id]
    assert all(board.rows[one.source].is_over for one in board.wiring.data_in[node_id])
    if node.shape.is_trigger or not node.shape.has_control:
        return
    routes = [board.taken(one) for one in board.wiring.control_in[node_id]]
    if node.type is not _T.JOIN:
        assert None not in routes and True in routes
    else:
        assert routes.count(True) >= needed(node.settings, len(routes))


def needed(settings: Mapping[str, object], number: int) -> int:
    match settings.get("mode"):
        case "any":
            return 1
        case "n":
            return int(str(settings["n"]))
        case _:
            return number


def oracle(graph: Graph, plan: Plan, trigger: NodeType = _T.TRIGGER_MANUAL) -> dict[str, NodeState]:
    """The final states of a run that nothing cuts short, by the sources of each node alone: no order, no time."""
    there = {row.node_id: row.state is not _S.SKIPPED for row in first_rows(graph, trigger)}
    nodes = {node.id: node for node in graph.nodes}
    found: dict[str, tuple[NodeState, str]] = {}

    def end_of(node_id: str) -> tuple[NodeState, str]:
        if node_id not in found:
            found[node_id] = _end(node_id)
        return found[node_id]

    def _end(node_id: str) -> tuple[NodeState, str]:
        node = nodes[node_id]
        if not there[node_id]:
            return _S.SKIPPED, ""
        routes = [one for one in graph.edges if one.target == node_id and one.target_port == "in"]
        number = sum(is_taken(one.source, one.source_port, one.route_on) for one in routes)
        least = needed(node.settings, len(routes)) if node.type is _T.JOIN else 1
        if routes and number < least:
            return _S.SKIPPED, ""
        tries = node.retries + 1 if node.type in WORK else 1
        ends = [planned_end(plan, node_id, attempt) for attempt in range(1, tries + 1)]
        end = next((one for one in ends if one not in (_S.FAILED, _S.TIMED_OUT)), ends[-1])
        if node.type is _T.CONDITION and end not in FAILED_NODE:
            return _S.SUCCESS, "true" if end is _S.SUCCESS else "false"
        return end, "out"

    def is_taken(source: str, port: str, route_on: RouteOn | None) -> bool:
        state, way = end_of(source)
        if state is _S.SKIPPED or port != way:
            return False
        if route_on is None or route_on is RouteOn.ALWAYS:
            return route_on is not None or state is _S.SUCCESS
        has_warning = any(one.source == source and one.route_on is RouteOn.WARNING for one in graph.edges)
        if route_on is RouteOn.SUCCESS:
            return state is _S.SUCCESS or (state is _S.WARNING and not has_warning)
        return state is _S.WARNING if route_on is RouteOn.WARNING else state in FAILED_NODE

    return {node_id: end_of(node_id)[0] for node_id in nodes}

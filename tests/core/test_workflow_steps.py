"""What comes next in a run: random graphs whose nodes end in random ways and orders, and a table of every route and every join."""

import random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.core.workflow_play import NOW, Choose, Plan, Play, oracle, planned_end
from tests.factories.workflow_graphs import edge, graph, graphs, node
from watchbill.core.workflow_paths import reachable
from watchbill.core.workflow_steps import WORK, Board, Row, Wiring, downstream, first_rows
from watchbill.core.workflow_types import FAILED_NODE, TERMINAL_NODE, Graph, NodeState, NodeType, RouteOn, WorkflowState

_S, _T, _W = NodeState, NodeType, WorkflowState
ENDS = (_S.SUCCESS, _S.SUCCESS, _S.SUCCESS, _S.WARNING, _S.FAILED, _S.TIMED_OUT, _S.LOST)
#: What one draws an order from.
Order = st.randoms(use_true_random=False)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Graph, Plan]:
    """A graph, and how each try of each of its nodes ends. What ends at once does not time out, and what finds devices does not warn."""
    made = draw(graphs())
    plan = {one.id: draw(st.lists(st.sampled_from(ENDS), min_size=1, max_size=3)) for one in made.nodes}
    sure = {one.id: [_S.SUCCESS] for one in made.nodes if not one.shape.has_control or one.shape.is_trigger}
    return made, {**plan, **sure}


def _choosing(order: random.Random) -> Choose:
    return order.randrange


def _ends_it(made: Graph, states: dict[str, NodeState]) -> bool:
    """Whether a node of it failed that nothing takes care of, said by its edges."""
    handled = {one.source for one in made.edges if one.route_on in (RouteOn.FAILED, RouteOn.ALWAYS)}
    return any(states[one.id] in FAILED_NODE and one.on_error == "stop" and one.id not in handled for one in made.nodes)


@settings(max_examples=400, deadline=None)
@given(runs(), Order)
def test_every_run_ends_and_no_node_begins_more_often_than_it_may(run, order) -> None:
    made, plan = run
    play = Play(made, plan, _choosing(order)).run()
    assert set(play.states.values()) <= TERMINAL_NODE
    assert all(row.finished_at is not None or not row.attempt for row in play.board.rows.values())
    for one in made.nodes:
        tries = one.retries + 1 if one.type in WORK else 1
        assert play.begun[one.id] == play.row(one.id).attempt <= tries
    assert made.max_parallel is None or play.most_at_work <= made.max_parallel
    assert play.board.next_look() is None


@settings(max_examples=400, deadline=None)
@given(runs(), Order)
def test_states_follow_from_the_sources_alone_unless_a_failure_ends_the_run(run, order) -> None:
    """The condition under which the order of ends does not matter: no unhandled failure of a node that stops, no stop, no limit of time.

    Joins that begin early, places and delays may change when something begins, and never how it ends.
    """
    made, plan = run
    expected = oracle(made, plan)
    play = Play(made, plan, _choosing(order)).run()
    if _ends_it(made, expected):
        event("a failure ends it")
        # Which nodes had begun by then depends on the order; that it failed does not.
        assert play.board.outcome() is _W.FAILED
        cut_off = {row.node_id for row in play.board.rows.values() if row.reason == "workflow_failed"}
        for one in made.nodes:
            state, is_short = play.states[one.id], play.begun[one.id] <= one.retries
            # What was to be tried again is not, once the run has failed.
            assert one.id in cut_off or state is expected[one.id] or (state in FAILED_NODE and is_short)
    else:
        event("nothing ends it")
        assert play.states == expected
        marked = {one.id for one in made.nodes if expected[one.id] in (_S.WARNING, *FAILED_NODE)}
        handled = {one.source for one in made.edges if one.route_on in (RouteOn.FAILED, RouteOn.ALWAYS)}
        is_mild = all(expected[one] in FAILED_NODE and one in handled for one in marked)
        assert play.board.outcome() is (_W.SUCCESS if is_mild else _W.WARNING)


@settings(max_examples=200, deadline=None)
@given(runs(), Order)
def test_a_node_is_skipped_exactly_when_no_route_leads_there(run, order) -> None:
    made, plan = run
    play = Play(made, plan, _choosing(order)).run()
    taken = {id(one): play.board.taken(one) for ones in play.board.wiring.control_in.values() for one in ones}
    assert None not in taken.values()
    for one in made.nodes:
        row, ways = play.row(one.id), [taken[id(way)] for way in play.board.wiring.control_in[one.id]]
        if row.reason == "not_taken":
            least = {"all": len(ways), "n": one.settings.get("n")}.get(one.settings.get("mode"), 1)
            assert ways.count(True) < least
        elif one.type is not _T.JOIN and row.state is not _S.SKIPPED and ways:
            assert True in ways


@settings(max_examples=300, deadline=None)
@given(runs(), Order, st.integers(0, 14))
def test_a_run_may_be_stopped_at_any_moment(run, order, moment: int) -> None:
    made, plan = run
    play = Play(made, plan, _choosing(order), stop_after=moment).run()
    assert set(play.states.values()) <= TERMINAL_NODE
    if play.board.is_cancelling:
        event("stopped")
        assert play.board.outcome() is _W.CANCELLED
        assert _S.PENDING not in play.states.values()


@settings(max_examples=200, deadline=None)
@given(runs(), Order, st.integers(0, 12))
def test_nothing_begins_once_a_failure_ends_the_run(run, order, extra: int) -> None:
    made, plan = run
    play = Play(made, plan, _choosing(order))
    for _ in range(extra * 20 + 20):
        play.step()
        if play.board.is_failing:
            begun = dict(play.begun)
            play.run()
            assert dict(play.begun) == begun
            assert play.board.outcome() is _W.FAILED
            return
        if play.board.is_over():
            return
        play.go_on()


@settings(max_examples=200, deadline=None)
@given(runs(), Order, st.data())
def test_what_runs_again_is_what_edges_lead_to(run, order, data) -> None:
    """A run that goes on from some nodes with the rest kept ends as one that did everything, where those end as they did before."""
    made, plan = run
    first = Play(made, plan, _choosing(order)).run()
    if first.board.is_failing:
        return
    again = downstream(made, data.draw(st.sets(st.sampled_from([one.id for one in made.nodes]), max_size=3)))
    second = Play(made, plan, _choosing(order))
    for node_id, row in first.board.rows.items():
        if node_id not in again:
            second.board.rows[node_id] = row
        elif row.reason == "other_trigger":
            return
    second.run()
    assert second.states == first.states
    assert set(second.begun) <= again


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_what_another_trigger_leads_to_is_left_out(made: Graph) -> None:
    there = reachable(made, "start")
    nodes = {one.id: one for one in made.nodes}
    for row in first_rows(made, _T.TRIGGER_MANUAL):
        assert (row.state is _S.PENDING) == (row.node_id in there)
    for one in there - {"start"}:
        incoming = [way for way in made.edges if way.target == one and way.target_port == "in"]
        around = [
            *(way.target for way in made.edges if way.source == one),
            *(way.source for way in made.edges if way.target == one),
        ]
        if nodes[one].shape.has_control:
            assert any(way.source in there for way in incoming)
        else:
            assert there.intersection(around), "it is found for somebody, or of what somebody did"


def _after(kind: NodeType, end: NodeState, *ways: RouteOn) -> dict[RouteOn, NodeState]:
    """How the targets of these routes of a node ended that ended so."""
    made = graph(
        [node("a", kind, on_error="continue"), *(node(way.value) for way in ways)],
        ["start > a", *(edge(f"a > {way}", way) for way in ways)],
    )
    play = Play(made, {"a": [end]}).run()
    return {way: play.states[way.value] for way in ways}


YES, NO = _S.SUCCESS, _S.SKIPPED
ROUTES = {
    _S.SUCCESS: {"success": YES, "warning": NO, "failed": NO, "always": YES},
    _S.WARNING: {"success": NO, "warning": YES, "failed": NO, "always": YES},
    _S.FAILED: {"success": NO, "warning": NO, "failed": YES, "always": YES},
    _S.TIMED_OUT: {"success": NO, "warning": NO, "failed": YES, "always": YES},
    _S.LOST: {"success": NO, "warning": NO, "failed": YES, "always": YES},
}


@pytest.mark.parametrize("end", ROUTES)
def test_every_route_by_how_its_source_ended(end: NodeState) -> None:
    assert _after(_T.HTTP, end, *RouteOn) == {RouteOn(way): found for way, found in ROUTES[end].items()}


def test_a_warning_goes_along_success_while_no_route_is_for_warnings() -> None:
    assert _after(_T.HTTP, _S.WARNING, RouteOn.SUCCESS) == {RouteOn.SUCCESS: YES}
    assert _after(_T.HTTP, _S.WARNING, RouteOn.SUCCESS, RouteOn.WARNING)[RouteOn.SUCCESS] is NO


@pytest.mark.parametrize(("found", "ends"), [(True, (YES, NO)), (False, (NO, YES)), (None, (NO, NO))])
def test_a_condition_takes_the_routes_of_what_it_found(found: bool | None, ends: tuple[NodeState, NodeState]) -> None:
    """None = its expression failed."""
    made = graph(
        [node("a", _T.CONDITION, on_error="continue"), node("yes"), node("no")],
        ["start > a", "a.true > yes", "a.false > no"],
    )
    end = {True: _S.SUCCESS, False: _S.WARNING, None: _S.FAILED}[found]
    play = Play(made, {"a": [end]}).run()
    assert (play.states["yes"], play.states["no"]) == ends


#: (mode, n, how the three sources end) -> how the join ends, and after how many ends that is known.
JOINS = [
    ("all", None, (_S.SUCCESS, _S.SUCCESS, _S.SUCCESS), YES, 3),
    ("all", None, (_S.SUCCESS, _S.FAILED, _S.SUCCESS), NO, 2),
    ("all", None, (_S.SUCCESS, _S.WARNING, _S.SUCCESS), YES, 3),
    ("any", None, (_S.SUCCESS, _S.FAILED, _S.FAILED), YES, 1),
    ("any", None, (_S.FAILED, _S.FAILED, _S.SUCCESS), YES, 3),
    ("any", None, (_S.FAILED, _S.FAILED, _S.FAILED), NO, 3),
    ("n", 2, (_S.SUCCESS, _S.SUCCESS, _S.FAILED), YES, 2),
    ("n", 2, (_S.FAILED, _S.SUCCESS, _S.SUCCESS), YES, 3),
    ("n", 2, (_S.FAILED, _S.FAILED, _S.SUCCESS), NO, 2),
    ("n", 1, (_S.FAILED, _S.SUCCESS, _S.SUCCESS), YES, 2),
]


@pytest.mark.parametrize(("mode", "number", "ends", "end", "after"), JOINS)
def test_every_join(mode: str, number: int | None, ends: tuple[NodeState, ...], end: NodeState, after: int) -> None:
    made = graph(
        [
            *(node(name, on_error="continue") for name in "abc"),
            node("j", _T.JOIN, settings={"mode": mode, "n": number}),
        ],
        ["start > a", "start > b", "start > c", "a > j", "b > j", "c > j"],
    )
    play = Play(made, {})
    play.step()
    for at, (name, how) in enumerate(zip("abc", ends, strict=True), start=1):
        play.end(name, how)
        play.step()
        assert (play.states["j"] is end) == (at >= after), (at, play.states)
    assert play.board.is_over()


def test_a_node_waits_for_every_route_and_needs_one() -> None:
    made = graph([node("a"), node("b", on_error="continue"), node("z")], ["start > a", "start > b", "a > z", "b > z"])
    play = Play(made, {})
    play.step()
    play.end("a", _S.SUCCESS)
    play.step()
    waiting = play.states["z"]
    play.end("b", _S.FAILED)
    play.step()
    assert (waiting, play.states["z"]) == (_S.PENDING, _S.RUNNING)


def test_a_node_waits_for_what_it_reads_even_where_that_is_skipped() -> None:
    made = graph(
        [node("a", on_error="continue"), node("b", _T.SCRIPT), node("z"), node("d", _T.DEVICES_LIST)],
        ["start > a", "start > z", "a > b", "b.result > z.inputs", "d.devices > b.devices"],
    )
    play = Play(made, {})
    play.step()
    assert play.states["z"] is _S.PENDING
    play.end("a", _S.FAILED)
    play.step()
    assert (play.states["b"], play.states["z"]) == (_S.SKIPPED, _S.RUNNING)


def test_devices_are_not_found_for_a_node_of_another_trigger() -> None:
    made = graph(
        [node("hook", _T.TRIGGER_WEBHOOK), node("b", _T.SCRIPT), node("z"), node("d", _T.DEVICES_LIST)],
        ["hook > b", "d.devices > b.devices", "start > z", "b.result > z.inputs"],
    )
    assert reachable(made, "start") == {"start", "z"}
    assert reachable(made, "hook") == {"hook", "b", "d"}


def test_a_workflow_without_the_trigger_says_so() -> None:
    with pytest.raises(LookupError, match="trigger_job"):
        first_rows(graph([], []), _T.TRIGGER_JOB)


def test_an_unhandled_failure_stops_what_has_not_begun_and_lets_work_end() -> None:
    made = graph(
        [node("a"), node("b"), node("w", _T.WAIT), node("q", _T.APPROVAL), node("after_b")],
        ["start > a", "start > b", "start > w", "start > q", "b > after_b"],
    )
    play = Play(made, {})
    play.step()
    play.end("a", _S.FAILED)
    play.step()
    states = play.states
    assert (states["b"], states["after_b"], states["w"], states["q"]) == (
        _S.RUNNING,
        _S.SKIPPED,
        _S.CANCELLED,
        _S.CANCELLED,
    )
    play.end("b")
    play.step()
    assert play.board.is_over() and play.board.outcome() is _W.FAILED


OUTCOMES = [
    (_S.SUCCESS, "stop", None, _W.SUCCESS),
    (_S.WARNING, "stop", None, _W.WARNING),
    (_S.FAILED, "stop", None, _W.FAILED),
    (_S.LOST, "stop", None, _W.FAILED),
    (_S.TIMED_OUT, "continue", None, _W.WARNING),
    (_S.FAILED, "stop", RouteOn.FAILED, _W.SUCCESS),
    (_S.FAILED, "stop", RouteOn.ALWAYS, _W.SUCCESS),
    (_S.FAILED, "continue", RouteOn.FAILED, _W.SUCCESS),
    (_S.FAILED, "stop", RouteOn.WARNING, _W.FAILED),
]


@pytest.mark.parametrize(("end", "on_error", "way", "outcome"), OUTCOMES)
def test_outcomes(end: NodeState, on_error: str, way: RouteOn | None, outcome: WorkflowState) -> None:
    ways = [edge("a > z", way)] if way else []
    made = graph([node("a", on_error=on_error), *([node("z")] if way else [])], ["start > a", *ways])
    assert Play(made, {"a": [end]}).run().board.outcome() is outcome


def test_a_node_is_tried_again_after_its_delay_and_not_before() -> None:
    made = graph([node("a", retries=2, retry_delay_seconds=60)], ["start > a"])
    play = Play(made, {})
    play.step()
    play.end("a", _S.FAILED)
    play.step()
    assert (play.states["a"], play.row("a").reason, play.board.next_look()) == (
        _S.PENDING,
        "retry",
        play.row("a").starts_at,
    )
    play.pass_time(59)
    play.step()
    assert play.states["a"] is _S.PENDING
    play.pass_time(1)
    play.step()
    assert (play.states["a"], play.row("a").attempt) == (_S.RUNNING, 2)
    # What is lost is not done again, whatever is left of its tries.
    play.end("a", _S.LOST)
    play.step()
    assert play.board.is_over()


def test_a_try_that_has_no_place_does_not_wake_its_run_all_the_time() -> None:
    made = graph([node("a", retries=1), node("b")], ["start > a", "start > b"], max_parallel=1)
    play = Play(made, {})
    play.step()
    play.end("a", _S.FAILED)
    play.step()
    assert play.states["b"] is _S.RUNNING
    play.pass_time(61)
    play.step()
    assert (play.states["a"], play.board.next_look()) == (_S.PENDING, None)
    play.end("b")
    play.step()
    assert play.states["a"] is _S.RUNNING


LIMITED = [
    (_T.WAIT, False, _S.TIMED_OUT, False),
    (_T.APPROVAL, False, _S.TIMED_OUT, False),
    (_T.HTTP, False, _S.TIMED_OUT, False),
    (_T.HTTP, True, _S.RUNNING, True),
    (_T.WORKFLOW, False, _S.RUNNING, True),
]


@pytest.mark.parametrize(("kind", "is_taken", "state", "stops"), LIMITED)
def test_time_limits(kind: NodeType, is_taken: bool, state: NodeState, stops: bool) -> None:
    """What only waits ends at once; what is at work elsewhere is stopped first. Neither wakes the run again and again."""
    made = graph([node("a", kind, time_limit_seconds=30, retries=3)], ["start > a"])
    play = Play(made, {})
    play.step()
    play.row("a").is_taken = is_taken
    assert play.board.next_look() == play.row("a").deadline_at
    play.pass_time(30)
    play.step()
    assert (play.states["a"], play.row("a").stops, play.board.next_look()) == (state, stops, None)
    if stops:
        play.end("a")
        play.step()
    assert play.states["a"] is _S.TIMED_OUT
    assert play.row("a").attempt == 1, "what is over its limit is not tried again"


def test_a_limit_counts_from_the_first_try() -> None:
    made = graph([node("a", time_limit_seconds=90, retries=5, retry_delay_seconds=60)], ["start > a"])
    play = Play(made, {"a": [_S.FAILED]}).run()
    assert (play.states["a"], play.row("a").attempt) == (_S.TIMED_OUT, 2)


def test_what_is_stopped_already_is_not_said_to_be_late() -> None:
    made = graph([node("a", _T.WORKFLOW, time_limit_seconds=30)], ["start > a"])
    play = Play(made, {})
    play.step()
    play.board.is_cancelling = True
    play.step()
    play.pass_time(60)
    play.step()
    assert (play.row("a").reason, play.board.next_look()) == ("cancelled", None)


def test_a_request_that_nobody_has_taken_ends_with_a_stop_and_one_that_is_out_is_waited_for() -> None:
    made = graph([node("a"), node("b")], ["start > a", "start > b"])
    board = Board(
        Wiring(made), {"start": Row("start", _S.SUCCESS), **{one: Row(one, _S.RUNNING, attempt=1) for one in "ab"}}, NOW
    )
    board.rows["b"].is_taken = True
    board.is_cancelling = True
    assert board.ready() == []
    assert (board.rows["a"].state, board.rows["b"].state) == (_S.CANCELLED, _S.RUNNING)
    board.end("b", _S.SUCCESS)
    assert board.is_over() and board.outcome() is _W.CANCELLED


def test_plans_repeat_their_last_end() -> None:
    assert [planned_end({"a": [_S.FAILED, _S.SUCCESS]}, "a", at) for at in (1, 2, 3)] == [
        _S.FAILED,
        _S.SUCCESS,
        _S.SUCCESS,
    ]

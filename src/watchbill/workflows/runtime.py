"""Moves runs of workflows on: what has been woken is held, looked at, and brought as far as it comes in one transaction.

Any number of processes do that at once: a run is held by one of them, and all that is known of it is in the database, so that it goes
on wherever it stopped. What is begun in a step is committed with the rows that say so, or not at all.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import runs
from watchbill.core.assembly_check import from_json
from watchbill.core.states import Outcome
from watchbill.core.workflow_steps import COUNTED_AS, Board, Row, Wiring, counts_as_step, downstream, first_rows
from watchbill.core.workflow_types import (
    FAILED_NODE,
    TRIGGERS,
    Node,
    NodeState,
    NodeType,
    WorkflowState,
)
from watchbill.kit import db, events
from watchbill.kit.events import Event
from watchbill.workflows import node_work, sets, store
from watchbill.workflows.documents import Documents, Pinned
from watchbill.workflows.node_work import Place, Step
from watchbill.workflows.store import Run

#: NOTIFY channel that says that a node has something to send to another system.
REQUESTS: Final = "watchbill_requests"
#: Runs that one transaction moves on.
STEP_LIMIT: Final = 50
#: How long a run waits behind another one at most before it looks for itself whether that has ended.
_BEHIND: Final = timedelta(seconds=30)
_PINNED: Final = frozenset((NodeType.SCRIPT, NodeType.PLAYBOOK, NodeType.WORKFLOW))
_OUTCOMES: Final = {
    WorkflowState.SUCCESS: Outcome.SUCCESS,
    WorkflowState.WARNING: Outcome.WARNING,
    WorkflowState.FAILED: Outcome.FAILED,
    WorkflowState.CANCELLED: Outcome.CANCELLED,
}
#: Of a run that goes on with another one, nodes in these states run again besides those that were asked for.
_AGAIN: Final = frozenset((NodeState.CANCELLED, NodeState.PENDING, NodeState.RUNNING, NodeState.AWAITING_APPROVAL))


#: What a step may meet in a run that nobody foresaw. It must not keep the other runs of the transaction from going on.
_FAULTS: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RecursionError)


class BrokenRunError(Exception):
    """A run cannot be moved on, for a reason that is a fault of ours: the transaction is void, and the run is to be given up."""

    def __init__(self, run_id: int) -> None:
        super().__init__(f"the run {run_id} cannot be moved on")
        self.run_id = run_id


async def give_up(tx: AsyncConnection, run_id: int, why: str, now: datetime) -> None:
    """End a run that cannot be moved on as failed; what it had at work is stopped."""
    held = await store.hold(tx, run_id)
    if held is None:
        return
    rows = (await store.nodes_of(tx, [run_id])).get(run_id, {})
    at_work = [row.occurrence_ids[-1] for row in rows.values() if row.state is NodeState.RUNNING and row.occurrence_ids]
    if at_work:
        await runs.cancel_occurrences(tx, at_work, operator_id=None, now=now)
    await store.give_up(tx, run_id, f"The Engine cannot go on with this run: {why}.", now)
    await runs.close(tx, {held.occurrence_id: (held.owner_job_id, str(Outcome.FAILED))}, now)
    await store.forget_wakes(tx, [run_id])
    await runs.wake(tx, [(one, now) for one in await store.waiting_behind(tx, [held.workflow_id])])


async def step(tx: AsyncConnection, documents: Documents, now: datetime, limit: int = STEP_LIMIT) -> int:
    """Bring what is to be looked at as far as it comes; how many runs that was."""
    number, held = await store.take(tx, now, limit)
    if not held:
        return number
    for run in held:
        with _broken_by(run):
            await documents.load(tx, [(run.workflow_id, run.revision)])
            documents.wiring((run.workflow_id, run.revision), run.draft)
    moving = await _Moving.of(tx, documents, held, now)
    for run in held:
        with _broken_by(run):
            await moving.move(run)
        await asyncio.sleep(0)
    await moving.write()
    return number


@contextmanager
def _broken_by(run: Run) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise BrokenRunError(run.run_id) from error


class _Moving:
    """The runs of one transaction."""

    def __init__(self, step: Step, rows: dict[int, dict[str, Row]], latest: dict[uuid.UUID, int]) -> None:
        self.step = step
        self.rows = rows
        self.latest = latest
        self.new: list[tuple[int, str, int, Row]] = []
        self.changed: list[tuple[int, Row]] = []
        self.runs: list[Run] = []
        self.deltas: dict[tuple[uuid.UUID, int, int, str], int] = defaultdict(int)
        self.told: list[Event] = []
        self.ended: list[Run] = []

    @classmethod
    async def of(cls, tx: AsyncConnection, documents: Documents, held: Sequence[Run], now: datetime) -> "_Moving":
        begun = [run.run_id for run in held if run.pins is not None]
        rows = await store.nodes_of(tx, begun)
        latest = await _latest(tx, documents, [run for run in held if run.pins is None])
        step = Step(tx, documents, now)
        at_work = [row for nodes in rows.values() for row in nodes.values() if row.state is NodeState.RUNNING]
        step.children = await store.children(tx, [row.occurrence_ids[-1] for row in at_work if row.occurrence_ids])
        step.child_runs = await store.child_runs(tx, [row.child_run_id for row in at_work if row.child_run_id])
        await documents.load(tx, _to_load(documents, held, latest))
        return cls(step, rows, latest)

    async def move(self, run: Run) -> None:
        now = self.step.now
        if run.state is WorkflowState.QUEUED:
            if not run.is_cancelled and await store.has_one_ahead(self.step.tx, run.run_id):
                # Whoever ends that one may not see yet that this one waits.
                self.step.wakes.append((run.run_id, now + _BEHIND))
                return
            run.state, run.reason, run.is_changed = WorkflowState.RUNNING, None, True
        wiring = self.step.documents.wiring((run.workflow_id, run.revision), run.draft)
        is_new = run.pins is None
        board = Board(wiring, await self._begin(run, wiring) if is_new else self.rows[run.run_id], now)
        before = {} if is_new else {node_id: row.state for node_id, row in board.rows.items()}
        self._note_stop(run)
        board.is_cancelling = run.state is WorkflowState.CANCELLING
        await self._advance(run, board)
        self._gather(run, board, before)

    def _note_stop(self, run: Run) -> None:
        is_late = run.deadline_at is not None and run.deadline_at <= self.step.now
        if run.state is WorkflowState.RUNNING and (run.is_cancelled or is_late):
            run.state, run.is_changed = WorkflowState.CANCELLING, True
            run.reason = "cancelled" if run.is_cancelled else "time_limit"

    async def _begin(self, run: Run, wiring: Wiring) -> dict[str, Row]:
        now = self.step.now
        run.started_at, run.is_changed = now, True
        run.parameters = self._whole(run)
        run.deadline_at = now + timedelta(seconds=wiring.graph.time_limit_seconds)
        self.step.wakes.append((run.run_id, run.deadline_at))
        if run.origin_run_id is not None:
            rows, run.pins = await self._go_on(run, wiring)
        else:
            rows = first_rows(wiring.graph, TRIGGERS[run.source])
            run.pins = {node.id: self._pin(node) for node in wiring.graph.nodes if node.type in _PINNED}
        for position, row in enumerate(rows):
            row.is_changed = False
            self.new.append((run.run_id, wiring.nodes[row.node_id].type.value, position, row))
        return {row.node_id: row for row in rows}

    def _whole(self, run: Run) -> dict[str, Any]:
        """Its parameters, with the defaults of those that nobody set."""
        draft = (
            self.step.documents.draft((run.workflow_id, run.revision)) if run.draft is None else from_json(run.draft)
        )
        given = {name: value for name, value in run.parameters.items() if value is not None}
        return {one.name: given.get(one.name, one.default) for one in draft.variables}

    def _pin(self, node: Node) -> int:
        revision = node.settings.get("revision")
        if isinstance(revision, int):
            return revision
        return self.latest.get(node_work.assembly_of(node), 0)

    async def _go_on(self, run: Run, wiring: Wiring) -> tuple[list[Row], dict[str, int]]:
        """What the earlier run had ended well is kept with its devices and results; the rest begins anew, with the same revisions."""
        assert run.origin_run_id is not None
        tx = self.step.tx
        old = (await store.nodes_of(tx, [run.origin_run_id])).get(run.origin_run_id, {})
        again = downstream(wiring.graph, {*run.rerun_from, *(one for one, row in old.items() if _goes_again(row))})
        rows = [
            old[node.id] if node.id in old and node.id not in again else Row(node.id) for node in wiring.graph.nodes
        ]
        kept = [row.node_id for row in rows if row.is_over]
        for row in rows:
            row.is_kept = row.is_over
        await sets.copy(tx, run.origin_run_id, run.run_id, kept)
        pins = await store.pins_of(tx, run.origin_run_id)
        nodes = [node for node in wiring.graph.nodes if node.id in pins]
        await self.step.documents.load(tx, [(node_work.assembly_of(node), pins[node.id]) for node in nodes])
        return rows, pins

    async def _advance(self, run: Run, board: Board) -> None:
        """Look at what is at work, then begin what can, again and again until nothing can."""
        for row in board.rows.values():
            if row.state is NodeState.RUNNING:
                await node_work.look(self._place(run, board, row.node_id))
        board.time_out()
        while ready := board.ready():
            for node_id in ready:
                await node_work.start(self._place(run, board, node_id))
                if board.rows[node_id].state in FAILED_NODE and board.is_failing:
                    break
        self.step.stops += [
            occurrence for row in board.rows.values() if row.stops for occurrence in row.occurrence_ids[-1:]
        ]
        at = board.next_look()
        if at is not None:
            self.step.wakes.append((run.run_id, at))

    def _place(self, run: Run, board: Board, node_id: str) -> Place:
        return Place(self.step, run, board, board.wiring.nodes[node_id])

    def _gather(self, run: Run, board: Board, before: dict[str, NodeState]) -> None:
        """What of a run is to be written."""
        if board.is_over():
            run.state = board.outcome()
            if run.state is WorkflowState.CANCELLED and run.reason == "time_limit":
                run.state, run.detail = WorkflowState.FAILED, "The time for the whole run was over."
            run.finished_at, run.is_changed = self.step.now, True
            self.ended.append(run)
        changed = [row for row in board.rows.values() if row.is_changed]
        if before:
            self.changed += [(run.run_id, row) for row in changed]
        if run.is_changed:
            self.runs.append(run)
        home = run.allowed_site_ids[0] if run.allowed_site_ids else 0
        for node_id, row in board.rows.items():
            if counts_as_step(board.wiring.nodes[node_id]) and before.get(node_id) is not row.state:
                if node_id in before:
                    self.deltas[run.occurrence_id, home, 1, COUNTED_AS[before[node_id]]] -= 1
                self.deltas[run.occurrence_id, home, 1, COUNTED_AS[row.state]] += 1
        if changed or run.is_changed:
            self._tell(run, list(board.rows.values()) if not before else changed)

    def _tell(self, run: Run, rows: Sequence[Row]) -> None:
        about = {
            "run_id": run.run_id,
            "workflow_id": str(run.workflow_id),
            "job_id": run.job_id,
            "occurrence_id": str(run.occurrence_id),
            "state": run.state.value,
            "nodes": [{"node_id": row.node_id, "state": row.state.value} for row in rows],
        }
        self.told += [Event("workflow.changed", about, site) for site in _sites(run)]

    async def write(self) -> None:
        """All of it, in an order of locks that others share: what devices do first, counters and occurrences after."""
        step, tx, now = self.step, self.step.tx, self.step.now
        await self._open()
        await store.insert_nodes(tx, self.new)
        await store.update_nodes(tx, self.changed)
        await store.update_runs(tx, self.runs)
        if step.stops:
            await runs.cancel_occurrences(tx, step.stops, operator_id=None, now=now)
        await runs.count(tx, self.deltas)
        ended = {run.occurrence_id: (run.owner_job_id, str(_OUTCOMES[run.state])) for run in self.ended}
        await runs.close(tx, ended, now)
        if self.ended:
            gone = {run.run_id for run in self.ended}
            step.wakes = [(run_id, at) for run_id, at in step.wakes if run_id not in gone]
            await store.forget_wakes(tx, sorted(gone))
            behind = await store.waiting_behind(tx, sorted({run.workflow_id for run in self.ended}))
            await runs.wake(tx, [(run_id, now) for run_id in behind])
        await runs.remind(tx, step.wakes)
        if step.has_requests:
            await db.notify(tx, REQUESTS)
        await events.publish(tx, self.told, now)

    async def _open(self) -> None:
        """Open the work of nodes. What ended by that very act tells nobody, and is looked at once more."""
        step, tx = self.step, self.step.tx
        if not step.openings:
            return
        await runs.open_occurrences(tx, step.openings, step.now)
        opened = await store.runs_of_occurrences(tx, [occurrence for _, occurrence in step.nested])
        for row, occurrence in step.nested:
            row.child_run_id = opened.get(occurrence)
        there = await store.children(tx, [one.id for one in step.openings])
        over = {one for one, child in there.items() if child.state not in ("open", "held")}
        for run_id, row in [(one[0], one[3]) for one in self.new] + self.changed:
            if over.intersection(row.occurrence_ids[-1:]) and row.state is NodeState.RUNNING:
                step.wakes.append((run_id, step.now))


def _goes_again(row: Row) -> bool:
    is_cut_off = row.state is NodeState.SKIPPED and row.reason in ("workflow_failed", "cancelled")
    return row.state in _AGAIN or row.state in FAILED_NODE or is_cut_off


async def _latest(tx: AsyncConnection, documents: Documents, new: Sequence[Run]) -> dict[uuid.UUID, int]:
    """The newest revisions of what the nodes of runs that begin name without one."""
    named = {
        node_work.assembly_of(node)
        for run in new
        if run.origin_run_id is None
        for node in documents.wiring((run.workflow_id, run.revision), run.draft).graph.nodes
        if node.type in _PINNED
    }
    return await store.latest(tx, sorted(named))


def _to_load(documents: Documents, held: Sequence[Run], latest: dict[uuid.UUID, int]) -> list[Pinned]:
    """What the nodes of these runs may run in this step."""
    found: set[Pinned] = set()
    for run in held:
        for node in documents.wiring((run.workflow_id, run.revision), run.draft).graph.nodes:
            if node.type in _PINNED:
                assembly_id = node_work.assembly_of(node)
                given = node.settings.get("revision")
                newest = given if isinstance(given, int) else latest.get(assembly_id, 0)
                found.add((assembly_id, (run.pins or {}).get(node.id, newest)))
    return sorted(found, key=str)


def _sites(run: Run) -> Sequence[int | None]:
    """For whom an event of a run is; None = everybody, as the run itself."""
    return (None,) if run.allowed_site_ids is None else run.allowed_site_ids

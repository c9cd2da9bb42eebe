"""What people do to a run: decide about an approval, stop it, go on from where it failed."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import runs
from watchbill.core.problems import Problem
from watchbill.core.workflow_steps import COUNTED_AS
from watchbill.core.workflow_types import FAILED_NODE, NodeState, WorkflowState
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.workflows import store
from watchbill.workflows.launching import Launch, launch
from watchbill.workflows.reading import RunView

_ENDED = frozenset((WorkflowState.SUCCESS, WorkflowState.WARNING, WorkflowState.FAILED, WorkflowState.CANCELLED))


async def decide(
    tx: AsyncConnection, actor: Actor, run: RunView, node_id: str, *, approves: bool, comment: str, now: datetime
) -> None:
    """A person approves or denies what a node asks. What was decided, or not decided in time, stays."""
    actor.require(Permission.JOBS_RUN)
    require_whole(actor, run)
    node = run.node(node_id)
    if node.type != "approval":
        raise NotFoundError("There is no such approval in this run.", code="approval_not_found")
    told = {
        "state": "success" if approves else "failed",
        "decision": "approved" if approves else "denied",
        "by": actor.name,
        "comment": comment or None,
    }
    state = NodeState.SUCCESS if approves else NodeState.FAILED
    reason, detail = (
        (None, None) if approves else ("denied", f"Denied by {actor.name}" + (f": {comment}" if comment else "."))
    )
    if not await store.decide(tx, run.id, node_id, state, (reason, detail), told, now):
        raise ConflictError(
            "Nothing is asked here now: it was decided, its time was over, or the run has ended.",
            code="not_awaiting_approval",
        )
    home = run.allowed_site_ids[0] if run.allowed_site_ids else 0
    place = (run.occurrence_id, home, 1)
    await runs.count(
        tx, {(*place, str(COUNTED_AS[NodeState.AWAITING_APPROVAL])): -1, (*place, str(COUNTED_AS[state])): 1}
    )
    await runs.wake(tx, [(run.id, now)])
    detail_of = {"node": node_id, "decision": told["decision"], "comment": comment}
    await audit.record(tx, actor, "workflow_run.decide", "workflow_run", run.id, now=now, detail=detail_of)


async def cancel(tx: AsyncConnection, actor: Actor, run: RunView, now: datetime) -> None:
    """Stop a run: nothing new begins, what is at work is stopped and answers."""
    actor.require(Permission.JOBS_RUN)
    require_whole(actor, run)
    if run.state in _ENDED:
        raise ConflictError("This run has ended already.", code="run_ended")
    await runs.cancel_occurrences(tx, [run.occurrence_id], operator_id=actor.operator_id, now=now)
    await audit.record(tx, actor, "workflow_run.cancel", "workflow_run", run.id, now=now)


async def resume(
    tx: AsyncConnection, actor: Actor, run: RunView, from_nodes: list[str] | None, *, request_id: str, now: datetime
) -> int:
    """The id of a new run that keeps what ended well in this one, and does the rest again from the given nodes on.

    None = from what failed or was cut off.
    """
    actor.require(Permission.JOBS_RUN, Permission.RUN_AS_SYSTEM)
    require_whole(actor, run)
    if run.state not in _ENDED:
        raise ConflictError("This run is still going on.", code="run_not_ended")
    again = (
        from_nodes
        if from_nodes is not None
        else [one.node_id for one in run.nodes if NodeState(one.state) in FAILED_NODE]
    )
    known = {one.node_id for one in run.nodes if one.reason != "other_trigger"}
    problems = [
        Problem(f"from.{at}", "not_found", f"there is no node {name} that took part in this run")
        for at, name in enumerate(again)
        if name not in known
    ]
    if problems:
        raise InvalidError.of(problems, what="The request")
    if not again and run.state is WorkflowState.SUCCESS:
        raise ConflictError(
            "Everything in this run ended well: say from which node on it is to run again.", code="nothing_failed"
        )
    new = Launch(
        run.workflow_id,
        run.source,
        run.revision,
        run.parameters,
        allowed_site_ids=run.allowed_site_ids,
        started_by=actor.operator_id,
        only_device_id=run.only_device_id,
        request_id=f"{actor.operator_id}:{request_id}" if request_id else "",
        definition=run.draft,
        resumes=run.id,
        rerun_from=again,
    )
    found = await launch(tx, new, now)
    await audit.record(
        tx, actor, "workflow_run.resume", "workflow_run", run.id, now=now, detail={"from": again, "run": found}
    )
    return found


def require_whole(actor: Actor, run: RunView) -> None:
    """ForbiddenError where a run reaches sites that the caller does not see."""
    mine = actor.scope.site_ids
    if mine is not None and (run.allowed_site_ids is None or not set(run.allowed_site_ids) <= mine):
        raise ForbiddenError("This run has devices of sites that you do not see.", code="job_spans_other_sites")

"""What the API says of runs of workflows, and what it is told to start, decide and go on with them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from watchbill.api.common import Model, StoredInstant
from watchbill.core.workflow_types import NodeState, Source, WorkflowState
from watchbill.identity import Actor, Permission
from watchbill.workflows import NodeView, OpenApproval, RunView, SetDevice

Parameter = str | bool | int | float | None
Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]


class LaunchBody(Model):
    """How a workflow is started by hand. `definition`: a document that is tried out instead of a saved revision; it is not kept."""

    parameters: dict[str, Parameter] = Field(default_factory=dict)
    revision: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    only_device_id: Annotated[UUID | None, Field(description="every device set has no other device than this one")] = (
        None
    )
    definition: dict[str, Any] | None = None


class ResumeBody(Model):
    """Which nodes run again, with all that follows them; null = those that failed."""

    from_: Annotated[list[str] | None, Field(alias="from", max_length=500)] = None


class DecisionBody(Model):
    """What a person decides about what a node asks."""

    decision: Literal["approve", "deny"]
    comment: Comment = ""


class ParentReply(Model):
    run_id: int
    node_id: str


class WorkflowRunBrief(Model):
    """A run of a workflow without its nodes."""

    id: int
    occurrence_id: UUID
    workflow_id: UUID
    workflow_name: str
    revision: int
    is_trial: bool
    source: Source
    state: WorkflowState
    reason: str | None
    detail: str | None
    job_id: int | None
    job_name: str | None
    parent: ParentReply | None
    origin_run_id: int | None
    rerun_from: list[str]
    parameters: dict[str, Any]
    started_by: str | None
    only_device_id: UUID | None
    created_at: StoredInstant
    started_at: StoredInstant | None
    finished_at: StoredInstant | None
    deadline_at: StoredInstant | None


class NodeReply(Model):
    """A node in a run. `sets`: how many devices each of its ports holds. `counts`: of its newest work on devices."""

    node_id: str
    type: str
    state: NodeState
    reason: str | None
    detail: str | None
    attempt: int
    kept: bool
    starts_at: StoredInstant | None
    deadline_at: StoredInstant | None
    started_at: StoredInstant | None
    finished_at: StoredInstant | None
    run_id: int | None
    occurrence_id: UUID | None
    child_run_id: int | None
    counts: dict[str, int]
    sets: dict[str, int]
    result: Any


class NodeDetail(NodeReply):
    """A node with what was wired to it: results and values by their nodes."""

    inputs: dict[str, Any]


class EdgeReply(Model):
    """`taken`: control that went along it, data that was read; null = not decided yet."""

    from_: Annotated[str, Field(alias="from", serialization_alias="from")]
    to: str
    taken: bool | None


class RunAction(Model):
    action: Literal["cancel", "resume"]
    allowed: bool
    reason: str | None


class WorkflowRunReply(WorkflowRunBrief):
    definition: dict[str, Any]
    nodes: list[NodeReply]
    edges: list[EdgeReply]
    allowed_actions: list[RunAction]


class OpenApprovalReply(Model):
    """What a person is asked; who has not every site of the run may not decide."""

    run_id: int
    workflow_id: UUID
    workflow_name: str
    job_id: int | None
    job_name: str | None
    node_id: str
    started_at: StoredInstant | None
    deadline_at: StoredInstant | None
    message: str | None
    may_decide: bool


class SetDeviceReply(Model):
    id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    is_online: bool


_PLAIN = (
    *("id", "occurrence_id", "workflow_id", "workflow_name", "revision", "source", "state", "reason", "detail", "job_id", "job_name"),
    *("origin_run_id", "started_by", "only_device_id", "created_at", "started_at", "finished_at", "deadline_at"),
)  # fmt: skip


def brief_reply(run: RunView) -> WorkflowRunBrief:
    return WorkflowRunBrief.model_validate(_brief(run))


def _brief(run: RunView) -> dict[str, Any]:
    parent = None
    if run.parent_run_id is not None and run.parent_node is not None:
        parent = {"run_id": run.parent_run_id, "node_id": run.parent_node}
    told = {"is_trial": run.draft is not None, "parent": parent, "rerun_from": list(run.rerun_from)}
    return {**{name: getattr(run, name) for name in _PLAIN}, **told, "parameters": dict(run.parameters)}


def _node(run: RunView, one: NodeView) -> dict[str, Any]:
    same = (name for name in NodeReply.model_fields if name not in {"kept", "sets"})
    sizes: Mapping[str, int] = run.sizes.get(one.node_id, {})
    return {**{name: getattr(one, name) for name in same}, "kept": one.is_kept, "sets": dict(sizes)}


def node_reply(run: RunView, one: NodeView) -> NodeReply:
    return NodeReply.model_validate(_node(run, one))


def node_detail(run: RunView, one: NodeView) -> NodeDetail:
    graph = run.document.workflow
    sources = [edge.source for edge in graph.edges if edge.target == one.node_id] if graph else []
    results = {other.node_id: other.result for other in run.nodes}
    return NodeDetail.model_validate({**_node(run, one), "inputs": {name: results.get(name) for name in sources}})


def run_reply(run: RunView, caller: Actor) -> WorkflowRunReply:
    graph = run.document.workflow
    assert graph is not None
    written = [edge.to_json() for edge in graph.edges]
    edges = [
        {"from": edge["from"], "to": edge["to"], "taken": taken}
        for edge, taken in zip(written, run.edges_taken(), strict=True)
    ]
    return WorkflowRunReply.model_validate(
        {
            **_brief(run),
            "definition": graph.to_json(),
            "nodes": [_node(run, one) for one in run.nodes],
            "edges": edges,
            "allowed_actions": _actions(run, caller),
        }
    )


def _actions(run: RunView, caller: Actor) -> list[dict[str, Any]]:
    is_open = run.state in ("queued", "running", "cancelling")
    mine = caller.scope.site_ids
    is_partial = mine is not None and (run.allowed_site_ids is None or not set(run.allowed_site_ids) <= mine)
    why = None
    if not caller.may(Permission.JOBS_RUN):
        why = f"This needs the permission `{Permission.JOBS_RUN}`."
    elif is_partial:
        why = "This run has devices of sites that you do not see."
    stops = why or (None if is_open else "It has ended already.")
    goes_on = why or ("It is still going on." if is_open else None)
    return [
        {"action": "cancel", "allowed": stops is None, "reason": stops},
        {"action": "resume", "allowed": goes_on is None, "reason": goes_on},
    ]


def approval_reply(one: OpenApproval, caller: Actor) -> OpenApprovalReply:
    mine = caller.scope.site_ids
    is_whole = mine is None or (one.allowed_site_ids is not None and set(one.allowed_site_ids) <= mine)
    may = is_whole and caller.may(Permission.JOBS_RUN)
    names = (name for name in OpenApprovalReply.model_fields if name != "may_decide")
    return OpenApprovalReply.model_validate({**{name: getattr(one, name) for name in names}, "may_decide": may})


def device_reply(one: SetDevice) -> SetDeviceReply:
    return SetDeviceReply.model_validate(one)

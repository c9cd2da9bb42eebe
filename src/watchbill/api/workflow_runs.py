"""`/api/workflows/{id}/runs` and `/api/workflow_runs`: starting workflows, their runs with every node, stops, approvals, going on."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies, devices, runs, workflows
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Now, PageOf, PageQuery, Tx, router
from watchbill.api.idempotent import HEADER as IDEMPOTENCY_KEY
from watchbill.api.run_shapes import DeviceRowReply, device_row
from watchbill.api.workflow_checks import with_references
from watchbill.api.workflow_shapes import (
    DecisionBody,
    LaunchBody,
    NodeDetail,
    NodeReply,
    OpenApprovalReply,
    ResumeBody,
    SetDeviceReply,
    WorkflowRunBrief,
    WorkflowRunReply,
    approval_reply,
    brief_reply,
    device_reply,
    node_detail,
    node_reply,
    run_reply,
)
from watchbill.core.states import TargetState
from watchbill.core.workflow_types import WorkflowState
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page
from watchbill.runs import RowFilter
from watchbill.workflows import Launch, RunFilter, RunView

of_workflows = router(prefix="/api/workflows", tags=["workflows"])
resource = router(prefix="/api/workflow_runs", tags=["workflows"])
approvals = router(prefix="/api/workflow_approvals", tags=["workflows"])


class RunsQuery(PageQuery):
    """Which runs to list."""

    state: list[WorkflowState] = Field(default_factory=list, description="only in these states; may be repeated")


class AllRunsQuery(RunsQuery):
    workflow_id: UUID | None = None
    parent_run_id: Annotated[Id | None, Field(description="only the runs that nodes of this run are")] = None


class RowsQuery(PageQuery):
    """Which device rows of a node."""

    state: list[TargetState] = Field(default_factory=list, description="only in these states; may be repeated")
    q: Annotated[str | None, Field(max_length=200, description="part of the host name")] = None


class SetQuery(PageQuery):
    """Which of the device sets of a node."""

    port: Annotated[str, Field(max_length=40)] = "devices"


@of_workflows.post("/{assembly_id}/runs", status_code=202)
async def launch_workflow(
    assembly_id: UUID, tx: Tx, caller: Caller, now: Now, request: Request, body: LaunchBody | None = None
) -> WorkflowRunBrief:
    """Start a workflow now, in the sites of whoever starts it."""
    body = body or LaunchBody()
    definition = await _tried_out(tx, caller, assembly_id, body)
    if body.only_device_id is not None:
        await devices.get_device(tx, caller, body.only_device_id)
    new = _launch(caller, assembly_id, body, request.headers.get(IDEMPOTENCY_KEY, ""))
    run_id = await workflows.launch(tx, replace(new, definition=definition), now)
    return await _launched(tx, caller, run_id, now)


def _launch(caller: Actor, assembly_id: UUID, body: LaunchBody, key: str) -> Launch:
    return Launch(
        assembly_id,
        "manual",
        body.revision,
        body.parameters,
        allowed_site_ids=caller.scope.as_list(),
        started_by=caller.operator_id,
        only_device_id=body.only_device_id,
        request_id=f"{caller.operator_id}:{key}" if key else "",
    )


async def _tried_out(
    tx: AsyncConnection, caller: Actor, assembly_id: UUID, body: LaunchBody
) -> dict[str, object] | None:
    """A document that is to be tried out, as it would be saved; it is judged like one."""
    before = await assemblies.get(tx, caller, assembly_id)
    caller.require(Permission.JOBS_RUN, Permission.RUN_AS_SYSTEM)
    if body.definition is None:
        return None
    verdicts = await with_references(tx, caller, body.definition, assemblies.NO_VERDICTS, assembly_id)
    draft, problems = await assemblies.judge(tx, caller, body.definition, before, verdicts)
    if problems:
        raise InvalidError.of(problems, what="The workflow")
    return draft.to_json()


async def _launched(tx: AsyncConnection, caller: Actor, run_id: int, now: Now) -> WorkflowRunBrief:
    found = await workflows.get_run(tx, caller.scope, run_id)
    detail = {"workflow": str(found.workflow_id), "revision": found.revision}
    await audit.record(tx, caller, "workflow.launch", "workflow_run", run_id, now=now, detail=detail)
    return brief_reply(found)


async def _listed(tx: AsyncConnection, caller: Actor, only: RunFilter, wanted: RunsQuery) -> PageOf[WorkflowRunBrief]:
    page: Page[RunView] = await workflows.list_runs(tx, caller.scope, only, limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[WorkflowRunBrief].of(page, brief_reply)


@of_workflows.get("/{assembly_id}/runs")
async def list_runs_of_workflow(
    assembly_id: UUID, tx: Tx, caller: Caller, wanted: Annotated[RunsQuery, Query()]
) -> PageOf[WorkflowRunBrief]:
    """The runs of a workflow, newest first."""
    await assemblies.get(tx, caller, assembly_id)
    return await _listed(tx, caller, RunFilter(assembly_id, wanted.state), wanted)


@resource.get("")
async def list_workflow_runs(
    tx: Tx, caller: Caller, wanted: Annotated[AllRunsQuery, Query()]
) -> PageOf[WorkflowRunBrief]:
    """The runs of all workflows, newest first."""
    caller.require(Permission.READ)
    return await _listed(tx, caller, RunFilter(wanted.workflow_id, wanted.state, wanted.parent_run_id), wanted)


@resource.get("/{run_id}")
async def get_workflow_run(run_id: Id, tx: Tx, caller: Caller) -> WorkflowRunReply:
    """One run: its graph, its nodes, the edges that were taken."""
    caller.require(Permission.READ)
    return run_reply(await workflows.get_run(tx, caller.scope, run_id), caller)


@resource.post("/{run_id}/cancel", status_code=202)
async def cancel_workflow_run(run_id: Id, tx: Tx, caller: Caller, now: Now) -> WorkflowRunBrief:
    """Stop a run: nothing new begins, what is at work is stopped."""
    await workflows.cancel(tx, caller, await workflows.get_run(tx, caller.scope, run_id), now)
    return brief_reply(await workflows.get_run(tx, caller.scope, run_id))


@resource.post("/{run_id}/resume", status_code=202)
async def resume_workflow_run(
    run_id: Id, tx: Tx, caller: Caller, now: Now, request: Request, body: ResumeBody | None = None
) -> WorkflowRunBrief:
    """A new run that keeps what ended well in this one and does the rest again."""
    run = await workflows.get_run(tx, caller.scope, run_id)
    key = request.headers.get(IDEMPOTENCY_KEY, "")
    again = body.from_ if body else None
    return brief_reply(
        await workflows.get_run(
            tx, caller.scope, await workflows.resume(tx, caller, run, again, request_id=key, now=now)
        )
    )


@resource.get("/{run_id}/nodes/{node_id}")
async def get_workflow_node(run_id: Id, node_id: str, tx: Tx, caller: Caller) -> NodeDetail:
    """One node of a run with its inputs and its result."""
    caller.require(Permission.READ)
    run = await workflows.get_run(tx, caller.scope, run_id)
    return node_detail(run, run.node(node_id))


@resource.get("/{run_id}/nodes/{node_id}/devices")
async def list_workflow_node_devices(
    run_id: Id, node_id: str, tx: Tx, caller: Caller, wanted: Annotated[SetQuery, Query()]
) -> PageOf[SetDeviceReply]:
    """The devices that a port of a node holds, those of the caller's sites."""
    caller.require(Permission.READ)
    run = await workflows.get_run(tx, caller.scope, run_id)
    place = (run.node(node_id).node_id, wanted.port)
    page = await workflows.set_devices(tx, caller.scope, run_id, place, limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[SetDeviceReply].of(page, device_reply)


@resource.get("/{run_id}/nodes/{node_id}/rows")
async def list_workflow_node_rows(
    run_id: Id, node_id: str, tx: Tx, caller: Caller, wanted: Annotated[RowsQuery, Query()]
) -> PageOf[DeviceRowReply]:
    """What became of the devices of a script or a playbook, by host name; of its newest try."""
    caller.require(Permission.READ)
    occurrence_id = (await workflows.get_run(tx, caller.scope, run_id)).node(node_id).occurrence_id
    if occurrence_id is None:
        return PageOf[DeviceRowReply](items=[], next_cursor=None)
    rows = RowFilter([str(state) for state in wanted.state], (), wanted.q)
    page = await runs.device_rows(tx, caller.scope, occurrence_id, rows, limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[DeviceRowReply].of(page, device_row)


@resource.post("/{run_id}/nodes/{node_id}/decision")
async def decide_workflow_approval(
    run_id: Id, node_id: str, body: DecisionBody, tx: Tx, caller: Caller, now: Now
) -> NodeReply:
    """Approve or deny what a node asks; what was decided stays."""
    run = await workflows.get_run(tx, caller.scope, run_id)
    approves = body.decision == "approve"
    await workflows.decide(tx, caller, run, node_id, approves=approves, comment=body.comment, now=now)
    after = await workflows.get_run(tx, caller.scope, run_id)
    return node_reply(after, after.node(node_id))


@approvals.get("")
async def list_workflow_approvals(
    tx: Tx, caller: Caller, wanted: Annotated[PageQuery, Query()]
) -> PageOf[OpenApprovalReply]:
    """What people are asked by runs in the caller's sites."""
    caller.require(Permission.READ)
    page = await workflows.open_approvals(tx, caller.scope, limit=wanted.limit, cursor=wanted.cursor)
    return PageOf[OpenApprovalReply].of(page, lambda one: approval_reply(one, caller))

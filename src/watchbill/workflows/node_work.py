"""What each kind of node does when it begins, and how what it began ends. One function for a kind; `BEGIN` and `LOOK` list them.

All within the transaction of a step: what others do (agents, workers, other systems, people) is handed to them here, and looked at later.
"""

import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, notifications, windows
from watchbill.core.assembly_rules import AssemblyDraft, value_problem
from watchbill.core.expression_nodes import ExpressionError
from watchbill.core.expressions import Template, parse
from watchbill.core.http_texts import UnsendableError, build
from watchbill.core.job_rules import read as read_job
from watchbill.core.occurrence import public_id
from watchbill.core.workflow_settings import node_job
from watchbill.core.workflow_steps import Board, Row
from watchbill.core.workflow_types import TRIGGERS, Edge, Node, NodeState, NodeType
from watchbill.jobs import DueJob
from watchbill.kit.clock import rfc3339
from watchbill.runs import Launch, Opening, Work
from watchbill.runs.planning import opening
from watchbill.workflows import sets, store
from watchbill.workflows.documents import Documents
from watchbill.workflows.requests import to_json
from watchbill.workflows.store import Child, Run

_S, _T = NodeState, NodeType
#: A window may be changed meanwhile, and devices come and go: what waits for them is looked at again this often at the latest.
_LOOK_AGAIN: Final = timedelta(seconds=60)
#: A workflow within a workflow within ...: no deeper than this.
MOST_LEVELS: Final = 10


class NodeError(Exception):
    """A node cannot do what it says: why, as a code and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass
class Step:
    """One transaction of the runtime: what is written at its end for all runs together."""

    tx: AsyncConnection
    documents: Documents
    now: datetime
    openings: list[Opening] = field(default_factory=list)
    #: The openings that are runs of workflows, by the row that they are the work of.
    nested: list[tuple[Row, uuid.UUID]] = field(default_factory=list)
    wakes: list[tuple[int, datetime]] = field(default_factory=list)
    #: Occurrences that are to be stopped.
    stops: list[uuid.UUID] = field(default_factory=list)
    #: Something is to be sent to other systems.
    has_requests: bool = False
    children: Mapping[uuid.UUID, Child] = field(default_factory=dict)
    child_runs: Mapping[int, tuple[uuid.UUID, Child]] = field(default_factory=dict)
    _owners: dict[uuid.UUID, int] = field(default_factory=dict)

    async def owner_of(self, workflow_id: uuid.UUID) -> int:
        """The row in `jobs` that the work of a workflow's nodes belongs to."""
        if workflow_id not in self._owners:
            self._owners[workflow_id] = await jobs.own_of_workflow(self.tx, workflow_id, self.now)
        return self._owners[workflow_id]


@dataclass(frozen=True, slots=True)
class Place:
    """A node in the step of its run."""

    step: Step
    run: Run
    board: Board
    node: Node

    @property
    def row(self) -> Row:
        return self.board.rows[self.node.id]

    def end(self, state: NodeState, **told: Any) -> None:
        self.board.end(self.node.id, state, **told)

    def fail(self, reason: str, detail: str, *, result: Any = None) -> None:
        self.end(_S.FAILED, reason=reason, detail=detail, result=result)

    def edges(self, port: str) -> list[Edge]:
        return [edge for edge in self.board.wiring.data_in[self.node.id] if edge.target_port == port]

    @property
    def names(self) -> dict[str, Any]:
        """What expressions may speak of. A source that was skipped gives nothing."""
        rows = self.board.rows
        inputs = {edge.source: rows[edge.source].result for edge in self.edges("inputs")}
        run = {
            "id": self.run.run_id,
            "source": self.run.source,
            "workflow": str(self.run.workflow_id),
            "started_at": rfc3339(self.run.started_at or self.step.now),
        }
        return {"parameters": dict(self.run.parameters), "inputs": inputs, "run": run}

    def text(self, template: str) -> str:
        return Template.parse(template).render(self.names)

    def value(self, given: Any) -> Any:
        """A setting that is a literal, or an expression."""
        if isinstance(given, Mapping) and "expression" in given:
            return parse(given["expression"]).evaluate(self.names)
        return given

    async def devices(self, port: str = "devices") -> sets.DeviceSet:
        places = [(edge.source, edge.source_port) for edge in self.edges(port)]
        found = await sets.read(self.step.tx, self.run.run_id, places)
        return found[0] if found else []

    async def keep(self, **ports: sets.DeviceSet) -> None:
        await sets.keep(self.step.tx, self.run.run_id, self.node.id, ports)
        sizes = {port: len(devices) for port, devices in ports.items()}
        self.end(_S.SUCCESS, result={"state": "success", "devices": sizes})


async def start(place: Place) -> None:
    """Let a node begin. What is wrong with it is how it ends."""
    place.board.start(place.node.id)
    try:
        await BEGIN[place.node.type](place)
    except ExpressionError as error:
        place.fail("bad_expression", str(error))
    except NodeError as fault:
        place.fail(fault.reason, str(fault))
    except sets.UnknownDevicesError as error:
        place.fail("targets_unknown", str(error))


async def look(place: Place) -> None:
    """Look whether what a node began has ended."""
    if place.node.type in LOOK:
        await LOOK[place.node.type](place)


async def _at_once(place: Place) -> None:
    place.end(_S.SUCCESS)


async def _condition(place: Place) -> None:
    place.end(_S.SUCCESS, result=parse(place.node.settings["expression"]).decide(place.names))


async def _set_value(place: Place) -> None:
    place.end(_S.SUCCESS, result=parse(place.node.settings["expression"]).evaluate(place.names))


async def _named_devices(place: Place) -> None:
    """Frozen when the run began, where it took part then; of a node that runs again they are found again."""
    run = place.run
    found = await sets.freeze(place.step.tx, [place.node], run.allowed_site_ids, run.only_device_id, place.step.now)
    await place.keep(devices=found[place.node.id])


async def _combine(place: Place) -> None:
    first, second = await place.devices("a"), await place.devices("b")
    await place.keep(devices=sets.combine(place.node.settings["operation"], first, second))


async def _take(place: Place) -> None:
    chosen, rest = sets.divide(place.node.settings, await place.devices(), f"{place.run.run_id}|{place.node.id}")
    await place.keep(devices=chosen, rest=rest)


async def _split(place: Place) -> None:
    source = place.board.rows[place.edges("result")[0].source]
    await place.keep(**await sets.split(place.step.tx, source.occurrence_ids))


def _checked(place: Place, draft: AssemblyDraft, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of declared variables, each of them of its type."""
    values = {name: place.value(value) for name, value in given.items()}
    for name, value in list(values.items()):
        variable = draft.variable(name)
        if variable is None:
            raise NodeError("invalid_variable", f"“{draft.name}” declares no variable {name}.")
        if value is None:
            del values[name]
        elif fault := value_problem(variable, value):
            raise NodeError("invalid_variable", f"{name} {fault[1]}.")
    missing = [
        one.name for one in draft.variables if one.is_required and one.name not in values and one.default is None
    ]
    if missing and draft.workflow is not None:
        raise NodeError("invalid_variable", f"“{draft.name}” needs a value of {', '.join(missing)}.")
    return values


def assembly_of(node: Node) -> uuid.UUID:
    return uuid.UUID(str(node.settings["assembly_id"]))


def _pinned(place: Place) -> tuple[uuid.UUID, int]:
    """What a node runs, at the revision that was the newest when the run began."""
    pinned = assembly_of(place.node), (place.run.pins or {})[place.node.id]
    if not place.step.documents.has(pinned):
        raise NodeError("assembly_gone", "What it runs is not there any more.")
    return pinned


async def _on_devices(place: Place) -> None:
    row, tx = place.row, place.step.tx
    pinned = _pinned(place)
    devices = await place.devices() if not row.occurrence_ids else await sets.unfinished(tx, row.occurrence_ids)
    variables = _checked(place, place.step.documents.draft(pinned), place.node.settings.get("variables", {}))
    job = read_job(node_job(place.node)).draft
    if not devices:
        _no_devices(place, fails=job.policies.no_targets == "fail")
        return
    due = DueJob(
        id=await place.step.owner_of(place.run.workflow_id),
        revision=place.run.revision,
        schedule=None,
        error=None,
        mark_at=place.step.now,
        next_due_at=None,
        policies=replace(job.policies, overlap="allow"),
        time_limit_seconds=0,
        expires_after_seconds=job.duration.expires_after_seconds,
        run_limit_seconds=None,
        zone_source="fixed",
        allowed_site_ids=place.run.allowed_site_ids,
        reach_site_ids=place.run.allowed_site_ids,
        failure_threshold_percent=job.policies.failure_threshold_percent,
        tzdata_version="",
        execution_context=job.execution_context.value,
    )
    request = f"node|{place.run.run_id}|{place.node.id}|{row.attempt}"
    plain = opening(due, "manual", place.step.now.replace(microsecond=0), now=place.step.now, request_id=request)
    work = Work(*pinned, variables, job.policies.step_rules(), job.credential_id, job.use_service_account)
    place.step.openings.append(
        replace(
            plain,
            device_ids=devices,
            work=work,
            started_by=place.run.started_by,
            time_limit_seconds=job.duration.time_limit_seconds,
        )
    )
    row.occurrence_ids.append(plain.id)


def _no_devices(place: Place, *, fails: bool) -> None:
    result = sets.result_of("failed" if fails else "success", {}, 0)
    if fails:
        place.fail("no_devices", "There was no device to run on, and it says that this is a failure.", result=result)
    else:
        place.end(_S.SUCCESS, reason="no_devices", detail="There was no device to run on.", result=result)


async def _workflow(place: Place) -> None:
    workflow_id, revision = _pinned(place)
    if await store.levels(place.step.tx, place.run.run_id) >= MOST_LEVELS:
        raise NodeError("too_deep", f"Workflows within workflows go no deeper than {MOST_LEVELS} levels.")
    draft = place.step.documents.draft((workflow_id, revision))
    if draft.workflow is None or all(node.type is not TRIGGERS["workflow"] for node in draft.workflow.nodes):
        raise NodeError("no_trigger", f"“{draft.name}” cannot be a node: it has no trigger that starts it by hand.")
    parameters = _checked(place, draft, place.node.settings.get("parameters", {}))
    parent = (place.run.run_id, place.node.id)
    launch = Launch(
        workflow_id, "workflow", revision, parameters, only_device_id=place.run.only_device_id, parent=parent
    )
    request = f"node|{place.run.run_id}|{place.node.id}|{place.row.attempt}"
    owner = await place.step.owner_of(workflow_id)
    new = launched(owner, launch, place.run.allowed_site_ids, place.run.started_by, request, place.step.now)
    place.step.openings.append(new)
    place.step.nested.append((place.row, new.id))
    place.row.occurrence_ids.append(new.id)


def launched(
    owner_job_id: int,
    launch: Launch,
    allowed_site_ids: Any,
    started_by: int | None,
    request: str,
    now: datetime,
) -> Opening:
    """The occurrence of a launch that no job makes."""
    at = now.replace(microsecond=0)
    return Opening(
        id=public_id(owner_job_id, "manual", at, request),
        job_id=owner_job_id,
        job_revision=launch.revision or 0,
        kind="manual",
        scheduled_for=at,
        expires_at=now + timedelta(days=1),
        request_id=request,
        allowed_site_ids=allowed_site_ids,
        overlap="allow",
        started_by=started_by,
        execution_context="none",
        workflow=launch,
    )


async def _wait(place: Place) -> None:
    settings, row = place.node.settings, place.row
    if settings["for"] == "duration":
        row.result = {"until_at": rfc3339(place.step.now + timedelta(seconds=settings["seconds"]))}
    elif settings["for"] == "devices":
        devices = await place.devices()
        # Under a name of its own: so whoever sees a device come finds who waits for it.
        await sets.keep(place.step.tx, place.run.run_id, place.node.id, {f"awaited:{place.node.id}": devices})
    await _wait_on(place)


async def _wait_on(place: Place) -> None:
    settings, now = place.node.settings, place.step.now
    match settings["for"]:
        case "duration":
            until = datetime.fromisoformat(place.row.result["until_at"])
        case "window":
            verdict = await windows.next_opening(place.step.tx, settings["window_id"], now)
            if verdict is None:
                raise NodeError("window_gone", "The maintenance window that it waits for is gone, or off.")
            until = now if verdict.is_open else min(verdict.opens_at or now + _LOOK_AGAIN, now + _LOOK_AGAIN)
        case _:
            (devices,) = await sets.read(place.step.tx, place.run.run_id, [(place.node.id, f"awaited:{place.node.id}")])
            number = await sets.online(place.step.tx, devices)
            is_met = number * 100 >= settings["percent"] * len(devices)
            until = now if is_met else now + _LOOK_AGAIN
            place.row.detail = f"{number} of {len(devices)} devices are online."
            place.row.is_changed = True
    if until <= now:
        place.end(_S.SUCCESS)
    else:
        place.step.wakes.append((place.run.run_id, until))


async def _look_at_wait(place: Place) -> None:
    try:
        await _wait_on(place)
    except NodeError as fault:
        place.fail(fault.reason, str(fault))


async def _approval(place: Place) -> None:
    row, settings = place.row, place.node.settings
    bound = place.step.now + timedelta(seconds=settings["timeout_seconds"])
    row.deadline_at = min(bound, row.deadline_at) if row.deadline_at else bound
    row.state = _S.AWAITING_APPROVAL
    row.result = {"message": place.text(settings["message"])}


async def _http(place: Place) -> None:
    try:
        built = build(place.node.settings, place.text)
    except UnsendableError as error:
        raise NodeError("unsendable", str(error)) from error
    bound = place.row.deadline_at
    if bound is not None:
        left = max(1, math.ceil((bound - place.step.now).total_seconds()))
        built = replace(built, timeout_seconds=min(left, built.timeout_seconds))
    place.row.request = to_json(built, place.node.settings.get("interrupted", "lost"))
    place.step.has_requests = True


async def _look_at_http(place: Place) -> None:
    told = (place.row.request or {}).get("answer")
    if told is None:
        return
    if told.get("lost"):
        if place.row.request["interrupted"] == "again" and not (place.board.is_cancelling or place.row.is_ending):
            await _again(place)
            return
        why = "Whoever sent it ended before it was answered: whether it was done is not known."
        place.end(_S.LOST, reason="no_answer", detail=why)
    elif told["ok"]:
        place.end(_S.SUCCESS, detail=told["detail"], result=told["result"])
    elif place.row.reason == "time_limit":
        place.end(_S.TIMED_OUT, reason="time_limit", detail=told["detail"], result=told["result"])
    else:
        place.fail(told["reason"], told["detail"], result=told["result"])


async def _again(place: Place) -> None:
    """Send once more what may have been sent: the node says that this does no harm."""
    place.row.request, place.row.is_taken = None, False
    await start(place)


async def _notify(place: Place) -> None:
    settings, run = place.node.settings, place.run
    subject, words = place.text(settings["subject"]), place.text(settings["message"])
    about = notifications.About(
        job_id=run.job_id,
        occurrence_id=run.occurrence_id,
        run_id=run.run_id,
        workflow_id=run.workflow_id,
        workflow_name=place.step.documents.name_of((run.workflow_id, run.revision)),
    )
    key = f"workflow|{run.run_id}|{place.node.id}|{place.row.attempt}"
    channel = settings["channel_id"]
    if await notifications.tell(
        place.step.tx, channel, key=key, subject=subject, text=words, about=about, now=place.step.now
    ):
        place.end(_S.SUCCESS)
    else:
        place.fail("channel_gone", "The channel is off, archived or gone.")


_ENDS: Final = {"success": _S.SUCCESS, "warning": _S.WARNING, "failed": _S.FAILED, "cancelled": _S.CANCELLED}


#: How a node ends whose work the run itself had stopped.
_STOPPED: Final = {"time_limit": _S.TIMED_OUT, "cancelled": _S.CANCELLED}


async def _look_at_devices(place: Place) -> None:
    row = place.row
    child = place.step.children.get(row.occurrence_ids[-1]) if row.occurrence_ids else None
    if child is None or child.state in ("open", "held"):
        return
    counts = child.counts if len(row.occurrence_ids) == 1 else await sets.counts(place.step.tx, row.occurrence_ids)
    if child.state == "skipped" or child.outcome == "skipped":
        why = child.detail or "Every device was left out."
        place.end(
            _S.WARNING,
            reason=child.reason or "no_eligible_targets",
            detail=why,
            result=sets.result_of("warning", counts, child.offline),
        )
        return
    _end_like(
        place, _ENDS[child.outcome or "failed"], sets.result_of(child.outcome or "failed", counts, child.offline), None
    )


async def _look_at_workflow(place: Place) -> None:
    row = place.row
    if row.child_run_id is None:
        child = place.step.children.get(row.occurrence_ids[-1]) if row.occurrence_ids else None
        if child is not None and child.state == "skipped":
            place.fail("overlap", child.detail or "Another run of it was still going on.")
        return
    found = place.step.child_runs.get(row.child_run_id)
    if found is None:
        place.fail("gone", "The run of the workflow is not there any more.")
    elif found[1].state in _ENDS:
        child = found[1]
        _end_like(place, _ENDS[child.state], {"state": child.state, "counts": dict(child.counts)}, child.detail)


def _end_like(place: Place, state: NodeState, result: Mapping[str, Any], detail: str | None) -> None:
    """A node ends as its work did, unless the run itself had stopped that."""
    why = place.row.reason
    if why in _STOPPED and state is not _S.SUCCESS:
        place.end(_STOPPED[why], reason=why, result=result)
    elif state is _S.CANCELLED:
        place.fail("stopped", "Somebody stopped its work.", result=result)
    else:
        place.end(state, result=result, detail=detail)


Handler = Callable[[Place], Awaitable[None]]
BEGIN: Final[Mapping[NodeType, Handler]] = {
    _T.TRIGGER_MANUAL: _at_once,
    _T.TRIGGER_JOB: _at_once,
    _T.TRIGGER_WEBHOOK: _at_once,
    _T.DEVICES_FILTER: _named_devices,
    _T.DEVICES_LIST: _named_devices,
    _T.DEVICES_SITE: _named_devices,
    _T.DEVICES_COMBINE: _combine,
    _T.DEVICES_TAKE: _take,
    _T.SPLIT: _split,
    _T.SCRIPT: _on_devices,
    _T.PLAYBOOK: _on_devices,
    _T.WORKFLOW: _workflow,
    _T.CONDITION: _condition,
    _T.WAIT: _wait,
    _T.APPROVAL: _approval,
    _T.HTTP: _http,
    _T.NOTIFY: _notify,
    _T.SET_VALUE: _set_value,
    _T.JOIN: _at_once,
}
LOOK: Final[Mapping[NodeType, Handler]] = {
    _T.SCRIPT: _look_at_devices,
    _T.PLAYBOOK: _look_at_devices,
    _T.WORKFLOW: _look_at_workflow,
    _T.WAIT: _look_at_wait,
    _T.HTTP: _look_at_http,
}

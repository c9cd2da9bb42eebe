"""Launching a workflow without a job: by hand, by a webhook, tried out on one device, or going on with an earlier run."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, runs
from watchbill.core.assembly_check import from_json
from watchbill.core.assembly_rules import AssemblyDraft, value_problem
from watchbill.core.problems import Problem
from watchbill.core.workflow_types import TRIGGERS, Source
from watchbill.kit.errors import ConflictError, InvalidError, NotFoundError
from watchbill.workflows import store
from watchbill.workflows.node_work import launched


@dataclass(frozen=True, slots=True)
class Launch:
    """What is launched, and with what. `revision` None = the newest. `definition`: a checked assembly document that is tried out.

    `is_free`: parameters may be set that are not promptable, as a webhook's schema does. `request_id`: the same launch again is one.
    """

    workflow_id: uuid.UUID
    source: Source = "manual"
    revision: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    allowed_site_ids: Sequence[int] | None = None
    started_by: int | None = None
    only_device_id: uuid.UUID | None = None
    request_id: str = ""
    definition: Mapping[str, Any] | None = None
    is_free: bool = False
    resumes: int | None = None
    rerun_from: Sequence[str] = ()


async def launch(tx: AsyncConnection, new: Launch, now: datetime) -> int:
    """The id of the run that begins, or waits for its turn. Refused where the workflow lets no other run beside it."""
    pinned = await _pinned(tx, new)
    content = new.definition or (await store.documents(tx, [pinned])).get(pinned)
    if content is None:
        raise NotFoundError("There is no such revision.", code="revision_not_found")
    parameters = dict(new.parameters) if new.resumes else judged(from_json(content), new)
    owner = await jobs.own_of_workflow(tx, new.workflow_id, now)
    told = runs.Launch(
        new.workflow_id,
        new.source,
        pinned[1],
        parameters,
        draft=new.definition,
        only_device_id=new.only_device_id,
        resumes=new.resumes,
        rerun_from=new.rerun_from,
    )
    request = new.request_id or uuid.uuid4().hex
    opening = launched(owner, told, new.allowed_site_ids, new.started_by, request, now)
    if opening.id in await runs.open_occurrences(tx, [opening], now):
        found = (await store.runs_of_occurrences(tx, [opening.id])).get(opening.id)
        if found is None:
            raise ConflictError("Another run of this workflow is still going on.", code="overlap")
        return found
    # The same request again is the same run.
    return (await store.runs_of_occurrences(tx, [opening.id]))[opening.id]


async def _pinned(tx: AsyncConnection, new: Launch) -> tuple[uuid.UUID, int]:
    newest = (await store.workflows(tx, [new.workflow_id])).get(new.workflow_id)
    if newest is None:
        raise NotFoundError("There is no such workflow.", code="assembly_not_found")
    if newest.is_archived:
        raise ConflictError("An archived workflow cannot be started; bring it back first.", code="assembly_archived")
    return new.workflow_id, new.revision or newest.revision


def judged(draft: AssemblyDraft, new: Launch) -> dict[str, Any]:
    """The parameters of a launch with their defaults; InvalidError names all that is wrong with them."""
    problems = []
    if draft.workflow is None or all(node.type is not TRIGGERS[new.source] for node in draft.workflow.nodes):
        message = f"this workflow has no trigger of type {TRIGGERS[new.source]}"
        problems.append(Problem("source", "no_trigger", message))
    for name, value in new.parameters.items():
        variable = draft.variable(name)
        if variable is None or not (variable.is_promptable or new.is_free):
            why = "is not declared" if variable is None else "may not be set when it is started"
            problems.append(Problem(f"parameters.{name}", "not_allowed", why))
        elif value is not None and (fault := value_problem(variable, value)):
            problems.append(Problem(f"parameters.{name}", *fault))
    values = {one.name: new.parameters.get(one.name) for one in draft.variables}
    found = {one.name: one.default if values[one.name] is None else values[one.name] for one in draft.variables}
    problems += [
        Problem(f"parameters.{one.name}", "required", "must be given: it has no default")
        for one in draft.variables
        if one.is_required and found[one.name] is None
    ]
    if problems:
        raise InvalidError.of(problems, what="The launch")
    return found

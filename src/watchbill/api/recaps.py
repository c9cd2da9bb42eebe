"""The recap of a run of playbooks: Ansible's counters by device and together."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from watchbill import jobs, runs
from watchbill.api.auth import Caller
from watchbill.api.common import DEFAULT_PAGE, AfterCursor, Limit, Model, Tx, router
from watchbill.api.run_shapes import RecapReply
from watchbill.core.states import TargetState
from watchbill.identity import Permission
from watchbill.runs import RecapRow

resource = router(prefix="/api/runs", tags=["runs"])

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class RecapRowReply(Model):
    """A device of a run, in its counters. `recap` null: no playbook has told anything of it."""

    target_id: int
    device_id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    state: TargetState
    reason: str | None
    recap: RecapReply | None


class RunRecapReply(Model):
    """A page of a run's devices by host name, and the sums of all of them that the caller sees."""

    devices_told: int = Field(description="of how many devices there is a recap")
    total: RecapReply
    items: list[RecapRowReply]
    next_cursor: str | None


@resource.get("/{run_id}/recap")
async def get_run_recap(
    run_id: Id, caller: Caller, tx: Tx, limit: Limit = DEFAULT_PAGE, cursor: AfterCursor = None
) -> RunRecapReply:
    """What its playbooks did, counted by Ansible. A run of scripts has no recaps."""
    caller.require(Permission.READ)
    run, _ = await runs.get_run(tx, run_id, jobs.visible_ids(caller.scope))
    page = await runs.recaps_of(tx, caller.scope, run.id, limit=limit, cursor=cursor)
    whole = await runs.total_recap(tx, caller.scope, run.id)
    return RunRecapReply(
        devices_told=whole.devices,
        total=RecapReply(**whole.recap.to_json()),
        items=[_row(one) for one in page.items],
        next_cursor=page.next_cursor,
    )


def _row(row: RecapRow) -> RecapRowReply:
    names = set(RecapRowReply.model_fields) - {"recap"}
    recap = RecapReply(**row.recap.to_json()) if row.recap else None
    return RecapRowReply(**{name: getattr(row, name) for name in names}, recap=recap)

"""`/api/workers`: the processes of the Engine, what each holds, and the work that waits for them. Changes nothing."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices, jobs, queue, runs
from watchbill.api.auth import Caller
from watchbill.api.common import Instant, Model, Now, Tx, router
from watchbill.identity import EVERY_SITE, Actor, Permission
from watchbill.kit import instances
from watchbill.kit.errors import ForbiddenError
from watchbill.kit.instances import Recent
from watchbill.queue import FailedItem
from watchbill.runs import RunPlace

resource = router(prefix="/api/workers", tags=["workers"])

#: Processes that ended so long ago are still told.
_ENDED_WITHIN: Final = timedelta(hours=1)
_FAILED_WITHIN: Final = timedelta(days=7)
_MOST_FAILED: Final = 50

State = Literal["running", "draining", "silent", "stopped"]


class ProcessReply(Model):
    """`silent`: it has given no sign of life for `silent_after_seconds` and counts as gone; `draining`: it was asked to end."""

    id: UUID
    kind: instances.Kind
    host: str
    pid: int
    version: str
    site_id: int | None = Field(description="whose work it does; site workers only")
    address: str | None
    state: State
    started_at: Instant
    heartbeat_at: Instant = Field(description="its last sign of life")
    stopped_at: Instant | None
    agents: int | None = Field(description="devices that are connected to it; gateways only")
    leases: int | None = Field(description="pieces of work that it holds; site workers only")


class LaneReply(Model):
    """The work of one site in one lane. `site_id` null: devices without a site."""

    site_id: int | None
    lane: str
    queued: int = Field(description="waits for a worker")
    leased: int = Field(description="held by a worker")
    overdue: int = Field(description="of the leased, those taken so long ago that another worker may take them")
    oldest_at: Instant | None = Field(description="since when the oldest queued piece waits")


class FailedItemReply(Model):
    """A piece of work that was given up after its last attempt."""

    id: int
    run_id: int
    job_id: int | None = Field(description="null where the run is not there any more")
    job_name: str | None
    occurrence_id: UUID | None
    site_id: int | None
    lane: str
    attempt: int
    error: str | None
    finished_at: Instant


class WorkersReply(Model):
    """How things stand at `at`. Processes that ended are told for an hour, work that was given up for a week."""

    at: Instant
    silent_after_seconds: int
    agents: int = Field(description="devices that are connected to any gateway")
    processes: list[ProcessReply]
    lanes: list[LaneReply]
    failed: list[FailedItemReply]


@resource.get("")
async def list_workers(tx: Tx, caller: Caller, now: Now) -> WorkersReply:
    """The processes of the Engine with their last sign of life, what each holds, and the work that waits, by site and lane.

    For those who see every site: processes serve all of them.
    """
    caller.require(Permission.SERVICES_WRITE)
    if caller.scope != EVERY_SITE:
        raise ForbiddenError("Processes serve every site, and you do not see all of them.", code="every_site_needed")
    return await _overview(tx, caller, now)


async def _overview(tx: AsyncConnection, caller: Actor, now: datetime) -> WorkersReply:
    agents = await devices.presence.count_by_gateway(tx)
    leases = await queue.leases_by_worker(tx)
    found = await instances.recent(tx, now - _ENDED_WITHIN)
    return WorkersReply(
        at=now,
        silent_after_seconds=int(instances.STALE.total_seconds()),
        agents=sum(agents.values()),
        processes=[_process(one, now, agents.get(one.id, 0), leases.get(one.id, 0)) for one in found],
        lanes=[
            LaneReply(site_id=one.site_id or None, **_same(one, "lane", "queued", "leased", "overdue", "oldest_at"))
            for one in await queue.backlog(tx, now)
        ],
        failed=await _failed(tx, caller, now),
    )


async def _failed(tx: AsyncConnection, caller: Actor, now: datetime) -> list[FailedItemReply]:
    found = await queue.failed_since(tx, now - _FAILED_WITHIN, _MOST_FAILED)
    places = await runs.places_of_runs(tx, [one.run_id for one in found], jobs.visible_ids(caller.scope))
    return [_failed_item(one, places.get(one.run_id)) for one in found]


def _failed_item(one: FailedItem, place: RunPlace | None) -> FailedItemReply:
    return FailedItemReply(
        **_same(one, "id", "run_id", "lane", "attempt", "error", "finished_at"),
        site_id=one.site_id or None,
        job_id=place.job_id if place else None,
        job_name=place.job_name if place else None,
        occurrence_id=place.occurrence_id if place else None,
    )


def _same(one: object, *names: str) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names}


def _process(one: Recent, now: datetime, agents: int, leases: int) -> ProcessReply:
    same = ("id", "kind", "host", "pid", "version", "site_id", "address", "started_at", "heartbeat_at", "stopped_at")
    return ProcessReply(
        **_same(one, *same),
        state=_state(one, now),
        agents=agents if one.kind == "gateway" else None,
        leases=leases if one.kind == "site_worker" else None,
    )


def _state(one: Recent, now: datetime) -> State:
    if one.stopped_at is not None:
        return "stopped"
    if one.heartbeat_at <= now - instances.STALE:
        return "silent"
    return "running" if one.desired_state == "running" else "draining"

"""`/api/waiting`: targets of all jobs that wait for their device, a window or their turn; withdrawn or given other time at once."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field, StringConstraints

from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, Tx, router
from watchbill.api.run_shapes import DeviceBriefly
from watchbill.core.states import TargetState
from watchbill.identity import Permission
from watchbill.runs import waiting
from watchbill.runs.waiting import Choice, Counted, WaitingRow

resource = router(prefix="/api/waiting", tags=["runs"])


class WaitingQuery(PageQuery):
    """Which of the waiting targets."""

    state: list[Literal["pending", "waiting_online"]] = Field(
        default_factory=list, description="waiting_online: the device is away; pending: its start, a window or a turn"
    )
    job_id: Annotated[Id | None, Field(description="only of this job")] = None
    device_id: Annotated[UUID | None, Field(description="only on this device")] = None
    site_id: Annotated[Id | None, Field(description="only in this site")] = None


class WaitingReply(Model):
    """A target that waits. `expires_at`: it ends as `expired` then; `starts_at`: not before, where a window or a zone says so."""

    target_id: int
    run_id: int
    occurrence_id: UUID
    job_id: int
    job_name: str
    scheduled_for_at: Instant
    device: DeviceBriefly
    state: TargetState
    reason: str | None
    detail: str | None
    starts_at: Instant | None
    expires_at: Instant


class Chosen(Model):
    """Which of the waiting targets of the caller's sites, and the count that is expected of it."""

    job_id: Annotated[Id | None, Field(description="of this job")] = None
    device_id: Annotated[UUID | None, Field(description="on this device")] = None
    site_id: Annotated[Id | None, Field(description="in this site")] = None
    everything: bool = Field(default=False, description="all of them, where nothing else narrows it")
    dry_run: bool = Field(default=True, description="only count")
    expected: Annotated[
        int | None,
        Field(ge=0, description="with dry_run false: how many rows a dry run counted; another number is 409"),
    ] = None

    def choice(self) -> Choice:
        return Choice(self.job_id, self.device_id, self.site_id, self.everything)


class PurgeBody(Chosen):
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
        Field(description="why; told in each row and kept in the audit"),
    ]


class ExpiryBody(Chosen):
    expires_at: AwareDatetime = Field(description="the new end of waiting, in the next 30 days")


class Count(Model):
    """How many rows are meant, on how many devices and of how many jobs. `dry_run`: nothing was changed."""

    dry_run: bool
    rows: int
    devices: int
    jobs: int


@resource.get("")
async def list_waiting(caller: Caller, tx: Tx, wanted: Annotated[WaitingQuery, Query()]) -> PageOf[WaitingReply]:
    """Everything that waits in the caller's sites, across jobs; what expires next comes first."""
    caller.require(Permission.READ)
    choice = Choice(wanted.job_id, wanted.device_id, wanted.site_id)
    page = await waiting.list_waiting(
        tx, caller.scope, choice, states=wanted.state, limit=wanted.limit, cursor=wanted.cursor
    )
    return PageOf[WaitingReply].of(page, _reply)


@resource.post("/purge")
async def purge_waiting(body: PurgeBody, caller: Caller, tx: Tx, now: Now) -> Count:
    """Withdraw what waits: a dry run counts, then exactly as many rows are withdrawn, or none. What runs goes on."""
    counted = await waiting.purge(
        tx, caller, body.choice(), body.expected, body.reason, is_dry_run=body.dry_run, now=now
    )
    return _count(counted, is_dry_run=body.dry_run)


@resource.post("/expiry")
async def change_waiting_expiry(body: ExpiryBody, caller: Caller, tx: Tx, now: Now) -> Count:
    """Give what waits more or less time: a dry run counts, then exactly as many rows are changed, or none."""
    counted = await waiting.set_expiry(
        tx, caller, body.choice(), body.expires_at, body.expected, is_dry_run=body.dry_run, now=now
    )
    return _count(counted, is_dry_run=body.dry_run)


def _reply(row: WaitingRow) -> WaitingReply:
    device = DeviceBriefly(
        id=row.device_id, hostname=row.hostname, site_id=row.site_id, site_name=row.site_name, online=row.is_online
    )
    same = {name: getattr(row, name) for name in WaitingReply.model_fields if name != "device"}
    return WaitingReply(device=device, **same)


def _count(counted: Counted, *, is_dry_run: bool) -> Count:
    return Count(dry_run=is_dry_run, rows=counted.rows, devices=counted.devices, jobs=counted.jobs)

"""`/api/onboarding`: what jobs that look for machines found at each address, another go, and scopes as they are typed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from watchbill import jobs, runs
from watchbill.api.auth import Caller, sign_in_of
from watchbill.api.common import PROBLEMS, Deps, Id, Model, Now, PageQuery, TheDeps, Tx, router
from watchbill.api.exports import cell, csv_lines
from watchbill.api.idempotent import HEADER as IDEMPOTENCY_KEY
from watchbill.api.naming import which
from watchbill.api.onboarding_shapes import (
    Addresses,
    OnboardingTargetReply,
    RedeployBody,
    ScopeBody,
    ScopeReply,
    addresses_reply,
    scope_reply,
    target_reply,
)
from watchbill.api.run_shapes import OccurrenceReply, occurrence_reply
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState, is_done
from watchbill.core.scope import outline
from watchbill.identity import Permission, SiteScope, audit
from watchbill.kit.paging import Page
from watchbill.runs import OnboardingFilter, OnboardingRow

resource = router(prefix="/api/onboarding", tags=["onboarding"])
streams = APIRouter(prefix="/api/onboarding", tags=["onboarding"], responses=PROBLEMS)

_ROWS = 500
COLUMNS = (
    *("id", "address", "names", "entry", "state", "reason", "detail", "platform", "hostname", "agent_version"),
    *("credential_name", "host_key", "approval_id", "device_id", "attempt", "started_at", "finished_at"),
)


class TargetsQuery(PageQuery):
    """Which addresses of which occurrence."""

    occurrence: Annotated[str | None, Field(max_length=64, description="id or instant; the latest when absent")] = None
    state: list[OnboardingState] = Field(default_factory=list, description="only in these states; may be repeated")
    reason: list[OnboardingReason] = Field(default_factory=list, description="only for these reasons; may be repeated")
    q: Annotated[str | None, Field(max_length=200, description="part of an address, a name or a host name")] = None
    target_id: list[Id] = Field(default_factory=list, max_length=500, description="only these rows; may be repeated")


@resource.post("/scope")
async def describe_scope(body: ScopeBody, deps: TheDeps, caller: Caller) -> ScopeReply:
    """What each line of a scope is, with its count or what is wrong with it. Nothing is saved, and no name is looked up."""
    caller.require(Permission.READ)
    return scope_reply(outline(body.entries, body.exclusions), deps.settings.onboarding_addresses)


@resource.get("/jobs/{job_id}/targets")
async def list_onboarding_targets(
    job_id: Id, tx: Tx, caller: Caller, wanted: Annotated[TargetsQuery, Query()]
) -> Addresses:
    """The addresses of one occurrence in the order of the scope, with their timelines."""
    await jobs.require_visible(tx, caller, job_id)
    asked = which(wanted.occurrence)
    find = runs.find_occurrence if asked is None else runs.get_occurrence
    found = await find(tx, caller.scope, job_id, asked)
    if found is None:
        return addresses_reply(None, {}, Page([], None), 0)
    counts = await runs.onboarding_counts(tx, caller.scope, found.id)
    only = OnboardingFilter(wanted.state, wanted.reason, wanted.q, wanted.target_id)
    page = await runs.onboarding_rows(tx, caller.scope, found.id, only, limit=wanted.limit, cursor=wanted.cursor)
    unfinished = sum(number for ended, number in counts.items() if not is_done(*ended))
    return addresses_reply(occurrence_reply(found), counts, page, unfinished)


@resource.get("/targets/{target_id}")
async def get_onboarding_target(target_id: Id, tx: Tx, caller: Caller) -> OnboardingTargetReply:
    """One address with its timeline."""
    caller.require(Permission.READ)
    return target_reply(await runs.onboarding_row(tx, caller.scope, target_id))


@resource.delete("/targets/{target_id}/host_key", status_code=204)
async def forget_onboarding_host_key(target_id: Id, tx: Tx, caller: Caller, now: Now) -> None:
    """Trust the next SSH host key that this address shows: another machine has it now, or the same was installed anew."""
    row = await runs.onboarding_row(tx, caller.scope, target_id)
    await jobs.lock(tx, caller, row.job_id, *jobs.NEEDED["rerun"])
    await runs.forget_onboarding_key(tx, row)
    detail = {"address": row.address}
    event = "onboarding.host_key_forgotten"
    await audit.record(tx, caller, event, "job", row.job_id, now=now, site_id=row.site_id, detail=detail)


@resource.post("/jobs/{job_id}/redeploy", status_code=202)
async def redeploy(
    job_id: Id, tx: Tx, caller: Caller, now: Now, request: Request, body: RedeployBody | None = None
) -> OccurrenceReply:
    """Look again now, from the job as it is saved; the cadence does not move."""
    body = body or RedeployBody()
    await jobs.lock(tx, caller, job_id, *jobs.NEEDED["rerun"])
    wanted = body.targets if isinstance(body.targets, str) else body.targets.target_ids
    again = runs.LookAgain(wanted, which(body.occurrence), body.reason)
    key = request.headers.get(IDEMPOTENCY_KEY, "")
    started = await runs.look_again(tx, caller, job_id, again, now=now, request_id=key)
    detail = {"occurrence": str(started.id), "reason": body.reason}
    await audit.record(tx, caller, "job.redeploy", "job", job_id, now=now, detail=detail)
    return occurrence_reply(started)


@dataclass(frozen=True)
class _Export:
    deps: Deps
    scope: SiteScope
    occurrence_id: UUID
    wanted: OnboardingFilter

    async def pages(self) -> AsyncIterator[list[OnboardingRow]]:
        cursor: str | None = None
        while True:
            async with self.deps.db.begin() as tx:
                page = await runs.onboarding_rows(
                    tx, self.scope, self.occurrence_id, self.wanted, limit=_ROWS, cursor=cursor
                )
            yield list(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return


class ExportQuery(Model):
    """Which addresses."""

    occurrence: Annotated[str | None, Field(max_length=64, description="id or instant; the latest when absent")] = None
    state: list[OnboardingState] = Field(default_factory=list, description="only in these states; may be repeated")


@streams.get("/jobs/{job_id}/targets/export", response_class=StreamingResponse)
async def export_onboarding_targets(
    job_id: Id, request: Request, deps: TheDeps, wanted: Annotated[ExportQuery, Query()]
) -> StreamingResponse:
    """The addresses of an occurrence as CSV with a head, streamed. A cell that a spreadsheet would run begins with an apostrophe."""
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        await jobs.require_visible(tx, caller, job_id)
        found = await runs.get_occurrence(tx, caller.scope, job_id, which(wanted.occurrence))
    export = _Export(deps, caller.scope, found.id, OnboardingFilter(wanted.state))
    name = f"onboarding-{job_id}-{found.scheduled_for_at:%Y%m%dT%H%M%SZ}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(_as_csv(export), media_type="text/csv; charset=utf-8", headers=headers)


async def _as_csv(export: _Export) -> AsyncIterator[str]:
    yield csv_lines([COLUMNS])
    async for rows in export.pages():
        yield csv_lines([[cell(_told(row, name)) for name in COLUMNS] for row in rows])


def _told(row: OnboardingRow, name: str) -> object:
    value = getattr(row, name)
    return " ".join(value) if name == "names" else value

"""`/api/device_approvals`: machines that ask to become devices, and a person's yes or no."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field, StringConstraints

from watchbill import agents, runs, vpn
from watchbill.agents import Conflict, Decided, Decision, Request, RequestState, Resolution
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, Tx, router
from watchbill.api.onboarding_shapes import ApprovalOrigin, origin_reply
from watchbill.runs import OnboardingOrigin

resource = router(prefix="/api/device_approvals", tags=["device_approvals"])

Reason = Annotated[str, StringConstraints(max_length=1000, strip_whitespace=True)]
MAX_BULK = 500


class ApprovalQuery(PageQuery):
    state: RequestState | None = None
    site_id: Id | None = None
    q: Annotated[str | None, Field(max_length=200, description="part of the host name or address")] = None


class ApprovalReply(Model):
    """`conflict` is what was found when the machine asked; it is looked for again at the decision."""

    id: UUID
    site_id: int
    site_name: str
    state: RequestState
    hostname: str
    key_fingerprint: str
    os_family: str
    os_name: str
    os_version: str
    arch: str
    agent_version: str
    remote_addr: str | None
    conflict: Conflict | None
    device_id: UUID | None
    reason: str | None
    created_at: Instant
    expires_at: Instant
    decided_at: Instant | None
    decided_by: int | None
    onboarding: ApprovalOrigin | None = Field(description="the job that brought the machine, where one did")


class Approve(Model):
    """`resolve` is needed when the machine clashes with a known device: revoke that one, or keep both."""

    resolve: Resolution | None = None


class Deny(Model):
    reason: Reason | None = None


class Bulk(Model):
    ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_BULK)]
    decision: Decision
    reason: Reason | None = None


class BulkResult(Model):
    """`approval` after the decision; or `code` and `detail`, which say why there was none."""

    id: UUID
    approval: ApprovalReply | None
    code: str | None
    detail: str | None


class BulkReply(Model):
    items: list[BulkResult]


class RefusedCodeReply(Model):
    id: int
    at: Instant
    masked_code: str
    hostname: str
    remote_addr: str | None


def _shape(request: Request, now: Now, origin: OnboardingOrigin | None) -> ApprovalReply:
    made = {"key_fingerprint", "onboarding"}
    same = {name: getattr(request, name) for name in ApprovalReply.model_fields if name not in made}
    same["state"] = request.state_at(now)
    return ApprovalReply(**same, key_fingerprint=request.key_fingerprint, onboarding=origin_reply(origin))


async def _shaped(tx: Tx, request: Request, now: Now) -> ApprovalReply:
    return _shape(request, now, (await runs.onboarding_origins(tx, [request.id])).get(request.id))


def _shape_decided(decided: Decided, now: Now, origins: Mapping[UUID, OnboardingOrigin]) -> BulkResult:
    return BulkResult(
        id=decided.id,
        approval=_shape(decided.request, now, origins.get(decided.id)) if decided.request else None,
        code=decided.error.code if decided.error else None,
        detail=decided.error.detail if decided.error else None,
    )


@resource.get("")
async def list_device_approvals(
    tx: Tx, caller: Caller, now: Now, query: Annotated[ApprovalQuery, Query()]
) -> PageOf[ApprovalReply]:
    """Requests of the caller's sites, newest first."""
    page = await agents.list_requests(tx, caller, **query.model_dump())
    origins = await runs.onboarding_origins(tx, [request.id for request in page.items])
    return PageOf[ApprovalReply].of(page, lambda request: _shape(request, now, origins.get(request.id)))


@resource.get("/refused_codes")
async def list_refused_codes(tx: Tx, caller: Caller, query: Annotated[PageQuery, Query()]) -> PageOf[RefusedCodeReply]:
    """Wrong enrolment codes, masked, newest first; for those who see every site."""
    page = await agents.list_refused_codes(tx, caller, limit=query.limit, cursor=query.cursor)
    return PageOf[RefusedCodeReply].of(page, RefusedCodeReply.model_validate)


@resource.post("/bulk")
async def decide_device_approvals(body: Bulk, tx: Tx, caller: Caller, now: Now) -> BulkReply:
    """One decision about many requests. Conflicts are not decided here; each is told with its reason."""
    decided = await agents.decide_many(tx, caller, body.ids, body.decision, reason=body.reason, now=now)
    origins = await runs.onboarding_origins(tx, [one.id for one in decided])
    return BulkReply(items=[_shape_decided(one, now, origins) for one in decided])


@resource.get("/{approval_id}")
async def get_device_approval(approval_id: UUID, tx: Tx, caller: Caller, now: Now) -> ApprovalReply:
    """One request to become a device."""
    return await _shaped(tx, await agents.get_request(tx, caller, approval_id), now)


@resource.post("/{approval_id}/approve")
async def approve_device(
    approval_id: UUID, tx: Tx, caller: Caller, now: Now, body: Approve | None = None
) -> ApprovalReply:
    """Make the machine a device."""
    resolve = body.resolve if body else None
    approved = await agents.approve(tx, caller, approval_id, resolve=resolve, now=now)
    if resolve is not None and approved.conflict_device_id is not None:
        # Where the choice has revoked it.
        await runs.leave_revoked(tx, [approved.conflict_device_id], now)
        await vpn.remove(tx, [approved.conflict_device_id], now)
    return await _shaped(tx, approved, now)


@resource.post("/{approval_id}/deny")
async def deny_device(approval_id: UUID, tx: Tx, caller: Caller, now: Now, body: Deny | None = None) -> ApprovalReply:
    """Refuse the machine; the reason is told to it."""
    reason = body.reason if body else None
    return await _shaped(tx, await agents.deny(tx, caller, approval_id, reason=reason, now=now), now)

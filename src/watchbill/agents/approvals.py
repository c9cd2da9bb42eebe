"""The person's side of enrolment: looking through requests, approving, denying. Every new device passes through `approve`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices
from watchbill.agents import code_store, store
from watchbill.agents.store import Conflict, ConflictingDevice, RefusedCode, Request, RequestState
from watchbill.core.problems import Problem
from watchbill.devices import DeviceStatus, NewDevice
from watchbill.identity import ENGINE, Actor, Permission, audit
from watchbill.kit import db, events
from watchbill.kit.errors import AppError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.events import Event
from watchbill.kit.paging import Page, decode_cursor, page_of

KEEP_FAILURES = timedelta(days=30)
#: NOTIFY channel that says that a request of a machine which a job brought has come, or was decided.
APPROVALS = "watchbill_approvals"
TAKEN_BACK = "The install was taken back."


class Resolution(StrEnum):
    """What to do with the device that a new one clashes with."""

    REPLACE = "replace"  # revoke it
    NEW = "new"  # keep both


class Decision(StrEnum):
    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of one request of a bulk decision: the request, or why not."""

    id: UUID
    request: Request | None
    error: AppError | None


async def get_request(tx: AsyncConnection, actor: Actor, request_id: UUID) -> Request:
    actor.require(Permission.READ)
    request = await store.find_request(tx, request_id, actor.scope)
    if request is None:
        raise NotFoundError("There is no such device approval.")
    return request


async def list_requests(
    tx: AsyncConnection,
    actor: Actor,
    *,
    state: RequestState | None = None,
    site_id: int | None = None,
    q: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Request]:
    """Requests of the caller's sites, newest first."""
    actor.require(Permission.READ)
    after = None if cursor is None else _uuid(decode_cursor(cursor, (str,))[0])
    rows = await store.list_requests(tx, actor.scope, state=state, site_id=site_id, q=q, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda request: (str(request.id),))


def _uuid(key: str | int | None) -> UUID:
    try:
        return UUID(str(key))
    except ValueError:
        wrong = Problem("cursor", "invalid", "must be a next_cursor of this list")
        raise InvalidError("The cursor does not belong to this list.", problems=[wrong]) from None


async def approve(
    tx: AsyncConnection, actor: Actor, request_id: UUID, *, resolve: Resolution | None = None, now: datetime
) -> Request:
    """Make the device. A clash with a known device needs `resolve`; it is looked for again at this moment."""
    request = await _open_request(tx, actor, request_id, now)
    clash = await store.find_conflict(
        tx, site_id=request.site_id, hostname=request.hostname, public_key=request.public_key
    )
    if clash is not None:
        await _resolve(tx, actor, clash, resolve, now)
    device_id = await devices.add_device(tx, _new_device(request), now=now)
    detail: dict[str, object] = {"hostname": request.hostname, "device_id": str(device_id)}
    if clash is not None:
        detail |= {"conflict": clash.conflict, "resolve": resolve, "conflict_device_id": str(clash.device_id)}
    return await _decide(tx, actor, request, RequestState.APPROVED, now, detail, device_id=device_id)


async def _open_request(tx: AsyncConnection, actor: Actor, request_id: UUID, now: datetime) -> Request:
    await store.lock_decisions(tx)
    request = await get_request(tx, actor, request_id)
    actor.require(Permission.APPROVALS_DECIDE)
    state = request.state_at(now)
    if state is not RequestState.PENDING:
        raise ConflictError(f"This request is already {state}.", code="approval_decided")
    return request


async def _resolve(
    tx: AsyncConnection, actor: Actor, clash: ConflictingDevice, resolve: Resolution | None, now: datetime
) -> None:
    is_revoked = clash.status == DeviceStatus.REVOKED
    choices = [Resolution.REPLACE, Resolution.NEW]
    if clash.conflict is Conflict.KEY and not is_revoked:
        choices = [Resolution.REPLACE]  # a key belongs to one device
    if resolve not in choices:
        raise _needs_choice(clash, choices)
    if is_revoked or resolve is Resolution.NEW:
        return
    if not actor.scope.allows(clash.site_id):
        detail = "The key belongs to a device of a site that you do not see; somebody who sees both has to decide."
        raise ConflictError(detail, code="approval_conflict_elsewhere")
    await devices.set_status(tx, actor, clash.device_id, DeviceStatus.REVOKED, now=now)


def _needs_choice(clash: ConflictingDevice, choices: Sequence[Resolution]) -> ConflictError:
    words = {
        Conflict.HOSTNAME: "This site already has a device of this name.",
        Conflict.KEY: "This machine's key is or was the key of a known device.",
    }
    allowed = " or ".join(f'"{choice}"' for choice in choices)
    problem = Problem(
        "resolve", "choice_needed", f"must be {allowed}: replace revokes the known device, new keeps both"
    )
    return ConflictError(f"{words[clash.conflict]} Say what to do.", code="approval_conflict", problems=[problem])


def _new_device(request: Request) -> NewDevice:
    return NewDevice(**{name: getattr(request, name) for name in NewDevice.__dataclass_fields__})


async def _decide(
    tx: AsyncConnection,
    actor: Actor,
    request: Request,
    state: RequestState,
    now: datetime,
    detail: dict[str, object],
    *,
    device_id: UUID | None = None,
    reason: str | None = None,
) -> Request:
    decided = {"state": state.value, "decided_at": now, "decided_by": actor.operator_id}
    await store.update_request(tx, request.id, {**decided, "device_id": device_id, "reason": reason})
    action = f"device_approval.{state.value}"
    await audit.record(
        tx, actor, action, "device_approval", request.id, now=now, site_id=request.site_id, detail=detail
    )
    payload = {"approval_id": str(request.id), "state": state.value}
    await events.publish(tx, [Event("approval.decided", payload, request.site_id)], now)
    if request.onboarding_target_id is not None:
        await db.notify(tx, APPROVALS)
    return await get_request(tx, actor, request.id)


async def deny(tx: AsyncConnection, actor: Actor, request_id: UUID, *, reason: str | None, now: datetime) -> Request:
    request = await _open_request(tx, actor, request_id, now)
    detail: dict[str, object] = {"hostname": request.hostname, "reason": reason}
    return await _decide(tx, actor, request, RequestState.DENIED, now, detail, reason=reason)


async def decide_many(
    tx: AsyncConnection,
    actor: Actor,
    request_ids: Sequence[UUID],
    decision: Decision,
    *,
    reason: str | None = None,
    now: datetime,
) -> list[Decided]:
    """One decision for many requests. Those that cannot be decided so are told one by one; the others are."""
    actor.require(Permission.APPROVALS_DECIDE)
    return [
        await _decide_one(tx, actor, request_id, decision, reason, now) for request_id in dict.fromkeys(request_ids)
    ]


async def _decide_one(
    tx: AsyncConnection, actor: Actor, request_id: UUID, decision: Decision, reason: str | None, now: datetime
) -> Decided:
    try:
        async with tx.begin_nested():
            if decision is Decision.APPROVE:
                request = await approve(tx, actor, request_id, now=now)
            else:
                request = await deny(tx, actor, request_id, reason=reason, now=now)
    except AppError as error:
        return Decided(request_id, None, error)
    return Decided(request_id, request, None)


async def list_refused_codes(
    tx: AsyncConnection, actor: Actor, *, limit: int, cursor: str | None = None
) -> Page[RefusedCode]:
    """Wrong enrolment codes, newest first. They belong to no site, so they are for those who see every site."""
    actor.require(Permission.APPROVALS_DECIDE)
    if actor.scope.site_ids is not None:
        raise ForbiddenError("Refused codes belong to no site; only who sees every site may read them.")
    before = None if cursor is None else decode_cursor(cursor, (int,))[0]
    rows = await store.list_failures(tx, before_id=None if before is None else int(before), limit=limit + 1)
    return page_of(rows, limit, lambda failure: (failure.id,))


async def withdraw_requests(tx: AsyncConnection, target_ids: Sequence[int], now: datetime) -> None:
    """What a machine asked whose install was taken back is not asked any more: approving it would make a device of nothing."""
    for request_id, site_id in await code_store.withdraw(tx, target_ids, TAKEN_BACK, now):
        action = f"device_approval.{RequestState.DENIED.value}"
        detail = {"reason": TAKEN_BACK}
        await audit.record(tx, ENGINE, action, "device_approval", request_id, now=now, site_id=site_id, detail=detail)
        payload = {"approval_id": str(request_id), "state": RequestState.DENIED.value}
        await events.publish(tx, [Event("approval.decided", payload, site_id)], now)


async def expire_requests(tx: AsyncConnection, now: datetime) -> int:
    """End the requests that waited too long; how many. Also forgets refused codes of long ago."""
    await store.prune_failures(tx, now - KEEP_FAILURES)
    number = await store.expire_requests(tx, now)
    if number:
        await db.notify(tx, APPROVALS)
    return number

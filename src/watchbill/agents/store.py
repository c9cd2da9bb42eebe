"""SQL of enrolment requests and of refused codes. Decides nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, delete, func, insert, literal_column, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.agents.tables import enrolment_failures, enrolment_requests
from watchbill.devices.tables import devices
from watchbill.identity import SiteScope
from watchbill.kit.db import LOCK_SPACE
from watchbill.sites.tables import sites

_DECISION_LOCK = 20


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


class Conflict(StrEnum):
    """Why a request always waits for a person."""

    HOSTNAME = "hostname"  # the site has a device of this name
    KEY = "key"  # a device has, or had, this key


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody's wish to become a device."""

    id: UUID
    site_id: int
    site_name: str
    state: RequestState
    hostname: str
    public_key: bytes = field(repr=False)
    poll_token_hash: bytes = field(repr=False)
    os_family: str
    os_name: str
    os_version: str
    arch: str
    agent_version: str
    remote_addr: str | None
    conflict: Conflict | None
    conflict_device_id: UUID | None
    device_id: UUID | None
    reason: str | None
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: int | None
    onboarding_target_id: int | None = None

    @property
    def key_fingerprint(self) -> str:
        """For a person to compare with what the machine shows."""
        return f"sha256:{hashlib.sha256(self.public_key).hexdigest()}"

    def state_at(self, now: datetime) -> RequestState:
        is_late = self.state is RequestState.PENDING and now >= self.expires_at
        return RequestState.EXPIRED if is_late else self.state


@dataclass(frozen=True, slots=True)
class ConflictingDevice:
    conflict: Conflict
    device_id: UUID
    site_id: int | None
    status: str


@dataclass(frozen=True, slots=True)
class RefusedCode:
    """A wrong enrolment code, masked."""

    id: int
    at: datetime
    masked_code: str
    hostname: str
    remote_addr: str | None


def _requests() -> Select[Any]:
    return select(enrolment_requests, sites.c.name.label("site_name")).join(
        sites, sites.c.id == enrolment_requests.c.site_id
    )


def _request(row: RowMapping) -> Request:
    conflict = Conflict(row["conflict"]) if row["conflict"] else None
    return Request(**(dict(row) | {"state": RequestState(row["state"]), "conflict": conflict}))


async def lock_decisions(tx: AsyncConnection) -> None:
    """One decision at a time: two approvals of one name or key must see each other."""
    statement = text("SELECT pg_advisory_xact_lock(:space, :lock)")
    await tx.execute(statement, {"space": LOCK_SPACE, "lock": _DECISION_LOCK})


async def put_request(tx: AsyncConnection, values: Mapping[str, object]) -> tuple[UUID, bool]:
    """Write a pending request, or renew the pending one of the same key; its id, and whether it is new."""
    c = enrolment_requests.c
    kept = {"id", "site_id", "public_key", "state", "created_at"}
    renewed = {name: value for name, value in values.items() if name not in kept}
    statement = (
        upsert(enrolment_requests)
        .values(values)
        .on_conflict_do_update(index_elements=[c.site_id, c.public_key], index_where=c.state == "pending", set_=renewed)
        .returning(c.id, literal_column("xmax = 0").label("is_new"))
    )
    row = (await tx.execute(statement)).one()
    return row.id, row.is_new


async def count_pending(tx: AsyncConnection, site_id: int) -> int:
    query = select(func.count()).where(
        enrolment_requests.c.site_id == site_id, enrolment_requests.c.state == RequestState.PENDING.value
    )
    return int((await tx.execute(query)).scalar_one())


async def find_request(tx: AsyncConnection, request_id: UUID, scope: SiteScope) -> Request | None:
    query = _requests().where(enrolment_requests.c.id == request_id, scope.clause(enrolment_requests.c.site_id))
    row = (await tx.execute(query)).mappings().one_or_none()
    return _request(row) if row else None


async def list_requests(
    tx: AsyncConnection,
    scope: SiteScope,
    *,
    state: RequestState | None,
    site_id: int | None,
    q: str | None,
    after: UUID | None,
    limit: int,
) -> list[Request]:
    c = enrolment_requests.c
    place = tuple_(c.created_at, c.id)
    query = _requests().where(scope.clause(c.site_id)).order_by(c.created_at.desc(), c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(c.state == state.value)
    if site_id is not None:
        query = query.where(c.site_id == site_id)
    if q:
        query = query.where(or_(c.hostname.icontains(q, autoescape=True), c.remote_addr.icontains(q, autoescape=True)))
    if after is not None:
        last = enrolment_requests.alias("last")
        query = query.where(place < select(last.c.created_at, last.c.id).where(last.c.id == after).scalar_subquery())
    return [_request(row) for row in (await tx.execute(query)).mappings()]


async def update_request(tx: AsyncConnection, request_id: UUID, values: Mapping[str, object]) -> None:
    await tx.execute(update(enrolment_requests).where(enrolment_requests.c.id == request_id).values(values))


async def expire_requests(tx: AsyncConnection, now: datetime) -> int:
    c = enrolment_requests.c
    late = update(enrolment_requests).where(c.state == RequestState.PENDING.value, c.expires_at <= now)
    return (await tx.execute(late.values(state=RequestState.EXPIRED.value))).rowcount


async def find_conflict(
    tx: AsyncConnection, *, site_id: int, hostname: str, public_key: bytes
) -> ConflictingDevice | None:
    """The device that a new one would clash with; one with the same key before one with the same name."""
    c = devices.c
    columns = (c.id, c.site_id, c.status)
    same_key = select(*columns).where(c.public_key == public_key).order_by(c.status == "revoked", c.created_at.desc())
    row = (await tx.execute(same_key.limit(1))).one_or_none()
    if row is not None:
        return ConflictingDevice(Conflict.KEY, row.id, row.site_id, row.status)
    same_name = select(*columns).where(
        c.site_id == site_id, func.lower(c.hostname) == func.lower(hostname), c.status != "revoked"
    )
    row = (await tx.execute(same_name.order_by(c.created_at.desc()).limit(1))).one_or_none()
    return ConflictingDevice(Conflict.HOSTNAME, row.id, row.site_id, row.status) if row else None


async def insert_failure(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(enrolment_failures).values(values))


async def list_failures(tx: AsyncConnection, *, before_id: int | None, limit: int) -> list[RefusedCode]:
    query = select(enrolment_failures).order_by(enrolment_failures.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(enrolment_failures.c.id < before_id)
    return [RefusedCode(**row) for row in (await tx.execute(query)).mappings()]


async def prune_failures(tx: AsyncConnection, before: datetime) -> None:
    await tx.execute(delete(enrolment_failures).where(enrolment_failures.c.at < before))

"""`/api/audit`: who did what to which object, when, from where."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, Field

from watchbill import identity
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, PageOf, PageQuery, Tx, router

resource = router(prefix="/api/audit", tags=["audit"])

Word = Annotated[str | None, Field(max_length=200)]


class AuditEntry(Model):
    """`operator_id` null = the Engine itself."""

    id: int
    at: Instant
    operator_id: int | None
    actor: str
    action: str
    object_kind: str
    object_id: str | None
    site_id: int | None
    remote_addr: str | None
    detail: dict[str, Any]


class AuditQuery(PageQuery):
    """`since` is included, `until` is not."""

    operator_id: Id | None = None
    action: Word = None
    object_kind: Word = None
    object_id: Word = None
    site_id: Id | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@resource.get("")
async def list_audit_entries(tx: Tx, caller: Caller, query: Annotated[AuditQuery, Query()]) -> PageOf[AuditEntry]:
    """The trail, newest first."""
    wanted = identity.audit.Filter(**query.model_dump(exclude={"limit", "cursor"}))
    page = await identity.audit.list_entries(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[AuditEntry].of(page, AuditEntry.model_validate)

"""The audit trail: one append-only row for every write, in the transaction of the write itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import Actor, Permission
from watchbill.identity.tables import audit
from watchbill.kit.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the trail."""

    id: int
    at: datetime
    operator_id: int | None
    actor: str
    action: str
    object_kind: str
    object_id: str | None
    site_id: int | None
    remote_addr: str | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows: every field that is given must fit. `since` is included, `until` is not."""

    operator_id: int | None = None
    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    site_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        same = [
            audit.c[name] == value
            for name in ("operator_id", "action", "object_kind", "object_id", "site_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.since is not None:
            same.append(audit.c.at >= self.since)
        if self.until is not None:
            same.append(audit.c.at < self.until)
        return same


async def record(
    tx: AsyncConnection,
    actor: Actor,
    action: str,
    object_kind: str,
    object_id: object,
    *,
    now: datetime,
    site_id: int | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write who did what to which object. `action` is `noun.verb`; `detail` never holds a secret."""
    row = {
        **_what(actor, action, object_kind, now),
        "object_id": None if object_id is None else str(object_id),
        "site_id": site_id,
        "detail": dict(detail or {}),
    }
    await tx.execute(insert(audit).values(row))


async def record_many(
    tx: AsyncConnection,
    actor: Actor,
    action: str,
    object_kind: str,
    details: Mapping[int, Mapping[str, object]],
    *,
    now: datetime,
) -> None:
    """The same for several objects, each with a row of its own: object -> detail."""
    rows = [
        {**_what(actor, action, object_kind, now), "object_id": str(one), "site_id": None, "detail": dict(detail)}
        for one, detail in details.items()
    ]
    if rows:
        await tx.execute(insert(audit), rows)


def _what(actor: Actor, action: str, object_kind: str, now: datetime) -> dict[str, object]:
    return {
        "at": now,
        "operator_id": actor.operator_id,
        "actor": actor.name,
        "action": action,
        "object_kind": object_kind,
        "remote_addr": actor.remote_addr,
    }


async def list_entries(
    tx: AsyncConnection, actor: Actor, wanted: Filter, *, limit: int, cursor: str | None = None
) -> Page[Entry]:
    """The trail, newest first."""
    actor.require(Permission.AUDIT_READ)
    query = select(audit).where(actor.scope.clause(audit.c.site_id), *wanted.clauses())
    if cursor is not None:
        query = query.where(audit.c.id < decode_cursor(cursor, (int,))[0])
    rows = (await tx.execute(query.order_by(audit.c.id.desc()).limit(limit + 1))).mappings()
    return page_of([Entry(**row) for row in rows], limit, lambda entry: (entry.id,))

"""The audit trail: one append-only row for every write, in the transaction of the write itself."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Identity, Table, Text, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import Actor
from watchbill.kit.db import metadata

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("operator_id", BigInteger),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text),
    Column("site_id", BigInteger),
    Column("remote_addr", Text),
    Column("detail", JSONB, nullable=False),
)


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
        "at": now,
        "operator_id": actor.operator_id,
        "actor": actor.name,
        "action": action,
        "object_kind": object_kind,
        "object_id": None if object_id is None else str(object_id),
        "site_id": site_id,
        "remote_addr": actor.remote_addr,
        "detail": dict(detail or {}),
    }
    await tx.execute(insert(audit).values(row))

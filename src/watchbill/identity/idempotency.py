"""Replies kept for a day under the caller's Idempotency-Key, so that a repeated request gets the first reply again.

The key's row is written before the work: a concurrent repeat waits for the first request's transaction and then sees its reply.
Replies are sealed, because one may hold a token that is shown once.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity.tables import idempotency_keys
from watchbill.kit.errors import InvalidError
from watchbill.kit.secrets import KeyRing

KEEP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it left: status, headers, text."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One request under one key of one operator."""

    operator_id: int
    key: str
    request_hash: bytes

    @property
    def _context(self) -> str:
        return f"idempotency_keys.reply:{self.operator_id}:{self.key}"

    async def earlier_reply(self, tx: AsyncConnection, keys: KeyRing, now: datetime) -> Reply | None:
        """The reply of the first request, or None when this is the first. InvalidError when that one was another request."""
        if await self._is_first(tx, now):
            return None
        row = (await tx.execute(select(idempotency_keys).where(*self._same()))).one()
        if row.request_hash != self.request_hash:
            wrong = Problem("Idempotency-Key", "reused", "must be a new one for each different request")
            detail = "This Idempotency-Key belongs to another request of the last 24 hours."
            raise InvalidError(detail, code="idempotency_key_reused", problems=[wrong])
        return Reply(**json.loads(keys.open(row.reply_sealed, self._context)))

    async def _is_first(self, tx: AsyncConnection, now: datetime) -> bool:
        values = {"request_hash": self.request_hash, "reply_sealed": None, "created_at": now}
        fresh = insert(idempotency_keys).values(operator_id=self.operator_id, key=self.key, **values)
        is_void = or_(idempotency_keys.c.created_at <= now - KEEP, idempotency_keys.c.reply_sealed.is_(None))
        taken = fresh.on_conflict_do_update(
            index_elements=[idempotency_keys.c.operator_id, idempotency_keys.c.key], set_=values, where=is_void
        ).returning(idempotency_keys.c.key)
        return (await tx.execute(taken)).one_or_none() is not None

    async def keep(self, tx: AsyncConnection, keys: KeyRing, reply: Reply) -> None:
        plain = json.dumps({"status": reply.status, "headers": reply.headers, "text": reply.text})
        sealed = keys.seal_text(plain, self._context)
        await tx.execute(update(idempotency_keys).where(*self._same()).values(reply_sealed=sealed))

    def _same(self) -> list[ColumnElement[bool]]:
        return [idempotency_keys.c.operator_id == self.operator_id, idempotency_keys.c.key == self.key]


async def prune(tx: AsyncConnection, now: datetime) -> None:
    await tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= now - KEEP))

"""The event log behind live views: small facts, written in the transaction that makes them true, read in commit order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

CHANNEL = "watchbill_events"

_WRITE = text(
    "WITH written AS (INSERT INTO events (at, kind, site_id, payload) SELECT :at, e.kind, e.site_id, e.payload"
    " FROM jsonb_to_recordset(:rows) AS e(kind text, site_id bigint, payload jsonb))"
    " SELECT pg_notify(:channel, '')"
).bindparams(bindparam("rows", type_=JSONB))
# Below the snapshot's xmin every transaction has ended: what is read now can never be preceded by a later commit.
_READ = text(
    "SELECT tx::text, id, at, kind, site_id, payload FROM events"
    " WHERE (tx, id) > (CAST(:tx AS xid8), :id) AND tx < pg_snapshot_xmin(pg_current_snapshot())"
    " ORDER BY tx, id LIMIT :limit"
)
_END = text("SELECT (pg_snapshot_xmin(pg_current_snapshot()))::text")
_UNREADABLE = text("SELECT EXISTS (SELECT 1 FROM events WHERE tx >= pg_snapshot_xmin(pg_current_snapshot()))")
_OLDEST = text("SELECT tx::text, id FROM events ORDER BY tx, id LIMIT 1")
_PRUNE = text("DELETE FROM events WHERE at < :before")


@dataclass(frozen=True, slots=True)
class Event:
    """A fact to publish. `site_id` None = for those who see every site, or for nobody's site in particular."""

    kind: str
    payload: Mapping[str, object]
    site_id: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the log; `str(cursor)` is a Last-Event-ID."""

    tx: int
    id: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.id}"

    @classmethod
    def parse(cls, text_: str) -> "Cursor":
        tx, _, number = text_.partition("-")
        if not (tx.isascii() and tx.isdigit() and number.isascii() and number.isdigit()) or len(text_) > 40:
            raise ValueError("Last-Event-ID is two numbers joined by a hyphen")
        if int(tx) >= 2**64 or int(number) >= 2**63:
            raise ValueError("Last-Event-ID lies beyond every place there can be")
        return cls(int(tx), int(number))


@dataclass(frozen=True, slots=True)
class StoredEvent:
    cursor: Cursor
    at: datetime
    kind: str
    site_id: int | None
    payload: Mapping[str, object]


async def publish(tx: AsyncConnection, events: Sequence[Event], now: datetime) -> None:
    """Write `events`; readers are woken when the transaction commits."""
    if not events:
        return
    rows = [{"kind": e.kind, "site_id": e.site_id, "payload": dict(e.payload)} for e in events]
    await tx.execute(_WRITE, {"at": now, "rows": rows, "channel": CHANNEL})


async def read_after(tx: AsyncConnection, cursor: Cursor, *, limit: int = 1000) -> list[StoredEvent]:
    rows = await tx.execute(_READ, {"tx": str(cursor.tx), "id": cursor.id, "limit": limit})
    return [StoredEvent(Cursor(int(r.tx), r.id), r.at, r.kind, r.site_id, r.payload) for r in rows]


async def has_unreadable(tx: AsyncConnection) -> bool:
    """Whether events are committed that an older transaction, still open, keeps from being read."""
    return bool((await tx.execute(_UNREADABLE)).scalar_one())


async def end(tx: AsyncConnection) -> Cursor:
    """The place after everything that is visible to everybody by now."""
    return Cursor(int((await tx.execute(_END)).scalar_one()), 0)


async def oldest(tx: AsyncConnection) -> Cursor | None:
    row = (await tx.execute(_OLDEST)).one_or_none()
    return Cursor(int(row.tx), row.id) if row else None


async def prune(tx: AsyncConnection, *, now: datetime, keep: timedelta) -> int:
    return (await tx.execute(_PRUNE, {"before": now - keep})).rowcount

"""SQL of work items: put, claim by term, settle by term, and what is open where."""

import importlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from psycopg import AsyncConnection as PsycopgConnection
from psycopg import AsyncRawCursor
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import WorkItemState
from watchbill.kit import db

#: NOTIFY channel that says "there is work", payload = site id. The launcher of site workers listens.
CHANNEL = "watchbill_work"

#: An item that was taken this long ago and has not ended counts as waiting again.
ABANDONED = timedelta(seconds=30)

#: A work item that was taken this often without an end is given up.
ATTEMPT_LIMIT = 5


class Lane(StrEnum):
    SCHEDULED_JOB = "scheduled_job"
    PLAYBOOKS = "playbooks"  # they take hours: nothing of what agents run waits behind them
    ONBOARDING = "onboarding"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class NewItem:
    """A piece of one run for one site (0 = devices without a site)."""

    run_id: int
    site_id: int
    lane: Lane


@dataclass(frozen=True, slots=True)
class Lease:
    """What a worker holds: the item and the term it holds it for. Every write of the worker names the term."""

    item_id: int
    run_id: int
    site_id: int
    term: int
    attempt: int

    @property
    def is_last_attempt(self) -> bool:
        return self.attempt >= ATTEMPT_LIMIT

    @property
    def is_beyond_limit(self) -> bool:
        """Every attempt was made, and none told its end: the item kills its workers."""
        return self.attempt > ATTEMPT_LIMIT


def entrypoint(lane: Lane, site_id: int) -> str:
    """PgQueuer's name of one site's lane: a worker of a site claims nothing else."""
    return f"{lane}:{site_id}"


class _TransactionDriver:
    """PgQueuer's face to a transaction of ours, so that work is queued by the same commit as the rows it is about."""

    def __init__(self, connection: PsycopgConnection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        cursor = AsyncRawCursor(self._connection, row_factory=dict_row)
        await cursor.execute(query.encode(), args or None)
        return await cursor.fetchall()


_INSERT = text(
    "INSERT INTO work_items (run_id, site_id, lane, state, created_at)"
    " SELECT run_id, site_id, lane, 'queued', :now"
    " FROM unnest(CAST(:runs AS bigint[]), CAST(:sites AS bigint[]), CAST(:lanes AS text[])) AS n(run_id, site_id, lane)"
    " RETURNING id, site_id, lane"
)
# The queue entry's lease decides who may claim; taking the row over raises the term, which fences whoever had it before.
_CLAIM = text(
    "UPDATE work_items SET state = 'leased', term = term + 1, attempt = attempt + 1, leased_by = :worker, leased_at = :now"
    " WHERE id = :id AND state IN ('queued', 'leased') RETURNING id, run_id, site_id, term, attempt"
)
_SETTLE = text(
    "UPDATE work_items SET state = :state, error = :error, finished_at = :now"
    " WHERE id = :id AND term = :term AND state = 'leased'"
)
_HOLDS = text("SELECT 1 FROM work_items WHERE id = :id AND term = :term AND state = 'leased' FOR UPDATE")
_HOLDS_TOO = text("SELECT 1 FROM work_items WHERE id = :id AND term = :term AND state = 'leased' FOR SHARE")
# What a worker took and has not ended for a while may have lost its worker: another one must be there to be given it.
_SITES = text(
    "SELECT site_id, count(*) AS number FROM work_items"
    " WHERE state = 'queued' OR (state = 'leased' AND leased_at < :abandoned) GROUP BY site_id ORDER BY min(id)"
)
_QUEUED = text("SELECT run_id, site_id FROM work_items WHERE run_id = ANY(:runs) AND state = 'queued'")
_CANCEL = text(
    "UPDATE work_items SET state = 'cancelled', finished_at = :now"
    " WHERE run_id = ANY(:runs) AND state = 'queued' RETURNING id"
)


_BACKLOG = text(
    "SELECT site_id, lane, count(*) FILTER (WHERE state = 'queued') AS queued, count(*) FILTER (WHERE state = 'leased') AS leased,"
    " count(*) FILTER (WHERE state = 'leased' AND leased_at < :abandoned) AS overdue,"
    " min(created_at) FILTER (WHERE state = 'queued') AS oldest_at FROM work_items"
    " WHERE state IN ('queued', 'leased') GROUP BY site_id, lane ORDER BY site_id, lane"
)
_LEASES = text("SELECT leased_by, count(*) AS number FROM work_items WHERE state = 'leased' GROUP BY leased_by")
_FAILED = text(
    "SELECT id, run_id, site_id, lane, attempt, error, finished_at FROM work_items"
    " WHERE state = 'failed' AND finished_at > :since ORDER BY finished_at DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is open in one lane of one site. `overdue` of the leased were taken so long ago that others may take them."""

    site_id: int
    lane: str
    queued: int
    leased: int
    overdue: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A piece of work that was given up."""

    id: int
    run_id: int
    site_id: int
    lane: str
    attempt: int
    error: str | None
    finished_at: datetime


def prepare() -> None:
    """Import what queueing needs now, so that the first occurrence does not wait for it."""
    importlib.import_module("pgqueuer.adapters.persistence.queries")


async def put(tx: AsyncConnection, items: Sequence[NewItem], now: datetime) -> None:
    """Queue work in the caller's transaction and wake those who wait for it."""
    if not items:
        return
    ordered = sorted(items, key=lambda item: (item.run_id, item.site_id))
    columns = {
        "runs": [item.run_id for item in ordered],
        "sites": [item.site_id for item in ordered],
        "lanes": [str(item.lane) for item in ordered],
    }
    rows = (await tx.execute(_INSERT, {**columns, "now": now})).all()
    # Imported by whoever queues work: the other processes do without its 0.4 s and twenty megabytes.
    from pgqueuer.adapters.persistence.queries import Queries
    from pgqueuer.ports.driver import Driver

    raw = await tx.get_raw_connection()
    driver = _TransactionDriver(cast(PsycopgConnection, raw.driver_connection))
    await Queries(cast(Driver, driver)).enqueue(
        [entrypoint(Lane(row.lane), row.site_id) for row in rows],
        [str(row.id).encode() for row in rows],
        [0] * len(rows),
    )
    await db.notify_all(tx, CHANNEL, sorted({str(row.site_id) for row in rows}))


async def put_unless_queued(tx: AsyncConnection, items: Sequence[NewItem], now: datetime) -> None:
    """The same for what no item waits for yet. One that is leased may have looked already, so it does not count."""
    if not items:
        return
    rows = await tx.execute(_QUEUED, {"runs": sorted({item.run_id for item in items})})
    queued = {(row.run_id, row.site_id) for row in rows}
    await put(tx, [item for item in items if (item.run_id, item.site_id) not in queued], now)


async def claim(tx: AsyncConnection, item_id: int, worker_id: uuid.UUID, now: datetime) -> Lease | None:
    """Take an item for a new term; None when it is finished already."""
    row = (await tx.execute(_CLAIM, {"id": item_id, "worker": worker_id, "now": now})).one_or_none()
    return Lease(row.id, row.run_id, row.site_id, row.term, row.attempt) if row else None


async def holds(tx: AsyncConnection, lease: Lease, *, is_shared: bool = False) -> bool:
    """Whether the lease is still ours; keeps it so until the transaction ends.

    `is_shared`: other steps of the same holder need not wait for this one. Whoever takes the item over waits for all of them.
    """
    statement = _HOLDS_TOO if is_shared else _HOLDS
    found = await tx.execute(statement, {"id": lease.item_id, "term": lease.term})
    return found.one_or_none() is not None


async def settle(
    tx: AsyncConnection, lease: Lease, state: WorkItemState, now: datetime, *, error: str | None = None
) -> bool:
    """End an item; False when the lease was lost, and then nothing is written."""
    row = {"id": lease.item_id, "term": lease.term, "state": str(state), "error": error, "now": now}
    return (await tx.execute(_SETTLE, row)).rowcount == 1


async def cancel(tx: AsyncConnection, run_ids: Sequence[int], now: datetime) -> None:
    """Withdraw the items of runs that nobody has taken; who holds one ends it, and finds nothing to let go."""
    await tx.execute(_CANCEL, {"runs": list(run_ids), "now": now})


async def sites_with_work(tx: AsyncConnection, now: datetime) -> dict[int, int]:
    """Items that wait for a worker by site, the site that has waited longest first."""
    return {row.site_id: row.number for row in await tx.execute(_SITES, {"abandoned": now - ABANDONED})}


async def backlog(tx: AsyncConnection, now: datetime) -> list[Backlog]:
    """What is open where, lane by lane."""
    return [Backlog(*row) for row in await tx.execute(_BACKLOG, {"abandoned": now - ABANDONED})]


async def leases_by_worker(tx: AsyncConnection) -> dict[uuid.UUID, int]:
    """How many items each worker holds."""
    return {row.leased_by: row.number for row in await tx.execute(_LEASES)}


async def failed_since(tx: AsyncConnection, since: datetime, limit: int) -> list[FailedItem]:
    """What was given up, newest first."""
    return [FailedItem(*row) for row in await tx.execute(_FAILED, {"since": since, "limit": limit})]

"""Due instants without a run: missed, skipped as a whole, or held for later. Writes their rows of the ledger; decides nothing.

A held row is the only one of them that may still become a run (`runs.held`).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.states import OccurrenceReason
from watchbill.kit.clock import rfc3339
from watchbill.runs.moves import publish_in_sites

_RECORD = text("""
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, reason, detail, is_late, range_end_at, range_count, is_range_capped,
  held_until_at, local_time, job_revision, created_at, closed_at)
SELECT r.id, r.job_id, 'schedule', r.first, r.state, r.reason, r.detail, r.is_late, r.last, r.number, r.is_capped,
  r.held_until, r.local_time, r.job_revision, :now, CASE WHEN r.state <> 'held' THEN CAST(:now AS timestamptz) END
FROM jsonb_to_recordset(:rows) AS r(id uuid, job_id bigint, job_revision integer, state text, reason text, detail text, is_late boolean,
  first timestamptz, last timestamptz, number integer, is_capped boolean, held_until timestamptz, local_time timestamp)
ORDER BY r.id
ON CONFLICT DO NOTHING RETURNING id, job_id
""").bindparams(bindparam("rows", type_=JSONB))

# These rows have no targets that would say whom they concern.
_SITES = text("SELECT DISTINCT job_id, site_id FROM job_reach WHERE job_id = ANY(:jobs)")


@dataclass(frozen=True, slots=True)
class Missed:
    """Contiguous instants that will not run, and why: one row. `is_capped`: there are at least `number` of them."""

    id: uuid.UUID
    job_id: int
    job_revision: int
    first: datetime
    last: datetime
    number: int
    reason: str
    is_capped: bool = False
    local_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An instant that is deliberately not run; `detail` is the sentence behind the reason."""

    id: uuid.UUID
    job_id: int
    job_revision: int
    scheduled_for: datetime
    reason: str
    detail: str | None = None
    local_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An instant that waits: until `held_until_at`, or for a person when that is None. Its targets are frozen when it is let go."""

    id: uuid.UUID
    job_id: int
    job_revision: int
    scheduled_for: datetime
    reason: str
    detail: str | None = None
    held_until_at: datetime | None = None
    local_time: datetime | None = None


async def record_missed(tx: AsyncConnection, missed: Sequence[Missed], now: datetime) -> set[uuid.UUID]:
    """Write the rows of instants that will not run; returns the ids that are new, as the two below do."""
    return await _record(tx, [_missed(one) for one in missed], now)


async def record_skipped(tx: AsyncConnection, skipped: Sequence[Skipped], now: datetime) -> set[uuid.UUID]:
    return await _record(tx, [_skipped(one) for one in skipped], now)


async def record_held(tx: AsyncConnection, held: Sequence[Held], now: datetime) -> set[uuid.UUID]:
    return await _record(tx, [_held(one) for one in held], now)


async def _record(tx: AsyncConnection, rows: Sequence[Mapping[str, object]], now: datetime) -> set[uuid.UUID]:
    if not rows:
        return set()
    written = (await tx.execute(_RECORD, {"rows": list(rows), "now": now})).all()
    await publish_to_sites(tx, {row.id: row.job_id for row in written}, now)
    return {row.id for row in written}


async def publish_to_sites(tx: AsyncConnection, jobs: Mapping[uuid.UUID, int], now: datetime) -> None:
    """Tell live views that these occurrences (id -> job), which have no targets, changed."""
    if not jobs:
        return
    sites: dict[int, list[int]] = {}
    for row in await tx.execute(_SITES, {"jobs": sorted(set(jobs.values()))}):
        sites.setdefault(row.job_id, []).append(row.site_id)
    places = [(job, occurrence, site) for occurrence, job in jobs.items() for site in sites.get(job, [0])]
    await publish_in_sites(tx, sorted(places), now)


def _missed(one: Missed) -> dict[str, object]:
    return {
        **_common(one, "missed"),
        "is_late": False,
        "first": rfc3339(one.first),
        "last": rfc3339(one.last),
        "number": one.number,
        "is_capped": one.is_capped,
    }


def _skipped(one: Skipped) -> dict[str, object]:
    return {**_common(one, "skipped"), **_single(one.scheduled_for), "detail": one.detail}


def _held(one: Held) -> dict[str, object]:
    return {
        **_common(one, "held"),
        **_single(one.scheduled_for),
        "detail": one.detail,
        # What a window holds starts later by design; the others would have run long ago.
        "is_late": one.reason != OccurrenceReason.HELD_BY_WINDOW,
        "held_until": rfc3339(one.held_until_at) if one.held_until_at else None,
    }


def _common(one: Missed | Skipped | Held, state: str) -> dict[str, object]:
    return {
        "id": str(one.id),
        "job_id": one.job_id,
        "job_revision": one.job_revision,
        "state": state,
        "reason": str(one.reason),
        "local_time": one.local_time.isoformat() if one.local_time else None,
    }


def _single(instant: datetime) -> dict[str, object]:
    return {"first": rfc3339(instant), "number": 1, "is_capped": False, "is_late": False}

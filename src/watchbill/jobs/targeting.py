"""The jobs that one device is a target of at a moment: by its own name, its site, a filter, or as one of all. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, any_, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity import Actor, Permission
from watchbill.jobs.listing import visible_ids
from watchbill.jobs.scope import scope_left
from watchbill.jobs.tables import jobs

#: Further ones are not told.
MOST: Final = 500

# Of the other devices that jobs name none is even kept; each filter is asked once, and about this device alone.
_FIND = text("""
WITH aimed AS MATERIALIZED (
  SELECT t.job_id, t.kind, t.is_exclusion, t.device_id, t.filter_id, t.site_id
  FROM job_targets t JOIN jobs j ON j.id = t.job_id AND j.deleted_at IS NULL
  WHERE t.device_id = :device_id OR t.site_id = CAST(:site_id AS bigint) OR t.kind = 'all_devices' OR t.filter_id IS NOT NULL
), hit AS MATERIALIZED (
  SELECT f.filter_id FROM (SELECT DISTINCT filter_id FROM aimed WHERE filter_id IS NOT NULL) f
  CROSS JOIN LATERAL filter_members(f.filter_id, CAST(:now AS timestamptz), ARRAY[CAST(:device_id AS uuid)]) AS m(device_id)
  WHERE m.device_id IS NOT NULL
)
SELECT a.job_id, bool_or(a.is_exclusion) AS is_excluded, array_agg(DISTINCT a.kind) FILTER (WHERE NOT a.is_exclusion) AS by
FROM aimed a
WHERE a.filter_id IS NULL OR a.filter_id IN (SELECT filter_id FROM hit)
GROUP BY a.job_id HAVING bool_or(NOT a.is_exclusion)
""")


@dataclass(frozen=True, slots=True)
class Targeting:
    """A job that a device is a target of. `is_excluded`: an exclusion of the job leaves it out all the same."""

    id: int
    name: str
    state: str
    next_due_at: datetime | None
    by: Sequence[str]
    is_excluded: bool


async def targeting_device(
    tx: AsyncConnection, actor: Actor, device_id: UUID, site_id: int | None, now: datetime
) -> list[Targeting]:
    """The live jobs that would consider the device now, of those that the caller sees, by name."""
    actor.require(Permission.READ)
    rows = (await tx.execute(_FIND, {"device_id": device_id, "site_id": site_id, "now": now})).all()
    found = {row.job_id: row for row in rows}
    left = scope_left()
    query = (
        select(jobs.c.id, jobs.c.name, jobs.c.state, jobs.c.next_due_at)
        .where(
            jobs.c.id.in_(sorted(found)),
            jobs.c.id.in_(visible_ids(actor.scope)),
            or_(left.is_(None), literal(site_id, BigInteger) == any_(left)),
        )
        .order_by(func.lower(jobs.c.name), jobs.c.id)
        .limit(MOST)
    )
    return [
        Targeting(row.id, row.name, row.state, row.next_due_at, sorted(found[row.id].by), found[row.id].is_excluded)
        for row in await tx.execute(query)
    ]

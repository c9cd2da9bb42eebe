"""Reading: the recap of a run of playbooks, device by device and all together, in the reader's sites."""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.recap import COUNTERS, Recap
from watchbill.core.states import TargetState
from watchbill.identity.actor import SiteScope
from watchbill.kit.paging import Page, decode_cursor, page_of

_SUMS: Final = ", ".join(f"coalesce(sum((e.recap->>'{name}')::bigint), 0)::bigint AS {name}" for name in COUNTERS)
#: The last try of each playbook on each target of a run `:run_id` that the reader sees.
_LAST: Final = """
  SELECT DISTINCT ON (e.target_id, e.component) e.target_id, e.recap FROM executions e
  WHERE e.run_id = :run_id AND e.recap IS NOT NULL AND (CAST(:sites AS bigint[]) IS NULL OR e.site_id = ANY(:sites))
    AND (CAST(:targets AS bigint[]) IS NULL OR e.target_id = ANY(:targets))
  ORDER BY e.target_id, e.component, e.attempt DESC, e.dispatched_at DESC"""
_TARGETS = text("""
SELECT t.id, t.device_id, t.hostname, t.site_id, s.name AS site_name, t.state, t.reason FROM run_targets t LEFT JOIN sites s ON s.id = t.site_id
WHERE t.run_id = :run_id AND (CAST(:sites AS bigint[]) IS NULL OR t.site_id = ANY(:sites))
  AND (CAST(:host AS text) IS NULL OR (lower(t.hostname), t.id) > (:host, :last))
ORDER BY lower(t.hostname), t.id LIMIT :limit
""")
_OF_TARGETS = text(f"SELECT e.target_id, {_SUMS} FROM ({_LAST}) e GROUP BY e.target_id")
_TOTAL = text(f"SELECT count(DISTINCT e.target_id) AS devices, {_SUMS} FROM ({_LAST}) e")


@dataclass(frozen=True, slots=True)
class RecapRow:
    """A device of a run; `recap` None = no playbook has told anything of it."""

    target_id: int
    device_id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    state: TargetState
    reason: str | None
    recap: Recap | None


@dataclass(frozen=True, slots=True)
class RecapTotal:
    """All devices together: of how many there is a recap, and the sums."""

    devices: int
    recap: Recap


async def recaps_of(
    tx: AsyncConnection, scope: SiteScope, run_id: int, *, limit: int, cursor: str | None
) -> Page[RecapRow]:
    """The devices of a run by host name. That the reader sees the run is known already."""
    host, last = decode_cursor(cursor, (str, int)) if cursor is not None else (None, None)
    values = {"run_id": run_id, "sites": scope.as_list()}
    rows = (await tx.execute(_TARGETS, {**values, "host": host, "last": last, "limit": limit + 1})).all()
    page = page_of(rows, limit, lambda row: (row.hostname.lower(), row.id))
    targets = [row.id for row in page.items]
    found = {row.target_id: _recap(row) for row in await tx.execute(_OF_TARGETS, {**values, "targets": targets})}
    return page.map(lambda row: _row(row, found.get(row.id)))


async def total_recap(tx: AsyncConnection, scope: SiteScope, run_id: int) -> RecapTotal:
    values = {"run_id": run_id, "sites": scope.as_list(), "targets": None}
    row = (await tx.execute(_TOTAL, values)).one()
    return RecapTotal(row.devices, _recap(row))


def _recap(row: Row[*tuple[Any, ...]]) -> Recap:
    return Recap(**{name: getattr(row, name) for name in COUNTERS})


def _row(row: Row[*tuple[Any, ...]], recap: Recap | None) -> RecapRow:
    place = row.id, row.device_id, row.hostname, row.site_id or None, row.site_name
    return RecapRow(*place, TargetState(row.state), row.reason, recap)

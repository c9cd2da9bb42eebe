"""How the devices of one occurrence differ from those of another: for the guard against surprises, for previews, for whoever asks.

A device belongs to an occurrence when it was considered and neither excluded nor out of scope; whether it then ran is another matter.
Reads only.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.jobs.aiming import MEMBERS
from watchbill.runs.to_open import Opening

#: Reasons of rows that do not count as belonging to an occurrence.
OUTSIDE: Final = "('excluded', 'out_of_scope')"

#: The occurrence of a job `j` that its next one is compared with: the newest with frozen targets of the job's own.
LAST: Final = """SELECT o.id FROM occurrences o WHERE o.job_id = j.id AND o.state IN ('open', 'closed') AND o.kind <> 'rerun'
    AND EXISTS (SELECT FROM run_targets e WHERE e.occurrence_id = o.id) ORDER BY o.scheduled_for_at DESC, o.created_at DESC LIMIT 1"""

_CHANGES = text(f"""
WITH {MEMBERS}, before AS (
  SELECT j.id AS job_id, t.device_id FROM jobs j CROSS JOIN LATERAL ({LAST}) AS o JOIN run_targets t ON t.occurrence_id = o.id
  WHERE j.id = ANY(CAST(:job_ids AS bigint[])) AND (t.reason IS NULL OR t.reason NOT IN {OUTSIDE})
), inside AS (
  SELECT m.job_id, m.device_id FROM member m JOIN devices d ON d.id = m.device_id
  JOIN jsonb_to_recordset(:scopes) AS s(job_id bigint, site_ids bigint[]) ON s.job_id = m.job_id
  WHERE s.site_ids IS NULL OR d.site_id = ANY(s.site_ids)
)
SELECT coalesce(i.job_id, b.job_id) AS job_id, count(*) FILTER (WHERE b.device_id IS NULL) AS joined,
  count(*) FILTER (WHERE i.device_id IS NULL) AS gone, count(b.device_id) AS before
FROM inside i FULL JOIN before b ON b.job_id = i.job_id AND b.device_id = i.device_id
GROUP BY 1
""").bindparams(bindparam("scopes", type_=JSONB))


@dataclass(frozen=True, slots=True)
class Changed:
    """Devices that joined and left since the occurrence before, which had `before`."""

    joined: int
    left: int
    before: int

    @property
    def devices(self) -> int:
        return self.joined + self.left

    @property
    def percent(self) -> float:
        return 100 * self.devices / self.before if self.before else 0.0


async def changes(tx: AsyncConnection, scopes: Mapping[int, Sequence[int] | None], now: datetime) -> dict[int, Changed]:
    """For each job (with the sites left to it) how its devices now differ from its last occurrence's. One statement for all."""
    if not scopes:
        return {}
    given = [{"job_id": job_id, "site_ids": None if ids is None else list(ids)} for job_id, ids in scopes.items()]
    rows = await tx.execute(_CHANGES, {"job_ids": list(scopes), "scopes": given, "now": now})
    return {row.job_id: Changed(row.joined, row.gone, row.before) for row in rows}


async def surprising(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> dict[uuid.UUID, str]:
    """Of what the schedule opens, the occurrences that a person shall look at first, each with a sentence. Nothing is asked of the
    database where no job wants that.
    """
    guarded = [one for one in openings if one.kind == "schedule" and _limits(one) != (None, None)]
    found = await changes(tx, {one.job_id: one.allowed_site_ids for one in guarded}, now)
    return {
        one.id: _surprise(found[one.job_id])
        for one in guarded
        if one.job_id in found and _is_exceeded(one, found[one.job_id])
    }


def _limits(one: Opening) -> tuple[int | None, int | None]:
    return one.max_change_devices, one.max_change_percent


def _is_exceeded(one: Opening, changed: Changed) -> bool:
    """Whoever has never run has nothing to be compared with."""
    most, percent = _limits(one)
    is_many = most is not None and changed.devices > most
    return bool(changed.before) and (is_many or (percent is not None and changed.percent > percent))


def _surprise(changed: Changed) -> str:
    return (
        f"Its devices differ from those of the occurrence before by more than the job allows: {changed.joined} joined,"
        f" {changed.left} left, of {changed.before}."
    )

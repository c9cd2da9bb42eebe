"""Who goes first in an occurrence that opens: marked once, with its targets just frozen, and never asked again.

Who cannot be told never widens anything: such an occurrence does not start, nor does one without a canary whose job asks for one.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import OccurrenceReason, SkipReason
from watchbill.jobs.aiming import FAULT
from watchbill.runs.to_open import Opening

# The mark is `is_paced`, which every pending target of these occurrences has in the end.
_MARK = text(f"""
WITH given AS (
  SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:job_ids AS bigint[]), CAST(:tags AS text[])) AS g(id, job_id, tag)
), named AS (
  SELECT g.id, c.device_id, c.filter_id FROM given g JOIN job_canaries c ON c.job_id = g.job_id
), hit AS MATERIALIZED (
  SELECT n.filter_id, m.device_id FROM (SELECT DISTINCT filter_id FROM named WHERE filter_id IS NOT NULL) n
  CROSS JOIN LATERAL filter_members(n.filter_id, CAST(:now AS timestamptz)) AS m(device_id)
), broken AS (
  SELECT a.id, string_agg(DISTINCT {FAULT}, ', ') AS why
  FROM named a JOIN hit h ON h.filter_id = a.filter_id AND h.device_id IS NULL LEFT JOIN device_filters f ON f.id = a.filter_id
  GROUP BY a.id
), canary AS (
  SELECT g.id, t.device_id FROM given g JOIN device_tags t ON t.tag = g.tag
  UNION SELECT id, device_id FROM named WHERE device_id IS NOT NULL
  UNION SELECT n.id, h.device_id FROM named n JOIN hit h ON h.filter_id = n.filter_id
), marked AS (
  UPDATE run_targets t SET is_paced = true FROM canary c
  WHERE t.occurrence_id = c.id AND t.device_id = c.device_id AND t.state = 'pending'
  RETURNING t.occurrence_id
)
SELECT g.id, b.why, (SELECT count(*) FROM marked m WHERE m.occurrence_id = g.id)::integer AS canaries
FROM given g LEFT JOIN broken b ON b.id = g.id
""")
_LEAVE_OUT = text("""
UPDATE run_targets SET state = 'skipped', reason = :reason, is_paced = false, deadline_at = NULL, finished_at = :now
WHERE occurrence_id = ANY(:ids) AND state = 'pending'
""")
_FORGET = text("DELETE FROM occurrence_counts WHERE occurrence_id = ANY(:ids)")
_COUNT = text("""
INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
SELECT occurrence_id, site_id, wave, state, count(*) FROM run_targets WHERE occurrence_id = ANY(:ids)
GROUP BY occurrence_id, site_id, wave, state
""")

_NONE: Final = "None of the devices that would run is a canary, and the job does not start without one."


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Why an occurrence does not start."""

    reason: OccurrenceReason
    detail: str


async def choose(tx: AsyncConnection, openings: Sequence[Opening], now: datetime) -> Mapping[uuid.UUID, NotStarted]:
    """Mark the canaries among the frozen targets; returns which of the occurrences do not start, and leaves their targets out.

    Devices that a person chose (a rerun of some) need no canary among them.
    """
    asking = {one.id: (one, plan.canary) for one in openings if (plan := one.waves_plan) is not None and plan.canary}
    if not asking:
        return {}
    given = {
        "ids": list(asking),
        "job_ids": [one.job_id for one, _ in asking.values()],
        "tags": [canary.tag for _, canary in asking.values()],
    }
    refused = {}
    for row in await tx.execute(_MARK, {**given, "now": now}):
        one, canary = asking[row.id]
        if row.why is not None:
            what = f"It cannot be told who the canaries are: the filter {row.why}."
            refused[row.id] = NotStarted(OccurrenceReason.TARGETS_UNKNOWN, what)
        elif not row.canaries and canary.if_none == "refuse" and one.device_ids is None:
            refused[row.id] = NotStarted(OccurrenceReason.NO_CANARIES, _NONE)
    if refused:
        await tx.execute(_LEAVE_OUT, {"ids": list(refused), "reason": SkipReason.NO_CANARIES, "now": now})
        await count_anew(tx, list(refused))
    return refused


async def count_anew(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> None:
    """The counters of occurrences whose targets were frozen in this transaction, from the targets themselves."""
    await tx.execute(_FORGET, {"ids": list(occurrence_ids)})
    await tx.execute(_COUNT, {"ids": list(occurrence_ids)})

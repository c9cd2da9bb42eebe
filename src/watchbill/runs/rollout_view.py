"""Reading: how far the waves of occurrences are, why they stand still, and until when."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.waves import Phase

_ROLLOUTS = text("""
SELECT r.occurrence_id, r.run_id, r.phase, r.wave, CASE WHEN r.plan IS NOT NULL THEN r.waves END AS waves, r.concurrency,
  r.site_concurrency, r.soak_until_at, r.braked_at, o.username AS braked_by, r.brake_detail
FROM rollouts r LEFT JOIN operators o ON o.id = r.braked_by WHERE r.occurrence_id = ANY(:ids)
  -- A playbook goes by these rows in any case; it is told of where there is something to tell.
  AND (r.plan IS NOT NULL OR r.concurrency IS NOT NULL OR r.site_concurrency IS NOT NULL OR r.braked_at IS NOT NULL)
""")
# Asked apart, for the few that wait: a statement that names the partitions of all weeks takes longer to plan than all others to run.
_PATIENCE = text("""
SELECT t.run_id, min(t.expires_at) AS until FROM run_targets t
WHERE t.run_id = ANY(:runs) AND t.is_paced AND t.released_at IS NULL AND t.deadline_at IS NOT NULL GROUP BY t.run_id
""")


@dataclass(frozen=True, slots=True)
class RolloutView:
    """`waves` None = only limited. `wave` is the last that has begun. `until`: how long it waits for what `sentence` says."""

    phase: str
    wave: int
    waves: int | None
    concurrency: int | None
    site_concurrency: int | None
    until: datetime | None
    braked_at: datetime | None
    braked_by: str | None
    sentence: str


async def rollouts_of(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, RolloutView]:
    """Of those occurrences that go in waves or with a limit."""
    rows = (await tx.execute(_ROLLOUTS, {"ids": list(occurrence_ids)})).all()
    patience = await _patience(tx, [row.run_id for row in rows if row.phase == Phase.AWAITING])
    return {
        row.occurrence_id: RolloutView(
            phase=row.phase,
            wave=row.wave,
            waves=row.waves,
            concurrency=row.concurrency,
            site_concurrency=row.site_concurrency,
            until=row.soak_until_at if row.phase == Phase.SOAKING else patience.get(row.run_id),
            braked_at=row.braked_at,
            braked_by=row.braked_by,
            sentence=_sentence(Phase(row.phase), row.wave, row.waves, row.brake_detail),
        )
        for row in rows
    }


async def _patience(tx: AsyncConnection, run_ids: Sequence[int]) -> dict[int, datetime]:
    """Until when the devices of each of these runs wait for their wave."""
    if not run_ids:
        return {}
    found = await tx.execute(_PATIENCE, {"runs": list(run_ids)})
    return {row.run_id: row.until for row in found}


def _sentence(phase: Phase, wave: int, waves: int | None, brake: str | None) -> str:
    number = f"wave {wave} of {waves}" if waves is not None else "it"
    if brake is not None:
        return f"The brake is on. {brake}"
    match phase:
        case Phase.SOAKING:
            return f"After {number} it soaks before the next wave."
        case Phase.AWAITING:
            return f"After {number} it waits for a person to promote the next wave."
        case Phase.ENDED:
            return f"Ended in {number}." if waves is not None else "Ended."
        case _:
            return f"{number[0].upper()}{number[1:]} is under way."

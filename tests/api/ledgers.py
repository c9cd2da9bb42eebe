"""Occurrences of a job written straight into its ledger: a past that would take days to live through."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import text

from watchbill.kit.db import Database

_INSERT = text("""
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, reason, outcome, job_revision, range_end_at,
  range_count, created_at, opened_at, closed_at)
VALUES (:id, :job_id, :kind, :at, :request, :state, :reason, :outcome, 1, :range_end_at, :range_count, :at,
  CASE WHEN :state IN ('open', 'closed') THEN CAST(:at AS timestamptz) END,
  CASE WHEN :state NOT IN ('open', 'held') THEN CAST(:at AS timestamptz) END)
""")
_COUNT = text(
    "INSERT INTO occurrence_counts (occurrence_id, site_id, state, number) VALUES (:id, :site, :state, :number)"
)


async def occurred(
    db: Database, job_id: int, at: datetime, outcome: str | None = "success", *, kind: str = "schedule", **more: Any
) -> uuid.UUID:
    """One occurrence; `counts`: {(site, state): number}."""
    made = uuid.uuid4()
    values = {"reason": None, "range_end_at": None, "range_count": 1, "state": "closed" if outcome else "open", **more}
    counts = values.pop("counts", {})
    request = "" if kind == "schedule" else made.hex
    async with db.begin() as tx:
        row = {"id": made, "job_id": job_id, "kind": kind, "at": at, "request": request, "outcome": outcome, **values}
        await tx.execute(_INSERT, row)
        for (site, state), number in counts.items():
            await tx.execute(_COUNT, {"id": made, "site": site, "state": state, "number": number})
    return made

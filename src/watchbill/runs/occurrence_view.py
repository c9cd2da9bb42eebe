"""Reading: what a person wants to know of one occurrence beside its row: what became of it in a sentence, who began it, how long such a one takes."""

import uuid
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import SiteScope
from watchbill.runs.history import Occurrence
from watchbill.runs.ledger import sentence_of

# Of the last twenty that went well; of fewer than three nothing is usual.
_AROUND = text("""
SELECT (SELECT username FROM operators WHERE id = :started_by) AS started_by_name, (
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY u.seconds) FROM (
    SELECT extract(epoch FROM p.closed_at - p.opened_at)::float8 AS seconds FROM occurrences p
    WHERE p.job_id = :job AND p.state = 'closed' AND p.outcome IN ('success', 'warning') AND p.opened_at IS NOT NULL AND p.id <> :id
    ORDER BY p.closed_at DESC, p.id DESC LIMIT 20) u HAVING count(*) >= 3) AS usual_seconds
""")


@dataclass(frozen=True, slots=True)
class AroundIt:
    """`usual_seconds`: the median of the last twenty that went well; None where there are fewer than three."""

    sentence: str
    started_by_name: str | None
    usual_seconds: float | None


async def around_it(tx: AsyncConnection, scope: SiteScope, one: Occurrence) -> AroundIt:
    asked: dict[str, uuid.UUID | int | None] = {"id": one.id, "job": one.job_id, "started_by": one.started_by}
    row = (await tx.execute(_AROUND, asked)).one()
    return AroundIt(await sentence_of(tx, scope, one.id), row.started_by_name, row.usual_seconds)

"""Secrets of runs under way, sealed anew under the key that is active. Those of runs that have ended are opened by nobody."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import jobs
from watchbill.kit.secrets import KeyRing

_UNDER_WAY = text("""
SELECT r.id, r.job_id, r.components FROM runs r JOIN occurrences o ON o.id = r.occurrence_id
WHERE o.state = 'open' AND r.components::text LIKE '%"sealed": %' ORDER BY r.id FOR UPDATE OF r
""")
_PUT = text("""
UPDATE runs r SET components = n.components FROM jsonb_to_recordset(:rows) AS n(id bigint, components jsonb) WHERE r.id = n.id
""").bindparams(bindparam("rows", type_=JSONB))


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns in how many runs."""
    rows = []
    for row in await tx.execute(_UNDER_WAY):
        after = [_anew(keys, row.job_id, one) for one in row.components]
        if after != row.components:
            rows.append({"id": row.id, "components": after})
    if rows:
        await tx.execute(_PUT, {"rows": rows})
    return len(rows)


def _anew(keys: KeyRing, job_id: int, one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "variables": jobs.renewed(keys, job_id, one["position"], one["variables"])}

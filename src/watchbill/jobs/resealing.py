"""Secrets of jobs sealed anew under the key that is active: what makes an old key of the ring dispensable.

Revisions never change, and nobody opens what they hold: so the first one after this names a secret that was kept as changed.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.jobs.definition import renewed
from watchbill.kit.secrets import KeyRing

_JOBS = text("""
SELECT id, definition->'components' AS components FROM jobs
WHERE (definition->'components')::text LIKE '%"sealed": %' ORDER BY id FOR UPDATE
""")
# What runs are opened with is a copy of what the job holds.
_PUT = text("""
WITH given AS (
  SELECT * FROM jsonb_to_recordset(:rows) AS n(id bigint, components jsonb)
), copied AS (
  UPDATE job_components c SET variables = x.part->'variables'
  FROM given n, jsonb_array_elements(n.components) WITH ORDINALITY AS x(part, place)
  WHERE c.job_id = n.id AND c.position = x.place - 1
)
UPDATE jobs j SET definition = jsonb_set(j.definition, '{components}', n.components) FROM given n WHERE j.id = n.id
""").bindparams(bindparam("rows", type_=JSONB))


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns in how many jobs."""
    anew = [one for row in await tx.execute(_JOBS) if (one := _anew(keys, row.id, row.components)) is not None]
    if anew:
        await tx.execute(_PUT, {"rows": anew})
    return len(anew)


def _anew(keys: KeyRing, job_id: int, before: list[dict[str, Any]]) -> Mapping[str, object] | None:
    after = [{**one, "variables": renewed(keys, job_id, place, one["variables"])} for place, one in enumerate(before)]
    return None if after == before else {"id": job_id, "components": after}

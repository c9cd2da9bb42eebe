"""Writing many jobs at once: one statement for the rows, one for their revisions, whatever their number. Decides nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.schedule import tzdata_version
from watchbill.jobs.timing import Timing
from watchbill.kit.clock import rfc3339

_TOGGLE = text("""
UPDATE jobs j SET enabled = :enabled, state = a.state, state_reason = a.state_reason, paused_until = a.paused_until,
  mark_at = a.mark_at, next_due_at = a.next_due_at, tzdata_version = :tzdata_version, revision = j.revision + 1,
  definition = jsonb_set(j.definition, '{enabled}', to_jsonb(CAST(:enabled AS boolean))), updated_by = :by, updated_at = :now
FROM jsonb_to_recordset(:rows) AS a(job_id bigint, state text, state_reason text, paused_until timestamptz, mark_at timestamptz,
  next_due_at timestamptz)
WHERE j.id = a.job_id
""").bindparams(bindparam("rows", type_=JSONB))
_TAG = text("""
UPDATE jobs j SET tags = a.tags, revision = j.revision + 1, definition = jsonb_set(j.definition, '{tags}', to_jsonb(a.tags)),
  updated_by = :by, updated_at = :now
FROM jsonb_to_recordset(:rows) AS a(job_id bigint, tags text[]) WHERE j.id = a.job_id
""").bindparams(bindparam("rows", type_=JSONB))
_DELETE = text("""
UPDATE jobs SET deleted_at = :now, next_due_at = NULL, paused_until = NULL, credential_id = NULL, updated_by = :by, updated_at = :now WHERE id = ANY(:ids)
""")
_REVISIONS = text("""
INSERT INTO job_revisions (job_id, revision, definition, changed_by, changed_at)
SELECT id, revision, definition, :by, :now FROM jobs WHERE id = ANY(:ids)
""")


async def toggle(
    tx: AsyncConnection, timings: Mapping[int, Timing], *, enabled: bool, by: int | None, now: datetime
) -> None:
    rows = [
        {
            "job_id": job_id,
            "state": one.state,
            "state_reason": one.state_reason,
            "paused_until": rfc3339(one.paused_until) if one.paused_until else None,
            "mark_at": rfc3339(one.mark_at),
            "next_due_at": rfc3339(one.next_due_at) if one.next_due_at else None,
        }
        for job_id, one in timings.items()
    ]
    values = {"rows": rows, "enabled": enabled, "tzdata_version": tzdata_version(), "by": by, "now": now}
    await tx.execute(_TOGGLE, values)
    await _keep(tx, timings, by, now)


async def tag(tx: AsyncConnection, wanted: Mapping[int, Sequence[str]], *, by: int | None, now: datetime) -> None:
    rows = [{"job_id": job_id, "tags": list(tags)} for job_id, tags in wanted.items()]
    await tx.execute(_TAG, {"rows": rows, "by": by, "now": now})
    await _keep(tx, wanted, by, now)


async def delete(tx: AsyncConnection, job_ids: Sequence[int], *, by: int | None, now: datetime) -> None:
    await tx.execute(_DELETE, {"ids": list(job_ids), "by": by, "now": now})


async def _keep(tx: AsyncConnection, job_ids: Collection[int], by: int | None, now: datetime) -> None:
    await tx.execute(_REVISIONS, {"ids": list(job_ids), "by": by, "now": now})

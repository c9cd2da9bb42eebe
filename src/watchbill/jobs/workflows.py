"""The row in `jobs` that stands for a workflow itself: what its runs belong to that no job launches, and the work of its nodes."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_FIND: Final = text("SELECT id FROM jobs WHERE workflow_id = :workflow AND job_kind = 'workflow'")
# Born deleted: no list, schedule or calendar knows it. Its name is read nowhere but beside what it did on devices.
_MAKE: Final = text("""
INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, tzdata_version, created_at, updated_at,
  deleted_at, workflow_id)
SELECT a.name, 'workflow', 1, '{}', false, 'completed', 'immediately', :now, '', :now, :now, :now, a.id FROM assemblies a WHERE a.id = :workflow
ON CONFLICT (workflow_id) WHERE job_kind = 'workflow' DO NOTHING
""")


async def own_of_workflow(tx: AsyncConnection, workflow_id: UUID, now: datetime) -> int:
    """The id of that row of a workflow, which is made when it is first asked for."""
    found: int | None = (await tx.execute(_FIND, {"workflow": workflow_id})).scalar_one_or_none()
    if found is None:
        await tx.execute(_MAKE, {"workflow": workflow_id, "now": now})
        found = (await tx.execute(_FIND, {"workflow": workflow_id})).scalar_one()
    return found

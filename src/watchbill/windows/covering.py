"""What the scheduler and the gateways ask: the enabled windows, and which of them cover a job or one of its devices.

Only reads. Whether a window is open is decided in `core.windows`.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.window_spans import read_spans
from watchbill.core.windows import Window, WindowSet

# A window without attachments covers nothing, and its spans need not travel.
_LOAD = text("""
SELECT w.id, w.name, w.kind, w.spans::text AS spans, w.zone_source, w.when_closed, w.cutoff_seconds, w.stop_at_end
FROM windows w
WHERE w.enabled AND w.deleted_at IS NULL AND EXISTS (SELECT FROM window_attachments a WHERE a.window_id = w.id)
""")

_VERSION = text("SELECT coalesce(sum(revision), 0) + count(deleted_at) FROM windows")

# A window reaches no further than the sites of whoever saved it. `is_for_all`: it says the same of every device of the job.
# Maintenance windows add up, so those of the whole job decide for the whole job only where none is for some devices
# alone. Blackouts need no such care: each of them closes.
_COVERING_JOBS = text("""
WITH live AS MATERIALIZED (
  SELECT a.window_id, a.kind AS attached, a.site_id, a.device_id, a.job_id, w.kind, w.zone_source, w.allowed_site_ids
  FROM windows w JOIN window_attachments a ON a.window_id = w.id
  WHERE w.enabled AND w.deleted_at IS NULL
), whole AS MATERIALIZED (
  SELECT j.job_id, v.window_id, v.kind, v.zone_source = 'fixed' AND (v.allowed_site_ids IS NULL OR NOT EXISTS (
      SELECT FROM job_targets t JOIN devices d ON d.id = t.device_id
      WHERE t.job_id = j.job_id AND NOT t.is_exclusion AND (d.site_id = ANY(v.allowed_site_ids)) IS NOT TRUE
    )) AS is_for_all
  FROM unnest(CAST(:job_ids AS bigint[])) AS j(job_id)
  JOIN live v ON v.attached = 'global' OR (v.attached = 'job' AND v.job_id = j.job_id)
)
SELECT DISTINCT c.job_id, c.window_id FROM whole c
WHERE c.is_for_all AND (c.kind = 'deny' OR (
  NOT EXISTS (SELECT FROM whole o WHERE o.job_id = c.job_id AND o.kind = 'allow' AND NOT o.is_for_all)
  AND NOT EXISTS (
    SELECT FROM live v JOIN job_targets t ON t.job_id = c.job_id AND NOT t.is_exclusion JOIN devices d ON d.id = t.device_id
    WHERE v.kind = 'allow' AND (v.site_id = d.site_id OR v.device_id = d.id)
  )))
""")

# One branch for each kind of attachment, so that each is answered by its own index however many there are.
_COVERING_DEVICES = text("""
WITH pairs AS MATERIALIZED (
  SELECT p.place, p.job_id, p.device_id, d.site_id
  FROM unnest(CAST(:job_ids AS bigint[]), CAST(:device_ids AS uuid[])) WITH ORDINALITY AS p(job_id, device_id, place)
  LEFT JOIN devices d ON d.id = p.device_id
)
SELECT c.place, c.window_id FROM (
  SELECT p.place, p.site_id, a.window_id FROM pairs p CROSS JOIN window_attachments a WHERE a.kind = 'global'
  UNION SELECT p.place, p.site_id, a.window_id FROM pairs p JOIN window_attachments a ON a.job_id = p.job_id
  UNION SELECT p.place, p.site_id, a.window_id FROM pairs p JOIN window_attachments a ON a.device_id = p.device_id
  UNION SELECT p.place, p.site_id, a.window_id FROM pairs p JOIN window_attachments a ON a.site_id = p.site_id
) c JOIN windows w ON w.id = c.window_id AND w.enabled AND w.deleted_at IS NULL
WHERE w.allowed_site_ids IS NULL OR c.site_id = ANY(w.allowed_site_ids)
""")


async def version(tx: AsyncConnection) -> int:
    """A number that grows with every change to any window."""
    found: int = (await tx.execute(_VERSION)).scalar_one()
    return found


async def load(tx: AsyncConnection) -> WindowSet:
    """All enabled windows that are attached to something."""
    return WindowSet(
        Window(
            id=row.id,
            name=row.name,
            kind=row.kind,
            spans=read_spans(row.spans, follows_site=row.zone_source == "site"),
            when_closed=row.when_closed,
            cutoff=timedelta(seconds=row.cutoff_seconds),
            stop_at_end=row.stop_at_end,
        )
        for row in await tx.execute(_LOAD)
    )


async def covering_jobs(tx: AsyncConnection, job_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """For each job the enabled windows that decide for all its devices alike, at whatever site they are.

    What holds for some of its devices only is left to the dispatch.
    """
    found: dict[int, set[int]] = {job_id: set() for job_id in job_ids}
    for row in await tx.execute(_COVERING_JOBS, {"job_ids": list(found)}) if found else ():
        found[row.job_id].add(row.window_id)
    return {job_id: frozenset(ids) for job_id, ids in found.items()}


async def covering_devices(
    tx: AsyncConnection, pairs: Collection[tuple[int, UUID]]
) -> dict[tuple[int, UUID], frozenset[int]]:
    """For each (job, device) the enabled windows that cover it by any attachment."""
    wanted = list(dict.fromkeys(pairs))
    found: dict[tuple[int, UUID], set[int]] = {pair: set() for pair in wanted}
    columns = {"job_ids": [job_id for job_id, _ in wanted], "device_ids": [device_id for _, device_id in wanted]}
    for row in await tx.execute(_COVERING_DEVICES, columns) if wanted else ():
        found[wanted[row.place - 1]].add(row.window_id)
    return {pair: frozenset(ids) for pair, ids in found.items()}

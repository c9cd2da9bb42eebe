"""Which clocks jobs that follow their targets go by: the zones that devices and sites are in."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.schedule import Schedule
from watchbill.core.zones import zone_names
from watchbill.jobs.aiming import MEMBERS

# Zones are few and devices many: each step of the recursion finds the next zone in the index.
_IN_USE = text("""
WITH RECURSIVE zones AS (
  (SELECT timezone FROM devices WHERE timezone IS NOT NULL ORDER BY timezone LIMIT 1)
  UNION ALL
  SELECT (SELECT d.timezone FROM devices d WHERE d.timezone > z.timezone ORDER BY d.timezone LIMIT 1) FROM zones z
  WHERE z.timezone IS NOT NULL
)
SELECT timezone FROM zones WHERE timezone IS NOT NULL UNION SELECT timezone FROM sites
""")
_OF_TARGETS = text(f"""
WITH {MEMBERS}
SELECT DISTINCT j.id, coalesce(CASE j.zone_source WHEN 'device' THEN d.timezone END, s.timezone) AS zone
FROM member m
JOIN jobs j ON j.id = m.job_id AND j.zone_source <> 'fixed'
JOIN devices d ON d.id = m.device_id
LEFT JOIN sites s ON s.id = d.site_id
""")


async def zones_in_use(tx: AsyncConnection) -> frozenset[str]:
    """Every zone that a device or a site is in, and UTC. Those that the zone rules do not know are left out."""
    found = (await tx.execute(_IN_USE)).scalars()
    return frozenset({"UTC", *found}) & zone_names()


async def zones_for(tx: AsyncConnection, schedule: Schedule | None) -> frozenset[str]:
    """The zones that one schedule's due times depend on: none unless it follows them."""
    return await zones_in_use(tx) if schedule is not None and schedule.is_following else frozenset()


async def zones_of_targets(tx: AsyncConnection, job_ids: Collection[int], now: datetime) -> dict[int, frozenset[str]]:
    """By job, the zones that its own targets are in, for those of these jobs that follow zones. What the rules do not know is UTC."""
    found: dict[int, set[str]] = defaultdict(set)
    if job_ids:
        known = zone_names()
        for row in await tx.execute(_OF_TARGETS, {"job_ids": sorted(job_ids), "now": now}):
            found[row.id].add(row.zone if row.zone in known else "UTC")
    return {job_id: frozenset(zones) for job_id, zones in found.items()}

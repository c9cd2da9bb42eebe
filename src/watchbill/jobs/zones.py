"""Which clocks jobs that follow their targets go by: the zones that devices and sites are in."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.schedule import Schedule
from watchbill.core.zones import zone_names

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


async def zones_in_use(tx: AsyncConnection) -> frozenset[str]:
    """Every zone that a device or a site is in, and UTC. Those that the zone rules do not know are left out."""
    found = (await tx.execute(_IN_USE)).scalars()
    return frozenset({"UTC", *found}) & zone_names()


async def zones_for(tx: AsyncConnection, schedule: Schedule | None) -> frozenset[str]:
    """The zones that one schedule's due times depend on: none unless it follows them."""
    return await zones_in_use(tx) if schedule is not None and schedule.is_following else frozenset()

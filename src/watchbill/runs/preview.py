"""Whom a job would reach if it fell due now: the resolver of the freeze itself, counted instead of kept."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity.actor import SiteScope
from watchbill.jobs import Outlook, Who
from watchbill.runs.resolving import COUNTED_ONLY, NO_WAVES, RESOLVE

_COUNT = text(f"""
WITH setting AS (
  SELECT CAST(:id AS uuid) AS id, CAST(:job_id AS bigint) AS job_id, CAST(:allowed AS bigint[]) AS allowed_site_ids,
    CAST(:interpreter AS text) AS interpreter, CAST(:offline AS text) AS offline, CAST(:overlap AS text) AS overlap,
    CAST(:overlap_scope AS text) AS overlap_scope, {COUNTED_ONLY}
), spec AS (
  SELECT s.id AS occurrence_id, d.id AS device_id, true AS is_exclusion
  FROM setting s, devices d WHERE d.id = ANY(CAST(:exclusions AS uuid[]))
  UNION ALL
  SELECT s.id, d.id, false FROM setting s, devices d WHERE d.id = ANY(CAST(:targets AS uuid[]))
), wave AS (
  {NO_WAVES}
), {RESOLVE}
SELECT reason, is_online, count(*) AS number FROM resolved
WHERE CAST(:sites AS bigint[]) IS NULL OR site_id = ANY(:sites)
GROUP BY reason, is_online
""")


@dataclass(frozen=True, slots=True)
class TargetCounts:
    """Devices in the reader's sites: those that would run, by whether they are connected, and those left out by reason."""

    online: int = 0
    offline: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen, when, to whom, and what stands against it."""

    outlook: Outlook
    targets: TargetCounts
    problems: Sequence[Problem]


async def preview(tx: AsyncConnection, scope: SiteScope, outlook: Outlook) -> Preview:
    """Add to an outlook whom the job would reach now."""
    counts = await _count(tx, scope, outlook.who)
    problems = list(outlook.problems)
    if outlook.who.job_id is not None and not counts.online + counts.offline:
        problems.append(Problem("targets", "no_eligible_targets", "hold no device that would run it now"))
    return Preview(outlook, counts, problems)


async def _count(tx: AsyncConnection, scope: SiteScope, who: Who) -> TargetCounts:
    values = {
        "id": uuid.uuid4(),
        "job_id": who.job_id,
        "allowed": None if who.allowed_site_ids is None else list(who.allowed_site_ids),
        "interpreter": who.interpreter,
        "offline": who.offline,
        "overlap": who.overlap,
        "overlap_scope": "device",
        "known_zones": [],
        "targets": list(who.targets),
        "exclusions": list(who.exclusions),
        "sites": scope.as_list(),
    }
    online = offline = 0
    left_out: dict[str, int] = {}
    for row in await tx.execute(_COUNT, values):
        if row.reason is not None:
            left_out[row.reason] = left_out.get(row.reason, 0) + row.number
        elif row.is_online:
            online += row.number
        else:
            offline += row.number
    return TargetCounts(online, offline, left_out)

"""What the scheduler and the gateways ask: the enabled windows, and which of them cover a job or one of its devices.

Only reads. Whether a window is open is decided in `core.windows`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.window_spans import read_spans
from watchbill.core.windows import Window, WindowSet
from watchbill.identity.actor import SiteScope
from watchbill.jobs.aiming import MEMBERS

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
      SELECT FROM job_reach r WHERE r.job_id = j.job_id AND NOT r.site_id = ANY(v.allowed_site_ids)
    )) AS is_for_all
  FROM unnest(CAST(:job_ids AS bigint[])) AS j(job_id)
  JOIN live v ON v.attached = 'global' OR (v.attached = 'job' AND v.job_id = j.job_id)
)
SELECT DISTINCT c.job_id, c.window_id FROM whole c
WHERE c.is_for_all AND (c.kind = 'deny' OR (
  NOT EXISTS (SELECT FROM whole o WHERE o.job_id = c.job_id AND o.kind = 'allow' AND NOT o.is_for_all)
  AND NOT EXISTS (SELECT FROM live v JOIN job_reach r ON r.job_id = c.job_id AND r.site_id = v.site_id WHERE v.kind = 'allow')
  AND NOT EXISTS (
    -- Which of its devices a filter finds is known when they are handed out.
    SELECT FROM live v JOIN job_reach r ON r.job_id = c.job_id AND (v.allowed_site_ids IS NULL OR r.site_id = ANY(v.allowed_site_ids))
    WHERE v.attached = 'filter' AND v.kind = 'allow'
  )
  AND NOT EXISTS (
    -- A rule may find the device wherever it looks.
    SELECT FROM live v JOIN devices d ON d.id = v.device_id JOIN job_targets t ON t.job_id = c.job_id AND NOT t.is_exclusion
    WHERE v.kind = 'allow' AND (t.device_id = d.id OR (t.device_id IS NULL
      AND EXISTS (SELECT FROM job_reach r WHERE r.job_id = c.job_id AND r.site_id = coalesce(d.site_id, 0))))
  )))
""")

# CTEs: the windows on filters, with the devices that each filter finds. Each filter is asked once. One that cannot be told (a row without
# a device) may find anything: a blackout covers every device then, and a maintenance window lets none start, which its negative id says.
_FILTERS: Final = """asked AS MATERIALIZED (
  SELECT a.window_id, a.filter_id, w.kind, w.allowed_site_ids FROM window_attachments a JOIN windows w ON w.id = a.window_id
  WHERE a.filter_id IS NOT NULL AND w.enabled AND w.deleted_at IS NULL
), told AS MATERIALIZED (
  SELECT f.filter_id, m.device_id FROM (SELECT DISTINCT filter_id FROM asked) f
  CROSS JOIN LATERAL filter_members(f.filter_id, CAST(:now AS timestamptz), {among}) AS m(device_id)
), by_filter AS (
  SELECT DISTINCT a.window_id, t.device_id, a.allowed_site_ids FROM asked a JOIN told t ON t.filter_id = a.filter_id
  WHERE t.device_id IS NOT NULL
), untold AS (
  SELECT DISTINCT CASE a.kind WHEN 'deny' THEN a.window_id ELSE -a.window_id END AS window_id, a.allowed_site_ids
  FROM asked a JOIN told t ON t.filter_id = a.filter_id WHERE t.device_id IS NULL
)"""

# One branch for each kind of attachment, so that each is answered by its own index however many there are.
_COVERING_DEVICES = text(f"""
WITH pairs AS MATERIALIZED (
  SELECT p.place, p.job_id, p.device_id, d.site_id
  FROM unnest(CAST(:job_ids AS bigint[]), CAST(:device_ids AS uuid[])) WITH ORDINALITY AS p(job_id, device_id, place)
  LEFT JOIN devices d ON d.id = p.device_id
), {_FILTERS.format(among="(SELECT array_agg(DISTINCT device_id) FROM pairs HAVING count(*) <= 1000)")}
SELECT c.place, c.window_id FROM (
  SELECT p.place, p.site_id, a.window_id FROM pairs p CROSS JOIN window_attachments a WHERE a.kind = 'global'
  UNION SELECT p.place, p.site_id, a.window_id FROM pairs p JOIN window_attachments a ON a.job_id = p.job_id
  UNION SELECT p.place, p.site_id, a.window_id FROM pairs p JOIN window_attachments a ON a.device_id = p.device_id
  UNION SELECT p.place, p.site_id, a.window_id FROM pairs p JOIN window_attachments a ON a.site_id = p.site_id
  UNION SELECT p.place, p.site_id, b.window_id FROM pairs p JOIN by_filter b ON b.device_id = p.device_id
  UNION SELECT p.place, p.site_id, b.window_id FROM pairs p CROSS JOIN untold b
) c JOIN windows w ON w.id = abs(c.window_id) AND w.enabled AND w.deleted_at IS NULL
WHERE w.allowed_site_ids IS NULL OR c.site_id = ANY(w.allowed_site_ids)
""")

# The devices of jobs, counted by what tells them apart: a site has the same windows for all, few devices have their own.
_PLACED = text(f"""
WITH {MEMBERS}, target AS MATERIALIZED (
  SELECT m.job_id, m.device_id, d.site_id, coalesce(x.timezone, 'UTC') AS site_zone,
    coalesce(CASE j.zone_source WHEN 'device' THEN d.timezone END, x.timezone, 'UTC') AS zone
  FROM member m JOIN jobs j ON j.id = m.job_id JOIN devices d ON d.id = m.device_id LEFT JOIN sites x ON x.id = d.site_id
  WHERE CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites)
), {_FILTERS.format(among="NULL")}, own AS (
  SELECT c.job_id, c.device_id, array_agg(DISTINCT c.window_id ORDER BY c.window_id) AS window_ids FROM (
    SELECT t.job_id, t.device_id, t.site_id, w.id AS window_id, w.allowed_site_ids
    FROM target t JOIN window_attachments a ON a.device_id = t.device_id
    JOIN windows w ON w.id = a.window_id AND w.enabled AND w.deleted_at IS NULL
    UNION ALL SELECT t.job_id, t.device_id, t.site_id, b.window_id, b.allowed_site_ids
    FROM target t JOIN by_filter b ON b.device_id = t.device_id
    UNION ALL SELECT t.job_id, t.device_id, t.site_id, b.window_id, b.allowed_site_ids FROM target t CROSS JOIN untold b
  ) c
  WHERE c.allowed_site_ids IS NULL OR c.site_id = ANY(c.allowed_site_ids)
  GROUP BY c.job_id, c.device_id
)
SELECT t.job_id, t.site_id, t.site_zone, t.zone, coalesce(o.window_ids, '{{}}') AS own, count(*) AS devices
FROM target t LEFT JOIN own o ON o.job_id = t.job_id AND o.device_id = t.device_id
GROUP BY t.job_id, t.site_id, t.site_zone, t.zone, o.window_ids
""")
_ATTACHED = text("""
SELECT a.kind, a.site_id, a.job_id, w.id, w.allowed_site_ids
FROM windows w JOIN window_attachments a ON a.window_id = w.id
WHERE w.enabled AND w.deleted_at IS NULL
  AND (a.kind = 'global' OR a.job_id = ANY(CAST(:job_ids AS bigint[])) OR a.site_id = ANY(CAST(:site_ids AS bigint[])))
""")


class Alike(NamedTuple):
    """Devices of a job for which the same windows hold on the same clocks. `zone` is the one whose clocks the job follows."""

    window_ids: frozenset[int]
    site_zone: str
    zone: str


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
    tx: AsyncConnection, pairs: Collection[tuple[int, UUID]], now: datetime
) -> dict[tuple[int, UUID], frozenset[int]]:
    """For each (job, device) the enabled windows that cover it by any attachment, by filters as of `now`."""
    wanted = list(dict.fromkeys(pairs))
    found: dict[tuple[int, UUID], set[int]] = {pair: set() for pair in wanted}
    columns = {"job_ids": [job_id for job_id, _ in wanted], "device_ids": [device_id for _, device_id in wanted]}
    for row in await tx.execute(_COVERING_DEVICES, {**columns, "now": now}) if wanted else ():
        found[wanted[row.place - 1]].add(row.window_id)
    return {pair: frozenset(ids) for pair, ids in found.items()}


async def covering_targets(
    tx: AsyncConnection, scope: SiteScope, job_ids: Collection[int], now: datetime
) -> dict[int, Counter[Alike]]:
    """For each job the devices that it runs on in these sites, counted by the windows that cover them. Two statements for all."""
    wanted = sorted(job_ids)
    found: dict[int, Counter[Alike]] = {job_id: Counter() for job_id in wanted}
    if not wanted:
        return found
    rows = (await tx.execute(_PLACED, {"job_ids": wanted, "sites": scope.as_list(), "now": now})).all()
    sites = sorted({row.site_id for row in rows if row.site_id is not None})
    attached = _Attached.of((await tx.execute(_ATTACHED, {"job_ids": wanted, "site_ids": sites})).all())
    for row in rows:
        covering = attached.of_site(row.job_id, row.site_id) | frozenset(row.own)
        found[row.job_id][Alike(covering, row.site_zone, row.zone)] += row.devices
    return found


@dataclass(frozen=True, slots=True)
class _Attached:
    """Windows by what they are attached to; each with the sites that it reaches, None = all."""

    everywhere: Mapping[int, Collection[int] | None]
    by_job: Mapping[int, Mapping[int, Collection[int] | None]]
    by_site: Mapping[int, Mapping[int, Collection[int] | None]]
    _known: dict[tuple[int, int | None], frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Row[Any]]) -> "_Attached":
        by_job: dict[int, dict[int, Collection[int] | None]] = defaultdict(dict)
        by_site: dict[int, dict[int, Collection[int] | None]] = defaultdict(dict)
        everywhere: dict[int, Collection[int] | None] = {}
        for row in rows:
            match row.kind:
                case "global":
                    everywhere[row.id] = row.allowed_site_ids
                case "job":
                    by_job[row.job_id][row.id] = row.allowed_site_ids
                case _:
                    by_site[row.site_id][row.id] = row.allowed_site_ids
        return cls(everywhere, by_job, by_site)

    def of_site(self, job_id: int, site_id: int | None) -> frozenset[int]:
        """What covers all devices of a job in one site."""
        place = job_id, site_id
        if place not in self._known:
            sets = (self.everywhere, self.by_job.get(job_id, {}), self.by_site.get(site_id or 0, {}))
            self._known[place] = frozenset(
                window_id
                for one in sets
                for window_id, reach in one.items()
                if reach is None or (site_id is not None and site_id in reach)
            )
        return self._known[place]

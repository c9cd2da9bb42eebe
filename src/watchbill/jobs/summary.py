"""What jobs say of their targets, as one reader may know them: two statements for a page of jobs. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.targets import SeenTargets
from watchbill.filters.visible import IS_SEEN
from watchbill.identity.actor import SiteScope
from watchbill.jobs.values import TargetSummary

#: Of a job that names more devices than these, nobody looks which are online; nor does a list, of each of its jobs.
MOST_LOOKED_AT: Final = 1000
MOST_LISTED: Final = 100

# What its rules are, of each job that has some, and what the reader may know of them (NULL sites = everything). A rule reaches wherever
# the job's scope does, and so does a workflow.
_RULES = text(f"""
SELECT t.job_id,
  coalesce(array_agg(t.filter ORDER BY t.position) FILTER (WHERE t.inside AND NOT t.is_exclusion AND t.filter IS NOT NULL), '{{}}') AS filters,
  coalesce(array_agg(t.site ORDER BY t.position) FILTER (WHERE t.inside AND NOT t.is_exclusion AND t.site IS NOT NULL), '{{}}') AS sites,
  bool_or(t.kind = 'all_devices') AS all_devices,
  bool_or(NOT t.is_exclusion AND NOT (t.inside AND t.reaches_inside)) AS spans,
  bool_or(t.is_exclusion AND NOT t.inside) AS spares,
  array_agg(t.site_id) FILTER (WHERE t.inside AND t.site_id IS NOT NULL) AS seen_sites,
  array_agg(t.filter_id) FILTER (WHERE t.inside AND t.filter_id IS NOT NULL) AS seen_filters
FROM (
  SELECT s.job_id, s.kind, s.position, s.is_exclusion, s.site_id, s.filter_id, f.name AS filter, y.name AS site,
    CAST(:sites AS bigint[]) IS NULL OR s.site_id IS NOT NULL OR (j.allowed_site_ids <@ CAST(:sites AS bigint[])) IS TRUE AS reaches_inside,
    CAST(:sites AS bigint[]) IS NULL OR CASE WHEN s.site_id IS NOT NULL THEN s.site_id = ANY(:sites) WHEN s.kind = 'filter' THEN {IS_SEEN} ELSE true END AS inside
  FROM job_targets s
  JOIN jobs j ON j.id = s.job_id
  LEFT JOIN device_filters f ON f.id = s.filter_id
  LEFT JOIN sites y ON y.id = s.site_id
  WHERE s.job_id = ANY(:ids) AND s.device_id IS NULL
  UNION ALL
  SELECT j.id, 'workflow', 0, false, NULL, NULL, NULL, NULL,
    CAST(:sites AS bigint[]) IS NULL OR (j.allowed_site_ids <@ CAST(:sites AS bigint[])) IS TRUE, true
  FROM jobs j WHERE j.id = ANY(:ids) AND j.workflow_id IS NOT NULL
) t GROUP BY t.job_id
""")
# Who sees every site needs no look at the devices themselves.
_SUMMARY_OF_ALL = text("""
WITH named AS MATERIALIZED (
  SELECT w.job_id,
    (SELECT count(*) FROM job_targets s WHERE s.job_id = w.job_id AND NOT s.is_exclusion)
    - (SELECT count(*) FROM job_targets s WHERE s.job_id = w.job_id AND NOT s.is_exclusion AND s.device_id IS NULL) AS number,
    (SELECT count(*) FROM job_targets x JOIN job_targets s ON s.job_id = x.job_id AND s.device_id = x.device_id AND NOT s.is_exclusion
     WHERE x.job_id = w.job_id AND x.is_exclusion) AS excluded
  FROM unnest(CAST(:ids AS bigint[])) AS w(job_id)
)
SELECT n.job_id, n.number - n.excluded AS devices, n.excluded, false AS spans, false AS spares,
  CASE WHEN n.number <= :most THEN (
    SELECT count(*) FROM job_targets s JOIN device_presence p ON p.device_id = s.device_id AND p.gateway_id IS NOT NULL
    WHERE s.job_id = n.job_id AND NOT s.is_exclusion
      AND NOT EXISTS (SELECT FROM job_targets x WHERE x.job_id = n.job_id AND x.is_exclusion AND x.device_id = s.device_id)) END AS online
FROM named n
""")
# `inside` is what the reader may know of, found by the sites that are kept with the targets. Of devices of other sites only marks are
# left: `spans` (to run on) and `spares` (left out), each at the first one found.
_SUMMARY_OF_SITES = text("""
WITH out AS MATERIALIZED (
  SELECT s.job_id, s.device_id, coalesce(d.site_id = ANY(:sites), false) AS is_inside
  FROM job_targets s JOIN devices d ON d.id = s.device_id WHERE s.job_id = ANY(:ids) AND s.is_exclusion
), inside AS MATERIALIZED (
  SELECT s.job_id, s.device_id, (s.job_id, s.device_id) IN (SELECT job_id, device_id FROM out) AS is_excluded
  FROM job_targets s WHERE s.at_site = ANY(CAST(:sites AS bigint[])) AND s.job_id = ANY(:ids)
), named AS (
  SELECT job_id, count(*) AS number, count(*) FILTER (WHERE is_excluded) AS excluded FROM inside GROUP BY job_id
), online AS (
  SELECT i.job_id, count(*) AS number FROM named n JOIN inside i ON i.job_id = n.job_id AND NOT i.is_excluded
  JOIN device_presence p ON p.device_id = i.device_id AND p.gateway_id IS NOT NULL
  WHERE n.number <= :most GROUP BY i.job_id
)
SELECT w.job_id, coalesce(n.number - n.excluded, 0) AS devices, coalesce(n.excluded, 0) AS excluded,
  CASE WHEN n.number > :most THEN NULL ELSE coalesce(o.number, 0) END AS online,
  EXISTS (SELECT FROM job_targets s
    WHERE s.job_id = w.job_id AND NOT s.is_exclusion AND NOT (s.at_site = ANY(CAST(:sites AS bigint[])))) AS spans,
  EXISTS (SELECT FROM out x WHERE x.job_id = w.job_id AND NOT x.is_inside) AS spares
FROM unnest(CAST(:ids AS bigint[])) AS w(job_id) LEFT JOIN named n ON n.job_id = w.job_id LEFT JOIN online o ON o.job_id = w.job_id
""")
_SEEN_DEVICES = text("""
SELECT s.job_id, s.device_id FROM job_targets s WHERE s.at_site = ANY(CAST(:sites AS bigint[])) AND s.job_id = ANY(:ids)
UNION ALL SELECT s.job_id, s.device_id FROM job_targets s JOIN devices d ON d.id = s.device_id AND d.site_id = ANY(:sites)
WHERE s.job_id = ANY(:ids) AND s.is_exclusion
""")
# Of canaries what the reader may know of; few jobs have some.
_CANARIES = text(f"""
SELECT c.job_id, c.device_id, c.filter_id,
  CASE WHEN c.device_id IS NOT NULL THEN coalesce(d.site_id = ANY(CAST(:sites AS bigint[])), false) ELSE {IS_SEEN} END AS inside
FROM job_canaries c LEFT JOIN devices d ON d.id = c.device_id LEFT JOIN device_filters f ON f.id = c.filter_id
WHERE c.job_id = ANY(:ids)
""")


@dataclass(frozen=True, slots=True)
class Told:
    """The targets of one job. `seen`: those the reader may know of, None = all; of a listed job without its devices."""

    targets: TargetSummary
    spans: bool
    spares: bool
    seen: SeenTargets | None


async def of_jobs(tx: AsyncConnection, scope: SiteScope, job_ids: Sequence[int], *, is_listed: bool) -> dict[int, Told]:
    """Of each of these jobs. A list names no devices: `is_listed` leaves them unread."""
    if not job_ids:
        return {}
    sites = scope.as_list()
    given: dict[str, Any] = {"ids": list(job_ids), "sites": sites}
    statement = _SUMMARY_OF_ALL if sites is None else _SUMMARY_OF_SITES
    most = MOST_LISTED if is_listed else MOST_LOOKED_AT
    named = {row.job_id: row for row in await tx.execute(statement, {**given, "most": most})}
    rules = {row.job_id: row for row in await tx.execute(_RULES, given)}
    if sites is None:
        return {one: _told(named[one], rules.get(one), None) for one in job_ids}
    devices = {} if is_listed else await _seen_devices(tx, given)
    found = {one: _told(named[one], rules.get(one), devices.get(one, frozenset())) for one in job_ids}
    for row in await tx.execute(_CANARIES, given):
        found[row.job_id] = _with_canary(found[row.job_id], row)
    return found


def _with_canary(told: Told, row: Row[Any]) -> Told:
    """A canary that the reader does not see is spared by an edit of theirs, as an exclusion is."""
    seen = told.seen or SeenTargets()
    if not row.inside:
        return replace(told, spares=True)
    if row.device_id is not None:
        return replace(told, seen=replace(seen, devices=seen.devices | {str(row.device_id)}))
    return replace(told, seen=replace(seen, filters=seen.filters | {row.filter_id}))


async def _seen_devices(tx: AsyncConnection, given: dict[str, Any]) -> dict[int, frozenset[str]]:
    found: dict[int, list[str]] = {}
    for job_id, device_id in await tx.execute(_SEEN_DEVICES, given):
        found.setdefault(job_id, []).append(str(device_id))
    return {job_id: frozenset(some) for job_id, some in found.items()}


def _told(named: Row[Any], rules: Row[Any] | None, devices: frozenset[str] | None) -> Told:
    found = {one: getattr(rules, one) for one in ("filters", "sites", "all_devices")} if rules else {}
    return Told(
        TargetSummary(named.devices, named.excluded, named.online, **found),
        spans=named.spans or bool(rules and rules.spans),
        spares=named.spares or bool(rules and rules.spares),
        seen=None if devices is None else _seen(devices, rules),
    )


def _seen(devices: frozenset[str], rules: Row[Any] | None) -> SeenTargets:
    sites, filters = (rules.seen_sites or (), rules.seen_filters or ()) if rules else ((), ())
    return SeenTargets(devices, frozenset(sites), frozenset(filters))

"""Whom a job would reach if it fell due now, and what stands against its next instants: the freeze's resolver and the planner's verdicts.

For whoever renders it: `Preview.instants` takes the place of `Preview.outlook.instants`; nothing else is needed.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import windows
from watchbill.core import schedule as calendar
from watchbill.core.following import wave_start
from watchbill.core.problems import Problem
from watchbill.core.schedule_types import Flag
from watchbill.core.targets import OnboardingScope
from watchbill.core.waves import Canary
from watchbill.identity.actor import SiteScope
from watchbill.jobs import Outlook, Who, target_columns
from watchbill.jobs.aiming import FAULT, SPEC
from watchbill.runs import closed
from watchbill.runs.in_sessions import REASON as NOBODY
from watchbill.runs.membership import Changed, changes
from watchbill.runs.planning import lasting
from watchbill.runs.resolving import COUNTED_ONLY, NO_WAVES, RESOLVE, ZONE
from watchbill.variables import LACKS, LACKS_KEY, LACKS_NAME
from watchbill.windows import Alike, Verdict, WindowSet

#: Targets that need not be saved, as the CTE `aimed`.
_AIMED: Final = """
  SELECT CAST(:id AS uuid) AS aim_id, t.kind, (t.place - 1)::integer AS position, t.is_exclusion, t.device_id, t.filter_id, t.site_id
  FROM unnest(CAST(:kinds AS text[]), CAST(:exclusions AS boolean[]), CAST(:devices AS uuid[]), CAST(:filters AS bigint[]),
    CAST(:places AS bigint[])) WITH ORDINALITY AS t(kind, is_exclusion, device_id, filter_id, site_id, place)"""

_COUNT = text(f"""
WITH setting AS (
  SELECT CAST(:id AS uuid) AS id, CAST(:job_id AS bigint) AS job_id, CAST(:allowed AS bigint[]) AS allowed_site_ids,
    CAST(:reach AS bigint[]) AS reach_site_ids, CAST(:interpreters AS text[]) AS interpreters, CAST(:offline AS text) AS offline,
    CAST(:context AS text) AS execution_context,
    {COUNTED_ONLY}
), aimed AS ({_AIMED}
), first AS MATERIALIZED (
  SELECT f.id AS filter_id, m.device_id FROM unnest(CAST(:canary_filters AS bigint[])) AS f(id)
  CROSS JOIN LATERAL filter_members(f.id, CAST(:now AS timestamptz)) AS m(device_id)
), {SPEC}, wave AS (
  {NO_WAVES}
), {RESOLVE}, judged AS (
  SELECT coalesce(r.reason, CASE WHEN {LACKS_KEY} OR {LACKS} THEN 'preflight_failed' END,
      CASE WHEN CAST(:nobody AS text) = 'skip' AND n.is_empty THEN '{NOBODY}' END) AS reason, r.is_online, r.device_id,
    coalesce(n.is_empty AND CAST(:nobody AS text) = 'wait', false) AS is_unattended,
    EXISTS (SELECT FROM device_tags g WHERE g.device_id = r.device_id AND g.tag = CAST(:canary_tag AS text))
      OR r.device_id = ANY(CAST(:canary_devices AS uuid[]))
      OR r.device_id IN (SELECT device_id FROM first WHERE device_id IS NOT NULL) AS is_canary
  FROM resolved r JOIN devices d ON d.id = r.device_id
  CROSS JOIN LATERAL (SELECT CAST(:nobody AS text) IS NOT NULL
    AND NOT EXISTS (SELECT FROM device_sessions u WHERE u.device_id = r.device_id) AS is_empty) n
  WHERE CAST(:sites AS bigint[]) IS NULL OR r.site_id = ANY(:sites)
)
SELECT reason, is_online, count(*) AS number, CAST(NULL AS text) AS why, CAST(NULL AS text) AS lacking,
  count(*) FILTER (WHERE is_canary) AS canaries, count(*) FILTER (WHERE is_unattended AND reason IS NULL) AS unattended,
  CAST(NULL AS text) AS canary_fault FROM judged
GROUP BY reason, is_online
UNION ALL SELECT NULL, false, 0, why, NULL, 0, 0, NULL FROM broken
UNION ALL SELECT NULL, false, 0, NULL, NULL, 0, 0, {FAULT}
FROM first a LEFT JOIN device_filters f ON f.id = a.filter_id WHERE a.device_id IS NULL
UNION ALL
SELECT NULL, false, count(*), NULL, n.name, 0, 0, NULL
FROM judged j JOIN devices d ON d.id = j.device_id CROSS JOIN unnest(CAST(:needed AS text[])) AS n(name)
WHERE j.reason = 'preflight_failed' AND {LACKS_NAME} GROUP BY n.name
""")

_PLACED = text(f"""
WITH aimed AS ({_AIMED}
), {SPEC}, member AS (
  SELECT device_id, bool_or(is_named) AS is_named FROM spec GROUP BY device_id HAVING NOT bool_or(is_exclusion)
)
SELECT d.id, coalesce(x.timezone, 'UTC') AS site_zone, {ZONE} AS zone
FROM (SELECT CAST(:zone_source AS text) AS zone_source) s, member m
JOIN devices d ON d.id = m.device_id LEFT JOIN sites x ON x.id = d.site_id
WHERE (CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites))
  AND (m.is_named OR CAST(:reach AS bigint[]) IS NULL OR d.site_id = ANY(:reach))
""")

_CANARY: Final = "policies.waves.canary"
#: No job has this number: only what covers every job, or the device, counts for one that is not saved.
_NO_JOB = 0


@dataclass(frozen=True, slots=True)
class TargetCounts:
    """Devices in the reader's sites: those that would run, by whether they are connected, and those left out by reason."""

    online: int = 0
    offline: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    #: By variable, the devices that nothing gives a value of it: they are among those left out as `preflight_failed`.
    lacking: Mapping[str, int] = field(default_factory=dict)
    #: Why it cannot be told whom to run on: nobody is reached then.
    unknown: str | None = None
    #: Of those that would run, the canaries.
    canaries: int = 0
    #: Of those that would run, the ones on which nobody was signed in when they told it last: they wait for somebody.
    unattended: int = 0
    #: Why it cannot be told who the canaries are: nothing starts then.
    canaries_unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A window, by name, that keeps devices of the reader's sites from starting at an instant."""

    window: str
    kind: Literal["allow", "deny"]
    devices: int


@dataclass(frozen=True, slots=True)
class Coming:
    """One coming instant with what windows make of it.

    Flag `in_blackout`: it is closed for the whole job. Flag `held` beside it: it waits for the window to open. `blocked`: device
    by device, at each one's own start (before splay); `closed_devices`: how many these are, each counted once. First and last start: where the job follows the zones of its targets.
    """

    instant: calendar.Instant
    first_start_at: datetime | None = None
    last_start_at: datetime | None = None
    blocked: Sequence[Blocked] = ()
    closed_devices: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen, when, to whom, and what stands against it."""

    outlook: Outlook
    targets: TargetCounts
    problems: Sequence[Problem]
    instants: Sequence[Coming] = ()
    #: Against the last occurrence of a saved job; None where there is none, or its reader does not see all of it.
    changed: Changed | None = None


async def preview(
    tx: AsyncConnection, scope: SiteScope, outlook: Outlook, now: datetime, *, is_compared: bool = True
) -> Preview:
    """Add to an outlook whom the job would reach now, and what windows and zones make of its instants.

    `is_compared`: tell also how its devices differ from those of its last occurrence.
    """
    plan = outlook.policies.waves
    counts = await _count(tx, scope, outlook.who, plan.canary if plan else None, now)
    known = await windows.load(tx)
    is_needed = not known.is_empty or (outlook.schedule is not None and outlook.schedule.is_following)
    alike = await _placed(tx, scope, outlook, known, now) if is_needed else Counter[Alike]()
    problems = [*outlook.problems, *_blockers(scope, outlook, counts), *_at_once(outlook, alike, known)]
    coming = await _coming(tx, outlook, alike, known)
    changed = await _changed(tx, scope, outlook, now) if is_compared else None
    return Preview(outlook, counts, problems, coming, changed)


def _at_once(outlook: Outlook, alike: Counter[Alike], known: WindowSet) -> list[Problem]:
    """What stands against a job that would start as soon as it is saved."""
    now = outlook.starts_now
    if now is None:
        return []
    until = now + min(_limits(outlook, outlook.schedule, now))
    groups: Counter[tuple[frozenset[int], str, datetime]] = Counter()
    for one, number in alike.items():
        groups[one.window_ids, one.site_zone, until] += number
    return closed.foretold(known, groups, now)


def _blockers(scope: SiteScope, outlook: Outlook, counts: TargetCounts) -> Iterator[Problem]:
    """What would keep an occurrence from running if it fell due now."""
    if counts.unknown:
        message = f"cannot be told, and so nobody is reached: the filter {counts.unknown}"
        yield Problem("targets", "targets_unknown", message)
    elif outlook.addresses is not None or any(isinstance(one, OnboardingScope) for one in outlook.who.targets):
        return  # it looks for machines that are no devices yet
    elif (outlook.who.job_id is not None or outlook.who.targets) and not counts.online + counts.offline:
        yield Problem("targets", "no_eligible_targets", "hold no device that would run it now")
    elif counts.canaries_unknown:
        message = f"cannot be told, and so nothing starts: the filter {counts.canaries_unknown}"
        yield Problem(_CANARY, "targets_unknown", message)
    elif _lacks_canary(outlook, counts) and _sees_all(scope, outlook.who.allowed_site_ids):
        yield Problem(
            _CANARY, "no_canaries", "is none of the devices that would run now, and without one nothing starts"
        )


def _lacks_canary(outlook: Outlook, counts: TargetCounts) -> bool:
    plan = outlook.policies.waves
    is_needed = plan is not None and plan.canary is not None and plan.canary.if_none == "refuse"
    return is_needed and bool(counts.online + counts.offline) and not counts.canaries


async def _changed(tx: AsyncConnection, scope: SiteScope, outlook: Outlook, now: datetime) -> Changed | None:
    """Only for who sees every site that it may reach: others would learn how many devices there are elsewhere."""
    who = outlook.who
    if who.job_id is None or not _sees_all(scope, who.allowed_site_ids):
        return None
    found = (await changes(tx, {who.job_id: who.allowed_site_ids}, now)).get(who.job_id)
    return found if found and found.before else None


def _sees_all(scope: SiteScope, site_ids: Sequence[int] | None) -> bool:
    return scope.site_ids is None or (site_ids is not None and set(site_ids) <= scope.site_ids)


def _aim(who: Who) -> dict[str, object]:
    """The parameters of `aimed`: targets first, then exclusions."""
    columns = target_columns([*who.targets, *who.exclusions])
    flags = [False] * len(who.targets) + [True] * len(who.exclusions)
    reach = None if who.reach_site_ids is None else list(who.reach_site_ids)
    return {**columns, "places": columns["sites"], "exclusions": flags, "reach": reach}


def _first(canary: Canary | None) -> dict[str, object]:
    columns = target_columns(list(canary.targets) if canary else [])
    some = {f"canary_{name}": [one for one in columns[name] if one is not None] for name in ("devices", "filters")}
    return {"canary_tag": canary.tag if canary else None, **some}


async def _count(tx: AsyncConnection, scope: SiteScope, who: Who, canary: Canary | None, now: datetime) -> TargetCounts:
    values = {
        **_aim(who),
        "id": uuid.uuid4(),
        "now": now,
        "job_id": who.job_id,
        "allowed": None if who.allowed_site_ids is None else list(who.allowed_site_ids),
        "interpreters": list(who.interpreters),
        "context": who.execution_context,
        "offline": who.offline,
        "skipping": [who.job_id] if who.job_id and (who.overlap, who.overlap_scope) == ("skip", "device") else [],
        "known_zones": [],
        "sites": scope.as_list(),
        **_first(canary),
        "needed": list(who.needed),
        "needs_key": who.needs_key,
        "nobody": who.no_user_session,
    }
    online = offline = canaries = unattended = 0
    unknown: str | None = None
    fault: str | None = None
    left_out: dict[str, int] = {}
    lacking: dict[str, int] = {}
    for row in await tx.execute(_COUNT, values):
        unknown, fault = unknown or row.why, fault or row.canary_fault
        if row.lacking is not None:
            lacking[row.lacking] = row.number
        elif row.reason is not None:
            left_out[row.reason] = left_out.get(row.reason, 0) + row.number
        else:
            online += row.number if row.is_online else 0
            offline += 0 if row.is_online else row.number
            canaries += row.canaries
            unattended += row.unattended
    return TargetCounts(online, offline, left_out, lacking, unknown, canaries, unattended, fault)


async def _coming(tx: AsyncConnection, outlook: Outlook, alike: Counter[Alike], known: WindowSet) -> list[Coming]:
    if outlook.schedule is None or (known.is_empty and not outlook.schedule.is_following):
        return [Coming(one) for one in outlook.instants]
    job_id = outlook.who.job_id or _NO_JOB
    whole = frozenset[int]() if known.is_empty else (await windows.covering_jobs(tx, [job_id]))[job_id]
    return [_explained(outlook, outlook.schedule, one, alike, known, whole) for one in outlook.instants]


async def _placed(
    tx: AsyncConnection, scope: SiteScope, outlook: Outlook, known: WindowSet, now: datetime
) -> Counter[Alike]:
    """How many devices there are of each kind that windows and zones tell apart."""
    values = {
        "zone_source": outlook.schedule.zone_source if outlook.schedule else "fixed",
        "known_zones": sorted(outlook.zones),
        **_aim(outlook.who),
        "id": uuid.uuid4(),
        "now": now,
        "sites": scope.as_list(),
    }
    rows = (await tx.execute(_PLACED, values)).all()
    job_id = outlook.who.job_id or _NO_JOB
    pairs = () if known.is_empty else [(job_id, row.id) for row in rows]
    covering = await windows.covering_devices(tx, pairs, now)
    return Counter(Alike(covering.get((job_id, row.id), frozenset()), row.site_zone, row.zone) for row in rows)


def _explained(
    outlook: Outlook,
    schedule: calendar.Schedule,
    one: calendar.Instant,
    alike: Counter[Alike],
    known: WindowSet,
    whole: Collection[int],
) -> Coming:
    zones = {group.zone for group in alike} if schedule.is_following else set()
    starts = {zone: wave_start(schedule, one.at, zone) for zone in zones}
    real = [start for start in starts.values() if start is not None]
    blocked: Counter[tuple[str, Literal["allow", "deny"]]] = Counter()
    number_closed = 0
    for group, number in alike.items():
        at = starts.get(group.zone, one.at)
        blocking = _blocking(known, group, at) if at is not None else []
        blocked.update(dict.fromkeys(blocking, number))
        number_closed += number if blocking else 0
    return Coming(
        instant=calendar.with_flags(one, _flags(outlook, schedule, one.at, known, whole)),
        first_start_at=min(real, default=None),
        last_start_at=max(real, default=None),
        blocked=[Blocked(name, kind, number) for (name, kind), number in sorted(blocked.items())],
        closed_devices=number_closed,
    )


def _blocking(known: WindowSet, group: Alike, at: datetime) -> list[tuple[str, Literal["allow", "deny"]]]:
    names = known.verdict(group.window_ids, group.site_zone, at, until=at).names
    alone = [known.verdict({one}, group.site_zone, at, until=at) for one in sorted(group.window_ids)] if names else []
    return [(name, _kind(verdict)) for verdict in alone for name in verdict.names if name in names]


def _kind(verdict: Verdict) -> Literal["allow", "deny"]:
    return "deny" if verdict.reason == "blackout" else "allow"


def _flags(
    outlook: Outlook, schedule: calendar.Schedule, at: datetime, known: WindowSet, whole: Collection[int]
) -> list[Flag]:
    """As the planner will judge it: as a whole, unless devices start at different times."""
    if not whole or schedule.is_following or outlook.policies.splay_seconds:
        return []
    verdict = known.verdict(whole, "UTC", at, until=at + min(_limits(outlook, schedule, at)))
    if verdict.is_open:
        return []
    return ["in_blackout", "held"] if verdict.action == "defer" else ["in_blackout"]


def _limits(outlook: Outlook, schedule: calendar.Schedule | None, at: datetime) -> list[timedelta]:
    """After which it may no longer start."""
    limits = [lasting(schedule, outlook.duration.expires_after_seconds, at)]
    if outlook.duration.run_limit_seconds:
        limits.append(timedelta(seconds=outlook.duration.run_limit_seconds))
    return limits

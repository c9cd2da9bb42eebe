"""What went wrong with time: absences of the Engine, jumps of the clock, clocks that differ. Owns the pulse, the outages, the guard.

A tick asks `notice` first. What fell due meanwhile is held by the planner, and shown and decided in `runs.away`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.following import wave_start
from watchbill.core.occurrence import ON_TIME, CatchUpPolicy, owed, wave_timing
from watchbill.core.schedule import Schedule
from watchbill.identity import Actor, Permission, audit
from watchbill.jobs.definition import policies_of, read_schedule
from watchbill.kit import db, events
from watchbill.kit.budget import Budget, OverBudgetError
from watchbill.kit.clock import rfc3339
from watchbill.kit.errors import NotFoundError
from watchbill.kit.events import Event
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.sentences import spoken
from watchbill.runs.setting_back import numbers_of, remember, set_back

OutageKind = Literal["outage", "clock_jump", "clock_regressed", "clock_skew"]
GuardState = Literal["down", "up", "released"]

#: The pulse is written no more often than this.
BEAT: Final = timedelta(seconds=5)
#: A wall clock that moves this much further than the monotonic one has jumped (D20).
JUMP: Final = timedelta(minutes=10)
#: After a jump automatic runs wait this long: many a jump is taken back at once.
JUMP_PAUSE: Final = timedelta(seconds=60)
#: A clock that went back by less is not worth a row; what it leaves behind is put right all the same.
REGRESSION: Final = timedelta(minutes=5)
_SLIGHT: Final = timedelta(seconds=60)
#: A host's clock may differ from the database's by this much, and is told of at most once an hour.
SKEW: Final = timedelta(seconds=2)
_SKEW_TOLD: Final = timedelta(hours=1)
#: The processor time spent on counting who is owed late runs, and the jobs looked at. Beyond that a storm is assumed.
_COUNTING_SECONDS: Final = 1.0
_COUNTED_JOBS: Final = 5_000
#: What earlier versions wrote into the text of a clock that went back: jobs of all sites.
_COUNT_OF_ALL: Final = re.compile(r"; \d+ jobs go on from where it stands now\.$")
#: What an absence of the Engine is shown as where somebody asks for the latest one.
ABSENCES: Final[tuple[OutageKind, ...]] = ("outage", "clock_jump")

_LOOK = text("""
SELECT p.ticked_at, p.guard_enabled, p.guard_after_seconds, p.guard_least_jobs, u.kind AS up_kind, u.to_at AS up_to,
  (SELECT max(j.noticed_at) FROM outages j WHERE j.kind = 'clock_jump' AND j.to_at > :recently AND j.noticed_at <= :now) AS jumped_at
FROM scheduler_pulse p LEFT JOIN outages u ON u.guard = 'up'
""")
_LOCK = text("SELECT 1 FROM scheduler_pulse FOR UPDATE")
# Whoever finds the row held leaves it: somebody else is writing the same.
_BEAT = text("""
UPDATE scheduler_pulse p SET ticked_at = greatest(p.ticked_at, :now) FROM (SELECT id FROM scheduler_pulse FOR UPDATE SKIP LOCKED) mine WHERE p.id = mine.id
""")
_SET = text("UPDATE scheduler_pulse SET ticked_at = :now")
# There is one guard at a time: what an older one still holds is decided with what the new one does.
_HAND_OVER = text("UPDATE outages SET guard = 'released', released_at = :now WHERE guard = 'up'")
_INSERT = text("""
INSERT INTO outages (kind, from_at, to_at, noticed_at, detail, guard) VALUES (:kind, :from_at, :to_at, :now, :detail, :guard)
RETURNING id, kind, from_at, to_at, noticed_at, detail, guard, released_by, released_at
""")
# The latest due first: what fell due within its catch-up window is what is owed.
_OVERDUE = text("""
SELECT id, definition->'schedule' AS schedule, definition->'policies' AS policies, mark_at, zone_source FROM jobs
WHERE next_due_at < :late AND enabled AND deleted_at IS NULL AND definition->'policies'->>'catch_up' <> 'skip'
ORDER BY next_due_at DESC LIMIT :limit
""")
# What a window held until some time that nobody saw come: it is late as well.
_LET_GO_LATE = text(
    "SELECT DISTINCT job_id FROM occurrences WHERE state = 'held' AND held_until_at < :late LIMIT :limit"
)
# Nothing is held any more, and nothing is still to be looked at that would be.
_SETTLE = text("""
UPDATE outages o SET guard = 'released', released_at = :now, released_by = :by
WHERE o.id = (SELECT id FROM outages WHERE guard = 'up' FOR UPDATE SKIP LOCKED)
  AND NOT EXISTS (SELECT 1 FROM occurrences h WHERE h.state = 'held' AND h.reason = 'storm_guard')
  AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.next_due_at <= least(o.to_at, :now) AND j.enabled AND j.deleted_at IS NULL)
RETURNING o.id
""")
_SKEW_KNOWN = text(
    "SELECT 1 FROM outages WHERE kind = 'clock_skew' AND to_at > :since AND starts_with(detail, :host) LIMIT 1"
)
_LIST = text("""
SELECT o.id, o.kind, o.from_at, o.to_at, o.noticed_at, o.detail, o.guard, p.username AS released_by,
  CASE o.guard WHEN 'released' THEN o.released_at END AS released_at
FROM outages o LEFT JOIN operators p ON p.id = o.released_by
WHERE (CAST(:before AS bigint) IS NULL OR o.id < :before) AND (CAST(:kinds AS text[]) IS NULL OR o.kind = ANY(:kinds))
  AND (CAST(:id AS bigint) IS NULL OR o.id = :id)
ORDER BY o.id DESC LIMIT :limit
""")
_UP = text("SELECT id FROM outages WHERE guard = 'up'")
_SETTINGS = text(
    "SELECT guard_enabled, guard_after_seconds, guard_least_jobs, guard_trickle_per_minute FROM scheduler_pulse"
)
_SET_SETTINGS = text("""
UPDATE scheduler_pulse SET guard_enabled = :enabled, guard_after_seconds = :after_seconds, guard_least_jobs = :least_jobs,
  guard_trickle_per_minute = :trickle_per_minute
""")
# The pulse before the jobs, as a tick locks them.
_SET_ZONES = text(
    "UPDATE scheduler_pulse SET zones_in_use = :zones WHERE zones_in_use <> CAST(:zones AS text[]) RETURNING 1"
)


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that was wrong with time. `from_at` to `to_at`: when nobody looked, or from which reading to which the clock moved."""

    id: int
    kind: OutageKind
    from_at: datetime
    to_at: datetime
    noticed_at: datetime
    detail: str
    guard: GuardState
    released_by: str | None
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Guard:
    """What a tick has to heed: late automatic instants up to `until` are held, and before `paused_until` nothing is opened.

    `is_unnoticed`: nobody has looked for so long that a tick has to judge first what that was.
    """

    until: datetime | None = None
    paused_until: datetime | None = None
    noticed: Sequence[Outage] = ()
    is_unnoticed: bool = False


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """When the guard goes up, and how many of what it holds are let go by themselves each minute (None = none)."""

    enabled: bool
    after_seconds: int
    least_jobs: int
    trickle_per_minute: int | None


@dataclass
class Drift:
    """Notices that the wall clock moved otherwise than the monotonic clock of this process. One for each process."""

    _seen: tuple[datetime, float] | None = field(default=None)

    def jumped_from(self, now: datetime, monotonic: float) -> datetime | None:
        """What the wall clock showed at the last look, if it jumped forward since."""
        before = self._seen
        if before is None or (now - before[0]).total_seconds() - (monotonic - before[1]) <= JUMP.total_seconds():
            return None
        return before[0]

    def seen(self, now: datetime, monotonic: float) -> None:
        self._seen = (now, monotonic)


async def notice(tx: AsyncConnection, now: datetime, *, jumped_from: datetime | None = None) -> Guard:
    """Feel the pulse: what is there to heed in this tick, and what was noticed by it. One look when nothing is wrong.

    All schedulers share one pulse: the restart of one of several is no outage. When something seems wrong the pulse is held until
    the transaction ends, so that only one of them judges and the others heed it.
    """
    pulse = (await tx.execute(_LOOK, _looking(now))).one()
    if jumped_from is None and _is_sound(pulse, now):
        if now - pulse.ticked_at >= BEAT:
            await tx.execute(_BEAT, {"now": now})
        return _guard(pulse, now)
    await tx.execute(_LOCK)
    pulse = (await tx.execute(_LOOK, _looking(now))).one()
    noticed = await _judge(tx, pulse, now, jumped_from)
    await tx.execute(_SET, {"now": now})
    await _tell(tx, noticed, now)
    if noticed:
        pulse = (await tx.execute(_LOOK, _looking(now))).one()
    return _guard(pulse, now, tuple(noticed))


async def heed(tx: AsyncConnection, now: datetime, *, jumped_from: datetime | None = None) -> Guard:
    """The same for whoever runs things by himself and is no tick: he does not beat for ticks that fail, nor judge their silence."""
    if jumped_from is not None:
        return await notice(tx, now, jumped_from=jumped_from)
    pulse = (await tx.execute(_LOOK, _looking(now))).one()
    return replace(_guard(pulse, now), is_unnoticed=_is_silent(pulse, now))


def _is_silent(pulse: Row[Any], now: datetime) -> bool:
    return pulse.ticked_at is not None and now - pulse.ticked_at > timedelta(seconds=pulse.guard_after_seconds)


def _looking(now: datetime) -> dict[str, datetime]:
    return {"now": now, "recently": now - JUMP_PAUSE}


def _is_sound(pulse: Row[Any], now: datetime) -> bool:
    ticked_at: datetime | None = pulse.ticked_at
    return ticked_at is not None and -_SLIGHT <= now - ticked_at <= timedelta(seconds=pulse.guard_after_seconds)


def _guard(pulse: Row[Any], now: datetime, noticed: Sequence[Outage] = ()) -> Guard:
    until = pulse.up_to
    if until is not None and pulse.up_kind == "clock_jump":
        until += JUMP_PAUSE  # what waited for the end of the pause belongs to it
    paused_until = pulse.jumped_at + JUMP_PAUSE if pulse.jumped_at else None
    return Guard(until, paused_until if paused_until and paused_until > now else None, noticed)


async def _judge(tx: AsyncConnection, pulse: Row[Any], now: datetime, jumped_from: datetime | None) -> list[Outage]:
    ticked_at: datetime | None = pulse.ticked_at
    if ticked_at is None:
        return []  # a new Engine was never away
    if ticked_at - now > _SLIGHT:
        return await _regressed(tx, ticked_at, now)
    # Where somebody has looked since, either he has noticed the jump, or only this process was not running.
    if jumped_from is not None and ticked_at - jumped_from < JUMP:
        detail = f"The clock went forward by {spoken(now - jumped_from)} in a moment."
        return [await _absent(tx, pulse, "clock_jump", jumped_from, now, detail)]
    if _is_silent(pulse, now):
        detail = f"No scheduler looked for {spoken(now - ticked_at)}."
        return [await _absent(tx, pulse, "outage", ticked_at, now, detail)]
    return []


async def _regressed(tx: AsyncConnection, ticked_at: datetime, now: datetime) -> list[Outage]:
    moved = await set_back(tx, now, beyond=now + REGRESSION)
    if not moved and ticked_at - now <= REGRESSION:
        return []
    told = await _insert(
        tx, "clock_regressed", ticked_at, now, now, f"The clock went back by {spoken(ticked_at - now)}.", "down"
    )
    if moved:
        await remember(tx, told.id, moved, now)
    return [told]


async def _absent(
    tx: AsyncConnection, pulse: Row[Any], kind: OutageKind, since: datetime, now: datetime, detail: str
) -> Outage:
    is_long = now - since > timedelta(seconds=pulse.guard_after_seconds)
    is_storm = is_long and pulse.guard_enabled and await _is_storm(tx, now, pulse.guard_least_jobs)
    if is_storm:
        await tx.execute(_HAND_OVER, {"now": now})
    return await _insert(tx, kind, since, now, now, detail, "up" if is_storm else "down")


async def _is_storm(tx: AsyncConnection, now: datetime, least: int) -> bool:
    """Whether at least so many jobs are owed late runs."""
    limit = max(_COUNTED_JOBS, least) + 1
    bounds = {"late": now - ON_TIME, "limit": limit}
    waited = set((await tx.execute(_LET_GO_LATE, bounds)).scalars())
    overdue = (await tx.execute(_OVERDUE, bounds)).all()
    rows = [row for row in overdue if row.id not in waited]
    least -= len(waited)
    if len(rows) < least or least <= 0:
        return least <= 0
    following = {row.id for row in rows if row.zone_source != "fixed"}
    zones = await jobs.zones_in_use(tx) if following else frozenset()
    own_zones = await jobs.zones_of_targets(tx, following, now)
    try:
        with Budget(_COUNTING_SECONDS) as budget:
            is_met = budget.run(_are_owed, rows, now, zones, own_zones, least)
    except OverBudgetError:
        return True  # too many to count in time: what is held can be let go, what has run cannot be taken back
    return is_met or len(overdue) == limit


def _are_owed(
    rows: Sequence[Row[Any]],
    now: datetime,
    zones: frozenset[str],
    own_zones: Mapping[int, Collection[str]],
    least: int,
) -> bool:
    found = 0
    for row in rows:
        found += _is_owed(row, now, zones, own_zones.get(row.id, ()))
        if found >= least:
            return True
    return False


def _is_owed(row: Row[Any], now: datetime, zones: frozenset[str], own_zones: Collection[str]) -> bool:
    schedule, policies = read_schedule(row.schedule)[0], policies_of(row.policies)
    if schedule is None:
        return False
    policy = CatchUpPolicy(policies.catch_up, policies.catch_up_window_seconds)
    try:
        due = owed(schedule, row.mark_at, now, policy, zones).open
        return any(one.late or _has_late_wave(schedule, one.at, now, policy, own_zones) for one in due)
    except (ValueError, ArithmeticError):
        return False  # its own tick says so


def _has_late_wave(
    schedule: Schedule, nominal: datetime, now: datetime, policy: CatchUpPolicy, own_zones: Collection[str]
) -> bool:
    """Whether the targets in some zone would be caught up, of an occurrence that is on time as long as others are ahead."""
    starts = (wave_start(schedule, nominal, zone) for zone in own_zones)
    return any(start and wave_timing(schedule, nominal, start, now, policy) == "catch_up" for start in starts)


async def _insert(
    tx: AsyncConnection,
    kind: OutageKind,
    from_at: datetime,
    to_at: datetime,
    now: datetime,
    detail: str,
    guard: GuardState,
) -> Outage:
    row = {"kind": kind, "from_at": from_at, "to_at": to_at, "now": now, "detail": detail, "guard": guard}
    return Outage(*(await tx.execute(_INSERT, row)).one())


async def _tell(tx: AsyncConnection, noticed: Sequence[Outage], now: datetime) -> None:
    facts = [
        Event("outage.noticed", {"id": one.id, "kind": one.kind, "guard": one.guard, **_span(one)}) for one in noticed
    ]
    await events.publish(tx, facts, now)
    if any(one.guard == "up" for one in noticed):
        await db.notify(tx, jobs.CHANNEL)


def _span(one: Outage) -> dict[str, object]:
    return {"from_at": rfc3339(one.from_at), "to_at": rfc3339(one.to_at)}


async def settle_guard(tx: AsyncConnection, now: datetime, by: int | None = None) -> int | None:
    """Take the guard down once nothing is held any more; returns the outage it was for, None when it stays or was not up."""
    released: int | None = (await tx.execute(_SETTLE, {"now": now, "by": by})).scalar_one_or_none()
    if released is not None:
        await events.publish(tx, [Event("outage.released", {"id": released})], now)
    return released


async def notice_skew(
    tx: AsyncConnection, now: datetime, host: str, ahead: timedelta, uncertain: timedelta
) -> Outage | None:
    """Write down that a host's clock differs from the database's; at most once an hour for each host."""
    if abs(ahead) - uncertain <= SKEW:
        return None
    await tx.execute(_LOCK)
    begin = f"The clock of {host} is "
    if (await tx.execute(_SKEW_KNOWN, {"since": now - _SKEW_TOLD, "host": begin})).first() is not None:
        return None
    detail = f"{begin}{spoken(abs(ahead))} {'ahead of' if ahead > timedelta() else 'behind'} the database's."
    told = await _insert(tx, "clock_skew", now, now, now, detail, "down")
    await _tell(tx, [told], now)
    return told


async def list_outages(
    tx: AsyncConnection, actor: Actor, *, kinds: Sequence[OutageKind] = (), limit: int, cursor: str | None
) -> Page[Outage]:
    """Newest first."""
    actor.require(Permission.READ)
    before = decode_cursor(cursor, (int,))[0] if cursor is not None else None
    wanted = {"before": before, "kinds": list(kinds) or None, "id": None, "limit": limit + 1}
    rows = (await tx.execute(_LIST, wanted)).all()
    page = page_of([Outage(*row) for row in rows], limit, lambda one: (one.id,))
    return Page(await _told_to(tx, actor, page.items), page.next_cursor)


async def get_outage(tx: AsyncConnection, actor: Actor, outage_id: int | None) -> Outage:
    """One outage; the latest absence of the Engine without an id."""
    actor.require(Permission.READ)
    kinds = list(ABSENCES) if outage_id is None else None
    row = (await tx.execute(_LIST, {"before": None, "kinds": kinds, "id": outage_id, "limit": 1})).one_or_none()
    if row is None:
        raise NotFoundError("There was no such outage.", code="outage_not_found")
    return (await _told_to(tx, actor, [Outage(*row)]))[0]


async def _told_to(tx: AsyncConnection, actor: Actor, found: Sequence[Outage]) -> list[Outage]:
    """With the number of jobs that a clock set back, of those that the reader sees."""
    back = [one.id for one in found if one.kind == "clock_regressed"]
    numbers = await numbers_of(tx, actor.scope, back) if back else {}
    sees_all = actor.scope.site_ids is None
    return [_told(one, numbers.get(one.id, 0), sees_all=sees_all) for one in found]


def _told(one: Outage, number: int, *, sees_all: bool) -> Outage:
    detail = one.detail if sees_all else _COUNT_OF_ALL.sub(".", one.detail)
    if number:
        counted = f"{number} job{'' if number == 1 else 's'}{'' if sees_all else ' of your sites'}"
        detail += f" {counted} {'goes' if number == 1 else 'go'} on from where it stands now."
    return replace(one, detail=detail)


async def guarded_outage(tx: AsyncConnection) -> int | None:
    """The outage that the guard is up for."""
    found: int | None = (await tx.execute(_UP)).scalar_one_or_none()
    return found


async def guard_settings(tx: AsyncConnection) -> GuardSettings:
    return GuardSettings(*(await tx.execute(_SETTINGS)).one())


async def set_guard(tx: AsyncConnection, actor: Actor, wanted: GuardSettings, now: datetime) -> GuardSettings:
    """Change when the guard goes up and how it lets go. A guard that is up stays up until what it holds is decided."""
    actor.require(Permission.SERVICES_WRITE)
    values = {name: getattr(wanted, name) for name in GuardSettings.__slots__}
    await tx.execute(_SET_SETTINGS, values)
    await audit.record(tx, actor, "storm_guard.update", "storm_guard", None, now=now, detail=values)
    await db.notify(tx, jobs.CHANNEL)
    return wanted


async def adopt_zones(tx: AsyncConnection, zones: frozenset[str], now: datetime) -> int | None:
    """Compute following jobs' due times anew if other zones are in use than before; how many moved, None when all is as before."""
    if (await tx.execute(_SET_ZONES, {"zones": sorted(zones)})).first() is None:
        return None
    return await jobs.recompute_following(tx, zones, now)

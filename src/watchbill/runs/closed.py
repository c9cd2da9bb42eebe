"""Closed windows and what a person starts: refused with the windows that stand against it, or started with a reason all the same.

What the schedule starts is judged elsewhere: as a whole by the planner, device by device when it is handed out.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import windows
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import ConflictError
from watchbill.windows import Verdict, WindowSet

_STARTING = text("""
SELECT t.occurrence_id, t.job_id, t.device_id, coalesce(s.timezone, 'UTC') AS zone, t.expires_at
FROM run_targets t LEFT JOIN sites s ON s.id = t.site_id
WHERE t.occurrence_id = ANY(:ids) AND t.state IN ('pending', 'waiting_online')
  AND (CAST(:sites AS bigint[]) IS NULL OR t.site_id = ANY(:sites))
""")
_OVERRIDE = text("UPDATE occurrences SET ignores_windows = true WHERE id = ANY(:ids)")


async def override(
    tx: AsyncConnection, actor: Actor, occurrence_id: uuid.UUID, reason: str | None, now: datetime
) -> bool:
    """Whether an occurrence that has just been opened had to be freed of windows; ConflictError when it may not be.

    The refusal takes the occurrence with it: the caller's transaction fails.
    """
    blocked = await blocked_of(tx, [occurrence_id], now)
    if not blocked:
        return False
    if not may_override(actor, reason):
        raise refusal(blocked[occurrence_id])
    await ignore_windows(tx, [occurrence_id])
    return True


async def ignore_windows(tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID]) -> None:
    """Free occurrences that have just been opened of windows; whether that may be is decided before."""
    await tx.execute(_OVERRIDE, {"ids": list(occurrence_ids)})


def may_override(actor: Actor, reason: str | None) -> bool:
    return bool(reason) and actor.may(Permission.WINDOWS_OVERRIDE)


def refusal(closed: Sequence[str]) -> ConflictError:
    """The refusal of a start, with a problem for each closed window or set of them."""
    ways = "To start all the same, give a `reason`; that needs the permission `windows:override`."
    problems = [Problem("reason", "window_closed", sentence) for sentence in dict.fromkeys(closed)]
    detail = f"Closed just now: {'; '.join(dict.fromkeys(closed))}. {ways}"
    return ConflictError(detail, code="window_closed", problems=problems)


async def warnings(tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, now: datetime) -> list[Problem]:
    """What becomes of the devices of these sites that windows keep from starting, where an occurrence has just been opened."""
    known = await windows.load(tx)
    if known.is_empty:
        return []
    rows = (await tx.execute(_STARTING, {"ids": [occurrence_id], "sites": scope.as_list()})).all()
    covering = await windows.covering_devices(tx, [(row.job_id, row.device_id) for row in rows], now)
    found: Counter[_Group] = Counter((covering[row.job_id, row.device_id], row.zone, row.expires_at) for row in rows)
    return foretold(known, found, now)


#: Windows that cover devices, the zone of their site, and until when they may start.
_Group = tuple[frozenset[int], str, datetime]


def foretold(known: WindowSet, groups: Mapping[_Group, int], now: datetime) -> list[Problem]:
    """For each closed window, or set of them, how many devices cannot start now and what becomes of them."""
    found: Counter[tuple[str, datetime | None]] = Counter()
    for (ids, zone, expires_at), number in groups.items():
        verdict = known.verdict(ids, zone, now, until=expires_at)
        if not verdict.is_open:
            found[verdict.sentence or "a window is closed", _waits_until(verdict, expires_at)] += number
    return [Problem("schedule.type", "window_closed", _foretold(*why, number)) for why, number in found.most_common()]


def _waits_until(verdict: Verdict, expires_at: datetime) -> datetime | None:
    """When the hand-out will let it start; None = it leaves it out."""
    opens_at = verdict.opens_at if verdict.action == "defer" else None
    return opens_at if opens_at is not None and opens_at < expires_at else None


def _foretold(why: str, waits_until: datetime | None, number: int) -> str:
    one = number == 1
    if waits_until is None:
        fate = f"{'it is' if one else 'they are'} left out"
    else:
        fate = f"{'it waits and starts' if one else 'they wait and start'} {waits_until:%Y-%m-%d %H:%M} UTC"
    ways = "To start all the same, rerun the job with a `reason`; that needs the permission `windows:override`."
    return f"{_devices(number)} cannot start now: {why}; {fate}. {ways}"


def _devices(number: int) -> str:
    return "1 device" if number == 1 else f"{number} devices"


async def blocked_of(
    tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID], now: datetime
) -> dict[uuid.UUID, list[str]]:
    """For each occurrence that has devices which cannot start now, the sentences that say why, with how many devices."""
    known = await windows.load(tx)
    if known.is_empty or not occurrence_ids:
        return {}
    rows = (await tx.execute(_STARTING, {"ids": list(occurrence_ids), "sites": None})).all()
    covering = await windows.covering_devices(tx, [(row.job_id, row.device_id) for row in rows], now)
    alike = Counter((row.occurrence_id, covering[row.job_id, row.device_id], row.zone) for row in rows)
    found: dict[uuid.UUID, Counter[str]] = defaultdict(Counter)
    for (occurrence_id, ids, zone), number in alike.items():
        verdict = known.verdict(ids, zone, now, until=now)
        if not verdict.is_open:
            found[occurrence_id][verdict.sentence or "a window is closed"] += number
    return {
        one: [f"{sentence} ({_devices(number)})" for sentence, number in blocked.most_common()]
        for one, blocked in found.items()
    }

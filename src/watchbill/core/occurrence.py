"""Owns what a schedule owes at a moment: which instants to open, hold or write off, and what identifies an occurrence.

Pure arithmetic on values; it neither stores occurrences nor knows about devices beyond the id that spreads their starts.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Final, Literal, assert_never
from uuid import UUID, uuid5

from watchbill.core.following import LAST_WAVE, next_start, when_reached
from watchbill.core.schedule import (
    Schedule,
    count_between,
    first_mark,
    has_quick_count,
    instants_after,
    instants_between,
    latest_before,
    next_due,
    period_hint,
)

__all__ = [
    "CatchUp",
    "CatchUpPolicy",
    "Due",
    "Kind",
    "MissedRange",
    "MissedReason",
    "Owed",
    "first_mark",
    "fitting_splay",
    "missed_between",
    "next_start",
    "owed",
    "public_id",
    "splay_delay",
    "wave_timing",
]

CatchUp = Literal["skip", "latest", "all", "hold"]
MissedReason = Literal["catch_up_window", "misfire_policy"]
Kind = Literal["schedule", "manual", "rerun", "backfill"]

ON_TIME: Final = timedelta(seconds=60)
LONGEST_DEFAULT_WINDOW: Final = timedelta(hours=1)
WINDOW_SECONDS: Final = range(60, 7 * 86_400 + 1)
MOST_PER_RECOVERY: Final = 100
COUNT_CAP: Final = 1_000_000
WALK_CAP: Final = 20_000
_TICK: Final = timedelta(microseconds=1)
_IDENTITIES: Final = UUID("8d5a3c1e-6f0b-5b1c-9a52-0c8d6e7f4a21")


@dataclass(frozen=True, slots=True)
class CatchUpPolicy:
    """What to do with instants that passed while nobody was there to run them."""

    catch_up: CatchUp = "latest"
    window_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.window_seconds is not None and self.window_seconds not in WINDOW_SECONDS:
            raise ValueError(f"window_seconds must be {WINDOW_SECONDS[0]} to {WINDOW_SECONDS[-1]}")


@dataclass(frozen=True, slots=True)
class Due:
    """One instant to open now; `late` when it is being caught up."""

    at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class MissedRange:
    """Neighbouring instants that will not run, as one ledger row. `capped`: there are at least `count` of them."""

    first: datetime
    last: datetime
    count: int
    capped: bool
    reason: MissedReason


@dataclass(frozen=True, slots=True)
class Owed:
    """Everything between the old mark and now, each instant in exactly one place, and where to go on.

    Of a schedule that follows clocks, all but `next_due` are names of wall clocks; `next_due` is always a real instant.
    """

    open: tuple[Due, ...]
    held: tuple[datetime, ...]
    missed: tuple[MissedRange, ...]
    mark: datetime
    next_due: datetime | None


def owed(schedule: Schedule, mark: datetime, now: datetime, policy: CatchUpPolicy, zones: Collection[str] = ()) -> Owed:
    """What the schedule owes for (mark, now]. A clock that went back owes nothing: up to the mark all is settled.

    `zones`: those in use, for a schedule that follows clocks. It owes what the first of them has reached, and that is on time
    until the last zone on Earth has started; whether a single wave is late is said by `wave_timing`.
    """
    reached = first_mark(schedule, now, zones)
    if reached <= mark:
        return Owed((), (), (), mark, next_start(schedule, mark, zones))
    in_time = now - LAST_WAVE if schedule.is_following else now
    punctual = min(reached, max(mark, in_time - ON_TIME - _TICK))
    coming = instants_after(schedule, punctual)
    on_time, following = [], next(coming, None)
    while following and following <= reached:
        on_time.append(Due(following, late=False))
        following = next(coming, None)
    late, held, missed = _settle_late(schedule, mark, punctual, now=in_time, policy=policy, has_on_time=bool(on_time))
    look_again = None if following is None else when_reached(schedule, following, zones)
    return Owed(late + tuple(on_time), held, missed, reached, look_again)


def wave_timing(
    schedule: Schedule, nominal: datetime, starts_at: datetime, now: datetime, policy: CatchUpPolicy
) -> Literal["on_time", "catch_up", "late_start"]:
    """How a wave that should have started at `starts_at` stands when its occurrence is opened now."""
    if now - starts_at <= ON_TIME:
        return "on_time"
    is_caught_up = policy.catch_up != "skip" and now - starts_at <= _window(schedule, nominal, policy)
    return "catch_up" if is_caught_up else "late_start"


_Settled = tuple[tuple[Due, ...], tuple[datetime, ...], tuple[MissedRange, ...]]


def _settle_late(
    schedule: Schedule, mark: datetime, until: datetime, *, now: datetime, policy: CatchUpPolicy, has_on_time: bool
) -> _Settled:
    """The instants in (mark, until], which are more than a minute late."""
    # Most jobs owe nothing late, and looking forward for one is the cheapest way to know.
    first = None if until <= mark else next_due(schedule, mark)
    newest = latest_before(schedule, until) if first and first <= until else None
    if newest is None:
        return (), (), ()
    recent = min(until, max(mark, now - _window(schedule, newest, policy) - _TICK))
    stale = tuple(_missed(schedule, mark, recent, "catch_up_window"))
    chosen = _chosen(schedule, recent, until, policy.catch_up, has_on_time=has_on_time)
    if policy.catch_up == "latest":
        rest = _missed(schedule, recent, chosen[0] - _TICK if chosen else until, "misfire_policy")
    else:
        rest = _missed(schedule, chosen[-1] if chosen else recent, until, "misfire_policy")
    missed = stale + tuple(rest)
    if policy.catch_up == "hold":
        return (), chosen, missed
    return tuple(Due(at, late=True) for at in chosen), (), missed


def _window(schedule: Schedule, newest: datetime, policy: CatchUpPolicy) -> timedelta:
    if policy.window_seconds is not None:
        return timedelta(seconds=policy.window_seconds)
    return min(period_hint(schedule, newest) or LONGEST_DEFAULT_WINDOW, LONGEST_DEFAULT_WINDOW)


def _chosen(
    schedule: Schedule, after: datetime, until: datetime, catch_up: CatchUp, *, has_on_time: bool
) -> tuple[datetime, ...]:
    """The late instants inside the window that the policy wants, oldest first."""
    match catch_up:
        case "skip":
            return ()
        case "latest":
            # One run in all: an instant that is just due is that run, and a make-up beside it would only take its place.
            newest = None if has_on_time else latest_before(schedule, until)
            return (newest,) if newest and newest > after else ()
        case "all" | "hold":
            return tuple(islice(instants_between(schedule, after, until), MOST_PER_RECOVERY))
    assert_never(catch_up)


def missed_between(schedule: Schedule, after: datetime, until: datetime, reason: MissedReason) -> MissedRange | None:
    """All instants in (after, until] as one row; None when there are none."""
    return next(_missed(schedule, after, until, reason), None)


def _missed(schedule: Schedule, after: datetime, until: datetime, reason: MissedReason) -> Iterator[MissedRange]:
    """One row for all instants in (after, until], none when there are none."""
    first = next(instants_between(schedule, after, until), None)
    last = latest_before(schedule, until)
    if first is None or last is None:
        return
    # A rule whose instants have to be looked at one by one must not hold up the others.
    cap = COUNT_CAP if has_quick_count(schedule) else WALK_CAP
    count = count_between(schedule, after, until, cap)
    yield MissedRange(first, last, count, count == cap, reason)


def public_id(job_id: int, kind: Kind, nominal: datetime, request_id: str) -> UUID:
    """The id of an occurrence, the same in every scheduler that computes it."""
    instant = nominal.astimezone(UTC).isoformat(timespec="seconds")
    return uuid5(_IDENTITIES, f"{job_id}|{kind}|{instant}|{request_id}")


def splay_delay(job_id: int, device_id: UUID, splay_seconds: int, nominal: datetime | None = None) -> int:
    """How many seconds after the nominal instant a device starts; with `nominal` it differs at each occurrence."""
    identity = f"{job_id}|{device_id}" if nominal is None else f"{job_id}|{device_id}|{int(nominal.timestamp())}"
    fraction = int.from_bytes(sha256(identity.encode()).digest()[:8])
    return fraction * splay_seconds >> 64


def fitting_splay(schedule: Schedule, nominal: datetime, splay_seconds: int) -> int:
    """The splay, cut so that no start reaches the next nominal instant."""
    gap = period_hint(schedule, nominal)
    return splay_seconds if gap is None else min(splay_seconds, int(gap.total_seconds()) - 1)

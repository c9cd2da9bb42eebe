"""When a message goes out: digests, quiet hours, and the pauses between attempts. Wall clocks are those of the channel's zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from watchbill.core.zones import Zone

#: What a receiver refuses is tried for this long.
GIVE_UP: Final = timedelta(days=1)
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of every day in which nothing is sent: from `start` to `end`, over midnight when it ends earlier. They differ."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Digest:
    """What is gathered: for so many minutes, or until a wall clock of each day. Exactly one of the two is set."""

    every_minutes: int | None = None
    daily_at: time | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """How one channel is sent to."""

    zone: Zone
    digest: Digest | None = None
    quiet: Quiet | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """When a notification is due, and whether it shares a message with all that is due then."""

    at: datetime
    is_gathered: bool


def turn(timing: Timing, now: datetime, *, is_urgent: bool) -> Turn:
    """What is urgent goes at once. Else the digest decides, and what it lets go in quiet hours waits for their end."""
    if is_urgent:
        return Turn(now, is_gathered=False)
    at = next_slot(timing.digest, timing.zone, now) if timing.digest else now
    ends = quiet_until(timing.quiet, timing.zone, at) if timing.quiet else None
    at = ends or at
    return Turn(at, is_gathered=at > now)


def quiet_until(quiet: Quiet, zone: Zone, at: datetime) -> datetime | None:
    """The end of the quiet hours that an instant lies in; None when it lies in none."""
    today = zone.wall(at).date()
    over_midnight = quiet.end <= quiet.start
    for days in (-1, 0):
        day = today + timedelta(days=days)
        begin = zone.resolve(datetime.combine(day, quiet.start))
        end = zone.resolve(datetime.combine(day + _DAY if over_midnight else day, quiet.end))
        if begin <= at < end:
            return end
    return None


def next_slot(digest: Digest, zone: Zone, now: datetime) -> datetime:
    """The first instant later than `now` at which a digest goes out."""
    if digest.every_minutes is not None:
        step = timedelta(minutes=digest.every_minutes)
        return _EPOCH + ((now - _EPOCH) // step + 1) * step
    at = digest.daily_at or time()
    day = zone.wall(now).date() - _DAY
    while (found := zone.resolve(datetime.combine(day, at))) <= now:
        day += _DAY
    return found


def pause_after(attempt: int, chance: float) -> timedelta:
    """How long to wait after that many attempts: doubling up to an hour, of which `chance` (0 to 1) takes up to a half away."""
    doubled: int = 1 << min(attempt - 1, 20)
    whole = min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)
    return whole * (1 - chance / 2)


def is_given_up(first_attempt: datetime, following: datetime) -> bool:
    """Whether the next attempt would come too late to be made."""
    return following - first_attempt > GIVE_UP


def timing_of(zone: Zone, digest: Mapping[str, Any] | None, quiet: Mapping[str, Any] | None) -> Timing:
    """From what is stored with a channel."""
    made = None
    if digest is not None:
        daily = digest.get("daily_at")
        made = Digest(digest.get("every_minutes"), time.fromisoformat(daily) if daily else None)
    hours = None if quiet is None else Quiet(time.fromisoformat(quiet["from"]), time.fromisoformat(quiet["to"]))
    return Timing(zone, made, hours)

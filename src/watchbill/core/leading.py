"""Owns how far the clocks of a set of zones have come, and the one zone in which a wall clock is named before any clock shows it.

Knows no schedules. A wall clock counts as reached in a zone once its clocks have shown it or a later one: what they repeat
was reached the first time, what they skip is reached when they have gone forward.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from watchbill.core.zones import Zone, find_zone

#: UTC+14 (POSIX writes the sign the other way round): no clock on Earth is ahead of it.
LEADING_ZONE: Final = Zone("Etc/GMT-14")
_AHEAD: Final = timedelta(hours=14)
_UTC: Final = Zone("UTC")
_LARGEST_FOLD: Final = timedelta(hours=25)
_TICK: Final = timedelta(microseconds=1)


def nominal_of(wall: datetime) -> datetime:
    """The instant that names a wall clock: when it is first reached anywhere."""
    return (wall - _AHEAD).replace(tzinfo=UTC)


def local_time(nominal: datetime) -> datetime:
    """The wall clock that an instant of the leading zone names."""
    return (nominal.astimezone(UTC) + _AHEAD).replace(tzinfo=None)


def leading_now(zones: Collection[str], now: datetime) -> datetime:
    """The furthest wall clock that any of these zones has reached, as the instant that names it; never later than `now`."""
    return _leading(_as_key(zones), now)


# A tick asks for the same moment once per job.
@lru_cache(maxsize=64)
def _leading(zones: frozenset[str], now: datetime) -> datetime:
    return nominal_of(max(_reached(zone, now) for zone in known(zones)))


def reached_at(zones: Collection[str], wall: datetime) -> datetime:
    """When the first of these zones reaches a wall clock."""
    return _first_reached(_as_key(zones), wall)


def _as_key(zones: Collection[str]) -> frozenset[str]:
    return zones if isinstance(zones, frozenset) else frozenset(zones)


@lru_cache(maxsize=4096)
def _first_reached(zones: frozenset[str], wall: datetime) -> datetime:
    return min(_reached_at(zone, wall) for zone in known(zones))


def known(zones: Collection[str]) -> list[Zone]:
    """The zones that the wheel has; UTC when it has none of them."""
    return [zone for zone in map(find_zone, zones) if zone] or [_UTC]


def zone_or_utc(name: str) -> Zone:
    """The zone of that name; UTC when the wheel has lost it."""
    return find_zone(name) or _UTC


def _reached(zone: Zone, now: datetime) -> datetime:
    """The furthest wall clock that a zone has reached; what it repeats just now was passed the first time."""
    wall = zone.wall(now)
    change = zone.change_between(now - _LARGEST_FOLD, now)
    return max(wall, change.wall_before - _TICK) if change else wall


def _reached_at(zone: Zone, wall: datetime) -> datetime:
    at, gap = zone.resolve(wall), zone.spread(wall)
    change = zone.change_between(at - gap, at) if gap > timedelta() else None
    return change.at if change else at

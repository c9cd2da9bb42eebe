"""Owns zone rules: which zones exist, what their clocks show, and what a wall clock means where it is skipped or repeated.

The pinned `tzdata` wheel is the only source, so that every scheduler on every host computes the same instant; the host's own
zone files and PYTHONTZPATH are never read. Instants are aware UTC datetimes, wall clocks are naive datetimes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from importlib import import_module
from importlib.resources import files
from zoneinfo import ZoneInfo

# No zone in the wheel changes its clocks twice within six days, so a probe every five days meets each change on its own.
_PROBE = timedelta(days=5)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """One change of a zone's offset: at `at` the clocks go from `before` to `after` (offsets from UTC)."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def gap(self) -> timedelta:
        """How much wall clock is skipped; negative when it is repeated."""
        return self.after - self.before

    @property
    def wall_before(self) -> datetime:
        """What a clock that was not changed shows: the first skipped minute of a gap."""
        return (self.at + self.before).replace(tzinfo=None)

    @property
    def wall_after(self) -> datetime:
        """What a changed clock shows: the first existing minute after a gap."""
        return (self.at + self.after).replace(tzinfo=None)


@dataclass(frozen=True)
class Zone:
    """One IANA zone by its exact name."""

    name: str

    @cached_property
    def _rules(self) -> ZoneInfo:
        with files("tzdata").joinpath("zoneinfo", *self.name.split("/")).open("rb") as data:
            return ZoneInfo.from_file(data, key=self.name)

    def offset(self, at: datetime) -> timedelta:
        """The offset from UTC in force at an instant."""
        return at.astimezone(self._rules).utcoffset() or timedelta()

    def wall(self, at: datetime) -> datetime:
        """What the zone's clocks show at an instant."""
        return at.astimezone(self._rules).replace(tzinfo=None)

    def resolve(self, wall: datetime) -> datetime:
        """The instant of a wall clock: a skipped time keeps the offset before the gap, a repeated time is its first pass."""
        local = wall.replace(tzinfo=self._rules, fold=0)
        return (wall - (local.utcoffset() or timedelta())).replace(tzinfo=UTC)

    def spread(self, wall: datetime) -> timedelta:
        """Positive inside a gap, negative where the wall clock is repeated, zero elsewhere."""
        first = wall.replace(tzinfo=self._rules, fold=0).utcoffset() or timedelta()
        second = wall.replace(tzinfo=self._rules, fold=1).utcoffset() or timedelta()
        return second - first

    def change_between(self, after: datetime, until: datetime) -> ClockChange | None:
        """The first change of the clocks later than `after` and not later than `until`."""
        if until - after <= _PROBE and self.offset(after) == self.offset(until):
            return None
        for year in range(after.year, until.year + 1):
            for change in _changes(self, year):
                if change.at > until:
                    return None
                if change.at > after:
                    return change
        return None


@lru_cache(maxsize=8192)
def _changes(zone: Zone, year: int) -> tuple[ClockChange, ...]:
    """Every change of the clocks within one UTC year."""
    probe, end = datetime(year, 1, 1, tzinfo=UTC) - _SECOND, datetime(year + 1, 1, 1, tzinfo=UTC) - _SECOND
    offset, found = zone.offset(probe), []
    while probe < end:
        following = min(probe + _PROBE, end)
        later = zone.offset(following)
        if later != offset:
            found.append(ClockChange(_first_second(zone, probe, following), offset, later))
        probe, offset = following, later
    return tuple(found)


def _first_second(zone: Zone, low: datetime, high: datetime) -> datetime:
    """The first second within (low, high] at which the offset of `high` is in force."""
    later = zone.offset(high)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if zone.offset(middle) == later:
            high = middle
        else:
            low = middle
    return high


@cache
def zone_names() -> frozenset[str]:
    """Every zone name of the wheel, exact case."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=2048)
def find_zone(name: str) -> Zone | None:
    """The zone of that exact name, or None when the wheel has none."""
    return Zone(name) if name in zone_names() else None


def tzdata_version() -> str:
    """The release of the zone rules in use, to be kept beside every stored instant."""
    return str(import_module("tzdata").IANA_VERSION)

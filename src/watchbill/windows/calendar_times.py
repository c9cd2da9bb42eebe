"""What the times of a calendar file mean: dates, wall clocks, their zones, lengths. Every fault is a sentence for its property."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from watchbill.core.fields import shown
from watchbill.core.zones import Zone, find_zone, zone_names
from watchbill.windows.calendar_lines import Property

_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_TIME: Final = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(Z?)", re.ASCII)
_LENGTH: Final = re.compile(
    r"\+?P(?:(\d{1,6})W|(?:(\d{1,6})D)?(T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?)", re.ASCII
)
_YEARS: Final = range(1900, 2500)


class TimeFaultError(ValueError):
    """A value that cannot be used; the text says why and what can."""


@dataclass(frozen=True, slots=True)
class Time:
    """A point of time in a file. `zone` None = the clocks of each site; `is_date`: a whole day begins."""

    wall: datetime
    zone: Zone | None
    is_date: bool

    @property
    def instant(self) -> datetime:
        """Comparable among the times of one file; without a zone as if all were in UTC."""
        return self.zone.resolve(self.wall) if self.zone else self.wall.replace(tzinfo=UTC)

    def text_in(self, zone: Zone | None) -> str:
        """As a schedule in that zone says it: its wall clock where the zones are the same, else the instant."""
        if self.zone == zone:
            return self.wall.isoformat(timespec="minutes")
        return self.instant.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Zones:
    """How zones are found. `floating`: what times without a zone are in; None = the clocks of each site, if `follows_site`."""

    named_in_file: Mapping[str, str]
    floating: Zone | None
    follows_site: bool

    def time(self, value: str, params: Mapping[str, str]) -> Time:
        """Read one DATE or DATE-TIME; raises TimeFaultError."""
        day = _DATE.fullmatch(value)
        if day is not None and params.get("VALUE", "DATE").upper() == "DATE":
            return Time(_existing(value, *map(int, day.groups())), self._floating(value), is_date=True)
        time = _TIME.fullmatch(value)
        if time is None or params.get("VALUE", "DATE-TIME").upper() != "DATE-TIME":
            raise TimeFaultError(f"{shown(value)} must be a date such as 20261224 or a time such as 20261224T180000")
        wall = _existing(value, *map(int, time.groups()[:6]))
        return Time(wall, self._zone_of(value, params, is_utc=bool(time[7])), is_date=False)

    def _zone_of(self, value: str, params: Mapping[str, str], *, is_utc: bool) -> Zone | None:
        if not is_utc and "TZID" not in params:
            return self._floating(value)
        if self.follows_site:
            message = "has a zone of its own, and this window is read on the clocks of each site: import it as fixed"
            raise TimeFaultError(f"{shown(value)} {message}")
        return Zone("UTC") if is_utc else self._named(params["TZID"])

    def _floating(self, value: str) -> Zone | None:
        if self.floating is None and not self.follows_site:
            message = (
                "has no zone: name one for it (timezone), or let it be read on the clocks of each site (zone_source)"
            )
            raise TimeFaultError(f"{shown(value)} {message}")
        return self.floating

    def _named(self, tzid: str) -> Zone:
        for name in (tzid, self.named_in_file.get(tzid, ""), _last_parts(tzid), _windows_name(tzid)):
            if found := find_zone(name):
                return found
        message = "is not a known zone: it must be an IANA name such as Europe/Berlin, or defined in the file with one"
        raise TimeFaultError(f"TZID {shown(tzid)} {message} (X-LIC-LOCATION)")


def _existing(value: str, *numbers: int) -> datetime:
    try:
        year, month, day, hour, minute, second = (*numbers, 0, 0, 0)[:6]
        found = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a wall clock
    except ValueError:
        raise TimeFaultError(f"{shown(value)} does not exist") from None
    if found.year not in _YEARS:
        raise TimeFaultError(f"{shown(value)} must lie in the years {_YEARS[0]} to {_YEARS[-1]}")
    return found


def _last_parts(tzid: str) -> str:
    """`Europe/Berlin` of `/example.org/20260101_1/Europe/Berlin`, the form of names that are unique in the world."""
    parts = tzid.split("/")
    tails = ["/".join(parts[-number:]) for number in (3, 2, 1)] if tzid.startswith("/") else []
    return next((one for one in tails if one in zone_names()), "")


def _windows_name(tzid: str) -> str:
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return WINDOWS_TO_OLSON.get(tzid, "")


@dataclass(frozen=True, slots=True)
class Length:
    """Elapsed seconds, or days to the same wall clock."""

    seconds: int | None = None
    days: int | None = None


def length_of(start: Time, end: Property | None, duration: Property | None, zones: Zones) -> Length:
    """How long an event lasts; raises TimeFaultError."""
    if end is not None and duration is not None:
        raise TimeFaultError("and DURATION exclude each other")
    if duration is not None:
        return _spelled(start, duration.value)
    if end is None:
        if start.is_date:
            return Length(days=1)
        raise TimeFaultError("or DURATION is missing: the event has no length")
    until = zones.time(end.value, end.params)
    if until.is_date != start.is_date:
        raise TimeFaultError("must be a date where DTSTART is one, and a time where it is a time")
    if start.is_date:
        return Length(days=_positive((until.wall - start.wall).days))
    return Length(seconds=_positive(int((until.instant - start.instant).total_seconds())))


def _positive(number: int) -> int:
    if number <= 0:
        raise TimeFaultError("must be later than DTSTART")
    return number


def _spelled(start: Time, value: str) -> Length:
    """Days and weeks are days of the calendar, hours and less are elapsed time (RFC 5545, 3.3.6)."""
    found = _LENGTH.fullmatch(value)
    weeks, days, clock, *parts = found.groups() if found else (None, None, None, None, None, None)
    if not (weeks or days or clock):
        raise TimeFaultError(f"{shown(value)} must be a length such as PT2H or P1D")
    nominal = int(weeks or 0) * 7 + int(days or 0)
    hours, minutes, seconds = (int(one or 0) for one in parts)
    elapsed = int(timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds())
    if nominal and elapsed:
        raise TimeFaultError(f"{shown(value)} mixes days with hours: use whole days, or hours alone")
    if start.is_date and elapsed:
        raise TimeFaultError(f"{shown(value)} must be whole days where DTSTART is a date")
    if not nominal and not elapsed:
        raise TimeFaultError(f"{shown(value)} is no time at all")
    return Length(days=nominal) if nominal else Length(seconds=elapsed)

"""Owns the two ways a point of time is carried: as it was given, and as a rule names it. Holds values only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

LAST_YEAR: Final = 9_000  # datetime ends at 9999; nothing is computed near its edge


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of time as it was given (`text`), with the wall clock and the instant it means in the schedule's zone."""

    text: str
    wall: datetime
    instant: datetime


@dataclass(frozen=True, slots=True)
class Nominal:
    """One instant of a rule and the wall clock that named it (they differ where the clocks skip)."""

    at: datetime
    wall: datetime
    clamped: bool = False

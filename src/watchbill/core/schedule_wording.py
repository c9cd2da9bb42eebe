"""Owns small English: ordinals, lists, dates. Knows nothing of schedules."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SMALL: Final = ("first", "second", "third", "fourth", "fifth")


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    suffix = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def position(number: int) -> str:
    """first, second, last, second to last, 20th."""
    if number < 0:
        return "last" if number == -1 else f"{position(-number)} to last"
    return _SMALL[number - 1] if number <= len(_SMALL) else ordinal(number)


def listed(parts: Sequence[str], word: str = "and") -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def ranged(values: Sequence[int], names: Sequence[str]) -> str:
    """Ascending values by their names, three or more neighbours as `a to b`."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts: list[str] = []
    for run in runs:
        parts += [f"{names[run[0]]} to {names[run[-1]]}"] if len(run) > 2 else [names[value] for value in run]
    return listed(parts)


def date_and_time(wall: datetime) -> str:
    """4 May 2026 07:00."""
    return f"{wall.day} {MONTHS[wall.month - 1]} {wall.year} {wall:%H:%M}"


def month_and_year(year: int, month: int) -> str:
    """May 2026."""
    return f"{MONTHS[month - 1]} {year}"


def counted(number: int, noun: str) -> str:
    """1 day, 2 days."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

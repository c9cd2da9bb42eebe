"""Lengths of time as people write and read them: 90m, 1h30m, 9d."""

import re
from typing import Final

from watchbill.apps.commands.exits import CliError, ExitCode

_LENGTH: Final = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def days_and_seconds(text: str) -> tuple[int, int]:
    """Days, and the seconds beside them."""
    found = _LENGTH.fullmatch(text)
    days, hours, minutes, seconds = (int(one or 0) for one in found.groups()) if found else (0, 0, 0, 0)
    elapsed = hours * 3600 + minutes * 60 + seconds
    if not days and not elapsed:
        raise CliError(f"{text} must be a length of time such as 2h, 90m, 1h30m or 9d.", ExitCode.USAGE)
    return days, elapsed


def seconds_of(text: str) -> int:
    """All of it in seconds."""
    days, seconds = days_and_seconds(text)
    return days * 86_400 + seconds


def spoken(seconds: int) -> str:
    """1 h 30 min."""
    parts = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts) or "0 s"

"""Owns sizes and durations in filters: reads them with their unit, writes them for people. Both are whole numbers inside."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

#: The greatest whole number in a filter: what a bigint holds.
MAX_INTEGER: Final = 2**63 - 1

_AMOUNT: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,10})")

#: As written for people -> how many bytes; case is ignored when read.
SIZES: Final[Mapping[str, int]] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGTP", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGTP", 1)},
}
#: As written for people -> how many seconds.
DURATIONS: Final[Mapping[str, int]] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_SHORT: Final = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day", "w": "week"}

_SIZE_UNITS: Final = {name.lower(): value for name, value in SIZES.items()}
_DURATION_UNITS: Final = {
    **DURATIONS,
    **{f"{name}s": value for name, value in DURATIONS.items()},
    **{short: DURATIONS[name] for short, name in _SHORT.items()},
}

SIZE_FORMS: Final = f'bytes as a whole number, or a text such as "8 GiB" (units: {", ".join(SIZES)})'
DURATION_FORMS: Final = (
    f'seconds as a whole number, or a text such as "7 days" (units: {", ".join([*_SHORT, *DURATIONS])})'
)


def read_size(text: str) -> int | None:
    """`8 GiB`, `500MB`, `1.5 TiB` in bytes; None when it is no size, or not a whole number of bytes."""
    return _read(text, _SIZE_UNITS)


def read_duration(text: str) -> int | None:
    """`7 days`, `12 h`, `1.5 h` in seconds; None when it is no duration, or not a whole number of seconds."""
    return _read(text, _DURATION_UNITS)


def _read(text: str, units: Mapping[str, int]) -> int | None:
    found = _AMOUNT.fullmatch(text)
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None:
        return None
    amount = Decimal(found[1]) * unit
    return int(amount) if amount == int(amount) else None


def size_words(value: int) -> str:
    """The shortest exact way to say it: `8 GiB`, `500 MB`, `1001 B`."""
    name = _largest(value, SIZES)
    return f"{value // SIZES[name]} {name}"


def duration_words(value: int) -> str:
    """The shortest exact way to say it: `1 week`, `36 hours`."""
    name = _largest(value, DURATIONS)
    amount = value // DURATIONS[name]
    return f"{amount} {name}" if amount == 1 else f"{amount} {name}s"


def _largest(value: int, units: Mapping[str, int]) -> str:
    """The greatest unit that divides the value; the smallest one for 0."""
    return max(
        (name for name, unit in units.items() if unit == 1 or (value and value % unit == 0)), key=units.__getitem__
    )

"""Owns reading the text of an RFC 5545 recurrence rule, naming everything that is wrong with it at once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from watchbill.core.schedule_rrule import Frequency, Recurrence

MAX_COUNT: Final = 10_000
MAX_LENGTH: Final = 1_000
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# The largest interval of each frequency still steps within the sixty years that are searched.
_LARGEST_INTERVAL: Final[dict[Frequency, int]] = {
    "YEARLY": 60,
    "MONTHLY": 720,
    "WEEKLY": 3_120,
    "DAILY": 21_900,
    "HOURLY": 525_600,
    "MINUTELY": 31_536_000,
}
_FREQUENCIES: Final[dict[str, Frequency]] = {name: name for name in _LARGEST_INTERVAL}
# Part: lowest and highest value, and whether it may count from the end with a minus sign.
_NUMBERS: Final[dict[str, tuple[int, int, bool]]] = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}
_KNOWN: Final = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST", *_NUMBERS)
# RFC 5545 3.3.10 forbids these parts in these frequencies.
_FORBIDDEN: Final[dict[str, tuple[str, ...]]] = {
    "BYWEEKNO": ("MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"),
    "BYYEARDAY": ("MONTHLY", "WEEKLY", "DAILY"),
    "BYMONTHDAY": ("WEEKLY",),
}
_UNTIL: Final = re.compile(r"\d{8}T\d{6}Z?", re.ASCII)
_DAY: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}", re.ASCII)


@lru_cache(maxsize=4096)
def read_rrule(text: str) -> tuple[Recurrence | None, tuple[str, ...]]:
    """The parsed rule, or None and everything that is wrong with it."""
    body = text.strip().upper().removeprefix("RRULE:")
    if len(body) > MAX_LENGTH:
        return None, (f"a rule may have at most {MAX_LENGTH} characters",)
    reading = _Reading(body)
    rule = reading.rule()
    return (None, tuple(reading.problems)) if reading.problems else (rule, ())


class _Reading:
    """One rule on its way from text to value."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.problems: list[str] = []
        self.parts: dict[str, str] = {}
        for part in body.split(";"):
            self._take(part)

    def _take(self, part: str) -> None:
        name, equals, value = part.partition("=")
        if not equals or not value:
            self.problems.append(f"{part!r} must be NAME=VALUE, with parts separated by semicolons")
        elif name not in _KNOWN:
            self.problems.append(f"{name} is not supported; the parts are {', '.join(_KNOWN)}")
        elif name in self.parts:
            self.problems.append(f"{name} is given twice")
        else:
            self.parts[name] = value

    def rule(self) -> Recurrence:
        """The rule; only to be used when no problem was found."""
        frequency = self._frequency()
        numbers = {name: tuple(self._numbers(name)) for name in _NUMBERS}
        rule = Recurrence(
            text=self.body,
            frequency=frequency,
            interval=self._whole("INTERVAL", _LARGEST_INTERVAL[frequency]) or 1,
            count=self._whole("COUNT", MAX_COUNT),
            until=self._until(),
            months=numbers["BYMONTH"],
            month_days=numbers["BYMONTHDAY"],
            year_days=numbers["BYYEARDAY"],
            week_numbers=numbers["BYWEEKNO"],
            weekdays=tuple(self._weekdays(frequency)),
            hours=numbers["BYHOUR"],
            minutes=numbers["BYMINUTE"],
            positions=numbers["BYSETPOS"],
            week_start=self._week_start(),
        )
        self._refuse_combinations(rule)
        return rule

    def _frequency(self) -> Frequency:
        value = self.parts.get("FREQ", "")
        if value not in _FREQUENCIES:
            self.problems.append(f"FREQ must be one of {', '.join(_FREQUENCIES)}")
        return _FREQUENCIES.get(value, "DAILY")

    def _whole(self, name: str, largest: int) -> int | None:
        value = self.parts.get(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 9 or not 1 <= int(value) <= largest:
            self.problems.append(f"{name}={value} must be a whole number from 1 to {largest}")
            return None
        return int(value)

    def _until(self) -> datetime | None:
        value = self.parts.get("UNTIL")
        if value is None:
            return None
        try:
            given = datetime.fromisoformat(value.removesuffix("Z")) if _UNTIL.fullmatch(value) else None
        except ValueError:
            given = None
        if given is None:
            self.problems.append(
                f"UNTIL={value} must be a date with a time, such as 20261231T235959Z or 20261231T235959 (local)"
            )
            return None
        return given.replace(tzinfo=UTC) if value.endswith("Z") else given

    def _numbers(self, name: str) -> Iterator[int]:
        low, high, from_end = _NUMBERS[name]
        for text in self.parts[name].split(",") if name in self.parts else ():
            number = int(text) if _NUMBER.fullmatch(text) else None
            if number is None or not low <= (abs(number) if from_end else number) <= high:
                span = f"{low} to {high}" + (f" or -{high} to -{low}" if from_end else "")
                self.problems.append(f"{name} value {text!r} must be {span}")
            else:
                yield number

    def _weekdays(self, frequency: Frequency) -> Iterator[tuple[int, int]]:
        largest = {"YEARLY": 53, "MONTHLY": 5}.get(frequency, 0)
        for text in self.parts["BYDAY"].split(",") if "BYDAY" in self.parts else ():
            day = _DAY.fullmatch(text)
            if day is None:
                self.problems.append(
                    f"BYDAY value {text!r} must be one of {', '.join(WEEKDAYS)}, with a number before it if one is meant"
                )
            elif not day[1]:
                yield WEEKDAYS.index(day[2]), 0
            elif not largest or "BYWEEKNO" in self.parts:
                self.problems.append(
                    f"BYDAY value {text!r} takes a number only in MONTHLY and YEARLY rules without BYWEEKNO"
                )
            elif not 1 <= abs(int(day[1])) <= largest:
                self.problems.append(f"BYDAY value {text!r} must count from 1 to {largest} or from -{largest} to -1")
            else:
                yield WEEKDAYS.index(day[2]), int(day[1])

    def _week_start(self) -> int:
        value = self.parts.get("WKST", "MO")
        if value not in WEEKDAYS:
            self.problems.append(f"WKST={value} must be one of {', '.join(WEEKDAYS)}")
            return 0
        return WEEKDAYS.index(value)

    def _refuse_combinations(self, rule: Recurrence) -> None:
        if "COUNT" in self.parts and "UNTIL" in self.parts:
            self.problems.append("COUNT and UNTIL exclude each other")
        for name, frequencies in _FORBIDDEN.items():
            if name in self.parts and rule.frequency in frequencies:
                self.problems.append(f"{name} is not allowed in a {rule.frequency} rule")
        if rule.positions and not any(name.startswith("BY") and name != "BYSETPOS" for name in self.parts):
            self.problems.append("BYSETPOS needs another BY part to choose from")

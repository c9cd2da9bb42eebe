"""Owns reading single values of a filter: each is checked, brought into its one canonical form, or refused with a sentence.

Knows no tree. Never repeats a value that is a list or an object: what a caller made by hand may be cyclic, and without end as text.
"""

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Final, TypeVar

from watchbill.core.fields import Fields, is_integer, join, shown, text_fault
from watchbill.core.filter_nodes import Network
from watchbill.core.filter_regex import parse_pattern
from watchbill.core.filter_regex_signs import MAX_PATTERN, PatternError
from watchbill.core.filter_regex_tree import Pattern
from watchbill.core.filter_units import DURATION_FORMS, MAX_INTEGER, SIZE_FORMS, read_duration, read_size
from watchbill.core.filter_version import MAX_VERSION
from watchbill.core.problems import Problem

MAX_TEXT: Final = 1_000
MAX_LIST: Final = 1_000
#: No object of a tree has as many; one that has is not read.
MAX_FIELDS: Final = 20
#: Faulty entries of one list that are named one by one.
MAX_FAULTS: Final = 10

_NETWORK: Final = re.compile(r"([0-9A-Fa-f:.]{2,45})(/[0-9]{1,3})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_One = TypeVar("_One", bound=Hashable)


def told(value: object) -> str:
    """A value of any type as a message may repeat it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return shown(value[:60])
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return type(value).__name__


@dataclass(frozen=True, slots=True)
class Values:
    """Readers of values; each gives None for what it has refused under `path`, and the problem goes to `problems`."""

    problems: list[Problem]

    def refuse(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def fields(self, value: object, path: str) -> Fields | None:
        """The fields of an object that JSON could hold."""
        if not isinstance(value, Mapping):
            self.refuse(path, "wrong_type", f"must be an object, not {told(value)}")
        elif len(value) > MAX_FIELDS or not all(isinstance(name, str) for name in value):
            self.refuse(path, "wrong_type", f"must be an object of at most {MAX_FIELDS} fields whose names are texts")
        else:
            return Fields.of(value, self.problems, path)
        return None

    def many(self, value: object, path: str, read: Callable[[object, str], _One | None]) -> tuple[_One, ...] | None:
        """A list of 1 to 1,000 values, without those that were there before."""
        if not isinstance(value, list):
            self.refuse(path, "wrong_type", f"must be a list of 1 to {MAX_LIST} values, not {told(value)}")
            return None
        if not 1 <= len(value) <= MAX_LIST:
            self.refuse(path, "length", f"must have 1 to {MAX_LIST} values, not {len(value)}")
            return None
        before = len(self.problems)
        read_ones = [read(item, join(path, place)) for place, item in enumerate(value)]
        self._cut(path, before)
        found = [one for one in read_ones if one is not None]
        return tuple(dict.fromkeys(found)) if len(found) == len(value) else None

    def _cut(self, path: str, before: int) -> None:
        faults = len(self.problems) - before
        if faults > MAX_FAULTS:
            del self.problems[before + MAX_FAULTS :]
            self.refuse(path, "more_problems", f"has {faults - MAX_FAULTS} more values that are refused")

    def text(self, value: object, path: str, most: int = MAX_TEXT) -> str | None:
        """A text that is not empty: an empty one is what unknown means."""
        if not isinstance(value, str):
            self.refuse(path, "wrong_type", f"must be a text of 1 to {most} characters, not {told(value)}")
        elif not 1 <= len(value) <= most:
            self.refuse(path, "length", f"must have 1 to {most} characters, not {len(value)}")
        elif fault := text_fault(value):
            self.refuse(path, "invalid_text", fault)
        else:
            return value
        return None

    def version(self, value: object, path: str) -> str | None:
        found = self.text(value, path, MAX_VERSION)
        if found is not None and (found != found.strip() or text_fault(found, is_one_line=True)):
            self.refuse(path, "invalid_text", "must be a version such as 3.0.1, without spaces around it, on one line")
            return None
        return found

    def pattern(self, value: object, path: str) -> Pattern | None:
        found = self.text(value, path, MAX_PATTERN)
        try:
            return None if found is None else parse_pattern(found)
        except PatternError as error:
            self.refuse(path, "invalid_pattern", str(error))
            return None

    def choice(self, value: object, path: str, allowed: tuple[str, ...]) -> str | None:
        if isinstance(value, str) and value in allowed:
            return value
        self.refuse(path, "not_allowed", f"must be one of: {', '.join(allowed)}; not {told(value)}")
        return None

    def integer(self, value: object, path: str, least: int = 0) -> int | None:
        if is_integer(value) and least <= value <= MAX_INTEGER:
            return value
        wanted = f"must be a whole number from {least} to {MAX_INTEGER}"
        is_number = is_integer(value)
        self.refuse(
            path, "out_of_range" if is_number else "wrong_type", wanted if is_number else f"{wanted}, not {told(value)}"
        )
        return None

    def site(self, value: object, path: str) -> int | None:
        return self.integer(value, path, least=1)

    def size(self, value: object, path: str) -> int | None:
        return self._amount(value, path, read_size, SIZE_FORMS)

    def duration(self, value: object, path: str) -> int | None:
        return self._amount(value, path, read_duration, DURATION_FORMS)

    def _amount(self, value: object, path: str, read: Callable[[str], int | None], forms: str) -> int | None:
        amount = read(value) if isinstance(value, str) else value
        if is_integer(amount) and 0 <= amount <= MAX_INTEGER:
            return amount
        self.refuse(
            path, "invalid_amount", f"{told(value)} is not allowed; it must be {forms}, from 0 to {MAX_INTEGER}"
        )
        return None

    def number(self, value: object, path: str) -> Decimal | None:
        """An integer, or a float by the decimal digits that JSON shows: 0.1 is one tenth, as in the database."""
        if isinstance(value, int | float) and not isinstance(value, bool) and -MAX_INTEGER <= value <= MAX_INTEGER:
            exact = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
            whole = Decimal(int(exact))
            return whole if whole == exact else exact
        self.refuse(path, "wrong_type", f"must be a number from -{MAX_INTEGER} to {MAX_INTEGER}, not {told(value)}")
        return None

    def date(self, value: object, path: str) -> date | None:
        found = _date(value) if isinstance(value, str) and _DATE.fullmatch(value) else None
        if found is None:
            self.refuse(path, "invalid_date", f"must be a date that exists, such as 2026-05-04, not {told(value)}")
        return found

    def network(self, value: object, path: str) -> Network | None:
        """A network in CIDR form, or one address; without a zone such as %eth0."""
        found = _network(value) if isinstance(value, str) and _NETWORK.fullmatch(value) else None
        if found is None:
            forms = "must be a network such as 10.0.0.0/8 or fd00::/8, or an address"
            self.refuse(path, "invalid_network", f"{forms}; not {told(value)}")
        elif _address(str(value)) != found.network_address:
            self.refuse(
                path, "invalid_network", f"{told(value)} names an address within a network; the network is {found}"
            )
        else:
            return found
        return None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> object:
    """The address before the slash of a text that is a network."""
    return ip_address(text.partition("/")[0])

"""Reads the fields of a JSON object one by one and collects every problem with its dotted path, so that one fault hides no other.

Knows no product rule: what a field means is the reader's business. A faulty field reads as its default, and reading goes on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeGuard
from uuid import UUID

from watchbill.core.problems import Problem

#: What no database text and no environment can hold: a NUL, half a surrogate pair.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_CONTROL: Final = re.compile("[\0-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Choice:
    """The words a field may hold: those available now, and those that the contract names but this version lacks."""

    now: tuple[str, ...]
    later: tuple[str, ...] = ()

    def problem(self, path: str, value: object) -> Problem | None:
        """What is wrong with `value`, None when it may be used."""
        if isinstance(value, str) and value in self.now:
            return None
        allowed = f"must be one of: {', '.join(self.now)}" if len(self.now) > 1 else f"must be {self.now[0]}"
        if isinstance(value, str) and value in self.later:
            return Problem(path, "not_available_yet", f"{value} is not available in this version; it {allowed}")
        return Problem(path, "not_allowed", f"{shown(value)} is not allowed; it {allowed}")


def shown(value: object) -> str:
    """A value as a message may repeat it: short, and never a whole document."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def text_fault(value: str, *, is_one_line: bool = False) -> str | None:
    """Why a text cannot be kept, None when it can."""
    if _UNSTORABLE.search(value):
        return "must not hold a NUL character or half a surrogate pair"
    if is_one_line and _CONTROL.search(value):
        return "must be one line without control characters"
    return None


def join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


@dataclass(slots=True)
class Fields:
    """One object under `path`; what is wrong is appended to `problems`, which all readers of a document share."""

    value: Mapping[str, object]
    problems: list[Problem]
    path: str = ""
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, value: object, problems: list[Problem], path: str = "") -> "Fields":
        """The fields of `value`; none when it is no object, which is a problem of its own."""
        if isinstance(value, Mapping):
            return cls({str(name): item for name, item in value.items()}, problems, path)
        problems.append(Problem(path, "wrong_type", "must be an object"))
        return cls({}, problems, path)

    def refuse(self, name: str, code: str, message: str) -> None:
        self.problems.append(Problem(join(self.path, name), code, message))

    def take(self, name: str) -> object:
        """The raw value of a field, None when absent; the field counts as known from now on."""
        self._seen.add(name)
        return self.value.get(name)

    def text(
        self, name: str, *, most: int, least: int = 0, default: str | None = None, is_one_line: bool = False
    ) -> str:
        """A text of `least` to `most` characters; required when there is no default."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if value is None:
            self.refuse(name, "required", f"is required: a text of {least} to {most} characters")
        elif not isinstance(value, str):
            self.refuse(name, "wrong_type", f"must be a text, not {shown(value)}")
        elif not least <= len(value) <= most:
            self.refuse(name, "length", f"must have {least} to {most} characters, not {len(value)}")
        elif fault := text_fault(value, is_one_line=is_one_line):
            self.refuse(name, "invalid_text", fault)
        else:
            return value
        return default or ""

    def name(self, name: str = "name") -> str:
        """A display name: one line of 1 to 200 characters that does not begin or end with a space."""
        before = len(self.problems)
        value = self.text(name, most=200, least=1, is_one_line=True)
        if len(self.problems) == before and value != value.strip():
            self.refuse(name, "invalid_text", "must not begin or end with a space")
        return value

    def integer(self, name: str, low: int, high: int, *, default: int) -> int:
        value = self.optional_integer(name, low, high)
        return default if value is None else value

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if is_integer(value) and low <= value <= high:
            return value
        self.refuse(name, "out_of_range", f"must be a whole number from {low} to {high}, not {shown(value)}")
        return None

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.optional_boolean(name)
        return default if value is None else value

    def optional_boolean(self, name: str) -> bool | None:
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(name, "wrong_type", f"must be true or false, not {shown(value)}")
        return None

    def choice(self, name: str, choice: Choice, *, default: str | None = None) -> str | None:
        """One of the words available now; required when there is no default. None when it is faulty."""
        value = self.take(name)
        if value is None:
            if default is None:
                self.refuse(name, "required", f"is required; one of: {', '.join(choice.now)}")
            return default
        problem = choice.problem(join(self.path, name), value)
        if problem is None:
            return str(value)
        self.problems.append(problem)
        return None

    def only(self, name: str, message: str, *, allowed: object = None) -> None:
        """A field that in this version holds nothing but `allowed` (or null)."""
        value = self.take(name)
        if value is not None and (type(value) is not type(allowed) or value != allowed):
            self.refuse(name, "not_available_yet", message)

    def items(self, name: str, *, most: int, least: int = 0) -> Sequence[object]:
        """A list of `least` to `most` items; empty when absent or faulty."""
        value = self.take(name)
        if value is None and not least:
            return ()
        if value is None:
            self.refuse(name, "required", f"is required: a list of {least} to {most} items")
        elif not isinstance(value, list):
            self.refuse(name, "wrong_type", f"must be a list, not {shown(value)}")
        elif not least <= len(value) <= most:
            self.refuse(name, "length", f"must have {least} to {most} items, not {len(value)}")
        else:
            return value
        return ()

    def object(self, name: str) -> "Fields":
        """The fields of an inner object; empty when absent."""
        value = self.take(name)
        return Fields.of({} if value is None else value, self.problems, join(self.path, name))

    def identifier(self, name: str) -> UUID | None:
        """A UUID in its usual text form; required. None when faulty."""
        value = self.take(name)
        if value is None:
            self.refuse(name, "required", "is required: a UUID")
            return None
        found = as_uuid(value)
        if found is None:
            self.refuse(name, "wrong_type", f"must be a UUID, not {shown(value)}")
        return found

    def refuse_unknown(self, what: str, read_only: Iterable[str] = ()) -> None:
        """Refuse every field that nobody has read: a value that does nothing is a misunderstanding."""
        known = ", ".join(sorted(self._seen))
        for name in self._strange():
            if name in read_only:
                self.refuse(name, "read_only", "is set by the Engine; leave it out")
            else:
                self.refuse(shown(name)[1:-1], "unknown_field", f"is not a field of {what}; it has: {known}")

    def _strange(self) -> Iterator[str]:
        return (name for name in self.value if name not in self._seen)


def is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def as_uuid(value: object) -> UUID | None:
    """The UUID that a text spells in the usual 36 characters."""
    if not isinstance(value, str) or len(value) != 36:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None

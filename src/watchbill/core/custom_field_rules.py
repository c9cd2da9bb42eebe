"""What custom fields are, what their values may be, and how a script sets them: a line of its own on standard output.

    ::watchbill set NAME=VALUE

Pure. Values of people come as JSON, those of scripts as text; both end as the same four types.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, assert_never

from watchbill.core.fields import shown, text_fault

MAX_FIELDS: Final = 200
MAX_TEXT_CHARACTERS: Final = 1000
#: Fields that one execution may set.
MAX_SET_BY_SCRIPT: Final = 50
FIELD_NAME: Final = r"[a-z][a-z0-9_]{0,39}"
#: What a line begins with that sets a value.
MARK: Final = "::watchbill set "

_SETTING: Final = re.compile(rf"({FIELD_NAME})[ \t]*=(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_MOST_NOTES: Final = 5

Value = str | float | bool | date


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


class UnfitValueError(ValueError):
    """The value does not fit its field; says what would."""


@dataclass(frozen=True, slots=True)
class ScriptField:
    """What must be known of a field to let a script set it."""

    id: int
    type: FieldType
    settable_by_scripts: bool


@dataclass(slots=True)
class Told:
    """What the lines of one execution set, by field id, and what of them was not taken and why."""

    values: dict[int, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self) -> str | None:
        """One sentence for people; None when everything was taken."""
        if not self.notes:
            return None
        more = len(self.notes) - _MOST_NOTES
        ending = f"; and {more} more" if more > 0 else ""
        return f"Custom values not set: {'; '.join(self.notes[:_MOST_NOTES])}{ending}."


def value_of_json(kind: FieldType, value: object) -> Value:
    """A value as people send it. Raises UnfitValueError."""
    match kind:
        case FieldType.TEXT:
            if isinstance(value, str):
                return _text(value)
        case FieldType.NUMBER:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return _number(value)
        case FieldType.BOOLEAN:
            if isinstance(value, bool):
                return value
        case FieldType.DATE:
            if isinstance(value, str):
                return _date(value)
        case _:
            assert_never(kind)
    raise UnfitValueError(f"{_ALLOWED[kind]}, not {shown(value)}")


def value_of_text(kind: FieldType, text: str) -> Value:
    """A value as a script prints it. Raises UnfitValueError."""
    word = text.strip()
    match kind:
        case FieldType.TEXT:
            return _text(word)
        case FieldType.NUMBER:
            if _NUMBER.fullmatch(word):
                return _number(float(word))
        case FieldType.BOOLEAN:
            if word.lower() in _TRUE | _FALSE:
                return word.lower() in _TRUE
        case FieldType.DATE:
            return _date(word)
        case _:
            assert_never(kind)
    raise UnfitValueError(f"{_ALLOWED[kind]}, not {shown(word)}")


_ALLOWED: Final = {
    FieldType.TEXT: f"must be a text of 1 to {MAX_TEXT_CHARACTERS} characters",
    FieldType.NUMBER: "must be a number",
    FieldType.BOOLEAN: "must be true or false",
    FieldType.DATE: "must be a date as YYYY-MM-DD",
}


def _text(value: str) -> str:
    if not 1 <= len(value.strip()) <= MAX_TEXT_CHARACTERS:
        raise UnfitValueError(_ALLOWED[FieldType.TEXT])
    fault = text_fault(value, is_one_line=True)
    if fault:
        raise UnfitValueError(fault)
    return value.strip()


def _number(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnfitValueError("must be a finite number")
    return number


def _date(value: str) -> date:
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise UnfitValueError(f"{_ALLOWED[FieldType.DATE]}, not {shown(value)}")


def told_by_script(lines: Iterable[str], fields: Mapping[str, ScriptField]) -> Told:
    """What these lines, each beginning with MARK, set: the last word about a field counts."""
    told = Told()
    beyond: set[str] = set()
    for line in lines:
        setting = _SETTING.fullmatch(line.removeprefix(MARK).strip())
        if setting is None:
            told.notes.append(f"{shown(line)} is not “{MARK}NAME=VALUE”")
            continue
        name, text = setting.groups()
        fault = _take(told, fields.get(name), text)
        if fault == _BEYOND:
            beyond.add(name)
        elif fault:
            told.notes.append(f"{name} {fault}")
    if beyond:
        told.notes.append(f"{len(beyond)} beyond the {MAX_SET_BY_SCRIPT} that one execution may set")
    return told


_BEYOND: Final = "beyond"


def _take(told: Told, one: ScriptField | None, text: str) -> str | None:
    """Note one setting; why not, when it is not taken."""
    if one is None:
        return "is no custom field"
    if not one.settable_by_scripts:
        return "is not for scripts to set"
    if one.id not in told.values and len(told.values) >= MAX_SET_BY_SCRIPT:
        return _BEYOND
    try:
        told.values[one.id] = value_of_text(one.type, text)
    except UnfitValueError as error:
        return str(error)
    return None

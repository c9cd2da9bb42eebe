"""What values expressions compute with, how two compare, how large one is, and how one is written as text. Pure, and bounded.

Every piece of work is paid for out of a `Budget`, so that no expression and no value from outside takes long.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watchbill.core.expression_nodes import MAX_BYTES, MAX_STEPS, MAX_WHOLE, ExpressionError, Json

#: Characters that are gone through for one step, and what else counts as so many.
_WORK_OF_A_STEP: Final = 1_000
_WORK_OF_A_COMPARISON: Final = 100
#: How deep a value from outside may be, as JSON.
_MAX_VALUE_DEPTH: Final = 100
_MAX_BITS: Final = 1024


@dataclass(slots=True)
class Budget:
    """The work that an evaluation has left."""

    left: int = MAX_STEPS * _WORK_OF_A_STEP

    def spend(self, at: int, work: int = 0) -> None:
        """One step, and the `work` of going through so many characters."""
        self.work(at, _WORK_OF_A_STEP + work)

    def work(self, at: int, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise ExpressionError(at, f"takes too long: more than {MAX_STEPS} steps")


def kind_of(value: object) -> str:
    """The word for what a value is. Raises TypeError for what is no JSON: nothing else ever gets into an expression."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            raise TypeError(f"{type(value).__name__} is no value of JSON")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(value: float, at: int) -> int | float:
    """A computed number: finite, within what JSON carries exactly if it is whole, and without a useless `.0`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError(at, "the result is not a finite number")
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_WHOLE:
        return int(value)
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ExpressionError(at, f"the result is too large: numbers go to {MAX_WHOLE}")
    return value


def equal(left: Json, right: Json, budget: Budget, at: int) -> bool:
    """As JSON: 1 is 1.0 and is not true; objects have no order."""
    pairs: list[tuple[Json, Json]] = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        budget.work(at, _WORK_OF_A_COMPARISON + (len(one) if isinstance(one, str) else 0))
        if kind_of(one) != kind_of(other):
            return False
        if isinstance(one, list | tuple):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif isinstance(one, Mapping):
            if one.keys() != other.keys():
                return False
            pairs += ((one[name], other[name]) for name in one)
        elif one != other:
            return False
    return True


def written(value: Json, budget: Budget, at: int, *, most: int = MAX_BYTES) -> str:
    """A value as JSON. Measured before it is written, so that what is too large or too deep costs nothing."""
    budget.spend(at, _measure(value, at, most))
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    if len(text.encode(errors="surrogatepass")) > most:
        raise _too_large(at, most)
    return text


def _measure(value: Json, at: int, most: int) -> int:
    """The bytes that the value needs at least. Raises when they are more than `most`, having gone through no more than that."""
    size, waiting = 0, [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        kind_of(one)
        size += len(one) + 2 if isinstance(one, str) else 2
        if isinstance(one, Mapping | list | tuple) and len(one) > most:
            raise _too_large(at, most)
        if isinstance(one, Mapping):
            size += sum(len(name) + 4 for name in one)
            waiting += ((inner, depth + 1) for inner in one.values())
        elif isinstance(one, list | tuple):
            size += len(one)
            waiting += ((inner, depth + 1) for inner in one)
        elif is_number(one) and not (math.isfinite(one) if isinstance(one, float) else one.bit_length() <= _MAX_BITS):
            raise ExpressionError(at, "met a number that is not finite or has hundreds of digits")
        if size > most + 2:
            raise _too_large(at, most)
        if depth > _MAX_VALUE_DEPTH:
            raise ExpressionError(at, f"met a value that is nested more than {_MAX_VALUE_DEPTH} deep")
    return size


def _plain(value: Json) -> Json:
    """The same in dicts and lists, which is all that the writer of JSON knows."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _too_large(at: int, most: int) -> ExpressionError:
    return ExpressionError(at, f"the result is too large: at most {most // 1024} KiB as JSON")


def as_text(value: Json, budget: Budget, at: int) -> str:
    """As a template shows it: text as it is, numbers plainly, null as nothing, lists and objects as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case float() if value.is_integer() and abs(value) <= MAX_WHOLE:
            return str(int(value))
        case _:
            return written(value, budget, at)

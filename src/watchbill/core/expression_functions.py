"""The functions and operators of expressions, each from values to a value. What they cannot do they say with the place."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any, Final

from watchbill.core.expression_nodes import MAX_BYTES, MAX_WHOLE, ExpressionError, Json
from watchbill.core.expression_values import Budget, as_text, equal, is_number, kind_of, whole, written

_MAX_PATTERN: Final = 200
_WORK_OF_AN_ITEM: Final = 10
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SUMS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


def truth(value: Json, what: str, at: int) -> bool:
    """true or false; null counts as false, and nothing else counts as either."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ExpressionError(at, f"{what} must be true or false, not {kind_of(value)}")


def calculated(sign: str, left: Json, right: Json, budget: Budget, at: int) -> Json:
    """`+ - * / %`. `+` also joins two texts or two lists."""
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        _bound(len(left) + len(right), at)
        budget.spend(at, len(left) + len(right))
        return left + right
    if sign == "+" and isinstance(left, list | tuple) and isinstance(right, list | tuple):
        _bound(len(left) + len(right), at)
        budget.spend(at, len(left) + len(right))
        return [*left, *right]
    if not is_number(left) or not is_number(right):
        raise ExpressionError(at, _cannot(sign, left, right))
    if sign in "/%" and not right:
        raise ExpressionError(at, "cannot divide by zero")
    try:
        return whole(_SUMS[sign](left, right), at)
    except OverflowError:
        raise ExpressionError(at, "the result is not a finite number") from None


def _cannot(sign: str, left: Json, right: Json) -> str:
    what = f"{sign} needs two numbers" + (", two texts or two lists" if sign == "+" else "")
    hint = "; text(x) makes a text of a value" if sign == "+" and str in (type(left), type(right)) else ""
    return f"{what}, not {kind_of(left)} and {kind_of(right)}{hint}"


def _bound(size: int, at: int) -> None:
    if size > MAX_BYTES:
        raise ExpressionError(at, f"the result is too large: at most {MAX_BYTES // 1024} KiB as JSON")


def compared(sign: str, left: Json, right: Json, budget: Budget, at: int) -> bool:
    if sign in ("==", "!="):
        return equal(left, right, budget, at) is (sign == "==")
    if sign in ("in", "not in"):
        return _is_in(left, right, budget, at) is (sign == "in")
    are_texts = isinstance(left, str) and isinstance(right, str)
    if not are_texts and not (is_number(left) and is_number(right)):
        what = f"{sign} needs two numbers or two texts, not {kind_of(left)} and {kind_of(right)}"
        hint = "; default(x, 0) gives a missing value another" if left is None or right is None else ""
        raise ExpressionError(at, what + hint)
    budget.spend(at, len(left) if are_texts else 0)
    return _ORDERS[sign](left, right)


def _is_in(one: Json, many: Json, budget: Budget, at: int) -> bool:
    """A part of a text, an item of a list, a name of an object. Nothing is in null."""
    match many:
        case None:
            return False
        case str() | Mapping() if isinstance(one, str):
            budget.spend(at, len(many) if isinstance(many, str) else 0)
            return one in many
        case list() | tuple():
            return any(equal(one, item, budget, at) for item in many)
        case _:
            raise ExpressionError(at, f"cannot tell whether {kind_of(one)} is in {kind_of(many)}")


def member(value: Json, name: str, at: int) -> Json:
    """Of an object; null where there is none, and of null."""
    match value:
        case None:
            return None
        case Mapping():
            return value.get(name)
        case _:
            raise ExpressionError(at, f"{kind_of(value)} has no members, so no {name[:40]}")


def indexed(value: Json, key: Json, at: int) -> Json:
    """An item by its number, from the end when negative, or a member by its name; null where there is none."""
    match value, key:
        case _, str():
            return member(value, key, at)
        case (None, int() | float()) if is_number(key):
            return None
        case (list() | tuple(), int()) if is_number(key):
            return value[key] if -len(value) <= key < len(value) else None
        case _:
            raise ExpressionError(at, f"{kind_of(value)} has no item by {kind_of(key)}")


def call(name: str, values: Sequence[Json], budget: Budget, at: int) -> Json:
    """The value of a function; that it takes so many values was seen when the expression was read."""
    budget.spend(at, sum(len(value) for value in values if isinstance(value, str)))
    budget.work(at, _WORK_OF_AN_ITEM * sum(len(value) for value in values if isinstance(value, list | tuple)))
    return _FUNCTIONS[name](values, budget, at)


def _len(values: Sequence[Json], budget: Budget, at: int) -> int:
    budget.spend(at)
    value = values[0]
    if not isinstance(value, str | list | tuple | Mapping):
        raise ExpressionError(at, f"len needs a text, a list or an object, not {kind_of(value)}")
    return len(value)


def _cased(values: Sequence[Json], budget: Budget, at: int, *, name: str, to: Callable[[str], str]) -> str:
    budget.spend(at)
    changed = to(_text(name, values[0], at))
    _bound(len(changed), at)
    return changed


def _texts(values: Sequence[Json], budget: Budget, at: int, *, name: str, test: Callable[[str, str], bool]) -> bool:
    budget.spend(at)
    return test(_text(name, values[0], at), _text(name, values[1], at))


def _text(name: str, value: Json, at: int) -> str:
    if isinstance(value, str):
        return value
    hint = "; default(x, '') gives a missing value another" if value is None else ""
    raise ExpressionError(at, f"{name} needs a text, not {kind_of(value)}{hint}")


def _contains(values: Sequence[Json], budget: Budget, at: int) -> bool:
    many, one = values
    if many is not None and not isinstance(many, str | list | tuple):
        raise ExpressionError(at, f"contains needs a text or a list, not {kind_of(many)}")
    return _is_in(one, many, budget, at)


def _matches(values: Sequence[Json], budget: Budget, at: int) -> bool:
    value, pattern = _text("matches", values[0], at), _text("matches", values[1], at)
    if len(pattern) > _MAX_PATTERN:
        raise ExpressionError(at, f"a pattern has at most {_MAX_PATTERN} characters, not {len(pattern)}")
    budget.spend(at, len(value) * (len(pattern) + 1))
    return matches_glob(value, pattern)


def matches_glob(value: str, pattern: str) -> bool:
    """Whether the whole text is like the pattern: `*` is any run of characters, `?` is any one; case counts.

    What stands between two stars is looked for leftmost, one after another: nothing is ever tried twice, so that time grows with
    the product of the two lengths at most.
    """
    head, *parts = [re.compile("".join("." if sign == "?" else re.escape(sign) for sign in part), re.DOTALL)
                    for part in pattern.split("*")]  # fmt: skip
    sizes = [len(part) for part in pattern.split("*")]
    if not parts:
        return head.fullmatch(value) is not None
    end = len(value) - sizes[-1]
    if head.match(value) is None or end < sizes[0] or parts[-1].fullmatch(value, end) is None:
        return False
    at = sizes[0]
    for part in parts[:-1]:
        found = part.search(value, at, end)
        if found is None:
            return False
        at = found.end()
    return True


def _number(values: Sequence[Json], budget: Budget, at: int) -> Json:
    budget.spend(at)
    value = values[0]
    if is_number(value):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        written_plainly = value.strip().lstrip("+-").isdigit()
        return whole(int(value) if written_plainly else float(value), at)
    what = "a text such as 12.5" if isinstance(value, str) else kind_of(value)
    raise ExpressionError(at, f"number needs {what}" if isinstance(value, str) else f"number cannot read {what}")


def _rounded(values: Sequence[Json], budget: Budget, at: int) -> Json:
    """To whole numbers or so many digits; halves away from zero, as on paper."""
    budget.spend(at)
    value, digits = values[0], values[1] if len(values) > 1 else 0
    if not is_number(value):
        raise ExpressionError(at, f"round needs a number, not {kind_of(value)}")
    if not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= 10:
        raise ExpressionError(at, "round takes 0 to 10 digits")
    if isinstance(value, int) or abs(value) > MAX_WHOLE:
        return whole(value, at)
    return whole(float(Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)), at)


def _extreme(values: Sequence[Json], budget: Budget, at: int, *, name: str, of: Callable[..., Any]) -> Json:
    """Of one list or of several values, all numbers or all texts; null of an empty list."""
    budget.spend(at)
    items = values if len(values) > 1 else values[0]
    if not isinstance(items, list | tuple):
        raise ExpressionError(at, f"{name} needs a list or several values, not {kind_of(items)}")
    if not all(is_number(item) for item in items) and not all(isinstance(item, str) for item in items):
        raise ExpressionError(at, f"{name} needs numbers alone or texts alone")
    return of(items) if items else None


def _over(values: Sequence[Json], budget: Budget, at: int, *, name: str, of: Callable[..., bool]) -> bool:
    budget.spend(at)
    if not isinstance(values[0], list | tuple):
        raise ExpressionError(at, f"{name} needs a list, not {kind_of(values[0])}")
    return of([truth(item, f"every item of {name}", at) for item in values[0]])


def _default(values: Sequence[Json], budget: Budget, at: int) -> Json:
    budget.spend(at)
    return values[1] if values[0] is None else values[0]


def _json(values: Sequence[Json], budget: Budget, at: int) -> str:
    return written(values[0], budget, at)


def _as_text(values: Sequence[Json], budget: Budget, at: int) -> str:
    return as_text(values[0], budget, at)


_Function = Callable[[Sequence[Json], Budget, int], Json]
_FUNCTIONS: Final[Mapping[str, _Function]] = {
    "len": _len,
    "lower": partial(_cased, name="lower", to=str.lower),
    "upper": partial(_cased, name="upper", to=str.upper),
    "contains": _contains,
    "starts_with": partial(_texts, name="starts_with", test=str.startswith),
    "ends_with": partial(_texts, name="ends_with", test=str.endswith),
    "matches": _matches,
    "number": _number,
    "text": _as_text,
    "round": _rounded,
    "min": partial(_extreme, name="min", of=min),
    "max": partial(_extreme, name="max", of=max),
    "any": partial(_over, name="any", of=any),
    "all": partial(_over, name="all", of=all),
    "default": _default,
    "json": _json,
}

"""Criteria as a command line says them, `hostname contains web`, as a filter has them. Knows no field but by what the Engine tells of it.

FIELD OPERATOR [VALUE]      lists have commas between their values
software installed NAME [lower VERSION] [from SOURCE]
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from watchbill.apps.commands.exits import CliError, ExitCode

_WITHOUT_VALUE: Final = frozenset({"is_known", "is_unknown", "is_true", "is_false"})
_LISTED: Final = frozenset({"in", "not_in", "has_any", "has_all"})
_SOFTWARE: Final = re.compile(
    r"(?P<name>.+?)(?:\s+(?P<version_operator>equals|lower|lower_or_equal|higher|higher_or_equal)\s+(?P<version>\S+))?"
    r"(?:\s+from\s+(?P<source>\S+))?"
)
_NUMBERS: Final = frozenset({"integer", "number", "size", "duration"})


def criteria(
    texts: Sequence[str], fields: Mapping[str, Mapping[str, Any]], site_id: Callable[[str], int]
) -> dict[str, Any]:
    """All of them together. `fields`: as the Engine tells them, by name; `site_id` finds a site by what somebody calls it."""
    found = [criterion(text, fields, site_id) for text in texts]
    return found[0] if len(found) == 1 else {"all": found}


def criterion(text: str, fields: Mapping[str, Mapping[str, Any]], site_id: Callable[[str], int]) -> dict[str, Any]:
    """One of them."""
    name, _, rest = text.strip().partition(" ")
    field = fields.get(name)
    if field is None:
        near = get_close_matches(name, fields, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`watchbill filters fields` shows what there is to ask about."
        raise CliError(f"{name or 'Nothing'} is no field of devices.", ExitCode.USAGE, hint=hint)
    operator, _, value = rest.strip().partition(" ")
    if operator not in field["operators"]:
        hint = f"It has: {', '.join(field['operators'])}."
        raise CliError(f"{operator or 'Nothing'} is no operator of {name}.", ExitCode.USAGE, hint=hint)
    return {"field": name, "operator": operator, **_value(text, field["kind"], operator, value.strip(), site_id)}


def _value(text: str, kind: str, operator: str, value: str, site_id: Callable[[str], int]) -> dict[str, Any]:
    if operator in _WITHOUT_VALUE:
        if value:
            raise CliError(f"{text}: {operator} takes no value.", ExitCode.USAGE)
        return {}
    if not value:
        raise CliError(f"{text}: a value is missing behind {operator}.", ExitCode.USAGE)
    if operator in _LISTED:
        items = [one.strip() for one in value.split(",")]
        if not all(items):
            raise CliError(f"{text}: there is nothing between two commas.", ExitCode.USAGE)
        return {"value": [_single(kind, one, site_id) for one in items]}
    return {"value": _single(kind, value, site_id)}


def _single(kind: str, value: str, site_id: Callable[[str], int]) -> Any:
    if kind == "site":
        return site_id(value)
    if kind == "software":
        return _software(value)
    return _number(value) if kind in _NUMBERS else value


def _software(value: str) -> dict[str, str]:
    found = _SOFTWARE.fullmatch(value)
    parts = found.groupdict() if found else {"name": value}
    return {name: part for name, part in parts.items() if part is not None}


def _number(value: str) -> Any:
    """A number as JSON has it; anything else, such as `8 GiB`, as it is."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, int | float) and not isinstance(found, bool) else value

"""What one save of a job changed, as its reader may see it: devices of other sites and the values of secrets stay hidden."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from watchbill.core.job_rules_variables import IS_SET
from watchbill.core.json_diff import Absent, Change, Keys, diff
from watchbill.jobs.definition import Definition, complete, is_sealed
from watchbill.jobs.values import Difference

_DEVICES: Final = ("targets", "exclusions")
_KEYS: Final[Keys] = {(name,): "device_id" for name in _DEVICES}


@dataclass(frozen=True, slots=True)
class _Secret:
    """A sealed secret: it can be told from another, and that is all."""

    sealed: str = field(repr=False)


def changes(before: Definition, after: Definition, devices: Collection[str] | None = None) -> list[Difference]:
    """From one stored definition to another; of the devices only these (None = all). Empty when they say the same."""
    found = diff(_closed(complete(before)), _closed(complete(after)), _KEYS)
    return [_difference(one) for one in found if devices is None or _is_visible(one, devices)]


def _is_visible(change: Change, devices: Collection[str]) -> bool:
    return change.is_order or change.path[0] not in _DEVICES or change.path[1] in devices


def _difference(change: Change) -> Difference:
    if change.is_order:
        return Difference(f"{change.field}.order", None, None)
    return Difference(change.field, _shown(change.before), _shown(change.after))


def _closed(value: object) -> object:
    """The same document with every sealed secret as one value, so that no part of it is told."""
    match value:
        case Mapping() if is_sealed(value):
            return _Secret(str(value))
        case Mapping():
            return {name: _closed(inner) for name, inner in value.items()}
        case list():
            return [_closed(inner) for inner in value]
        case _:
            return value


def _shown(value: object) -> object:
    match value:
        case Absent.ABSENT:
            return None
        case _Secret():
            return dict(IS_SET)
        case Mapping():
            return {name: _shown(inner) for name, inner in value.items()}
        case list():
            return [_shown(inner) for inner in value]
        case _:
            return value

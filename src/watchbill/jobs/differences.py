"""What one save of a job changed, as its reader may see it: targets of other sites and the values of secrets stay hidden."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from watchbill.core.job_rules_variables import IS_SET
from watchbill.core.json_diff import Absent, Change, Keys, diff
from watchbill.core.targets import SeenTargets, label
from watchbill.jobs.definition import Definition, complete, is_sealed, only_seen
from watchbill.jobs.values import Difference

_TARGETS: Final = ("targets", "exclusions")
_SCOPE: Final = "onboarding_scope"
_KEYS: Final[Keys] = {(name,): label for name in _TARGETS} | {("policies", "waves", "canary", "targets"): label}


@dataclass(frozen=True, slots=True)
class _Secret:
    """A sealed secret: it can be told from another, and that is all."""

    sealed: str = field(repr=False)


def changes(before: Definition, after: Definition, seen: SeenTargets | None = None) -> list[Difference]:
    """From one stored definition to another; of the targets only those seen (None = all). Empty when they say the same."""
    whole = [complete(before), complete(after)]
    if seen is not None:
        # Of canaries before they are compared: they may come and go with all of the waves.
        seen_before, seen_after = (only_seen({"policies": one["policies"]}, seen) for one in whole)
        whole = [{**_in_sight(whole[0], seen), **seen_before}, {**_in_sight(whole[1], seen), **seen_after}]
    found = diff(_closed(whole[0]), _closed(whole[1]), _KEYS)
    return [_difference(one) for one in found if seen is None or _is_visible(one, seen)]


def _in_sight(definition: Definition, seen: SeenTargets) -> Definition:
    """Without a scope of addresses that is not seen: of one that is, each line may differ by itself."""
    kept = [one for one in definition["targets"] if one["kind"] != _SCOPE or seen.holds(one)]
    return {**definition, "targets": kept}


def _is_visible(change: Change, seen: SeenTargets) -> bool:
    if change.is_order or change.path[0] not in _TARGETS or _SCOPE in change.path[1:2]:
        return True
    # A target differs as a whole: it is there on one side only.
    target = change.before if isinstance(change.before, Mapping) else change.after
    return isinstance(target, Mapping) and seen.holds(target)


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

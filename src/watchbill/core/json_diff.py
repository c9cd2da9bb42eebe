"""What changed between two JSON documents: one entry per value, with its path and what it was and is. Pure; knows no product word.

Objects are compared name by name, lists of objects by a key that the caller names or else by position, other lists as a whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

Place = str | int
#: The name in an object that tells it from its neighbours, or what says so of the whole object.
Key = str | Callable[[Mapping[str, object]], object]
#: Where a list of objects stands -> what tells them apart.
Keys = Mapping[tuple[Place, ...], Key]


class Absent(Enum):
    """Nothing stands there, which is not null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs. `is_order`: only the order of a keyed list does; the values are then its keys in order."""

    path: tuple[Place, ...]
    before: object
    after: object
    is_order: bool = False

    @property
    def field(self) -> str:
        """The path with dots, as problems name a field."""
        return ".".join(str(place) for place in self.path)


def diff(before: object, after: object, keys: Keys | None = None) -> list[Change]:
    """Every difference, in the order of the document before; none when the documents say the same."""
    return list(_differ((), before, after, keys or {}))


def same(one: object, other: object) -> bool:
    """Whether two JSON values say the same: 1 is 1.0, and true is not 1."""
    return next(_differ((), one, other, {}), None) is None


def _differ(path: tuple[Place, ...], before: object, after: object, keys: Keys) -> Iterator[Change]:
    match before, after:
        case Mapping(), Mapping():
            for name in [*before, *(name for name in after if name not in before)]:
                yield from _differ((*path, name), before.get(name, ABSENT), after.get(name, ABSENT), keys)
        case list(), list():
            yield from _differ_lists(path, before, after, keys)
        case _:
            if not _is_same_scalar(before, after):
                yield Change(path, before, after)


def _differ_lists(
    path: tuple[Place, ...], before: Sequence[object], after: Sequence[object], keys: Keys
) -> Iterator[Change]:
    key = keys.get(path)
    if key is not None and (old := _by_key(before, key)) is not None and (new := _by_key(after, key)) is not None:
        yield from _differ(path, old, new, keys)
        # Who applies the changes keeps what stays where it stood and adds the rest at the end.
        arrived = [*(one for one in old if one in new), *(one for one in new if one not in old)]
        if arrived != list(new):
            yield Change(path, list(old), list(new), is_order=True)
    elif all(isinstance(one, Mapping) for one in [*before, *after]):
        for place in range(max(len(before), len(after))):
            old_item, new_item = (side[place] if place < len(side) else ABSENT for side in (before, after))
            yield from _differ((*path, place), old_item, new_item, keys)
    elif len(before) != len(after) or not all(same(*pair) for pair in zip(before, after, strict=True)):
        yield Change(path, before, after)


def _by_key(items: Sequence[object], key: Key) -> dict[str, object] | None:
    """The objects of a list by their key; None when one has none or two share it."""
    found: dict[str, object] = {}
    for item in items:
        name = _name(item, key) if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = item
    return found


def _name(item: Mapping[str, object], key: Key) -> object:
    return item.get(key) if isinstance(key, str) else key(item)


def _is_same_scalar(before: object, after: object) -> bool:
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    return before == after

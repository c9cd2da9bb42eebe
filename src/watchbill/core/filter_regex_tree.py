"""Owns the parsed form of a pattern: a small closed tree, and how large it is once repeats are written out."""

from dataclasses import dataclass
from typing import assert_never

from watchbill.core.filter_regex_sets import Ranges


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set; the set speaks of folded texts."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of the whole text; a newline begins nothing."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of the whole text; not before a newline at its end."""


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Branches:
    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`item` at least `low` times and at most `high`; None = without end."""

    item: "Node"
    low: int
    high: int | None


Node = Chars | Start | End | Sequence | Branches | Repeat


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as it was written, and what it says."""

    text: str
    tree: Node


def expanded_size(node: Node) -> int:
    """How many characters and anchors the pattern has when each repeat is written out: `[ab]{3}c*` has 3 + 1."""
    match node:
        case Chars() | Start() | End():
            return 1
        case Sequence(items=parts) | Branches(options=parts):
            return sum(map(expanded_size, parts))
        case Repeat(item=item, low=low, high=high):
            return expanded_size(item) * (max(low, 1) if high is None else high)
        case _:
            assert_never(node)

"""Owns the filter expression: a closed tree of frozen values, made by `filter_parse` alone, which has checked every value in it.

Whoever walks it (matching, wording, JSON, SQL) does so by `match` and ends with `assert_never`. Each criterion says its field and
operator; how SQL is to say it stands in `filter_fields.FieldKind`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from typing import assert_never

from watchbill.core.filter_fields import NEGATED, Field
from watchbill.core.filter_regex_tree import Pattern

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every node is. At least one. In SQL: AND."""

    nodes: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when at least one node is. At least one. In SQL: OR."""

    nodes: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The exact complement. In SQL: NOT, which needs the node never to be NULL."""

    node: "Expression"


@dataclass(frozen=True, slots=True)
class Criterion:
    """What all criteria have. `is_negated`: the answer is NOT that of `positive`, the operator to be tested."""

    field: Field
    operator: str

    @property
    def is_negated(self) -> bool:
        return self.operator in NEGATED

    @property
    def positive(self) -> str:
        return NEGATED.get(self.operator, self.operator)


@dataclass(frozen=True, slots=True)
class KnownTest(Criterion):
    """Whether a fact is known, of any kind but tags and software."""


@dataclass(frozen=True, slots=True)
class BooleanTest(Criterion):
    """Positive operators: is_true, is_false."""


@dataclass(frozen=True, slots=True)
class TextTest(Criterion):
    """Positive operators: equals, contains, starts_with, ends_with (one value), in (one or more). Values as written, not folded."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatternTest(Criterion):
    """Positive operator: matches."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class ChoiceTest(Criterion):
    """Positive operators: is (one value), in (one or more)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteTest(Criterion):
    """Positive operators: is (one value), in (one or more)."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VersionTest(Criterion):
    """Positive operators: equals, lower, lower_or_equal, higher, higher_or_equal (one value), in (one or more). Compare keys."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberTest(Criterion):
    """Integers, sizes, durations (whole numbers) and custom numbers. Positive operators: equals, lower… higher_or_equal."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class DateTest(Criterion):
    """Positive operators: on, before, on_or_before, after, on_or_after."""

    value: date


@dataclass(frozen=True, slots=True)
class AddressTest(Criterion):
    """Positive operator: in_network, true when any address of the device lies in it. A single address is a network of one."""

    network: Network


@dataclass(frozen=True, slots=True)
class TagsTest(Criterion):
    """Positive operators: has (one value), has_any, has_all (one or more). Values as written, not folded."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameTest:
    """A condition on the name of software: equals, contains, starts_with; case ignored as in texts."""

    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class VersionBound:
    """A condition on the version of software: equals, lower, lower_or_equal, higher, higher_or_equal. False when it is unknown."""

    operator: str
    version: str


@dataclass(frozen=True, slots=True)
class SoftwareTest(Criterion):
    """Positive operator: installed, true when one row fulfils all conditions. `source` is compared whole, case ignored."""

    name: NameTest | Pattern
    version: VersionBound | None
    source: str | None


Leaf = (
    KnownTest
    | BooleanTest
    | TextTest
    | PatternTest
    | ChoiceTest
    | SiteTest
    | VersionTest
    | NumberTest
    | DateTest
    | AddressTest
    | TagsTest
    | SoftwareTest
)
Expression = AllOf | AnyOf | Not | Leaf


def criteria(expression: Expression) -> Iterator[Leaf]:
    """Every criterion, in the order of the tree."""
    match expression:
        case AllOf(nodes=nodes) | AnyOf(nodes=nodes):
            for node in nodes:
                yield from criteria(node)
        case Not(node=node):
            yield from criteria(node)
        case Criterion():
            yield expression
        case _:
            assert_never(expression)


def fields_used(expression: Expression) -> frozenset[str]:
    """The names of all fields that the filter asks about."""
    return frozenset(leaf.field.name for leaf in criteria(expression))

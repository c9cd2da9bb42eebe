"""Owns the English of a filter: the whole of it with its brackets. Decides nothing, and leaves nothing out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, assert_never

from watchbill.core.filter_fields import FieldKind
from watchbill.core.filter_json import network_words, plain_number
from watchbill.core.filter_nodes import (
    AddressTest,
    AllOf,
    AnyOf,
    BooleanTest,
    ChoiceTest,
    DateTest,
    Expression,
    KnownTest,
    Leaf,
    NameTest,
    Not,
    NumberTest,
    PatternTest,
    SiteTest,
    SoftwareTest,
    TagsTest,
    TextTest,
    VersionBound,
    VersionTest,
)
from watchbill.core.filter_regex_tree import Pattern
from watchbill.core.filter_text import quoted
from watchbill.core.filter_units import duration_words, size_words

#: Values of one list that a sentence shows.
_MOST_LISTED: Final = 20
#: Operator -> what stands between the name of the field and the value.
PHRASES: Final[Mapping[str, str]] = {
    "equals": "is",
    "not_equals": "is not",
    "is": "is",
    "is_not": "is not",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "in": "is one of",
    "not_in": "is none of",
    "matches": "matches",
    "not_matches": "does not match",
    "is_known": "is known",
    "is_unknown": "is unknown",
    "is_true": "is true",
    "is_false": "is false",
    "lower": "is lower than",
    "lower_or_equal": "is lower than or equal to",
    "higher": "is higher than",
    "higher_or_equal": "is higher than or equal to",
    "on": "is on",
    "not_on": "is not on",
    "before": "is before",
    "on_or_before": "is on or before",
    "after": "is after",
    "on_or_after": "is on or after",
    "in_network": "is in",
    "not_in_network": "is not in",
    "has": "have",
    "has_not": "do not have",
    "has_any": "have any of",
    "has_all": "have all of",
}


def explain(expression: Expression) -> str:
    """The filter in plain English, in the order of its tree; a group within a group is in brackets."""
    match expression:
        case AllOf(nodes=nodes):
            return " and ".join(map(_inner, nodes))
        case AnyOf(nodes=nodes):
            return " or ".join(map(_inner, nodes))
        case Not(node=node):
            return f"not ({explain(node)})"
        case _:
            return criterion_words(expression)


def _inner(node: Expression) -> str:
    is_group = isinstance(node, AllOf | AnyOf) and len(node.nodes) > 1
    return f"({explain(node)})" if is_group else explain(node)


def criterion_words(leaf: Leaf) -> str:
    """One criterion: `hostname contains "web"`."""
    match leaf:
        case SoftwareTest():
            return f"software {software_words(leaf)} {'is not' if leaf.is_negated else 'is'} installed"
        case KnownTest() | BooleanTest():
            return f"{leaf.field.label} {PHRASES[leaf.operator]}"
        case _:
            return f"{leaf.field.label} {PHRASES[leaf.operator]} {value_words(leaf)}"


_Valued = TextTest | PatternTest | ChoiceTest | SiteTest | VersionTest | NumberTest | DateTest | AddressTest | TagsTest


def value_words(leaf: _Valued) -> str:
    """The value of a criterion as a sentence shows it."""
    match leaf:
        case TextTest() | TagsTest():
            return _listed([quoted(one) for one in leaf.values])
        case ChoiceTest() | SiteTest() | VersionTest():
            return _listed([str(one) for one in leaf.values])
        case PatternTest():
            return f"the pattern {quoted(leaf.pattern.text)}"
        case NumberTest():
            return amount_words(leaf.field.kind, leaf.value)
        case DateTest():
            return leaf.value.isoformat()
        case AddressTest():
            return network_words(leaf.network)
        case _:
            assert_never(leaf)


def _listed(values: list[str]) -> str:
    rest = len(values) - _MOST_LISTED
    return ", ".join(values[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def amount_words(kind: FieldKind, value: Decimal) -> str:
    """A number in the unit of its kind: `8 GiB`, `7 days`, `4`."""
    if kind is FieldKind.SIZE:
        return size_words(int(value))
    if kind is FieldKind.DURATION:
        return duration_words(int(value))
    return str(plain_number(value))


def software_words(leaf: SoftwareTest) -> str:
    """The conditions on one row: `"openssl" with a version that is lower than 3.0.1 from "dpkg"`."""
    parts = [_name_words(leaf.name)]
    if leaf.version is not None:
        parts.append(f"with a version that {_version_words(leaf.version)}")
    if leaf.source is not None:
        parts.append(f"from {quoted(leaf.source)}")
    return " ".join(parts)


def _name_words(name: NameTest | Pattern) -> str:
    if isinstance(name, Pattern):
        return f"whose name matches the pattern {quoted(name.text)}"
    return (
        quoted(name.value) if name.operator == "equals" else f"whose name {PHRASES[name.operator]} {quoted(name.value)}"
    )


def _version_words(bound: VersionBound) -> str:
    return f"{PHRASES[bound.operator]} {bound.version}"

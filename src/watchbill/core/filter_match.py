"""Owns what a filter means: whether it matches a device at an instant. SQL compiled from a filter must give the same rows.

Two-valued: the positive test of something unknown is false, a negated operator and `not` are exact complements.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from operator import eq, ge, gt, le, lt
from typing import Any, Final, assert_never

from watchbill.core.filter_device import Address, Device, Software, addresses, fact, last_seen_age
from watchbill.core.filter_fields import Field, FieldKind
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
from watchbill.core.filter_regex_match import search
from watchbill.core.filter_regex_tree import Pattern
from watchbill.core.filter_text import fold
from watchbill.core.filter_version import find_version_key, version_key

#: What asks about one plain fact.
_Simple = BooleanTest | TextTest | PatternTest | ChoiceTest | SiteTest | VersionTest | NumberTest | DateTest
#: Operator -> how the fact stands to the value. Python compares texts by code point, which is the order of their UTF-8 bytes.
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "equals": eq,
    "in": eq,
    "lower": lt,
    "lower_or_equal": le,
    "higher": gt,
    "higher_or_equal": ge,
    "on": eq,
    "before": lt,
    "on_or_before": le,
    "after": gt,
    "on_or_after": ge,
}
_TEXTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "equals": str.__eq__,
    "in": str.__eq__,
    "contains": str.__contains__,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def matches(expression: Expression, device: Device, now: datetime) -> bool:
    """Whether the device is one that the filter names."""
    match expression:
        case AllOf(nodes=nodes):
            return all(matches(node, device, now) for node in nodes)
        case AnyOf(nodes=nodes):
            return any(matches(node, device, now) for node in nodes)
        case Not(node=node):
            return not matches(node, device, now)
        case _:
            return _positive(expression, device, now) is not expression.is_negated


def known_fact(device: Device, field: Field, now: datetime) -> object:
    """The fact that a field asks about, None when it is unknown. A version counts as known when it has a key."""
    match field.kind:
        case FieldKind.DURATION:
            return last_seen_age(device, now)
        case FieldKind.ADDRESS:
            return addresses(device, field) or None
        case FieldKind.VERSION:
            version = fact(device, field)
            return version if isinstance(version, str) and find_version_key(version) is not None else None
        case _:
            return fact(device, field)


def _positive(leaf: Leaf, device: Device, now: datetime) -> bool:
    """The answer of the positive operator: false when the fact is unknown."""
    match leaf:
        case TagsTest():
            return bool(tags_hit(leaf, device))
        case SoftwareTest():
            return installed(leaf, device) is not None
        case AddressTest():
            return address_hit(leaf, device) is not None
        case KnownTest():
            return known_fact(device, leaf.field, now) is not None
        case _:
            value = known_fact(device, leaf.field, now)
            return value is not None and _holds(leaf, value)


def _holds(leaf: _Simple, value: object) -> bool:
    """Whether a known fact passes the positive test."""
    match leaf:
        case BooleanTest():
            return value is (leaf.operator == "is_true")
        case ChoiceTest() | SiteTest():
            return value in leaf.values
        case TextTest():
            return any(_TEXTS[leaf.positive](fold(str(value)), fold(one)) for one in leaf.values)
        case PatternTest():
            return search(leaf.pattern, str(value))
        case VersionTest():
            return any(_version_holds(leaf.positive, str(value), one) for one in leaf.values)
        case NumberTest() | DateTest():
            return _ORDERS[leaf.positive](value, leaf.value)
        case _:
            assert_never(leaf)


def _version_holds(operator: str, version: str, wanted: str) -> bool:
    return _ORDERS[operator](version_key(version), version_key(wanted))


def address_hit(leaf: AddressTest, device: Device) -> Address | None:
    """The first address of the device that lies in the network."""
    return next((one for one in addresses(device, leaf.field) if one in leaf.network), None)


def tags_hit(leaf: TagsTest, device: Device) -> tuple[str, ...]:
    """The tags of the device, as it has them, that make the positive test true; none when it is false."""
    wanted = {fold(tag) for tag in leaf.values}
    found = tuple(sorted(tag for tag in device.tags if fold(tag) in wanted))
    is_lacking = leaf.positive == "has_all" and {fold(tag) for tag in found} != wanted
    return () if is_lacking else found


def installed(leaf: SoftwareTest, device: Device) -> Software | None:
    """The first row of software, by name, that fulfils all conditions."""
    rows = sorted(device.software, key=lambda row: (row.name, row.version or "", row.source or ""))
    return next((row for row in rows if _fulfils(leaf, row)), None)


def _fulfils(leaf: SoftwareTest, row: Software) -> bool:
    return (
        _is_named(leaf.name, row.name)
        and (leaf.version is None or _is_of_version(leaf.version, row.version))
        and (leaf.source is None or fold(leaf.source) == fold(row.source or ""))
    )


def _is_named(wanted: NameTest | Pattern, name: str) -> bool:
    if isinstance(wanted, Pattern):
        return search(wanted, name)
    return _TEXTS[wanted.operator](fold(name), fold(wanted.value))


def _is_of_version(bound: VersionBound, version: str | None) -> bool:
    key = find_version_key(version)
    return key is not None and _ORDERS[bound.operator](key, version_key(bound.version))

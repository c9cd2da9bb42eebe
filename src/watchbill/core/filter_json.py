"""Owns writing an expression as its canonical criteria tree: read again, it is the same expression. Reads nothing."""

from decimal import Decimal
from typing import assert_never

from watchbill.core.filter_fields import WITH_LIST
from watchbill.core.filter_nodes import (
    AddressTest,
    AllOf,
    AnyOf,
    BooleanTest,
    ChoiceTest,
    DateTest,
    Expression,
    KnownTest,
    Network,
    Not,
    NumberTest,
    PatternTest,
    SiteTest,
    SoftwareTest,
    TagsTest,
    TextTest,
    VersionTest,
)
from watchbill.core.filter_regex_tree import Pattern

_Valued = (
    TextTest
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


def to_json(expression: Expression) -> dict[str, object]:
    """The criteria tree in its one form: whole numbers without units, networks in their short form, no defaults left out."""
    match expression:
        case AllOf(nodes=nodes):
            return {"all": [to_json(node) for node in nodes]}
        case AnyOf(nodes=nodes):
            return {"any": [to_json(node) for node in nodes]}
        case Not(node=node):
            return {"not": to_json(node)}
        case KnownTest() | BooleanTest():
            return {"field": expression.field.name, "operator": expression.operator}
        case _:
            return {"field": expression.field.name, "operator": expression.operator, "value": _value(expression)}


def _value(leaf: _Valued) -> object:
    match leaf:
        case TextTest() | ChoiceTest() | SiteTest() | VersionTest() | TagsTest():
            return list(leaf.values) if leaf.operator in WITH_LIST else leaf.values[0]
        case PatternTest():
            return leaf.pattern.text
        case NumberTest():
            return plain_number(leaf.value)
        case DateTest():
            return leaf.value.isoformat()
        case AddressTest():
            return network_words(leaf.network)
        case SoftwareTest():
            return _software(leaf)
        case _:
            assert_never(leaf)


def plain_number(value: Decimal) -> int | float:
    whole = int(value)
    return whole if whole == value else float(value)


def network_words(network: Network) -> str:
    """A network of one address is written as that address."""
    is_one = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if is_one else str(network)


def _software(leaf: SoftwareTest) -> dict[str, object]:
    value: dict[str, object] = {}
    if isinstance(leaf.name, Pattern):
        value |= {"name": leaf.name.text, "name_operator": "matches"}
    else:
        value |= {"name": leaf.name.value, "name_operator": leaf.name.operator}
    if leaf.version is not None:
        value |= {"version_operator": leaf.version.operator, "version": leaf.version.version}
    if leaf.source is not None:
        value["source"] = leaf.source
    return value

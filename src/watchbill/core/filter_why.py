"""Owns the reasons for a match: which criteria hit, and on what fact of the device. Decides nothing: it asks `filter_match`."""

from datetime import datetime
from decimal import Decimal

from watchbill.core.filter_device import Device, Software
from watchbill.core.filter_fields import FieldKind
from watchbill.core.filter_match import address_hit, installed, known_fact, matches, tags_hit
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
    Not,
    NumberTest,
    PatternTest,
    SiteTest,
    SoftwareTest,
    TagsTest,
    TextTest,
    VersionTest,
)
from watchbill.core.filter_text import quoted
from watchbill.core.filter_words import PHRASES, amount_words, criterion_words, explain, software_words, value_words

_Plain = KnownTest | BooleanTest | TextTest | PatternTest | ChoiceTest | SiteTest | VersionTest | NumberTest | DateTest


def why(expression: Expression, device: Device, now: datetime) -> tuple[str, ...]:
    """One sentence for each criterion that makes the filter match, in the order of the tree; none when it does not match.

    Of an `any` all nodes that match are told. A `not` is one sentence: what it holds is what does not hit.
    """
    if not matches(expression, device, now):
        return ()
    match expression:
        case AllOf(nodes=nodes) | AnyOf(nodes=nodes):
            told = (sentence for node in nodes for sentence in why(node, device, now))
            return tuple(dict.fromkeys(told))
        case Not(node=node):
            return (f"it is not so that {explain(node)}",)
        case _:
            return (_hit(expression, device, now),)


def _hit(leaf: Leaf, device: Device, now: datetime) -> str:
    match leaf:
        case TagsTest():
            return _tags(leaf, device)
        case SoftwareTest():
            return _software(leaf, device)
        case AddressTest():
            return _address(leaf, device, now)
        case _:
            return _fact(leaf, known_fact(device, leaf.field, now))


def _tags(leaf: TagsTest, device: Device) -> str:
    if leaf.is_negated:
        return criterion_words(leaf)
    return f"{criterion_words(leaf)} (it has {', '.join(map(quoted, tags_hit(leaf, device)))})"


def _software(leaf: SoftwareTest, device: Device) -> str:
    row = installed(leaf, device)
    if row is None:
        return criterion_words(leaf)
    return f"software {_row(row)} is installed ({software_words(leaf)})"


def _row(row: Software) -> str:
    version = f" {row.version}" if row.version else ""
    return f"{quoted(row.name)}{version}{f' from {quoted(row.source)}' if row.source else ''}"


def _address(leaf: AddressTest, device: Device, now: datetime) -> str:
    hit = address_hit(leaf, device)
    if hit is not None:
        return f"{leaf.field.label} {hit} {PHRASES[leaf.operator]} {value_words(leaf)}"
    return _unknown(leaf) if known_fact(device, leaf.field, now) is None else criterion_words(leaf)


def _unknown(leaf: Leaf) -> str:
    return f"{leaf.field.label} is unknown, so it counts that {criterion_words(leaf)}"


def _fact(leaf: _Plain, value: object) -> str:
    if isinstance(leaf, KnownTest | BooleanTest):
        return criterion_words(leaf)
    if value is None:
        return _unknown(leaf)
    return f"{leaf.field.label} {_shown(leaf.field.kind, value)} {PHRASES[leaf.operator]} {value_words(leaf)}"


def _shown(kind: FieldKind, value: object) -> str:
    """A known fact as a sentence shows it."""
    if isinstance(value, int | Decimal):
        return amount_words(kind, Decimal(value))
    return quoted(value) if isinstance(value, str) and kind is FieldKind.TEXT else str(value)

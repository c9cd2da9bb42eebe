"""The face of device filters: reads a criteria tree, says what it means, and whether and why it matches a device.

This is the reference for what a filter means. `filters` compiles an expression to SQL that gives the same answer for every device:
how each kind of criterion is said there stands in `filter_fields.FieldKind`. Pure: `now` is an argument, nothing is stored here.

    expression = parse({"field": "hostname", "operator": "contains", "value": "web"}, custom_fields={})
    matches(expression, Device(hostname="web-1"), now)
"""

from watchbill.core.filter_device import Address, CustomValue, Device, Software
from watchbill.core.filter_fields import FIELDS, OPERATORS, CustomKind, Field, FieldKind, all_fields
from watchbill.core.filter_json import to_json
from watchbill.core.filter_match import matches
from watchbill.core.filter_nodes import (
    AddressTest,
    AllOf,
    AnyOf,
    BooleanTest,
    ChoiceTest,
    Criterion,
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
    criteria,
    fields_used,
)
from watchbill.core.filter_parse import FilterProblems, parse
from watchbill.core.filter_regex_sql import written as postgres_pattern
from watchbill.core.filter_regex_tree import Pattern
from watchbill.core.filter_text import FOLD_FROM, FOLD_TO, fold
from watchbill.core.filter_version import find_version_key, version_key
from watchbill.core.filter_why import why
from watchbill.core.filter_words import explain

__all__ = [
    "FIELDS",
    "FOLD_FROM",
    "FOLD_TO",
    "OPERATORS",
    "Address",
    "AddressTest",
    "AllOf",
    "AnyOf",
    "BooleanTest",
    "ChoiceTest",
    "Criterion",
    "CustomKind",
    "CustomValue",
    "DateTest",
    "Device",
    "Expression",
    "Field",
    "FieldKind",
    "FilterProblems",
    "KnownTest",
    "Leaf",
    "NameTest",
    "Not",
    "NumberTest",
    "Pattern",
    "PatternTest",
    "SiteTest",
    "Software",
    "SoftwareTest",
    "TagsTest",
    "TextTest",
    "VersionBound",
    "VersionTest",
    "all_fields",
    "criteria",
    "explain",
    "fields_used",
    "find_version_key",
    "fold",
    "matches",
    "parse",
    "postgres_pattern",
    "to_json",
    "version_key",
    "why",
]

"""The page about filters names every field and operator there is, its examples are filters, and its limits are those of the code."""

import json
import re
from pathlib import Path

import pytest

from watchbill.core.filter_expr import FIELDS, OPERATORS, CustomKind, explain, parse, version_key
from watchbill.core.filter_parse import MAX_CRITERIA, MAX_DEPTH, MAX_GROUPS
from watchbill.core.filter_parse_tests import MAX_TAG
from watchbill.core.filter_regex import MAX_EXPANDED
from watchbill.core.filter_regex import MAX_GROUPS as MAX_PATTERN_GROUPS
from watchbill.core.filter_regex_signs import MAX_PATTERN
from watchbill.core.filter_units import SIZES
from watchbill.core.filter_values import MAX_LIST, MAX_TEXT
from watchbill.core.filter_version import MAX_VERSION

PAGE = Path(__file__).parents[2].joinpath("docs/filters.md").read_text()
CUSTOM_FIELDS = {"warranty_until": CustomKind.DATE}
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_field_is_named():
    assert set(re.findall(r"`([a-z_]+)`", section("Fields"))) >= set(FIELDS)


def test_every_operator_is_named():
    named = set(re.findall(r"`([a-z_]+)`", section("Operators")))
    assert named == {operator for operators in OPERATORS.values() for operator in operators} | {"online"}


def test_the_example_says_what_the_words_below_it_say():
    words = PAGE.split("In words: *")[1].split("*.\n")[0].replace("\n", " ")
    assert explain(parse(json.loads(BLOCKS[0]), {})) == words


def test_the_example_of_software_is_a_condition():
    parse({"field": "software", "operator": "installed", "value": json.loads(BLOCKS[1])}, {})


@pytest.mark.parametrize("line", BLOCKS[2].splitlines())
def test_each_further_example_is_a_filter(line):
    parse(json.loads(line), CUSTOM_FIELDS)


def test_versions_rise_as_the_page_says():
    chain = section("Versions").split("```")[1].strip()
    steps = re.split(r" ([<=]) ", chain)
    for at in range(0, len(steps) - 2, 2):
        lower, sign, higher = steps[at : at + 3]
        keys = version_key(lower), version_key(higher)
        assert keys[0] < keys[1] if sign == "<" else keys[0] == keys[1]


def test_units_are_those_that_are_read():
    assert all(f" {name}" in section("Operators") for name in SIZES)


def test_limits_are_those_of_the_code():
    limits = section("Limits")
    assert f"| groups within groups | {MAX_DEPTH} |" in limits
    assert f"| {MAX_CRITERIA} |" in limits
    assert MAX_CRITERIA == MAX_GROUPS
    assert f"| {MAX_LIST:,} |" in limits
    assert f"| {MAX_TEXT:,}; {MAX_TAG}; {MAX_VERSION}; {MAX_PATTERN} |" in limits
    assert f"At most {MAX_PATTERN} characters, groups {MAX_PATTERN_GROUPS}\ndeep, and {MAX_EXPANDED} characters" in PAGE

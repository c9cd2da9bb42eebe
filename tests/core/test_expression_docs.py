"""The page about expressions names every function, operator and name there is; its examples are expressions, its bounds those of the code."""

import re
from pathlib import Path

import pytest

from watchbill.core.expression_nodes import HEADS, MAX_BYTES, MAX_DEPTH, MAX_SOURCE, MAX_STEPS, MAX_WHOLE
from watchbill.core.expression_parse import ARITY, COMPARISONS
from watchbill.core.expressions import Template, parse
from watchbill.core.workflow_graph_rules import RUN_NAMES

PAGE = Path(__file__).parents[2].joinpath("docs/expressions.md").read_text()
EXAMPLES, TEXTS = (block.strip().splitlines() for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL))
NAMES = {
    "parameters": {"threshold": 2, "host": "WEB-1", "force": False},
    "inputs": {
        "check": {"failed": 3, "total": 10},
        "api": {"status": 503, "body": {}},
        "ask": {"decision": "approved"},
    },
    "run": {"id": 12, "source": "job"},
}
VALUES = [True, True, "unknown", "urgent", True, True]


def section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(("source", "expected"), list(zip(EXAMPLES, VALUES, strict=True)))
def test_each_example_is_an_expression_and_means_something(source, expected):
    assert parse(source).evaluate(NAMES) == expected


def test_each_example_of_a_text_is_one():
    assert [Template.parse(text).render(NAMES) for text in TEXTS] == [
        "3 of 10 devices are ill.",
        '{"host": "WEB-1", "run": 12}',
    ]


def test_every_function_is_named_with_as_many_values_as_it_takes():
    named = re.findall(r"`([a-z_]+)\(([^)]*)\)`", section("Functions"))
    assert {name for name, _ in named} == set(ARITY)
    for name, values in named:
        least, most = ARITY[name]
        given = len(values.split(","))
        assert least <= given <= most


def test_every_operator_and_name_is_named():
    operators = section("Values and operators")
    assert all(f"`{one}`" in operators for one in COMPARISONS)
    assert set(re.findall(r"`run\.([a-z_]+)`", section("Names"))) == set(RUN_NAMES)
    assert all(f"`{head}." in section("Names") for head in HEADS)


def test_two_braces_are_written_as_the_page_says():
    written = re.findall(r"`([^`]+)` is how to write two braces", section("In texts"))[0]
    assert Template.parse(written).render({}) == "{{"


def test_the_bounds_are_those_of_the_code():
    numbers = [int(number) for number in re.findall(r"\d+", section("Bounds"))]
    assert numbers == [MAX_SOURCE, MAX_DEPTH, MAX_STEPS, MAX_BYTES // 1024, MAX_WHOLE]

"""Expressions of workflows: what they mean, how their faults are told, and that no text and no value can harm."""

import fnmatch
import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.workflows import UNTIMED
from watchbill.core.expression_functions import matches_glob
from watchbill.core.expression_nodes import MAX_BYTES, MAX_DEPTH, MAX_SOURCE, ExpressionError
from watchbill.core.expression_parse import ARITY
from watchbill.core.expressions import MAX_IN_TEMPLATE, MAX_TEMPLATE, Template, parse

NAMES = {
    "parameters": {"threshold": 5, "host": "web-1", "in": "a word of the language"},
    "inputs": {
        "check": {"state": "success", "total": 3, "failed": 1, "counts": {"success": 2}},
        "web": {"status": 200, "headers": {}, "body": [1, 2, {"name": None, "Größe": 3}]},
        "flag": True,
        "list": ["a", "b"],
        "texts": ["", "x"],
    },
    "run": {"id": 12, "workflow": "Patch", "source": "manual", "started_at": "2026-05-04T07:00:00Z"},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


def value(source, names=None):
    return parse(source).evaluate(NAMES if names is None else names)


def fault(source, names=None):
    with pytest.raises(ExpressionError) as caught:
        value(source, names)
    return caught.value.position, caught.value.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 2 - 3", 5),
        ("7 / 2", 3.5),
        ("6 / 2", 3),
        ("-7 % 3", 2),
        ("--1", 1),
        ("1.5e2", 150),
        ("'a' + \"b\"", "ab"),
        ("'it\\'s\\n'", "it's\n"),
        ("[1, 'x', null] + [[]]", [1, "x", None, []]),
        ("true and not false or false", True),
        ("false and true or true", True),
        ("not null", True),
        ("not 1 == 2", True),
        ("null or null", False),
        ("1 == 1.0", True),
        ("1 == true", False),
        ("[1, [2]] == [1, [2.0]]", True),
        ("inputs.web.body[2] == inputs.web.body[-1]", True),
        ("1 != '1'", True),
        ("'a' < 'b'", True),
        ("2 >= 2", True),
        ("'eb' in parameters.host", True),
        ("2 in inputs.web.body", True),
        ("'status' in inputs.web", True),
        ("3 not in [1, 2]", True),
        ("'x' in null", False),
        ("parameters.threshold > 4 and inputs.check.counts.success == 2", True),
        ("parameters['threshold']", 5),
        ("parameters.in", "a word of the language"),
        ("inputs.web.body[2]['Größe']", 3),
        ("inputs.web.body[9]", None),
        ("inputs.web.body[-4]", None),
        ("inputs.web.body[2].name.more.still", None),
        ("inputs.web.body[2].name[0]", None),
        ("parameters.unknown.thing", None),
        ("inputs.web['sta' + 'tus']", 200),
        ("run.source", "manual"),
        ("'a' if inputs.flag else 'b'", "a"),
        ("'a' if false else 'b' if false else 'c'", "c"),
        ("len('äß') + len([1]) + len(inputs.web)", 6),
        ("lower('AÄ') + upper('bß')", "aäBSS"),
        ("contains('abc', 'b') and contains([1, 2], 2) and not contains(null, 1)", True),
        ("starts_with('abc', 'ab') and ends_with('abc', 'bc')", True),
        ("matches(parameters.host, 'web-?') and not matches(parameters.host, 'WEB*')", True),
        ("number(' 12.50 ') + number('-1e1') + number(true)", 3.5),
        ("number('9007199254740991')", 9007199254740991),
        ("text(1.0) + text(null) + text(true) + text([1, 'ä'])", '1true[1, "ä"]'),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(2.675, 2)", 2.68),
        ("round(7)", 7),
        ("min(3, 1, 2)", 1),
        ("max(['b', 'a'])", "b"),
        ("min([])", None),
        ("any([false, null, true])", True),
        ("all([]) and not all([true, false])", True),
        ("default(parameters.nothing, 'x')", "x"),
        ("default(false, 'x')", False),
        ("json(inputs.web.body)", '[1, 2, {"name": null, "Größe": 3}]'),
        ("json('a\"b')", '"a\\"b"'),
    ],
)
def test_what_expressions_mean(source, expected):
    found = value(source)
    assert found == expected
    assert type(found) is type(expected)


def test_and_or_and_if_look_no_further_than_needed():
    assert value("false and 1 / 0 == 1") is False
    assert value("true or 1 / 0 == 1") is True
    assert value("1 if true else 1 / 0") == 1


@pytest.mark.parametrize(
    ("source", "position", "part"),
    [
        ("", 0, "must hold an expression"),
        ("  ", 0, "must hold an expression"),
        ("1 +", 3, "a value is missing"),
        ("1 = 2", 2, "=="),
        ("1 < 2 < 3", 6, "do not chain"),
        ("a && b", 2, "write and"),
        ("'abc", 0, "does not end"),
        ("1 + 'abc", 4, "does not end"),
        ("'\\q'", 1, "\\q"),
        ("(1", 2, ") is missing"),
        ("[1, 2", 5, "or ]"),
        ("[1,, 2]", 3, "missing before ,"),
        ("[1 2]", 3, "before 2"),
        ("1)", 1, "not expected"),
        ("1 2", 2, "not expected"),
        ("1 if true", 9, "else is missing"),
        ("if", 0, "missing before if"),
        ("parameters", 0, "parameters.NAME"),
        ("parameters[run.id]", 0, "fixed name"),
        ("inputs.[1]", 7, "after the dot"),
        ("nonsense", 0, "parameters.NAME"),
        ("__import__('os')", 0, "not a function"),
        ("open('/etc/passwd')", 0, "not a function"),
        ("len()", 0, "takes 1 values"),
        ("round(1, 2, 3)", 0, "1 to 2"),
        ("9007199254740992", 0, "too large"),
        ("1e999", 0, "too large"),
        ("1" * 50, 0, "too large"),
        ("2 ** 3", 3, "missing before *"),
        ("{1: 2}", 0, "objects"),
        ("lambda: 1", 6, "no meaning"),
        ("'\0'", 0, "NUL"),
        ("x" * (MAX_SOURCE + 1), MAX_SOURCE, "at most"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(source, position, part):
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    assert caught.value.position == position
    assert part in caught.value.message
    assert str(caught.value).endswith(f"(at character {position + 1})")


@pytest.mark.parametrize(
    ("source", "position", "part"),
    [
        ("'a' * 10", 4, "two numbers, not a text and a number"),
        ("'a' + 1", 4, "text(x)"),
        ("1 + true", 2, "true or false"),
        ("1 / 0", 2, "divide by zero"),
        ("1 % 0", 2, "divide by zero"),
        ("9007199254740991 + 1", 17, "too large"),
        ("1 and true", 2, "each side of and"),
        ("true and 'x'", 5, "each side of and"),
        ("not 'x'", 0, "true or false"),
        ("-'x'", 0, "needs a number"),
        ("1 if 'x' else 2", 2, "condition of if"),
        ("parameters.unknown > 4", 19, "default(x, 0)"),
        ("1 < 'a'", 2, "a number and a text"),
        ("1 in 2", 2, "cannot tell"),
        ("parameters.host.name", 15, "no members"),
        ("1.foo", 1, "no members"),
        ("inputs.web.body['a']", 15, "a list has no members"),
        ("inputs.web.body[true]", 15, "no item by"),
        ("parameters.host[0]", 15, "no item by"),
        ("len(1)", 0, "len needs"),
        ("lower(null)", 0, "default(x, '')"),
        ("number('1,5')", 0, "12.5"),
        ("number([])", 0, "cannot read a list"),
        ("number('1e400')", 0, "finite"),
        ("round('1')", 0, "round needs"),
        ("round(1, 11)", 0, "0 to 10"),
        ("min(1)", 0, "several values"),
        ("max(1, 'a')", 0, "alone"),
        ("any([1])", 0, "every item"),
        ("all('x')", 0, "needs a list"),
        ("matches('a', upper('" + "b" * 201 + "'))", 0, "at most 200"),
    ],
)
def test_wrong_types_are_told_with_their_place(source, position, part):
    found, message = fault(source)
    assert found == position
    assert part in message


def test_a_condition_is_true_or_false_and_null_is_false():
    assert parse("inputs.check.failed == 1").decide(NAMES) is True
    assert parse("inputs.nobody").decide(NAMES) is False
    with pytest.raises(ExpressionError, match="a condition must be true or false, not a number"):
        parse("1").decide(NAMES)


def test_names_are_known_before_anything_is_evaluated():
    expression = parse("inputs.check.failed + inputs['web'].x[parameters.i] if run.id else default(parameters.i, 1)")
    assert expression.names() == {"inputs.check", "inputs.web", "parameters.i", "run.id"}
    assert [one.at for one in expression.placed_names][:2] == [0, 22]


def test_every_function_that_can_be_called_is_there():
    for name, (least, _) in ARITY.items():
        arguments = ", ".join(["[true]"] * least)
        try:
            value(f"{name}({arguments})")
        except ExpressionError as error:
            assert "function" not in str(error), name


# What is meant to harm.


@pytest.mark.parametrize(
    "source",
    [
        "(" * 500 + "1" + ")" * 500,
        "[" * 900 + "]" * 900,
        "not " * 450 + "true",
        "-" * 1900 + "1",
        "1 if true else " * 120 + "1",
        "len(" * 300 + "'a'" + ")" * 300,
        "inputs.a" + "[inputs.a" * 150 + "]" * 150,
    ],
)
def test_deep_nesting_is_refused_when_it_is_read(source):
    with pytest.raises(ExpressionError, match=f"more than {MAX_DEPTH} deep"):
        parse(source)


def test_length_is_no_depth():
    assert value("+".join(["1"] * 900)) == 900
    assert value(" or ".join(["false"] * 200)) is False
    assert value("inputs.a" + ".b" * 900) is None
    assert value("[" + ",".join(["1"] * 900) + "]") == [1] * 900


@pytest.mark.parametrize(
    "source",
    [
        "+".join(["inputs.big"] * 100),
        "[" + ",".join(["inputs.big"] * 100) + "]",
        "json(json(json(json(json(inputs.quotes)))))",
        "upper(inputs.long)",
        "inputs.many + inputs.many",
        "inputs.many",
        "json(inputs.deep)",
        "inputs.deep == inputs.deep and json(inputs.deep) == ''",
        "inputs.digits",
        "matches(inputs.big, '" + "*a" * 99 + "')",
        "matches(inputs.big, '*" + "?" * 190 + "b')",
        " or ".join(["json(inputs.big) == ''"] * 60),
        " or ".join(["1 not in inputs.many"] * 90) + " or -1 in inputs.many" * 9,
        " or ".join(["max(inputs.many) == 1"] * 80),
    ],
)
def test_blowing_up_ends_soon_and_says_so(source):
    deep: object = 0
    for _ in range(5_000):
        deep = [deep]
    inputs = {
        "big": "a" * 60_000,
        "long": "ß" * 60_000,
        "quotes": '"\\' * 3_000,
        "many": list(range(60_000)),
        "deep": deep,
        "digits": 10**6_000,
    }
    started = time.monotonic()
    with pytest.raises(ExpressionError):
        value(source, {"inputs": inputs})
    assert time.monotonic() - started < 5


def test_steps_are_bounded():
    source = " or ".join(["inputs.x in inputs.list"] * 70)
    assert value(source, {"inputs": {"list": list(range(1_000)), "x": -1}}) is False
    with pytest.raises(ExpressionError, match="takes too long"):
        value(source, {"inputs": {"list": list(range(10_000)), "x": -1}})


def test_a_result_is_at_most_64_kib_as_json():
    assert len(value("inputs.a", {"inputs": {"a": "x" * (MAX_BYTES - 2)}})) == MAX_BYTES - 2
    with pytest.raises(ExpressionError, match="64 KiB"):
        value("inputs.a", {"inputs": {"a": "x" * (MAX_BYTES - 1)}})
    with pytest.raises(ExpressionError, match="64 KiB"):
        value("inputs.a", {"inputs": {"a": "ä" * (MAX_BYTES // 2)}})


def test_nothing_but_json_gets_in():
    with pytest.raises(TypeError):
        value("inputs.a", {"inputs": {"a": object()}})
    for name in ("__class__", "__len__", "keys", "append"):
        assert value(f"inputs.web.{name}") is None


@UNTIMED
@given(st.text(st.sampled_from(list("019.e'\"\\()[],+-*/%<>=! abifnotrlse_{}\n")) | st.characters(), max_size=60))
def test_any_text_is_read_or_refused(source):
    try:
        expression = parse(source)
        json.dumps(expression.evaluate(NAMES))
    except ExpressionError as error:
        assert 0 <= error.position <= len(source)


_operands = st.sampled_from(
    ["inputs.a", "inputs.b", "inputs.a.x", "inputs.b[0]", "1", "'a'", "null", "true", "[1]", "[]"]
)
_sources = st.recursive(
    _operands,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "==", "<", "in", "and", "or"]), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        )
        | st.tuples(st.sampled_from([name for name, (least, _) in ARITY.items() if least == 1]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        )
        | st.tuples(st.sampled_from([name for name, (least, _) in ARITY.items() if least == 2]), inner, inner).map(
            lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
        )
        | inner.map(lambda one: f"(not {one})")
    ),
    max_leaves=12,
)


@UNTIMED
@given(_sources, json_values, json_values)
def test_any_expression_of_any_values_is_a_value_or_a_fault_with_a_place(source, a, b):
    try:
        found = value(source, {"inputs": {"a": a, "b": b}})
    except ExpressionError as error:
        assert 0 <= error.position <= len(source)
    else:
        assert json.loads(json.dumps(found, allow_nan=False)) == found


_numbers = st.integers(0, 99).map(str)
_arithmetic = st.recursive(
    _numbers,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(" ".join)
        | inner.map(lambda one: f"({one})")
        | inner.map(lambda one: f"-{one}")
    ),
    max_leaves=8,
)


@UNTIMED
@given(_arithmetic)
def test_arithmetic_is_that_of_python(source):
    try:
        expected = eval(source, {"__builtins__": {}})  # the oracle of this test alone
    except ZeroDivisionError:
        assert "zero" in fault(source)[1]
        return
    if abs(expected) < 2**53:
        assert math.isclose(value(source), expected, rel_tol=1e-12, abs_tol=1e-9)


@UNTIMED
@given(
    st.recursive(
        st.sampled_from(["true", "false"]),
        lambda inner: (
            st.tuples(inner, st.sampled_from(["and", "or", "==", "!="]), inner).map(
                lambda parts: f"({' '.join(parts)})"
            )
            | inner.map(lambda one: f"(not {one})")
            | st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})")
        ),
        max_leaves=8,
    )
)
def test_logic_is_that_of_python(source):
    assert value(source) is eval(source.replace("true", "True").replace("false", "False"), {"__builtins__": {}})


@UNTIMED
@given(json_values, json_values)
def test_equality_is_that_of_json(a, b):
    same = json.dumps(_plain(a), sort_keys=True) == json.dumps(_plain(b), sort_keys=True)
    assert value("inputs.a == inputs.b", {"inputs": {"a": a, "b": b}}) is same
    assert value("inputs.a == inputs.a", {"inputs": {"a": a}}) is True


def _plain(one):
    """Numbers of equal value written alike."""
    if isinstance(one, bool) or one is None or isinstance(one, str):
        return one
    if isinstance(one, list):
        return [_plain(item) for item in one]
    if isinstance(one, dict):
        return {name: _plain(item) for name, item in one.items()}
    return int(one) if float(one).is_integer() and one == int(one) else one


@UNTIMED
@given(st.text("ab\n.", max_size=8), st.text("ab*?.\n", max_size=6))
def test_a_pattern_matches_as_in_a_shell(text, pattern):
    assert matches_glob(text, pattern) is fnmatch.fnmatchcase(text, pattern)


# Texts that hold expressions.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain } {", "plain } {"),
        ("{{1}}{{ 2 }}", "12"),
        ("a {{ parameters.host }} b", "a web-1 b"),
        ("{{ null }}|{{ true }}|{{ 1.50 }}|{{ 3.0 }}|{{ [1, 'a'] }}", '|true|1.5|3|[1, "a"]'),
        ("{{ '}}' }} {{ \"{{\" }} }}", "}} {{ }}"),
        ("{{ '\\'}}' }}", "'}}"),
        ("{{ inputs.check.counts }}", '{"success": 2}'),
    ],
)
def test_what_a_text_becomes(text, expected):
    assert Template.parse(text).render(NAMES) == expected


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("a {{ 1 + }}", 8, "missing"),
        ("a {{ x", 2, "no }}"),
        ("{{ 'a }}", 0, "no }}"),
        ("{{ }}", 2, "must hold"),
        ("ab{{ nonsense }}", 5, "not a name"),
        ("x" * (MAX_TEMPLATE + 1), MAX_TEMPLATE, "at most"),
        ("{{1}}" * (MAX_IN_TEMPLATE + 1), 5 * MAX_IN_TEMPLATE, "at most"),
    ],
)
def test_a_text_that_cannot_be_read_tells_the_place_in_it(text, position, part):
    with pytest.raises(ExpressionError) as caught:
        Template.parse(text)
    assert caught.value.position == position
    assert part in caught.value.message


def test_what_fails_in_a_text_tells_the_place_in_it():
    with pytest.raises(ExpressionError) as caught:
        Template.parse("Devices: {{ 1 / 0 }}").render(NAMES)
    assert caught.value.position == len("Devices: {{ 1 ")


def test_a_text_becomes_64_kib_at_most():
    long = Template.parse("{{ inputs.a }}{{ inputs.a }}")
    assert long.names() == {"inputs.a"}
    assert len(long.render({"inputs": {"a": "x" * 30_000}})) == 60_000
    with pytest.raises(ExpressionError, match="64 KiB"):
        long.render({"inputs": {"a": "x" * 40_000}})


@UNTIMED
@given(st.text(max_size=40))
def test_a_text_without_braces_stays_as_it_is(text):
    plain = text.replace("{", "(")
    assert Template.parse(plain).render({}) == plain


@UNTIMED
@given(st.text("{}'\"\\ 1+a", max_size=30))
def test_any_text_is_a_template_or_refused(text):
    try:
        Template.parse(text).render(NAMES)
    except ExpressionError as error:
        assert 0 <= error.position <= len(text)

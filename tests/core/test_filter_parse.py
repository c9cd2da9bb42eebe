"""Reading a criteria tree: what is right is read into one form, what is wrong is named with its place, all of it at once."""

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.filter_strategies import ALL_FIELDS, CUSTOM_FIELDS, UNTIMED, criteria, expressions, trees
from watchbill.core.filter_expr import FilterProblems, fields_used, parse, to_json
from watchbill.core.filter_fields import NEGATED, OPERATORS, WITH_LIST, WITHOUT_VALUE, FieldKind
from watchbill.core.filter_units import MAX_INTEGER


def criterion(field, operator, *value):
    return {"field": field, "operator": operator, **({"value": value[0]} if value else {})}


HOSTNAME = criterion("hostname", "equals", "web-1")


def refused(tree):
    """What is wrong with a tree: (path below `criteria`, code, message)."""
    with pytest.raises(FilterProblems) as found:
        parse(tree, CUSTOM_FIELDS)
    assert found.value.problems
    return [
        (problem.field.removeprefix("criteria").lstrip("."), problem.code, problem.message)
        for problem in found.value.problems
    ]


def faults(tree):
    return [(field, code) for field, code, _ in refused(tree)]


def value_fault(field, operator, value):
    (found,) = refused(criterion(field, operator, value))
    return found


@UNTIMED
@given(trees())
def test_what_is_written_is_read_as_the_same_expression(tree):
    expression = parse(tree, CUSTOM_FIELDS)
    written = to_json(expression)
    assert parse(json.loads(json.dumps(written)), CUSTOM_FIELDS) == expression
    assert to_json(parse(written, CUSTOM_FIELDS)) == written


@UNTIMED
@given(expressions())
def test_an_expression_is_a_value(expression):
    assert hash(expression) == hash(parse(to_json(expression), CUSTOM_FIELDS))


@UNTIMED
@given(trees())
def test_fields_used_are_those_that_the_tree_names(tree):
    names = {part.split('"')[0] for part in json.dumps(tree).split('"field": "')[1:]}
    assert fields_used(parse(tree, CUSTOM_FIELDS)) == names


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["hostname", "is"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["all", "any", "not", "field", "operator", "value", "x", "name", "version"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@UNTIMED
@given(json_values)
def test_any_json_is_read_or_refused(tree):
    try:
        parse(tree, CUSTOM_FIELDS)
    except FilterProblems as error:
        assert error.problems
        assert all(problem.field.startswith("criteria") for problem in error.problems)


@UNTIMED
@given(st.sampled_from(list(ALL_FIELDS.values())), st.data(), json_values)
def test_any_value_is_read_or_refused_below_its_place(field, data, value):
    operator = data.draw(st.sampled_from(field.operators))
    try:
        parse({"all": [criterion(field.name, operator, value)]}, CUSTOM_FIELDS)
    except FilterProblems as error:
        assert error.problems
        assert all(problem.field.startswith("criteria.all.0.value") for problem in error.problems)


def test_all_problems_come_at_once_each_with_its_place():
    tree = {
        "all": [
            criterion("hostnam", "equals", "x"),
            {"any": [criterion("hostname", "is", "x"), criterion("ram_bytes", "lower", "8 parsecs")]},
            {"not": {"any": []}},
            criterion("hostname", "matches", "(?=a)"),
            {**HOSTNAME, "vlaue": 1},
        ],
        "any": [],
    }
    assert faults(tree) == [("", "invalid_node")]
    del tree["any"]
    assert faults(tree) == [
        ("all.0.field", "unknown_field"),
        ("all.1.any.0.operator", "unknown_operator"),
        ("all.1.any.1.value", "invalid_amount"),
        ("all.2.not.any", "empty_group"),
        ("all.3.value", "invalid_pattern"),
        ("all.4.vlaue", "unknown_field"),
    ]


def test_the_path_begins_where_the_caller_says():
    with pytest.raises(FilterProblems, match=r"^rule\.all: an empty group would match every device"):
        parse({"all": []}, {}, path="rule")


@pytest.mark.parametrize(("form", "says"), [("all", "every device"), ("any", "no device")])
def test_an_empty_group_is_refused(form, says):
    ((field, code, message),) = refused({form: []})
    assert (field, code) == (form, "empty_group")
    assert f"would match {says}" in message


@pytest.mark.parametrize("tree", [None, 7, "x", [], [HOSTNAME], True, math.nan])
def test_what_is_no_object_is_refused(tree):
    assert faults(tree) == [("", "wrong_type")]


@pytest.mark.parametrize(
    "tree", [{}, {"operator": "is"}, {"all": [HOSTNAME], "not": HOSTNAME}, {**HOSTNAME, "any": []}]
)
def test_what_is_no_one_form_of_node_is_refused(tree):
    assert faults(tree) == [("", "invalid_node")]


@pytest.mark.parametrize("inner", [{}, HOSTNAME, "x", 1, None])
def test_a_group_holds_a_list(inner):
    assert ("all", "wrong_type") in faults({"all": inner})


@pytest.mark.parametrize(
    ("name", "says"),
    [("hostnam", "did you mean hostname?"), ("RAM_BYTES", "did you mean ram_bytes?"), ("custom.rak", "custom.rack?")],
)
def test_an_unknown_field_is_answered_with_the_nearest(name, says):
    ((field, code, message),) = refused(criterion(name, "equals", "x"))
    assert (field, code) == ("field", "unknown_field")
    assert says in message


@pytest.mark.parametrize("name", ["zzzzzz", "", 7, None, ["hostname"], "\ud800", "x" * 100_000])
def test_a_field_like_no_other_is_answered_with_all_there_are(name):
    (field, code, message), *_ = refused(criterion(name, "equals", "x"))
    assert (field, code) == ("field", "unknown_field")
    assert "there are: hostname, description" in message
    assert len(message) < 1_000
    message.encode()


def test_a_custom_field_that_does_not_exist_is_refused():
    with pytest.raises(FilterProblems, match=r"'custom\.rack' is no field"):
        parse(criterion("custom.rack", "equals", "B"), {})


@pytest.mark.parametrize("operator", ["is", "lower", "", None, 7, ["equals"]])
def test_a_wrong_operator_is_answered_with_those_allowed(operator):
    ((field, code, message),) = refused(criterion("hostname", operator, "x"))
    assert (field, code) == ("operator", "unknown_operator")
    assert message.endswith(f"allowed: {', '.join(OPERATORS[FieldKind.TEXT])}")


def test_online_is_never_unknown_and_has_no_such_operator():
    assert faults(criterion("online", "is_unknown")) == [("operator", "unknown_operator")]


@pytest.mark.parametrize("operator", sorted(WITHOUT_VALUE))
@pytest.mark.parametrize("value", [True, False, 0, "x", []])
def test_an_operator_without_value_refuses_one(operator, value):
    assert faults(criterion("custom.leased", operator, value)) == [("value", "not_allowed")]


@pytest.mark.parametrize("value", [(), (None,)])
def test_an_operator_with_value_requires_one(value):
    for field in ALL_FIELDS.values():
        for operator in set(field.operators) - WITHOUT_VALUE:
            assert faults(criterion(field.name, operator, *value)) == [("value", "required")]


@pytest.mark.parametrize("value", [True, 1, 1.0, [], ["x"], {}, math.nan])
@pytest.mark.parametrize("operator", ["equals", "contains", "matches"])
def test_a_text_must_be_a_text(operator, value):
    assert value_fault("hostname", operator, value)[:2] == ("value", "wrong_type")


@pytest.mark.parametrize(
    ("field", "operator", "value", "code"),
    [
        ("hostname", "equals", "", "length"),
        ("hostname", "equals", "x" * 1_001, "length"),
        ("hostname", "equals", "a\0", "invalid_text"),
        ("hostname", "contains", "\ud800", "invalid_text"),
        ("hostname", "matches", "x" * 201, "length"),
        ("hostname", "matches", "a\0", "invalid_text"),
        ("hostname", "matches", "a**", "invalid_pattern"),
        ("os_family", "is", "Linux", "not_allowed"),
        ("os_family", "is", ["linux"], "not_allowed"),
        ("os_version", "lower", "1" * 201, "length"),
        ("os_version", "lower", " 1", "invalid_text"),
        ("os_version", "lower", "1\n2", "invalid_text"),
        ("os_version", "lower", 12, "wrong_type"),
        ("site", "is", 0, "out_of_range"),
        ("site", "is", True, "wrong_type"),
        ("site", "is", "3", "wrong_type"),
        ("site", "is", 3.0, "wrong_type"),
        ("site", "is", MAX_INTEGER + 1, "out_of_range"),
        ("cpu_count", "equals", -1, "out_of_range"),
        ("cpu_count", "equals", "8", "wrong_type"),
        ("ram_bytes", "lower", "8 apples", "invalid_amount"),
        ("ram_bytes", "lower", -1, "invalid_amount"),
        ("ram_bytes", "lower", 1.5, "invalid_amount"),
        ("ram_bytes", "lower", True, "invalid_amount"),
        ("ram_bytes", "lower", "99999999 PiB", "invalid_amount"),
        ("last_seen_age", "higher", "1 month", "invalid_amount"),
        ("last_seen_age", "higher", {}, "invalid_amount"),
        ("custom.slots", "equals", True, "wrong_type"),
        ("custom.slots", "equals", "1", "wrong_type"),
        ("custom.slots", "equals", math.nan, "wrong_type"),
        ("custom.slots", "equals", -math.inf, "wrong_type"),
        ("custom.slots", "equals", 1e300, "wrong_type"),
        ("custom.slots", "equals", 2.0**63, "wrong_type"),
        ("custom.bought", "on", "2026-02-30", "invalid_date"),
        ("custom.bought", "on", "20260201", "invalid_date"),
        ("custom.bought", "on", "2026-02-01T00:00", "invalid_date"),
        ("custom.bought", "on", 20260201, "invalid_date"),
        ("internal_address", "in_network", "10.0.0.1/8", "invalid_network"),
        ("internal_address", "in_network", "fd00::1/8", "invalid_network"),
        ("internal_address", "in_network", "10.0.0.0/33", "invalid_network"),
        ("internal_address", "in_network", "10.0.0.0/255.0.0.0", "invalid_network"),
        ("internal_address", "in_network", "10.0.0", "invalid_network"),
        ("internal_address", "in_network", "010.0.0.1", "invalid_network"),
        ("internal_address", "in_network", "fe80::1%eth0", "invalid_network"),
        ("internal_address", "in_network", 167772160, "invalid_network"),
        ("tags", "has", "x" * 201, "length"),
        ("tags", "has", ["x"], "wrong_type"),
        ("software", "installed", "openssl", "wrong_type"),
    ],
)
def test_a_wrong_value_is_refused(field, operator, value, code):
    assert value_fault(field, operator, value)[:2] == ("value", code)


def test_a_number_too_long_to_be_written_is_refused():
    huge = 10**5_000
    assert value_fault("cpu_count", "equals", huge)[1] == "out_of_range"
    assert value_fault("ram_bytes", "lower", huge)[1] == "invalid_amount"
    assert value_fault("custom.slots", "equals", huge)[1] == "wrong_type"


def test_a_network_with_further_bits_is_answered_with_the_network():
    assert "the network is 10.0.0.0/8" in value_fault("internal_address", "in_network", "10.0.0.1/8")[2]


@pytest.mark.parametrize(
    ("operator", "field", "value", "code"),
    [
        ("in", "hostname", "x", "wrong_type"),
        ("in", "hostname", [], "length"),
        ("not_in", "site", [1] * 1_001, "length"),
        ("has_any", "tags", {"x": 1}, "wrong_type"),
    ],
)
def test_a_list_operator_takes_a_list_of_bounded_length(operator, field, value, code):
    assert value_fault(field, operator, value)[:2] == ("value", code)


def test_each_wrong_value_of_a_list_is_named():
    assert faults(criterion("site", "in", [1, True, 2, "x"])) == [("value.1", "wrong_type"), ("value.3", "wrong_type")]


def test_of_many_wrong_values_of_a_list_ten_are_named():
    found = refused(criterion("site", "in", ["x"] * 1_000))
    assert [place for place, _, _ in found] == [*(f"value.{at}" for at in range(10)), "value"]
    assert found[-1][1:] == ("more_problems", "has 990 more values that are refused")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, [("value.name", "required")]),
        ({"name": ""}, [("value.name", "length")]),
        ({"name": 7, "name_operator": "is"}, [("value.name_operator", "not_allowed"), ("value.name", "wrong_type")]),
        ({"name": "a**", "name_operator": "matches"}, [("value.name", "invalid_pattern")]),
        ({"name": "a", "version": "1"}, [("value.version_operator", "not_allowed")]),
        ({"name": "a", "version_operator": "lower"}, [("value.version", "wrong_type")]),
        (
            {"name": "a", "version_operator": "in", "version": " "},
            [("value.version_operator", "not_allowed"), ("value.version", "invalid_text")],
        ),
        ({"name": "a", "source": 1}, [("value.source", "wrong_type")]),
        ({"name": "a", "sauce": "dpkg"}, [("value.sauce", "unknown_field")]),
        ({1: "a"}, [("value", "wrong_type")]),
    ],
)
def test_a_wrong_condition_on_software_is_refused(value, expected):
    assert faults(criterion("software", "installed", value)) == expected


def test_null_in_a_condition_on_software_is_the_same_as_nothing():
    value = {"name": "a", "name_operator": None, "version": None, "version_operator": None, "source": None}
    assert to_json(parse(criterion("software", "installed", value), {}))["value"] == {
        "name": "a",
        "name_operator": "equals",
    }


def nested(depth, tree=HOSTNAME):
    for at in range(depth):
        tree = {"not": tree} if at % 2 else {"all": [tree]}
    return tree


def test_groups_nest_ten_deep_and_no_deeper():
    parse(nested(10), {})
    ((field, code, message),) = refused(nested(11))
    assert field.count(".") == 14
    assert (code, message) == ("too_deep", "groups nest at most 10 deep")


def test_a_tree_deeper_than_any_stack_is_refused():
    assert [code for _, code in faults(nested(100_000))] == ["too_deep"]


def test_two_hundred_criteria_are_allowed_and_no_more():
    parse({"all": [HOSTNAME] * 200}, {})
    assert faults({"all": [HOSTNAME] * 201}) == [("all", "length")]
    assert faults({"all": [{"any": [HOSTNAME] * 101}, {"any": [HOSTNAME] * 100}]}) == [("", "too_large")]


def test_two_hundred_groups_are_allowed_and_no_more():
    parse({"all": [{"not": HOSTNAME}] * 199}, {})
    assert faults({"all": [{"not": HOSTNAME}] * 200}) == [("", "too_large")]


def test_a_tree_of_nonsense_has_few_problems():
    assert len(refused({"all": [{"all": [7] * 200}] * 200})) <= 202
    assert faults({f"x{at}": 1 for at in range(21)}) == [("", "wrong_type")]
    assert faults({1: 2}) == [("", "wrong_type")]


def test_a_tree_that_holds_itself_is_refused():
    alone: dict[str, object] = {}
    alone["not"] = alone
    assert [code for _, code in faults(alone)] == ["too_deep"]
    nodes: list[object] = []
    many = {"any": nodes}
    nodes += [many] * 200
    assert {code for _, code in faults(many)} == {"too_deep", "too_large"}


def test_a_value_that_holds_itself_is_refused():
    value: list[object] = []
    value += [value] * 1_000
    for field in ALL_FIELDS.values():
        for operator in set(field.operators) - WITHOUT_VALUE:
            assert len(refused(criterion(field.name, operator, value))) <= 11


def test_any_mapping_and_any_strange_object_is_judged():
    parse(MappingProxyType(HOSTNAME), {})
    assert value_fault("hostname", "equals", b"x")[2].endswith("not bytes")
    assert value_fault("hostname", "in", ("a",))[2].endswith("not tuple")


@pytest.mark.parametrize(
    ("field", "operator", "value", "canonical"),
    [
        ("ram_bytes", "lower", "8 GiB", 8 * 2**30),
        ("last_seen_age", "higher", "7 days", 604_800),
        ("internal_address", "in_network", "FD00:0::/16", "fd00::/16"),
        ("internal_address", "in_network", "10.0.0.1/32", "10.0.0.1"),
        ("hostname", "in", ["b", "a", "b"], ["b", "a"]),
        ("custom.slots", "equals", 1.0, 1),
        ("custom.slots", "equals", -0.0, 0),
        ("custom.slots", "equals", 0.1, 0.1),
        ("custom.slots", "equals", 2**53 + 1, 2**53 + 1),
        ("custom.bought", "on", "2026-01-01", "2026-01-01"),
        ("software", "installed", {"name": "a"}, {"name": "a", "name_operator": "equals"}),
    ],
)
def test_values_have_one_canonical_form(field, operator, value, canonical):
    written = to_json(parse(criterion(field, operator, value), CUSTOM_FIELDS))["value"]
    assert (written, type(written)) == (canonical, type(canonical))


def test_every_field_shows_an_example_that_is_read():
    for field in ALL_FIELDS.values():
        takes_value = [operator for operator in field.operators if operator not in WITHOUT_VALUE | WITH_LIST]
        assert (field.example is None) == (not takes_value)
        for operator in takes_value:
            parse(criterion(field.name, operator, field.example), CUSTOM_FIELDS)


def test_every_negated_operator_stands_beside_its_positive_one():
    for kind, operators in OPERATORS.items():
        assert len(set(operators)) == len(operators)
        for operator in set(operators) & set(NEGATED):
            assert NEGATED[operator] in operators, kind


@UNTIMED
@given(criteria())
def test_every_criterion_of_the_strategies_is_read(tree):
    written = to_json(parse(tree, CUSTOM_FIELDS))
    assert (written["field"], written["operator"]) == (tree["field"], tree["operator"])

"""What is said of a filter and of its matches: it follows the tree exactly, and names what hit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.filter_strategies import ALL_FIELDS, CUSTOM_FIELDS, NOW, UNTIMED, criteria, devices, expressions, trees
from tests.core.test_filter_match import DEVICE
from watchbill.core.filter_expr import AllOf, AnyOf, Device, Not, explain, matches, parse, why
from watchbill.core.filter_fields import OPERATORS
from watchbill.core.filter_words import PHRASES


def sentence(tree):
    return explain(parse(tree, CUSTOM_FIELDS))


def criterion(field, operator, *value):
    return {"field": field, "operator": operator, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("field", "operator", "value", "says"),
    [
        ("hostname", "contains", 'a"b', r'hostname contains "a\"b"'),
        ("hostname", "not_in", ["a", "b"], 'hostname is none of "a", "b"'),
        ("hostname", "matches", r"^\d+$", r'hostname matches the pattern "^\d+$"'),
        ("os_family", "is", "linux", "OS family is linux"),
        ("site", "in", [1, 2], "site is one of 1, 2"),
        ("os_version", "lower", "12.5", "OS version is lower than 12.5"),
        ("ram_bytes", "higher_or_equal", "8 GiB", "RAM is higher than or equal to 8 GiB"),
        ("last_seen_age", "higher", 604_800, "time since last seen is higher than 1 week"),
        ("cpu_count", "equals", 4, "CPU count is 4"),
        ("custom.slots", "equals", 0.5, "custom field slots is 0.5"),
        ("custom.bought", "on_or_before", "2026-01-01", "custom field bought is on or before 2026-01-01"),
        ("internal_address", "not_in_network", "10.0.0.0/8", "internal address is not in 10.0.0.0/8"),
        ("tags", "has_all", ["a", "b"], 'tags have all of "a", "b"'),
        ("software", "installed", {"name": "bash"}, 'software "bash" is installed'),
        (
            "software",
            "not_installed",
            {
                "name": "ssl",
                "name_operator": "contains",
                "version_operator": "lower",
                "version": "3.0",
                "source": "dpkg",
            },
            'software whose name contains "ssl" with a version that is lower than 3.0 from "dpkg" is not installed',
        ),
        (
            "software",
            "installed",
            {"name": "^a", "name_operator": "matches"},
            'software whose name matches the pattern "^a" is installed',
        ),
    ],
)
def test_a_criterion_in_words(field, operator, value, says):
    assert sentence(criterion(field, operator, value)) == says


def test_a_criterion_without_value_in_words():
    assert sentence(criterion("online", "is_true")) == "online is true"
    assert sentence(criterion("domain", "is_unknown")) == "domain is unknown"


def test_groups_in_words_have_brackets_where_a_group_is_in_a_group():
    a, b, c = (criterion("site", "is", number) for number in (1, 2, 3))
    assert sentence({"all": [a, {"any": [b, c]}]}) == "site is 1 and (site is 2 or site is 3)"
    assert sentence({"any": [a, {"all": [b, c]}]}) == "site is 1 or (site is 2 and site is 3)"
    assert sentence({"all": [a, {"all": [b, c]}]}) == "site is 1 and (site is 2 and site is 3)"
    assert sentence({"not": {"any": [a, b]}}) == "not (site is 1 or site is 2)"
    assert sentence({"any": [{"not": a}, b]}) == "not (site is 1) or site is 2"
    assert sentence({"any": [{"all": [{"any": [a]}]}, b]}) == "site is 1 or site is 2"
    assert sentence({"any": [{"all": [{"any": [a, b]}]}, c]}) == "(site is 1 or site is 2) or site is 3"


def test_a_long_list_in_words_is_cut_and_counted():
    assert sentence(criterion("site", "in", list(range(1, 101)))).endswith("19, 20 and 80 more")


sites = st.integers(1, 1_000).map(lambda number: criterion("site", "is", number))


@UNTIMED
@given(trees(sites), st.integers(0, 2**10))
def test_the_words_of_a_tree_are_true_when_the_tree_is(tree, seed):
    """The sentence, read as a formula with each criterion put as what it is for a device, says what the filter says."""
    device = Device(site=seed % 1_000 or None)
    expression = parse(tree, CUSTOM_FIELDS)
    formula = re.sub(r"site is (\d+)", lambda found: str(int(found[1]) == device.site), explain(expression))
    assert eval(formula, {}) is matches(expression, device, NOW)


@UNTIMED
@given(expressions())
def test_words_are_one_line(expression):
    assert explain(expression).isprintable()


def test_there_is_a_phrase_for_every_operator_and_for_nothing_else():
    told = {operator for kind, operators in OPERATORS.items() if kind != "software" for operator in operators}
    assert set(PHRASES) == told


@UNTIMED
@given(expressions(), devices())
def test_there_are_reasons_exactly_when_a_filter_matches(expression, device):
    assert bool(why(expression, device, NOW)) is matches(expression, device, NOW)


@UNTIMED
@given(st.lists(expressions(), min_size=1, max_size=3).map(tuple), devices())
def test_reasons_are_those_of_the_nodes_that_match(nodes, device):
    each = [reason for node in nodes for reason in why(node, device, NOW)]
    assert set(why(AnyOf(nodes), device, NOW)) == set(each)
    if matches(AllOf(nodes), device, NOW):
        assert why(AllOf(nodes), device, NOW) == tuple(dict.fromkeys(each))


@UNTIMED
@given(expressions(), devices())
def test_the_reason_of_a_negation_says_what_does_not_hold(expression, device):
    reasons = why(Not(expression), device, NOW)
    assert reasons in ((), (f"it is not so that {explain(expression)}",))


@UNTIMED
@given(criteria(), devices())
def test_a_reason_is_one_line_that_names_the_field(tree, device):
    for reason in why(parse(tree, CUSTOM_FIELDS), device, NOW):
        assert reason.startswith(ALL_FIELDS[tree["field"]].label)
        assert reason.isprintable()


@pytest.mark.parametrize(
    ("field", "operator", "value", "says"),
    [
        ("hostname", "contains", "WEB", 'hostname "Web-1.Äther" contains "WEB"'),
        ("domain", "not_equals", "x", 'domain is unknown, so it counts that domain is not "x"'),
        ("ram_bytes", "lower", "9 GiB", "RAM 8 GiB is lower than 9 GiB"),
        ("last_seen_age", "lower", "1 min", "time since last seen 59 seconds is lower than 1 minute"),
        ("site", "in", [1, 3], "site 3 is one of 1, 3"),
        ("os_version", "higher", "9", "OS version 12.5 is higher than 9"),
        ("custom.slots", "lower", 1, "custom field slots 0.1 is lower than 1"),
        ("custom.bought", "after", "2025-01-01", "custom field bought 2026-01-01 is after 2025-01-01"),
        ("internal_address", "in_network", "fd00::/8", "internal address fd00::5 is in fd00::/8"),
        ("internal_address", "not_in_network", "fe80::/10", "internal address is not in fe80::/10"),
        ("tags", "has_any", ["prod", "x"], 'tags have any of "prod", "x" (it has "Prod")'),
        ("tags", "has_not", "x", 'tags do not have "x"'),
        ("software", "not_installed", {"name": "x"}, 'software "x" is not installed'),
        ("software", "installed", {"name": "bash"}, 'software "bash" is installed ("bash")'),
        (
            "software",
            "installed",
            {"name": "OPENSSL", "version_operator": "higher", "version": "2"},
            'software "openssl" 3.0.2-1 from "dpkg" is installed ("OPENSSL" with a version that is higher than 2)',
        ),
    ],
)
def test_a_reason_in_words(field, operator, value, says):
    assert why(parse(criterion(field, operator, value), CUSTOM_FIELDS), DEVICE, NOW) == (says,)


def test_a_reason_without_value_in_words():
    assert why(parse(criterion("online", "is_false"), {}), DEVICE, NOW) == ("online is false",)
    assert why(parse(criterion("domain", "is_unknown"), {}), DEVICE, NOW) == ("domain is unknown",)
    unknown = parse(criterion("external_address", "not_in_network", "::/0"), {})
    assert why(unknown, Device(), NOW) == (
        "external address is unknown, so it counts that external address is not in ::/0",
    )

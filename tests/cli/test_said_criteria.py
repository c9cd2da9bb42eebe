"""Criteria of a command line are those that they say; whatever else is said is refused with what would be right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.apps.client import said_criteria
from watchbill.apps.commands.exits import CliError
from watchbill.core.filter_expr import FIELDS, parse

TOLD = {
    one.name: {"name": one.name, "kind": one.kind.value, "operators": list(one.operators)} for one in FIELDS.values()
}
SITES = {"Harbour": 3, "7": 7}


def said(*texts):
    found = said_criteria.criteria(texts, TOLD, SITES.__getitem__)
    parse(found, {})
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hostname contains web server", "web server"),
        ("hostname in web-1, web-2", ["web-1", "web-2"]),
        ("hostname equals 42", "42"),
        ("site is Harbour", 3),
        ("site in Harbour,7", [3, 7]),
        ("ram_bytes higher 8 GiB", "8 GiB"),
        ("ram_bytes higher 1024", 1024),
        ("last_seen_age higher 7 days", "7 days"),
        ("tags has_all prod,eu", ["prod", "eu"]),
        ("os_version lower 12", "12"),
        ("software installed visual studio", {"name": "visual studio"}),
        (
            "software not_installed openssl lower 3.0.1 from dpkg",
            {"name": "openssl", "version_operator": "lower", "version": "3.0.1", "source": "dpkg"},
        ),
        ("internal_address in_network 10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_a_criterion_is_field_operator_and_value(text, value):
    name, operator, _ = text.split(" ", 2)
    assert said(text) == {"field": name, "operator": operator, "value": value}


def test_several_criteria_must_all_hold():
    assert said("online is_true", "domain is_unknown") == {
        "all": [{"field": "online", "operator": "is_true"}, {"field": "domain", "operator": "is_unknown"}]
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hostnam contains x", "Did you mean hostname"),
        ("", "Nothing is no field"),
        ("hostname", "Nothing is no operator of hostname"),
        ("hostname is web", "It has: equals"),
        ("hostname contains", "a value is missing"),
        ("online is_true yes", "takes no value"),
        ("tags has_any a,,b", "nothing between two commas"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_could(text, message):
    with pytest.raises(CliError) as error:
        said(text)
    assert message in f"{error.value.message} {error.value.hint}"


@given(
    st.text(max_size=60) | st.builds("{} {} {}".format, st.sampled_from(sorted(TOLD)), st.text(max_size=9), st.text())
)
def test_any_text_is_a_criterion_or_refused(text):
    try:
        found = said_criteria.criterion(text, TOLD, lambda name: 1)
    except CliError:
        return
    assert found["operator"] in TOLD[found["field"]]["operators"]
    json.dumps(found)

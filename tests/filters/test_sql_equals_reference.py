"""The SQL of a filter finds exactly the devices that the core says it names."""

import json

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from tests.conftest import named, on_server
from tests.core.filter_strategies import ALL_FIELDS, CUSTOM_FIELDS, NOW, criteria, devices, expressions
from tests.filters.inventories import as_kept, prepare, write
from watchbill.core.filter_expr import FieldKind, Not, explain, fold, matches, parse, version_key
from watchbill.filters import compile as compiling
from watchbill.filters.compile import compiled

_FOUND = (
    "SELECT device_id FROM filter_preview(%s, %s, %s, NULL, 'all', '{}', NULL, NULL, 1000) WHERE device_id IS NOT NULL"
)


@pytest.fixture(scope="module")
def connection(server_url, template):
    """One database for all examples; each is rolled back."""
    name = "wb_filters_as_sql"
    on_server(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    url = make_url(named(server_url, name)).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as opened:
        prepare(opened)
        opened.commit()
        yield opened
    on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def found(connection, expression):
    sql = compiled(expression)
    rows = connection.execute(_FOUND, [sql.condition, json.dumps(sql.parameters), NOW])
    return {row[0] for row in rows}


def hold(connection, inventory, asked):
    """Both ways of each filter: what SQL finds and what the core names."""
    try:
        kept = write(connection, [as_kept(device) for device in inventory])
        for expression in asked:
            for one in (expression, Not(expression)):
                named_here = {key for key, device in kept.items() if matches(one, device, NOW)}
                assert found(connection, one) == named_here, explain(one)
    finally:
        connection.rollback()


many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@many
@given(inventory=st.lists(devices(), min_size=1, max_size=12), asked=st.lists(expressions(), min_size=1, max_size=8))
def test_any_filter_finds_in_sql_what_it_means_in_the_core(connection, inventory, asked):
    hold(connection, inventory, asked)


@pytest.mark.parametrize("field", ALL_FIELDS.values(), ids=lambda one: one.name)
def test_every_operator_of_every_field_means_the_same_in_sql(connection, field):
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        inventory=st.lists(devices(), min_size=6, max_size=12),
        asked=st.lists(expressions(criteria([field])), min_size=4, max_size=8),
    )
    def check(inventory, asked):
        hold(connection, inventory, asked)

    check()


def _not_that_forgets_null(test, *, is_negated):
    return f"NOT ({test})" if is_negated else test


def _any_tag_for_all(leaf, values):
    listed = compiling._equal("t.tag", list(dict.fromkeys(map(fold, leaf.values))), values)
    return f"EXISTS (SELECT FROM device_tags t WHERE t.device_id = d.id AND {listed})"


def _unknown_versions_are_lowest(bound, values):
    return f"s.version_key {compiling._ORDERS[bound.operator]} {values.one(version_key(bound.version))}"


def _text_as_it_is_written(of):
    return f"d.{of.name}"


_ORDERS = compiling._ORDERS
WRONG = {
    "lower takes equal in": ("_ORDERS", {**_ORDERS, "lower": "<="}, "ram_bytes"),
    "before is after": ("_ORDERS", {**_ORDERS, "before": ">"}, "custom.bought"),
    "what is unknown is in neither half": ("_complement", _not_that_forgets_null, "cpu_count"),
    "has_all asks for any": ("_tags", _any_tag_for_all, "tags"),
    "an unknown version counts as lowest": ("_of_version", _unknown_versions_are_lowest, "software"),
    "case counts": ("_column", _text_as_it_is_written, "hostname"),
    "a custom column is cast by rounding": (
        "_CUSTOM_COLUMNS",
        {**compiling._CUSTOM_COLUMNS, FieldKind.NUMBER: "c.number_value::numeric"},
        "custom.slots",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_compilation_is_noticed(connection, monkeypatch, wrong):
    """So that the tests above can fail. The same examples each time, and no smaller ones looked for."""
    name, instead, field = WRONG[wrong]
    monkeypatch.setattr(compiling, name, instead)

    @settings(
        max_examples=300, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        inventory=st.lists(devices(), min_size=6, max_size=12),
        asked=st.lists(expressions(criteria([ALL_FIELDS[field]])), min_size=4, max_size=8),
    )
    def check(inventory, asked):
        hold(connection, inventory, asked)

    with pytest.raises(AssertionError):
        check()


@given(st.lists(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map("".join))
@settings(max_examples=200, deadline=None)
def test_the_database_folds_texts_as_the_core_does(connection, text):
    assert connection.execute("SELECT fold_text(%s)", [text]).fetchone()[0] == fold(text)


def test_no_value_stands_in_the_text_of_the_condition(connection):
    hostile = "') OR true --"
    tree = {
        "any": [
            {"field": "hostname", "operator": "contains", "value": hostile},
            {"field": "tags", "operator": "has_all", "value": [hostile, "x"]},
            {"field": "software", "operator": "installed", "value": {"name": hostile, "source": hostile}},
            {"field": "custom.rack", "operator": "equals", "value": hostile},
        ]
    }
    sql = compiled(parse(tree, CUSTOM_FIELDS))
    assert "true --" not in sql.condition
    assert found(connection, parse(tree, CUSTOM_FIELDS)) == set()

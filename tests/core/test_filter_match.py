"""What a filter means, operator by operator, and what holds for every filter and every device."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.core.filter_strategies import (
    ALL_FIELDS,
    CUSTOM_FIELDS,
    NOW,
    TAGS,
    UNTIMED,
    criteria,
    devices,
    expressions,
    trees,
)
from watchbill.core.filter_expr import (
    AllOf,
    AnyOf,
    Criterion,
    CustomValue,
    Device,
    Expression,
    FieldKind,
    Not,
    Software,
    matches,
    parse,
)
from watchbill.core.filter_fields import NEGATED, OPERATORS

OPENSSL = (Software("openssl", "3.0.2-1", "dpkg"), Software("OpenSSL", "1.1.1", "rpm"), Software("bash"))
DEVICE = Device(
    hostname="Web-1.Äther",
    description="",
    site=3,
    os_family="linux",
    os_version="12.5",
    agent_version="9" * 201,
    internal_addresses=(ip_address("10.0.0.5"), ip_address("fd00::5")),
    external_address=ip_address("203.0.113.7"),
    cpu_count=8,
    ram_bytes=8 * 2**30,
    last_seen_at=NOW - timedelta(seconds=59, microseconds=999_999),
    tags=frozenset({"Prod", "Süd"}),
    custom={"rack": "B-12", "slots": Decimal("0.1"), "leased": False, "bought": date(2026, 1, 1)},
    software=OPENSSL,
)

FIELDS = list(ALL_FIELDS.values())


def is_match(field, operator, *value, device=DEVICE):
    tree = {"field": field, "operator": operator, **({"value": value[0]} if value else {})}
    return matches(parse(tree, CUSTOM_FIELDS), device, NOW)


@pytest.mark.parametrize(
    ("field", "operator", "hit", "miss"),
    [
        ("hostname", "equals", "WEB-1.äTHER", "web-1"),
        ("hostname", "contains", ".Ä", "ather"),
        ("hostname", "starts_with", "web", "eb"),
        ("hostname", "ends_with", "THER", "the"),
        ("hostname", "in", ["x", "web-1.äther"], ["web", "1.äther"]),
        ("hostname", "matches", r"^web-\d", "^eb"),
        ("site", "is", 3, 4),
        ("site", "in", [1, 3], [1, 2]),
        ("os_family", "is", "linux", "windows"),
        ("os_family", "in", ["macos", "linux"], ["macos"]),
        ("os_version", "equals", "12.05", "12.50"),
        ("os_version", "lower", "12.10", "12.5"),
        ("os_version", "lower_or_equal", "12.5", "12.5~rc1"),
        ("os_version", "higher", "9.9", "12.5"),
        ("os_version", "higher_or_equal", "12.5", "12.5a"),
        ("os_version", "in", ["1", "12.5-0"], ["12", "5"]),
        ("cpu_count", "equals", 8, 7),
        ("cpu_count", "lower", 9, 8),
        ("ram_bytes", "lower_or_equal", "8 GiB", "8 GB"),
        ("ram_bytes", "higher", "8 GB", "8 GiB"),
        ("ram_bytes", "higher_or_equal", "8 GiB", 8 * 2**30 + 1),
        ("last_seen_age", "equals", 59, 60),
        ("last_seen_age", "lower", "1 min", 59),
        ("custom.rack", "starts_with", "b", "c"),
        ("custom.slots", "equals", 0.1, 0.10000000000000002),
        ("custom.slots", "lower", 1, -1),
        ("custom.bought", "on", "2026-01-01", "2026-01-02"),
        ("custom.bought", "before", "2026-01-02", "2026-01-01"),
        ("custom.bought", "on_or_before", "2026-01-01", "2025-12-31"),
        ("custom.bought", "after", "2025-12-31", "2026-01-01"),
        ("custom.bought", "on_or_after", "2026-01-01", "2026-01-02"),
        ("internal_address", "in_network", "10.0.0.0/24", "10.0.1.0/24"),
        ("internal_address", "in_network", "fd00::/8", "fe80::/10"),
        ("internal_address", "in_network", "10.0.0.5", "10.0.0.4"),
        ("external_address", "in_network", "203.0.113.0/24", "::/0"),
        ("tags", "has", "PROD", "pro"),
        ("tags", "has_any", ["x", "SÜD"], ["x", "y"]),
        ("tags", "has_all", ["süd", "prod", "PROD"], ["prod", "x"]),
        ("software", "installed", {"name": "OPENSSL"}, {"name": "open"}),
        ("software", "installed", {"name": "ssl", "name_operator": "contains"}, {"name": "x", "name_operator": "contains"}),
        ("software", "installed", {"name": "^open", "name_operator": "matches"}, {"name": "^ssl", "name_operator": "matches"}),
        (
            "software",
            "installed",
            {"name": "openssl", "version_operator": "lower", "version": "3.0.2", "source": "RPM"},
            {"name": "openssl", "version_operator": "lower", "version": "3.0.2", "source": "dpkg"},
        ),
        (
            "software",
            "installed",
            {"name": "openssl", "version_operator": "equals", "version": "3.0.2-01"},
            {"name": "openssl", "version_operator": "equals", "version": "3.0.2"},
        ),
        ("software", "installed", {"name": "bash"}, {"name": "bash", "version_operator": "higher", "version": "0"}),
        ("software", "installed", {"name": "bash"}, {"name": "bash", "source": "dpkg"}),
    ],
)  # fmt: skip
def test_a_criterion_hits_and_misses(field, operator, hit, miss):
    assert is_match(field, operator, hit)
    assert not is_match(field, operator, miss)


@pytest.mark.parametrize(
    ("field", "operator"),
    [("online", "is_false"), ("custom.leased", "is_false"), ("custom.leased", "is_known"), ("domain", "is_unknown")],
)
def test_a_criterion_without_value_hits(field, operator):
    assert is_match(field, operator)


def test_is_true_and_is_false_are_both_false_of_the_unknown():
    for operator in ("is_true", "is_false", "is_known"):
        assert not is_match("custom.leased", operator, device=Device())


@pytest.mark.parametrize("field", ["description", "agent_version", "os_name", "device_type", "disk_free_bytes"])
def test_empty_texts_and_versions_that_are_too_long_are_unknown(field):
    assert is_match(field, "is_unknown")


def test_a_custom_value_of_another_type_than_its_field_is_unknown():
    wrong: dict[str, CustomValue] = {"rack": True, "slots": "7", "leased": Decimal(1), "bought": "2026-01-01"}
    for name, value in wrong.items():
        device = Device(custom={name: value})
        assert is_match(f"custom.{name}", "is_unknown", device=device)


def test_a_device_that_is_online_was_seen_just_now():
    assert is_match("last_seen_age", "equals", 0, device=Device(online=True))
    assert is_match("last_seen_age", "equals", 0, device=Device(online=True, last_seen_at=NOW - timedelta(days=9)))


def test_a_device_that_a_clock_saw_in_the_future_was_seen_just_now():
    assert is_match("last_seen_age", "equals", 0, device=Device(last_seen_at=NOW + timedelta(days=1)))


def test_a_device_that_never_was_seen_has_no_age():
    assert is_match("last_seen_age", "is_unknown", device=Device())


@UNTIMED
@given(expressions(), devices())
def test_not_is_the_exact_complement(expression, device):
    assert matches(Not(expression), device, NOW) is not matches(expression, device, NOW)


negations = criteria(
    [replace(one, operators=(operator,)) for one in FIELDS for operator in one.operators if operator in NEGATED]
)


@UNTIMED
@given(negations, devices())
def test_a_negated_operator_is_the_exact_complement_of_its_positive_one(tree, device):
    positive = {**tree, "operator": NEGATED[tree["operator"]]}
    assert matches(parse(tree, CUSTOM_FIELDS), device, NOW) is not matches(parse(positive, CUSTOM_FIELDS), device, NOW)


@UNTIMED
@given(criteria())
def test_of_a_device_of_which_nothing_is_known_only_negations_are_true(tree):
    assume(tree["field"] != "online")
    assert matches(parse(tree, CUSTOM_FIELDS), Device(), NOW) is (tree["operator"] in NEGATED)


@UNTIMED
@given(st.lists(expressions(), min_size=1, max_size=4).map(tuple), devices())
def test_groups_are_all_and_any(nodes, device):
    each = [matches(node, device, NOW) for node in nodes]
    assert matches(AllOf(nodes), device, NOW) is all(each)
    assert matches(AnyOf(nodes), device, NOW) is any(each)


@UNTIMED
@given(st.lists(expressions(), min_size=1, max_size=3).map(tuple), devices())
def test_a_negated_group_is_the_other_group_of_the_negated(nodes, device):
    negated = AnyOf(tuple(Not(node) for node in nodes))
    assert matches(Not(AllOf(nodes)), device, NOW) is matches(negated, device, NOW)


ORDERED = [one for one in ALL_FIELDS.values() if {"lower", "higher"} <= set(one.operators)]


@UNTIMED
@given(st.data(), devices())
def test_a_known_fact_is_lower_equal_or_higher_and_only_one_of_them(data, device):
    field = data.draw(st.sampled_from(ORDERED))
    tree = data.draw(criteria([replace(field, operators=("equals",))]))

    def holds(operator):
        return is_match(field.name, operator, tree["value"], device=device)

    is_known = is_match(field.name, "is_known", device=device)
    assert [holds(one) for one in ("lower", "equals", "higher")].count(True) == is_known
    assert holds("lower_or_equal") is (holds("lower") or holds("equals"))
    assert holds("higher_or_equal") is (holds("higher") or holds("equals"))


@UNTIMED
@given(st.data(), devices())
def test_in_is_equals_with_any_of_the_list(data, device):
    texts = [one for one in ALL_FIELDS.values() if one.kind in (FieldKind.TEXT, FieldKind.VERSION)]
    field = data.draw(st.sampled_from(texts))
    tree = data.draw(criteria([replace(field, operators=("in",))]))
    assert is_match(field.name, "in", tree["value"], device=device) is any(
        is_match(field.name, "equals", one, device=device) for one in tree["value"]
    )


@UNTIMED
@given(st.lists(st.sampled_from(TAGS), min_size=1, max_size=4), devices())
def test_tags_are_asked_one_by_one_or_together(tags, device):
    each = [is_match("tags", "has", tag, device=device) for tag in tags]
    assert is_match("tags", "has_any", tags, device=device) is any(each)
    assert is_match("tags", "has_all", tags, device=device) is all(each)


@UNTIMED
@given(criteria([ALL_FIELDS["software"]]), devices())
def test_software_is_asked_row_by_row(tree, device):
    rows = [replace(device, software=(row,)) for row in device.software]
    tree = {**tree, "operator": "installed"}
    expression = parse(tree, CUSTOM_FIELDS)
    assert matches(expression, device, NOW) is any(matches(expression, row, NOW) for row in rows)


@UNTIMED
@given(trees(), devices())
def test_a_filter_asks_about_nothing_but_its_fields(tree, device):
    expression = parse(tree, CUSTOM_FIELDS)
    names = {part.split("'")[0] for part in str(tree).split("'field': '")[1:]}
    kept = {name: getattr(device, name) for name in device.__slots__ if name in names}
    if "internal_address" in names:
        kept["internal_addresses"] = device.internal_addresses
    if "last_seen_age" in names:
        kept |= {"online": device.online, "last_seen_at": device.last_seen_at}
    kept["custom"] = {name: value for name, value in device.custom.items() if f"custom.{name}" in names}
    assert matches(expression, Device(**kept), NOW) is matches(expression, device, NOW)


def test_facts_and_values_of_the_strategies_meet():
    """Were facts and values never to meet, everything above would be true for nothing: every operator hits and misses."""
    drawn: list[Device] = []
    asked: list[Expression] = []
    single = [criteria([replace(field, operators=(operator,))]) for field in FIELDS for operator in field.operators]

    # The same draws each time: a guard of the pools must not depend on luck.
    @settings(
        max_examples=25,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(devices(), min_size=6, max_size=6), st.tuples(*single))
    def draw(found, trees):
        drawn.extend(found)
        asked.extend(parse(tree, CUSTOM_FIELDS) for tree in trees)

    draw()
    met: dict[tuple[str, str], set[bool]] = {}
    for at, leaf in enumerate(asked):
        assert isinstance(leaf, Criterion)
        answers = {matches(leaf, device, NOW) for device in drawn[at % 7 :: 7]}
        met.setdefault((leaf.field.kind, leaf.operator), set()).update(answers)
    assert len(met) == sum(map(len, OPERATORS.values()))
    assert {one for one, answers in met.items() if len(answers) < 2} == set()

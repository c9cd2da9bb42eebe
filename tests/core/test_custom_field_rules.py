"""Values of custom fields: what fits, from people and from scripts, and what the lines of a script set."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.custom_field_rules import (
    MARK,
    MAX_SET_BY_SCRIPT,
    FieldType,
    ScriptField,
    UnfitValueError,
    told_by_script,
    value_of_json,
    value_of_text,
)

FIELDS = {
    "note": ScriptField(1, FieldType.TEXT, settable_by_scripts=True),
    "size": ScriptField(2, FieldType.NUMBER, settable_by_scripts=True),
    "spare": ScriptField(3, FieldType.BOOLEAN, settable_by_scripts=True),
    "bought": ScriptField(4, FieldType.DATE, settable_by_scripts=True),
    "closed": ScriptField(5, FieldType.TEXT, settable_by_scripts=False),
}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", " by the door ", "by the door"),
        ("text", "a=b=c", "a=b=c"),
        ("number", "2", 2.0),
        ("number", " -1.5e3 ", -1500.0),
        ("boolean", "Yes", True),
        ("boolean", "off", False),
        ("date", "2024-02-29", date(2024, 2, 29)),
    ],
)
def test_what_scripts_print_becomes_a_value(kind: str, text: str, value: object) -> None:
    assert value_of_text(FieldType(kind), text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *[("text", ""), ("text", "  "), ("text", "x" * 1001), ("text", "a\tb"), ("text", "cut\x01")],
        *[("number", "two"), ("number", "1e999"), ("number", "nan"), ("number", "1_000"), ("number", "٣")],
        *[("boolean", "maybe"), ("date", "2023-02-29"), ("date", "20240229"), ("date", "29.02.2024")],
    ],
)
def test_what_does_not_fit_is_refused(kind: str, text: str) -> None:
    with pytest.raises(UnfitValueError):
        value_of_text(FieldType(kind), text)


@given(
    st.sampled_from(FieldType),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
)
def test_any_json_is_a_value_of_its_type_or_refused(kind: FieldType, value: object) -> None:
    try:
        found = value_of_json(kind, value)
    except UnfitValueError:
        return
    assert type(found) is {"text": str, "number": float, "boolean": bool, "date": date}[kind]


@given(st.sampled_from(FieldType), st.text())
def test_any_text_is_a_value_of_its_type_or_refused(kind: FieldType, text: str) -> None:
    try:
        found = value_of_text(kind, text)
    except UnfitValueError:
        return
    assert type(found) is {"text": str, "number": float, "boolean": bool, "date": date}[kind]


def test_the_last_word_about_a_field_counts() -> None:
    told = told_by_script([f"{MARK}size=1", f"{MARK}note = here", f"{MARK}size=2"], FIELDS)
    assert told.values == {1: "here", 2: 2.0}
    assert told.note() is None


def test_what_is_not_taken_is_said_and_takes_nothing_else_with_it() -> None:
    lines = ["size=1", "size=big", "colour=red", "closed=x", "Note=x", "spare=on"]
    told = told_by_script([MARK + line for line in lines], FIELDS)
    assert told.values == {2: 1.0, 3: True}
    note = told.note()
    assert note is not None
    for word in (
        "size must be a number",
        "colour is no custom field",
        "closed is not for scripts",
        "'::watchbill set Note=x' is not",
    ):
        assert word in note


def test_one_execution_sets_so_many_fields_and_the_rest_is_counted() -> None:
    fields = {f"f{n}": ScriptField(n, FieldType.NUMBER, settable_by_scripts=True) for n in range(60)}
    told = told_by_script([f"{MARK}f{n}={n}" for n in range(60)] + [f"{MARK}f0=7"], fields)
    assert len(told.values) == MAX_SET_BY_SCRIPT
    assert told.values[0] == 7.0
    assert told.note() == "Custom values not set: 10 beyond the 50 that one execution may set."


@given(st.lists(st.text(max_size=40).map(lambda text: MARK + text), max_size=5))
def test_any_lines_are_read_without_an_error(lines: list[str]) -> None:
    told = told_by_script(lines, FIELDS)
    assert len(told.values) + len(told.notes) <= len(lines)

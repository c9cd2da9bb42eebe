"""What a script may be and which values its variables take; every fault is named at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.assembly_check import check, from_json
from watchbill.core.assembly_rules import (
    MAX_CARRIED_CONTENT_BYTES,
    Variable,
    VariableType,
    carried_bytes,
    is_reserved,
    value_problem,
    values_problem,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "name",
    "description",
    "kind",
    "interpreter",
    "content",
    "variables",
    "time_limit_seconds",
    "warning_exit_codes",
]


def script(**changes):
    return {"name": "Clean", "interpreter": "bash", "content": "true"} | changes


def found(definition):
    return [(problem.field, problem.code) for problem in check(definition).problems]


def declared(**variable):
    return script(variables=[{"name": "Where", "type": "string"} | variable])


def test_the_least_that_a_script_needs():
    checked = check(script())
    assert not checked.problems
    assert checked.draft.to_json() == script(
        description="", kind="script", variables=[], time_limit_seconds=3600, warning_exit_codes=[], files=[]
    )


def test_every_fault_is_named_at_once():
    definition = {
        "name": " ",
        "interpreter": "perl",
        "content": "",
        "time_limit_seconds": 604_801,
        "warning_exit_codes": [0, 3, 3, True],
        "variables": [
            {"name": "1st", "type": "string"},
            {"name": "A", "type": "blob"},
            {"name": "a", "type": "number"},
            7,
        ],
        "colour": "red",
        "id": "x",
    }
    assert sorted(found(definition)) == [
        ("colour", "unknown_field"),
        ("content", "length"),
        ("id", "read_only"),
        ("interpreter", "not_allowed"),
        ("name", "invalid_text"),
        ("time_limit_seconds", "out_of_range"),
        ("variables.0.name", "invalid_name"),
        ("variables.1.type", "not_allowed"),
        ("variables.2.name", "duplicate"),
        ("variables.3", "wrong_type"),
        ("variables.3.name", "required"),
        ("variables.3.type", "required"),
        ("warning_exit_codes.0", "out_of_range"),
        ("warning_exit_codes.2", "duplicate"),
        ("warning_exit_codes.3", "out_of_range"),
    ]


def test_an_unknown_kind_is_refused():
    assert found(script(kind="recipe")) == [("kind", "not_allowed")]


@pytest.mark.parametrize(
    "name",
    ["PATH", "Path", "ld_preload", "PYTHONPATH", "IFS", "BASH_ENV", "ENV", "HOME", "WATCHBILL_JOB", "DYLD_X", "_"],
)
def test_names_that_steer_the_shell_or_the_agent_are_reserved(name):
    assert is_reserved(name)
    assert found(declared(name=name)) == [("variables.0.name", "reserved_name")]


@pytest.mark.parametrize("name", ["PATHS", "HOME_DIR", "User", "_x", "environment", "Lld_x"])
def test_other_names_are_free(name):
    assert found(declared(name=name)) == []


@pytest.mark.parametrize("name", ["", "a b", "é", "a-b", "a\n", "x" * 65])
def test_a_variable_name_is_letters_digits_and_underscores(name):
    assert [field for field, _ in found(declared(name=name))] == ["variables.0.name"]


@pytest.mark.parametrize(
    ("variable", "code"),
    [
        ({"type": "number", "default": "5"}, "wrong_type"),
        ({"type": "number", "default": True}, "wrong_type"),
        ({"type": "number", "default": float("inf")}, "wrong_type"),
        ({"type": "number", "default": 2**53}, "wrong_type"),
        ({"type": "boolean", "default": 1}, "wrong_type"),
        ({"type": "string", "default": 1}, "wrong_type"),
        ({"type": "string", "default": "a\0b"}, "wrong_type"),
        ({"type": "choice", "choices": ["a"], "default": "b"}, "not_a_choice"),
        ({"type": "secret", "default": "hush"}, "not_allowed"),
    ],
)
def test_a_default_must_be_a_value_of_its_type(variable, code):
    assert found(declared(**variable)) == [("variables.0.default", code)]


def test_a_false_default_and_a_zero_are_kept():
    variables = [{"name": "A", "type": "boolean", "default": False}, {"name": "B", "type": "number", "default": 0}]
    assert [one.default for one in check(script(variables=variables)).draft.variables] == [False, 0]


@pytest.mark.parametrize("choices", [None, [], [""], ["a", "a"], [1]])
def test_a_choice_has_distinct_texts_to_choose_from(choices):
    problems = found(declared(type="choice", choices=choices))
    assert problems
    assert all(field.startswith("variables.0.choices") for field, _ in problems)


def test_choices_without_a_choice_are_refused():
    assert found(declared(choices=["a"])) == [("variables.0.choices", "not_allowed")]


def test_a_secret_value_is_not_repeated_in_a_refusal():
    fault = value_problem(Variable("Token", VariableType.SECRET), ["hush"])
    assert fault
    assert "hush" not in fault[1]


@pytest.mark.parametrize("content", ["\0", "a\0", "\ud800", " \n\t "])
def test_content_must_be_a_storable_script(content):
    assert [field for field, _ in found(script(content=content))] == ["content"]


def test_content_that_grows_too_large_when_escaped_is_refused():
    assert found(script(content="x" * 393_216)) == []
    assert found(script(content="x" * 393_217)) == [("content", "length")]
    assert carried_bytes('"' * 300_000) > MAX_CARRIED_CONTENT_BYTES
    assert found(script(content='"' * 300_000)) == [("content", "length")]


def test_values_that_fit_alone_may_be_too_large_together():
    assert values_problem({"A": "x" * 32_000}) is None
    assert values_problem({f"A{n}": "x" * 32_000 for n in range(6)})


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), anything) | anything)
def test_any_document_is_judged_without_a_fault_of_our_own(definition):
    checked = check(definition)
    if not checked.problems:
        assert from_json(checked.draft.to_json()) == checked.draft


@given(anything)
def test_any_variable_is_judged_without_a_fault_of_our_own(variable):
    check(script(variables=[variable, {"name": variable, "type": variable, "default": variable, "choices": variable}]))


@given(st.sampled_from(list(VariableType)), anything)
def test_a_value_that_fits_fits_as_a_default_too(kind, value):
    variable = Variable("A", kind, choices=("a", "b"))
    choices = ["a", "b"] if kind is VariableType.CHOICE else []
    definition = script(variables=[{"name": "A", "type": kind.value, "choices": choices, "default": value}])
    fits = value is None or (value_problem(variable, value) is None and kind is not VariableType.SECRET)
    assert fits == (not check(definition).problems)

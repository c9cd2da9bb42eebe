"""Whose value a script is given: the order of precedence, what is not declared, and what does not fit."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.assembly_rules import AssemblyDraft, AssemblyKind, Interpreter, Variable, VariableType
from watchbill.core.variable_rules import (
    Found,
    Place,
    carries_secrets,
    give,
    lacking,
    read,
    required,
    strongest,
)

DEVICE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
SITE = 7
PLACES = {"everything": Place(), "site": Place(site_id=SITE), "device": Place(device_id=DEVICE)}
ELSEWHERE = [Place(site_id=8), Place(device_id=OTHER)]


def declared(*variables):
    return AssemblyDraft("S", "", AssemblyKind.SCRIPT, Interpreter.BASH, "true", variables, 60, ())


def found(place, value, *, name="X", is_secret=False, id_=1):
    return Found(id_, place, name, is_secret, value)


@given(st.sets(st.sampled_from(["assembly", *PLACES, "job"])), st.permutations(ELSEWHERE))
def test_the_strongest_of_those_who_say_anything_wins(saying, strangers):
    variable = Variable("X", VariableType.STRING, default="assembly" if "assembly" in saying else None)
    values = [found(place, name) for name, place in PLACES.items() if name in saying]
    mine = strongest([*(found(place, "a stranger") for place in strangers), *values], SITE, DEVICE)
    result = give(declared(variable), {"X": "job"} if "job" in saying else {}, (), mine)
    order = [one for one in ("assembly", *PLACES, "job") if one in saying]
    assert result.plain == ({"X": order[-1]} if order else {})
    assert result.used == ({"X": 1} if order and order[-1] in PLACES else {})
    assert result.problems == []


def test_a_device_without_a_site_has_none_of_a_sites_values():
    assert strongest([found(Place(site_id=SITE), "x")], None, DEVICE) == {}
    assert strongest([found(Place(), "x")], None, DEVICE)["X"].value == "x"


def test_only_what_is_declared_is_given():
    result = give(declared(Variable("Y", VariableType.STRING)), {"Z": "job"}, (), {"X": found(Place(), "x")})
    assert (result.plain, result.secrets, result.used) == ({}, {}, {})


@pytest.mark.parametrize(
    ("variable", "place_is_secret", "is_hidden"),
    [
        (Variable("X", VariableType.SECRET), False, True),
        (Variable("X", VariableType.SECRET), True, True),
        (Variable("X", VariableType.STRING), True, True),
        (Variable("X", VariableType.STRING), False, False),
    ],
)
def test_a_value_is_secret_when_either_side_says_so(variable, place_is_secret, is_hidden):
    result = give(declared(variable), {}, (), {"X": found(Place(), "v", is_secret=place_is_secret)})
    assert (result.secrets if is_hidden else result.plain) == {"X": "v"}
    assert not (result.plain if is_hidden else result.secrets)


def test_a_jobs_secret_stays_secret_when_a_later_revision_declares_a_text():
    result = give(declared(Variable("X", VariableType.STRING)), {"X": "v"}, {"X"}, {})
    assert (result.plain, result.secrets) == ({}, {"X": "v"})


def test_what_does_not_fit_the_declaration_is_told_and_a_secret_is_not():
    choice = Variable("X", VariableType.CHOICE, choices=("a", "b"))
    told = give(declared(choice), {}, (), {"X": found(PLACES["site"], "c")}).problems
    assert told == ["X: the value set for its site must be one of: a, b; not 'c'."]
    told = give(declared(choice), {}, (), {"X": found(Place(), "hunter2", is_secret=True)}).problems
    assert told == ["X: the value set for everything is not what the assembly declares, a choice."]
    number = Variable("X", VariableType.NUMBER)
    assert give(declared(number), {}, (), {"X": found(Place(), 8)}).plain == {"X": "8"}
    assert give(declared(number), {}, (), {"X": found(Place(), "8")}).problems
    assert give(declared(Variable("X", VariableType.STRING)), {}, (), {"X": found(Place(), True)}).plain == {
        "X": "true"
    }


def test_what_nobody_gives_is_named():
    variables = (Variable("X", VariableType.STRING, is_required=True), Variable("Y", VariableType.STRING))
    assert give(declared(*variables), {}, (), {}).problems == [lacking(["X"])]
    assert required(declared(*variables), ()) == ("X",)
    assert required(declared(*variables), ("X",)) == ()


def test_a_key_is_needed_for_certain_only_where_a_secret_is_certain():
    must = declared(Variable("X", VariableType.SECRET, is_required=True))
    may = declared(Variable("X", VariableType.SECRET))
    assert carries_secrets(must, ())
    assert not carries_secrets(may, ())
    assert carries_secrets(may, ("X",))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_whatever_is_sent_is_read_or_refused_and_never_quoted(value):
    secret = "quite a secret text"
    draft, problems = read({"name": "X", "value": value, "is_secret": True})
    assert problems or draft.value == value
    _, problems = read({"name": "X", "value": {"nested": secret}, "is_secret": secret[:3]})
    assert secret not in str(problems)

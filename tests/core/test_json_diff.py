"""What changed between two documents: nothing is missed, nothing is told that is the same, and the changes lead from one to the other."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.json_diff import ABSENT, Change, Keys, diff, same

KEYS: Keys = {("targets",): "id"}
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "", "a", "1"])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
keyed = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from("wxyz")}, optional={"a": scalars}),
    max_size=4,
    unique_by=lambda x: x["id"],
)
jobs = st.fixed_dictionaries({"targets": keyed | documents}, optional={"b": documents, "c": documents})


def applied(document, changes):
    """The document with the changes made, as a reader of them would."""
    document = copy.deepcopy(document)
    for change in changes:
        if not change.path:
            return change.after
        holder = document
        for place in change.path[:-1]:
            holder = inner(holder, place)
        put(holder, change.path[-1], change)
    return document


def inner(holder, place):
    return next(one for one in holder if one["id"] == place) if is_keyed(holder, place) else holder[place]


def is_keyed(holder, place):
    return isinstance(holder, list) and isinstance(place, str)


def put(holder, place, change):
    if change.is_order:
        holder[place].sort(key=lambda one: change.after.index(one["id"]))
    elif is_keyed(holder, place):
        holder[:] = [one for one in holder if one["id"] != place]
        if change.after is not ABSENT:
            holder.append(change.after)
    elif change.after is ABSENT:
        del_from(holder, place)
    elif isinstance(holder, list) and place == len(holder):
        holder.append(change.after)
    else:
        holder[place] = change.after


def del_from(holder, place):
    if isinstance(holder, list):
        del holder[place:]  # what is gone from a list by position is its end
    else:
        del holder[place]


@given(jobs, jobs)
def test_making_the_changes_leads_to_the_other_document(before, after):
    assert same(applied(before, diff(before, after, KEYS)), after)


@given(documents)
def test_a_document_does_not_differ_from_itself(document):
    assert diff(document, copy.deepcopy(document)) == []


@given(jobs, jobs)
def test_there_and_back_tell_the_same_values(before, after):
    def told(changes):
        return {(one.path, one.is_order): (repr(one.before), repr(one.after)) for one in changes}

    back = {place: values[::-1] for place, values in told(diff(after, before, KEYS)).items() if not place[1]}
    assert {place: values for place, values in told(diff(before, after, KEYS)).items() if not place[1]} == back


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [2, 1]}}, [("a.b", [1, 2], [2, 1])]),
        ({"a": 1}, {}, [("a", 1, ABSENT)]),
        ({"a": None}, {}, [("a", None, ABSENT)]),
        ({"a": True}, {"a": 1}, [("a", True, 1)]),
        ({"a": 1}, {"a": 1.0}, []),
        ([{"n": 1}, {"n": 2}], [{"n": 1}], [("1", {"n": 2}, ABSENT)]),
        ([{"n": 1}], [{"n": 3}, {"n": 2}], [("0.n", 1, 3), ("1", ABSENT, {"n": 2})]),
        ("a", {"a": 1}, [("", "a", {"a": 1})]),
    ],
)
def test_each_value_is_told_with_its_place(before, after, expected):
    assert [(one.field, one.before, one.after) for one in diff(before, after)] == expected


def test_objects_with_a_key_are_matched_by_it_wherever_they_stand():
    before = {"targets": [{"id": "w", "a": 1}, {"id": "x"}]}
    after = {"targets": [{"id": "w", "a": 2}, {"id": "y"}]}
    assert diff(before, after, KEYS) == [
        Change(("targets", "w", "a"), 1, 2),
        Change(("targets", "x"), {"id": "x"}, ABSENT),
        Change(("targets", "y"), ABSENT, {"id": "y"}),
    ]


def test_another_order_of_the_same_objects_is_one_change():
    before, after = {"targets": [{"id": "w"}, {"id": "x"}]}, {"targets": [{"id": "x"}, {"id": "w"}]}
    [change] = diff(before, after, KEYS)
    assert (change.is_order, change.before, change.after) == (True, ["w", "x"], ["x", "w"])


def test_objects_that_share_a_key_are_matched_by_position():
    before, after = {"targets": [{"id": "w"}, {"id": "w"}]}, {"targets": [{"id": "w"}]}
    assert [one.path for one in diff(before, after, KEYS)] == [("targets", 1)]

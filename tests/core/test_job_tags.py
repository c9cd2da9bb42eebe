"""Tags are a set of short words: whatever cannot be one is refused at its place."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.fields import Fields
from watchbill.core.job_rules_tags import TAG, tags
from watchbill.core.job_rules_values import MAX_TAGS
from watchbill.core.problems import Problem

word = st.from_regex(re.compile(TAG), fullmatch=True).filter(lambda text: not text.endswith("\n"))
anything = st.text(max_size=50) | word | st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2)


def read(value):
    problems: list[Problem] = []
    return tags(Fields.of({"tags": value}, problems)), problems


@given(st.lists(word, unique=True, max_size=MAX_TAGS))
def test_words_are_kept_in_the_order_of_the_alphabet(words):
    assert read(words) == (tuple(sorted(words)), [])


@given(st.lists(anything, max_size=MAX_TAGS))
def test_whatever_is_not_kept_is_refused_at_its_place(items):
    kept, problems = read(items)
    faulty = {int(problem.field.removeprefix("tags.")) for problem in problems}
    assert {one for place, one in enumerate(items) if place not in faulty} == set(kept)
    assert len(kept) + len(faulty) == len(items)


@pytest.mark.parametrize("bad", ["", "Upper", "-first", "two words", "a" * 41, "line\n", "ä", 7, None])
def test_what_is_no_tag(bad):
    _, problems = read([bad])
    assert [(one.field, one.code) for one in problems] == [("tags.0", "invalid_tag")]


def test_too_many_and_twice_the_same():
    assert [one.code for one in read([f"t{n}" for n in range(MAX_TAGS + 1)])[1]] == ["length"]
    assert [(one.field, one.code) for one in read(["a", "b", "a"])[1]] == [("tags.2", "duplicate")]
    assert read("word")[1][0].code == "wrong_type"

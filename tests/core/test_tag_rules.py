"""Tags: short words, compared without case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.problems import Problem
from watchbill.core.tag_rules import read_tags


@pytest.mark.parametrize("tag", ["a", "7", "prod", "ring:1", "rack/b-2", "v1.0", "büro", "x" * 50, "a_b"])
def test_short_words_are_tags(tag: str) -> None:
    problems: list[Problem] = []
    assert read_tags([tag], "tags", problems) == [tag]
    assert not problems


@pytest.mark.parametrize("tag", ["", " ", "a b", "a,b", "-a", "a-", "_", "x" * 51, "a\0b", "a'b", "e\u0301"])
def test_all_else_is_none(tag: str) -> None:
    problems: list[Problem] = []
    read_tags(["ok", tag], "add", problems)
    assert [(one.field, one.code) for one in problems] == [("add.1", "invalid_tag")]


@given(st.lists(st.text(max_size=60), max_size=8))
def test_tags_that_were_read_are_read_the_same_again(told: list[str]) -> None:
    problems: list[Problem] = []
    found = read_tags(told, "tags", problems)
    again: list[Problem] = []
    assert read_tags(found, "tags", again) == found
    assert not again or problems

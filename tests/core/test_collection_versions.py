"""Versions of collections are ordered as semantic versions are, and a specifier chooses the newest that it allows."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.collection_versions import Version, bounds_of, newest, version_of

ORDERED = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
]
NUMBERS = st.tuples(*[st.integers(0, 40)] * 3)


def chosen(specifier, *versions):
    bounds = bounds_of(specifier)
    assert bounds is not None
    return newest(bounds, versions)


def test_versions_are_ordered_as_semantic_versions_are():
    read = [found for one in ORDERED if (found := version_of(one)) is not None]
    assert len(read) == len(ORDERED)
    assert all(low < high for low, high in pairwise(read))


def test_what_is_built_of_a_version_does_not_count():
    assert version_of("1.2.3+a.b") == version_of("1.2.3") == Version((1, 2, 3))


@pytest.mark.parametrize("text", ["", "1", "1.2", "01.2.3", "v1.2.3", "1.2.3.4", "1.2.3-", "1.2.3 ", "1.2.3-a..b"])
def test_what_is_no_whole_version_is_none(text):
    assert version_of(text) is None


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [
        ("*", "2.0.0"),
        (">=1.5", "2.0.0"),
        (">=1.5,<2", "1.10.0"),
        (">= 1.5.0 , != 1.10.0, < 2", "1.9.1"),
        ("1.9.1", "1.9.1"),
        ("==1.9.1", "1.9.1"),
        ("=1.9.1", "1.9.1"),
        ("<=1.9", "1.4.0"),
        (">2", None),
        ("3.0.0-rc.1", "3.0.0-rc.1"),
        (">=3.0.0-alpha", None),
    ],
)
def test_a_specifier_chooses_the_newest_that_it_allows(specifier, expected):
    assert chosen(specifier, "1.4.0", "1.10.0", "1.9.1", "2.0.0", "3.0.0-rc.1", "not a version") == expected


@pytest.mark.parametrize(
    "text", ["", ",", ">=", "~1.2", ">=1.2,", "latest", "1.2.3; rm", ">=1," * 9 + ">=1", "*,1.0.0"]
)
def test_what_is_no_specifier_is_refused(text):
    assert bounds_of(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_specifier_or_none(text):
    bounds = bounds_of(text)
    assert bounds is None or newest(bounds, ["1.0.0"]) in (None, "1.0.0")


@given(st.lists(NUMBERS, min_size=1, max_size=8), NUMBERS, NUMBERS)
def test_what_is_chosen_is_the_greatest_within_its_bounds(known, low, high):
    def text(numbers):
        return ".".join(map(str, numbers))

    fitting = [one for one in known if low <= one < high]
    expected = text(max(fitting)) if fitting else None
    assert chosen(f">={text(low)},<{text(high)}", *map(text, known)) == expected

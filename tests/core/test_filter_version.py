"""Keys of versions sort as versions do: against a comparator that walks through both versions and knows no key."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.filter_strategies import UNTIMED
from watchbill.core.filter_version import MAX_VERSION, find_version_key, version_key

RISING = [
    *("~~", "~~a", "~", "", "0.1", "1.0~~", "1.0~beta1", "1.0~rc1-1", "1.0~rc1-2", "1.0", "1.0-0.1", "1.0-1", "1.0-1a"),
    *("1.0-1+b1", "1.0-1.1", "1.0-2", "1.0-10", "1.0A", "1.0a", "1.0z", "1.0+b", "1.0-beta-1", "1.0.1", "1.0ä"),
    *("1.2", "1.9", "1.10", "1.100", "2", "10.0.19045", "20260101", "a", "ab", "b", ".", "1:0.9", "2:0", "10:0"),
]
SAME = [("1.0", "1.00"), ("1.0", "01.0"), ("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.", "1.0"), ("", "0"), ("1.0", "1.0-")]
versions = st.text("0019ab~.+-:Zä", max_size=12) | st.sampled_from(RISING)


def order(char):
    if not char or char in "0123456789":
        return 0
    if char == "~":
        return -1
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256


def compare_runs(one, other):
    """The walk through two texts in the way that package managers do it; negative, zero or positive."""
    i = j = 0
    while i < len(one) or j < len(other):
        while (i < len(one) and one[i] not in "0123456789") or (j < len(other) and other[j] not in "0123456789"):
            difference = order(one[i : i + 1]) - order(other[j : j + 1])
            if difference:
                return difference
            i, j = i + 1, j + 1
        first = second = 0
        while i < len(one) and one[i] in "0123456789":
            first, i = first * 10 + int(one[i]), i + 1
        while j < len(other) and other[j] in "0123456789":
            second, j = second * 10 + int(other[j]), j + 1
        if first != second:
            return first - second
    return 0


def parts(version):
    head, colon, tail = version.partition(":")
    epoch, rest = (int(head), tail) if colon and head and set(head) <= set("0123456789") else (0, version)
    at = rest.rfind("-")
    return epoch, *((rest, "") if at < 0 else (rest[:at], rest[at + 1 :]))


def compare(one, other):
    a, b = parts(one), parts(other)
    return a[0] - b[0] or compare_runs(a[1], b[1]) or compare_runs(a[2], b[2])


def sign(number):
    return (number > 0) - (number < 0)


def compare_keys(one, other):
    a, b = version_key(one).encode(), version_key(other).encode()
    return sign((a > b) - (a < b))


@UNTIMED
@given(versions, versions)
@example("1.0-1", "1.0")
@example("1-", "1-0")
@example("0a", "a")
def test_keys_compare_as_versions_do(one, other):
    assert compare_keys(one, other) == sign(compare(one, other))


@UNTIMED
@given(st.text(max_size=20), st.text(max_size=20))
def test_keys_of_any_texts_compare_as_versions_do(one, other):
    one, other = (text.encode(errors="ignore").decode() for text in (one, other))
    assert compare_keys(one, other) == sign(compare(one, other))


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(RISING)))
def test_versions_rise(lower, higher):
    assert version_key(lower) < version_key(higher)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_versions_are_the_same(one, other):
    assert version_key(one) == version_key(other)


@UNTIMED
@given(st.lists(versions, max_size=8))
def test_sorting_by_keys_is_an_order(found):
    ordered = sorted(found, key=version_key)
    assert all(compare(lower, higher) <= 0 for lower, higher in pairwise(ordered))


def test_a_version_that_is_too_long_has_no_key():
    longest = "9" * MAX_VERSION
    assert version_key("8" + longest[1:]) < version_key(longest) == find_version_key(longest)
    assert find_version_key(longest + "9") is None
    with pytest.raises(ValueError, match="at most 200 characters, not 201"):
        version_key(longest + "9")


@pytest.mark.parametrize("unknown", [None, ""])
def test_no_version_has_no_key(unknown):
    assert find_version_key(unknown) is None


def test_a_key_stays_small_enough_for_an_index():
    assert max(len(version_key(char * MAX_VERSION).encode()) for char in ["😀", "~", ".", "1"]) < 2_000
    assert len(version_key("😀1" * 100).encode()) < 2_000

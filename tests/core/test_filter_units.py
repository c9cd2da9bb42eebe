"""Sizes and durations: what is read is a whole number, and what is written is read as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.filter_strategies import UNTIMED
from watchbill.core.filter_units import (
    DURATIONS,
    MAX_INTEGER,
    SIZES,
    duration_words,
    read_duration,
    read_size,
    size_words,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8 GiB", 8 * 2**30),
        ("8gib", 8 * 2**30),
        ("500 MB", 500_000_000),
        ("1.5 TiB", 3 * 2**39),
        ("0 B", 0),
        ("1kB", 1000),
        ("1 KiB", 1024),
        ("0.3 B", None),
        ("8", None),
        ("8  GiB", None),
        ("-8 GiB", None),
        ("8 Gb/s", None),
        ("٨ GiB", None),
        ("1e3 B", None),
        ("", None),
    ],
)
def test_a_size_is_read(text, value):
    assert read_size(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7 days", 604_800),
        ("1 day", 86_400),
        ("12 h", 43_200),
        ("1.5 h", 5400),
        ("90 sec", 90),
        ("2 w", 1_209_600),
        ("5 min", 300),
        ("5 m", None),
        ("1 month", None),
        ("0.5 s", None),
    ],
)
def test_a_duration_is_read(text, value):
    assert read_duration(text) == value


@UNTIMED
@given(st.integers(0, MAX_INTEGER) | st.builds(int.__mul__, st.integers(0, 900), st.sampled_from(list(SIZES.values()))))
def test_what_is_said_of_a_size_is_read_as_the_same(value):
    assert read_size(size_words(value)) == value


@UNTIMED
@given(
    st.integers(0, MAX_INTEGER) | st.builds(int.__mul__, st.integers(0, 90), st.sampled_from(list(DURATIONS.values())))
)
def test_what_is_said_of_a_duration_is_read_as_the_same(value):
    assert read_duration(duration_words(value)) == value


def test_the_largest_unit_that_fits_is_said():
    assert [size_words(value) for value in (0, 1023, 1024, 2**40, 10**12)] == [
        "0 B",
        "1023 B",
        "1 KiB",
        "1 TiB",
        "1 TB",
    ]
    assert [duration_words(value) for value in (0, 1, 90, 3600, 604_800)] == [
        *("0 seconds", "1 second", "90 seconds", "1 hour", "1 week"),
    ]

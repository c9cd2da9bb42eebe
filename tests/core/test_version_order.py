"""Keys of versions sort as the versions do: against a comparator of two texts that walks both at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.version_order import MAX_VERSION_CHARACTERS, version_key

VERSIONS = st.text(st.sampled_from("01239.~+-:aZé_ "), max_size=14)
NUMBERS = st.integers(0, 10**40).map(str)
LOOKALIKES = st.lists(st.one_of(NUMBERS, st.sampled_from(["~", "+", "-", ".", "rc", "1:", "0"])), max_size=6).map(
    "".join
)


def order(sign: str) -> int:
    if sign == "" or (sign.isascii() and sign.isdigit()):
        return 0
    if sign == "~":
        return -1
    return ord(sign) if sign.isascii() and sign.isalpha() else ord(sign) + 0x110000


def compare_runs(a: str, b: str) -> int:
    """Sign by sign, then number by number, until both are at their end."""
    i = j = 0
    while i < len(a) or j < len(b):
        while (i < len(a) and not is_digit(a[i])) or (j < len(b) and not is_digit(b[j])):
            left, right = order(a[i : i + 1]), order(b[j : j + 1])
            if left != right:
                return left - right
            i, j = i + 1, j + 1
        first, i = number_at(a, i)
        second, j = number_at(b, j)
        if first != second:
            return first - second
    return 0


def is_digit(sign: str) -> bool:
    return sign in "0123456789"


def number_at(text: str, at: int) -> tuple[int, int]:
    value = 0
    while at < len(text) and is_digit(text[at]):
        value, at = value * 10 + int(text[at]), at + 1
    return value, at


def split(text: str) -> tuple[int, str, str]:
    head, colon, rest = text.partition(":")
    epoch, text = (int(head), rest) if colon and head and all(map(is_digit, head)) else (0, text)
    upstream, hyphen, revision = text.rpartition("-")
    return (epoch, upstream, revision) if hyphen else (epoch, text, "")


def compare(a: str, b: str) -> int:
    (e1, u1, r1), (e2, u2, r2) = split(a.strip()), split(b.strip())
    return (e1 - e2) or compare_runs(u1, u2) or compare_runs(r1, r2)


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@given(st.one_of(VERSIONS, LOOKALIKES), st.one_of(VERSIONS, LOOKALIKES))
def test_keys_order_as_the_versions_do(a: str, b: str) -> None:
    first, second = version_key(a).encode(), version_key(b).encode()
    assert (first > second) - (first < second) == sign(compare(a, b))


@given(VERSIONS, st.sampled_from(["~", "0", ".", "a", "-1", "+b1"]))
def test_versions_that_differ_by_an_ending_order_as_they_should(a: str, ending: str) -> None:
    first, second = version_key(a).encode(), version_key(a + ending).encode()
    assert (first > second) - (first < second) == sign(compare(a, a + ending))


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.0~rc1", "1.0", "1.0a", "1.0.1", "1.1", "1.9", "1.10", "1.100"],
        ["2:1", "10:0.1"],
        ["9.9", "1:0.1"],
        ["1.0-1", "1.0+dfsg-1", "1.0.1-1"],
        ["1~~", "1~~a", "1~", "1"],
        ["7.4.1-1", "7.4.1-1+deb12u1", "7.4.1-2"],
        ["10.0.9", "10.0.19045", "10.0.22631"],
    ],
)
def test_well_known_orders(ordered: list[str]) -> None:
    assert sorted(ordered, key=lambda version: version_key(version).encode()) == ordered


@pytest.mark.parametrize(("a", "b"), [("1.0", "1.00"), ("0:1", "1"), ("", "0"), ("1-0", "1"), (" 1.2 ", "1.2")])
def test_equal_versions_have_the_same_key(a: str, b: str) -> None:
    assert version_key(a) == version_key(b)


@given(st.text(max_size=400))
def test_a_key_is_bounded_whatever_the_text(text: str) -> None:
    assert len(version_key(text)) <= 4 * MAX_VERSION_CHARACTERS + 20


def test_a_text_beyond_the_bound_counts_as_its_beginning() -> None:
    assert version_key("1" * 300) == version_key("1" * MAX_VERSION_CHARACTERS)

"""Enrolment codes."""

from hypothesis import given
from hypothesis import strategies as st

from watchbill.sites import codes
from watchbill_wire import split_code


def test_a_new_code_has_100_bits_in_letters_that_nobody_mistakes():
    made = {codes.new_code() for _ in range(200)}
    assert len(made) == 200
    assert all(len(code.replace("-", "")) == 20 for code in made)
    assert not set("".join(made)) & set("01IO")
    assert len(codes.ALPHABET) == 32


def test_a_code_passes_through_the_wire_format_with_and_without_a_pin():
    code = codes.new_code()
    assert split_code(code) == (code, None)
    assert split_code(f"{code}.{'a2' * 26}") == (code, "a2" * 26)


@given(st.text(max_size=60))
def test_a_code_is_found_in_any_case_and_grouping(text: str):
    assert codes.code_hash(text) == codes.code_hash(f" {text}-")
    ascii_ = "".join(letter for letter in text if letter.isascii())
    assert codes.code_hash(ascii_.lower()) == codes.code_hash(ascii_.upper())


@given(st.text(max_size=200))
def test_a_masked_code_never_shows_more_than_four_letters(text: str):
    masked = codes.masked(text)
    assert masked.endswith("…")
    assert len(masked) <= 5
    assert masked[:-1].isalnum() or masked == "…"

"""The table by which case is ignored is one that `translate()` can apply, and the one that Unicode has for the blocks it covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.filter_strategies import UNTIMED
from watchbill.core.filter_text import FOLD_FROM, FOLD_TO, fold, quoted

BLOCKS = [*range(1, 0x180), *range(0x370, 0x400), *range(0x400, 0x530)]


def test_in_its_blocks_the_table_is_the_simple_case_folding_of_unicode():
    def expected(char):
        folded = char.casefold()
        return folded if len(folded) == 1 else char

    assert {code: fold(chr(code)) for code in BLOCKS} == {code: expected(chr(code)) for code in BLOCKS}


def test_the_table_is_fit_for_translate():
    assert len(FOLD_FROM) == len(FOLD_TO) == len(set(FOLD_FROM))
    assert not set(FOLD_FROM) & set(FOLD_TO), "a second folding would change something"
    assert {ord(char) for char in FOLD_FROM} <= set(BLOCKS)


@UNTIMED
@given(st.text())
def test_folding_keeps_the_length_and_is_done_once(text):
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web-1", '"web-1"'),
        ('a"b\\c', r'"a\"b\c"'),
        ("a\nb\x1b\u202e", r'"a\nb\x1b\u202e"'),
        ("ä" * 101, f'"{"ä" * 99}…"'),
    ],
)
def test_a_text_in_a_sentence_is_short_and_on_one_line(text, shown):
    assert quoted(text) == shown

"""Folding case: the same letters in Python and in the database, one for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from watchbill.core.text_folding import LOWER, UPPER, folded
from watchbill.kit.db import Database


def test_what_folds_and_what_it_folds_to_are_of_equal_length() -> None:
    assert len(UPPER) == len(LOWER) == len(set(UPPER))
    assert not set(UPPER) & set(LOWER)


@given(st.text())
def test_folding_twice_changes_nothing_more(given_text: str) -> None:
    assert folded(folded(given_text)) == folded(given_text)
    assert len(folded(given_text)) == len(given_text)


@pytest.mark.parametrize(
    ("a", "b"), [("LIBREOFFICE", "LibreOffice"), ("ÄRGER", "ärger"), ("ΣΟΦΌΣ", "σοφός"), ("ЖУК", "жук")]
)
def test_case_makes_no_difference(a: str, b: str) -> None:
    assert folded(a) == folded(b)


@given(st.text(st.characters(max_codepoint=0x17F, categories=["Lu", "Ll"])))
def test_it_agrees_with_full_folding_where_that_is_one_to_one(given_text: str) -> None:
    one_to_one = "".join(letter for letter in given_text if len(letter.casefold()) == 1)
    assert folded(one_to_one) == one_to_one.casefold()


def test_letters_that_fold_to_several_stay_as_they_are() -> None:
    assert folded("Straße İ") == "straße İ"


async def test_the_database_folds_the_same(db: Database) -> None:
    everything = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x10000)]))
    async with db.begin() as tx:
        query = text("SELECT translate(:text, :upper, :lower)")
        told = (await tx.execute(query, {"text": everything, "upper": UPPER, "lower": LOWER})).scalar_one()
    assert told == folded(everything)

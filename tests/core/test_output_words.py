"""Words of outputs, and what a search of them asks for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.output_words import (
    AROUND,
    LAST_PLACE,
    LONGEST_WORD,
    MOST_PARTS,
    MOST_PLACES,
    Part,
    as_tsvector,
    parse,
    question_problems,
    snippet,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No space left on /dev/sda1", ["no", "space", "left", "on", "dev", "sda1"]),
        ("0x80070005: Zugriff VERWEIGERT", ["0x80070005", "zugriff", "verweigert"]),
        ("ÜBERGRÖSSE Ёлка", ["übergrösse", "ёлка"]),
        ("\ufffd\x01 \n", []),
        ("a" * 300, ["a" * LONGEST_WORD]),
    ],
)
def test_words_are_what_stands_between_signs(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("disk full", [Part(("disk",), False), Part(("full",), False)]),
        ('"Disk  full" sda', [Part(("disk", "full"), False), Part(("sda",), False)]),
        ("/dev/sda1", [Part(("dev", "sda1"), False)]),
        ("err*", [Part(("err",), True)]),
        ('"time out*"', [Part(("time", "out"), True)]),
        ("- : x", [Part(("x",), False)]),
    ],
)
def test_a_question_is_words_and_phrases(asked: str, parts: list[Part]) -> None:
    assert list(parse(asked).parts) == parts


@pytest.mark.parametrize(
    ("asked", "code"),
    [("", "no_word"), ("-- ::", "no_word"), ('"disk full', "open_quote"), ("a " * (MOST_PARTS + 1), "too_many_words")],
)
def test_what_cannot_be_looked_for_is_told(asked: str, code: str) -> None:
    assert [one.code for one in question_problems(asked)] == [code]
    with pytest.raises(ValueError, match=r"word|quotation"):
        parse(asked)


def test_places_count_within_a_stream_and_never_over_its_end() -> None:
    assert as_tsvector([("stdout", "a b a"), ("stderr", "b")]) == "'a':1A,3A 'b':2A,14B"


def test_a_text_of_any_length_stays_within_what_can_be_kept() -> None:
    made = as_tsvector([("stdout", "again " * 40_000)])
    [places] = re.findall(r":(.*)", made)
    assert len(places.split(",")) == MOST_PLACES
    words = as_tsvector([("stdout", " ".join(f"w{n}" for n in range(20_000)))])
    assert max(int(one) for one in re.findall(r":(\d+)", words)) == LAST_PLACE


def test_a_snippet_shows_the_place_with_what_is_around_it() -> None:
    text = "x" * 500 + " before the Disk, full of rust " + "y" * 500
    found = snippet(text, parse('"disk full"'))
    assert found is not None
    assert found.text[found.begins : found.ends] == "Disk, full"
    assert found.begins == AROUND
    assert len(found.text) == 2 * AROUND + len("Disk, full")


@pytest.mark.parametrize("asked", ["isk", '"full disk"', "disks", "fu"])
def test_a_part_of_a_word_is_not_the_word(asked: str) -> None:
    assert snippet("disk full", parse(asked)) is None


def test_a_word_is_found_by_its_beginning() -> None:
    found = snippet("all timeouts", parse("time*"))
    assert found is not None
    assert found.text[found.begins : found.ends] == "timeouts"


@given(st.text(max_size=200))
def test_any_text_has_a_vector_and_any_question_an_answer(text: str) -> None:
    made = as_tsvector([("stdout", text)])
    assert not re.search(r"[\\]|''", made)
    if not question_problems(text):
        question = parse(text)
        assert question.as_tsquery(None)
        snippet(text, question)


@given(st.lists(st.from_regex(r"\w{1,12}", fullmatch=True), min_size=1, max_size=8), st.sampled_from([" ", ", ", "/"]))
def test_every_text_is_found_by_its_own_words(words: list[str], between: str) -> None:
    text = between.join(words)
    found = snippet(text, parse(f'"{text}"'))
    assert found is not None
    assert found.text[found.begins : found.ends] == text

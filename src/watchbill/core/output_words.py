"""Owns what a search of output means: which words a text has, what a question asks for, and where it stands in a text.

A word is a run of letters, digits and underscores, without regard to case; all between words only parts them. Texts are bytes that
anything wrote, so nothing in them is an error.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from watchbill.core.filter_text import fold
from watchbill.core.problems import Problem

Stream = Literal["stdout", "stderr"]

#: What of a word counts; longer ones are told apart no further.
LONGEST_WORD: Final = 100
#: What PostgreSQL keeps of the places of words: no higher, and no more for one word.
LAST_PLACE: Final = 16_383
MOST_PLACES: Final = 255
MOST_PARTS: Final = 20
#: Characters of a snippet on each side of what was found.
AROUND: Final = 80

_WORD: Final = re.compile(r"\w+")
#: Words of two streams, or on both sides of what was not kept, are no neighbours.
_APART: Final = 10
_WEIGHT: Final[dict[Stream, str]] = {"stdout": "A", "stderr": "B"}


@dataclass(frozen=True, slots=True)
class Part:
    """Words that stand next to one another; the last may go on when `is_beginning`."""

    words: tuple[str, ...]
    is_beginning: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Every part is somewhere in the output."""

    parts: tuple[Part, ...]

    def as_tsquery(self, stream: Stream | None) -> str:
        """As PostgreSQL reads it; of one stream, or of either. Each part within one stream."""
        return " & ".join(_in_streams(part, stream) for part in self.parts)


def words_of(text: str) -> Iterator[str]:
    """The words of a text in their order, as they are compared."""
    return (found[:LONGEST_WORD] for found in _WORD.findall(fold(text)))


def as_tsvector(texts: Sequence[tuple[Stream, str]]) -> str:
    """The words of pieces of output with their places, as PostgreSQL reads it."""
    places: dict[str, list[str]] = {}
    place = 0
    for stream, text in texts:
        for word in words_of(text):
            place = min(place + 1, LAST_PLACE)
            some = places.setdefault(word, [])
            if len(some) < MOST_PLACES:
                some.append(f"{place}{_WEIGHT[stream]}")
        place += _APART
    return " ".join(f"'{word}':{','.join(some)}" for word, some in places.items())


def parse(text: str) -> Question:
    """`disk full` both words; `"disk full"` next to one another; `err*` words that begin so. Raises ValueError with a sentence."""
    problems = question_problems(text)
    if problems:
        raise ValueError(problems[0].message)
    return Question(tuple(_parts(text)))


def question_problems(text: str, field: str = "q") -> list[Problem]:
    if text.count('"') % 2:
        return [Problem(field, "open_quote", "has a quotation mark that is not closed")]
    number = len(list(_parts(text)))
    if not number:
        return [Problem(field, "no_word", "must have a word: letters, digits or underscores")]
    if number > MOST_PARTS:
        return [Problem(field, "too_many_words", f"may have {MOST_PARTS} words or phrases, not {number}")]
    return []


def _parts(text: str) -> Iterator[Part]:
    for number, piece in enumerate(text.split('"')):
        # What is not in quotes are words; what one of them has within (a path, an address) stands together.
        for one in [piece] if number % 2 else piece.split():
            if words := tuple(words_of(one)):
                yield Part(words, one.rstrip().endswith("*"))


def _in_streams(part: Part, stream: Stream | None) -> str:
    both: tuple[Stream, ...] = ("stdout", "stderr")
    return "(" + " | ".join(_phrase(part, _WEIGHT[one]) for one in both if stream in (None, one)) + ")"


def _phrase(part: Part, weight: str) -> str:
    last = len(part.words) - 1
    marks = (f"{weight}*" if part.is_beginning and place == last else weight for place in range(len(part.words)))
    return "(" + " <-> ".join(f"'{word}':{mark}" for word, mark in zip(part.words, marks, strict=True)) + ")"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A stretch of a text; `begins` and `ends` are where in it the hit is."""

    text: str
    begins: int
    ends: int


def snippet(text: str, question: Question) -> Snippet | None:
    """Around the first place of the first part that is in the text."""
    folded = fold(text)
    for part in question.parts:
        if found := _pattern(part).search(folded):
            return _around(text, found.start(), found.end())
    return None


def _pattern(part: Part) -> re.Pattern[str]:
    # A word of the longest length may have been cut.
    ends = [r"\w*" if len(word) == LONGEST_WORD else "" for word in part.words]
    body = r"\W+".join(f"{word}{end}" for word, end in zip(part.words, ends, strict=True))
    return re.compile(rf"(?<!\w){body}" + (r"\w*" if part.is_beginning else r"(?!\w)"))


def _around(text: str, start: int, end: int) -> Snippet:
    first, last = max(0, start - AROUND), min(len(text), end + AROUND)
    return Snippet(text[first:last], start - first, min(end, last) - first)

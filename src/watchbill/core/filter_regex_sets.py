"""Owns sets of characters as sorted ranges of code points, the classes of the pattern dialect. Knows no syntax."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from watchbill.core.filter_text import FOLDS

#: First and last code point of each stretch: ascending, apart from each other.
Ranges = tuple[tuple[int, int], ...]

#: A text of the database holds no NUL; surrogates lie within and never occur.
FIRST, LAST = 1, 0x10FFFF
EVERYTHING: Final[Ranges] = ((FIRST, LAST),)


def ranges_of(stretches: Iterable[tuple[int, int]]) -> Ranges:
    """Any stretches, joined where they touch or overlap."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(stretches):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """Every character that is not in `ranges`."""
    starts = [FIRST, *(last + 1 for _, last in ranges)]
    ends = [*(first - 1 for first, _ in ranges), LAST]
    return tuple((first, last) for first, last in zip(starts, ends, strict=True) if first <= last)


def folded(first: int, last: int) -> Iterable[tuple[int, int]]:
    """A stretch, and what its characters are compared as: a class is asked about folded texts only."""
    return ((first, last), *((small, small) for code, small in FOLDS.items() if first <= code <= last))


def contains(ranges: Ranges, code: int) -> bool:
    at = bisect_right(ranges, (code, LAST)) - 1
    return at >= 0 and code <= ranges[at][1]


def _chars(text: str) -> Ranges:
    return ranges_of((ord(char), ord(char)) for char in text)


DIGITS: Final[Ranges] = ((0x30, 0x39),)
#: As texts are folded, capitals would never be met.
WORD: Final[Ranges] = ranges_of([*DIGITS, (0x5F, 0x5F), (0x61, 0x7A)])
SPACE: Final[Ranges] = _chars(" \t\n\r\f\v")
NOT_NEWLINE: Final[Ranges] = complement(_chars("\n"))

#: What `\d` and its like stand for: in ASCII, whatever the locale.
CLASSES: Final[dict[str, Ranges]] = {
    "d": DIGITS,
    "w": WORD,
    "s": SPACE,
    "D": complement(DIGITS),
    "W": complement(WORD),
    "S": complement(SPACE),
}

"""Owns how filters compare texts: the one table by which case is ignored. Knows no field and no operator.

The table maps one character to one other, so that PostgreSQL does the same by `translate(x, FOLD_FROM, FOLD_TO)`, whatever the
locale of the database. `translate` walks through the table for each character: what is searched often is kept folded, in a column
of its own (`GENERATED ALWAYS AS (translate(…)) STORED`), and only the values of a filter are folded when it is compiled. Texts are
compared as they were stored: no Unicode normalisation, no trimming.
"""

from collections.abc import Iterator
from typing import Final

# Capitals that lie a fixed distance before their small letters: first, last, distance.
_SHIFTED: Final = (
    *((0x41, 0x5A, 32), (0xC0, 0xD6, 32), (0xD8, 0xDE, 32)),
    *((0x388, 0x38A, 37), (0x391, 0x3A1, 32), (0x3A3, 0x3AB, 32), (0x3FD, 0x3FF, -130)),
    *((0x400, 0x40F, 80), (0x410, 0x42F, 32)),
)
# Stretches in which capitals and small letters take turns: first and last capital.
_IN_TURN: Final = (
    *((0x100, 0x12E), (0x132, 0x136), (0x139, 0x147), (0x14A, 0x176), (0x179, 0x17D)),
    *((0x370, 0x372), (0x376, 0x376), (0x3D8, 0x3EE), (0x3F7, 0x3F7), (0x3FA, 0x3FA)),
    *((0x460, 0x480), (0x48A, 0x4BE), (0x4C1, 0x4CD), (0x4D0, 0x52E)),
)
# Letters that stand alone, and those that are only another shape of one: the micro sign, the long s, the sigma at a word's end.
_ALONE: Final = (
    *((0xB5, 0x3BC), (0x178, 0xFF), (0x17F, 0x73)),
    *((0x37F, 0x3F3), (0x386, 0x3AC), (0x38C, 0x3CC), (0x38E, 0x3CD), (0x38F, 0x3CE), (0x3C2, 0x3C3), (0x3CF, 0x3D7)),
    *((0x3D0, 0x3B2), (0x3D1, 0x3B8), (0x3D5, 0x3C6), (0x3D6, 0x3C0), (0x3F0, 0x3BA), (0x3F1, 0x3C1), (0x3F4, 0x3B8)),
    *((0x3F5, 0x3B5), (0x3F9, 0x3F2), (0x4C0, 0x4CF)),
)


def _pairs() -> Iterator[tuple[int, int]]:
    for first, last, distance in _SHIFTED:
        yield from ((code, code + distance) for code in range(first, last + 1))
    for first, last in _IN_TURN:
        yield from ((code, code + 1) for code in range(first, last + 1, 2))
    yield from _ALONE


#: Code point -> the one it is compared as: ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic. Everything else is compared as it is.
FOLDS: Final = dict(sorted(_pairs()))
#: The table as the two arguments of `translate()`.
FOLD_FROM: Final = "".join(map(chr, FOLDS))
FOLD_TO: Final = "".join(map(chr, FOLDS.values()))


def fold(text: str) -> str:
    """The text as it is compared. In SQL: `translate(x, FOLD_FROM, FOLD_TO)`."""
    return text.translate(FOLDS)


def quoted(text: str) -> str:
    """A text as a sentence may repeat it: in quotes, on one line, cut when it is long."""
    cut = text if len(text) <= 100 else f"{text[:99]}…"
    return '"' + "".join(_shown(char) for char in cut) + '"'


def _shown(char: str) -> str:
    if char == '"':
        return '\\"'
    return char if char.isprintable() else repr(char)[1:-1]

"""Texts compared without case, in Python and in SQL alike: letters that fold one to one, and nothing that depends on a locale.

`translate(column, UPPER, LOWER)` in SQL is `folded(text)` here. Letters outside of the ranges, and those that fold to several
(ß), stay as they are in both.
"""

from itertools import chain
from typing import Final

#: ASCII, Latin-1 and Latin Extended-A; Greek; Cyrillic with its supplement.
_RANGES: Final = (range(0x41, 0x180), range(0x370, 0x400), range(0x400, 0x530))
_FOLDS: Final = {
    letter: low
    for letter, low in ((chr(code), chr(code).casefold()) for code in chain(*_RANGES))
    if len(low) == 1 and low != letter
}

#: What folds, and what it folds to: of equal length.
UPPER: Final = "".join(_FOLDS)
LOWER: Final = "".join(_FOLDS.values())
_TABLE: Final = str.maketrans(UPPER, LOWER)


def folded(text: str) -> str:
    """The text as it is compared: `ÄRGER` and `ärger` are the same."""
    return text.translate(_TABLE)

r"""Owns walking over the signs of a pattern, and what a backslash says. Knows nothing of how items are put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from watchbill.core.filter_regex_sets import CLASSES, Ranges, folded, ranges_of

MAX_PATTERN: Final = 200

_CONTROLS: Final[Mapping[str, int]] = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_HEX_DIGITS: Final[Mapping[str, int]] = {"x": 2, "u": 4}
#: What a backslash says elsewhere, and not here.
_REFUSED: Final[Mapping[str, str]] = {
    **{digit: f"a back reference \\{digit} is not supported" for digit in "123456789"},
    "0": "an octal character \\0… is not supported; write \\xHH",
    "k": "a back reference \\k is not supported",
    "g": "a back reference \\g is not supported",
    "b": "a word boundary \\b is not supported; name the characters around it, such as (^|\\W)",
    "B": "a word boundary \\B is not supported",
    "A": "\\A is not supported; write ^",
    "Z": "\\Z is not supported; write $",
    "z": "\\z is not supported; write $",
    "p": "a Unicode class \\p is not supported; name the characters",
    "P": "a Unicode class \\P is not supported; name the characters",
}


class PatternError(ValueError):
    """A pattern that is not of the dialect. `position` counts characters from 1."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"{message} (at character {position})")
        self.position = position


@dataclass(slots=True)
class Signs:
    """A pattern and how far it is read."""

    text: str
    at: int = 0

    @property
    def is_over(self) -> bool:
        return self.at == len(self.text)

    @property
    def next(self) -> str:
        """The sign that comes, nothing at the end."""
        return self.text[self.at : self.at + 1]

    def pop(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def take(self, sign: str) -> bool:
        """Read `sign` if it is what comes."""
        if self.next != sign:
            return False
        self.at += 1
        return True

    def digits(self) -> str:
        start = self.at
        while self.next and self.next in "0123456789":
            self.at += 1
        return self.text[start : self.at]

    def refuse(self, message: str, at: int | None = None) -> NoReturn:
        raise PatternError((self.at if at is None else at) + 1, message)

    def escaped(self) -> int | str:
        """What follows a backslash: a code point, or the letter of a class such as d."""
        at = self.at - 1
        if self.is_over:
            self.refuse(r"a backslash at the end; write \\ for the sign itself", at)
        sign = self.pop()
        if sign in CLASSES:
            return sign
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign in _HEX_DIGITS:
            return self._hexadecimal(_HEX_DIGITS[sign], at)
        if sign in _REFUSED:
            self.refuse(_REFUSED[sign], at)
        if sign.isalnum():
            self.refuse(f"\\{sign} means nothing here; a character stands for itself without a backslash", at)
        return ord(sign)

    def _hexadecimal(self, length: int, at: int) -> int:
        digits = self.text[self.at : self.at + length]
        if len(digits) != length or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            self.refuse(f"{self.text[at : at + 2]} needs {length} hexadecimal digits", at)
        code = int(digits, 16)
        if code == 0 or 0xD800 <= code <= 0xDFFF:
            self.refuse("no text holds a NUL character or half a surrogate pair", at)
        self.at += length
        return code


def literal(code: int) -> Ranges:
    """One character as the folded text shows it."""
    (*_, compared_as) = folded(code, code)
    return ranges_of([compared_as])

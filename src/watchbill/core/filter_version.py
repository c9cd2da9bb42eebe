r"""Owns the order of versions: a key for each version whose plain byte order is that order. Knows no field and no operator.

The order is the one that Debian packages have. A version is `[epoch:]upstream[-revision]`: digits before the first colon are the
epoch (0 when there are none), what follows the last hyphen is the revision. Epochs are compared first, then upstream, then
revision. Within upstream and revision runs of other signs and runs of digits take turns: digits are compared by value, other
signs one by one, where a tilde comes before the end, the end before letters, letters before all else, by code point, and case
counts. So 1.0~rc1 < 1.0 = 1.00 = 1.0-0 < 1.0a < 1.0+b < 1.0.1 < 1.10 < 1:0.9.

SQL compares keys, never versions: `version_key(version)` is stored beside each version when it is written (NULL when the version is
unknown or too long), in a column with `COLLATE "C"`, and the key of a filter's value is passed as a parameter.
"""

import re
from typing import Final

MAX_VERSION: Final = 200

_EPOCH: Final = re.compile(r"([0-9]+):(.*)", re.DOTALL)
_PART: Final = re.compile(r"([^0-9]*)([0-9]*)")
# In byte order: tilde, end of a run, letters as they are, the mark before every other sign.
_TILDE, _END, _OTHER = "!", "#", "~"


def version_key(text: str) -> str:
    """The key of a version of at most 200 characters: versions compare as the UTF-8 bytes of their keys."""
    if len(text) > MAX_VERSION:
        raise ValueError(f"a version has at most {MAX_VERSION} characters, not {len(text)}")
    found = _EPOCH.fullmatch(text)
    epoch, rest = (found[1], found[2]) if found else ("", text)
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return _number(epoch) + _runs(upstream) + _runs(revision)


def find_version_key(text: str | None) -> str | None:
    """The key as it is stored: None for what counts as unknown, which is no version, an empty one or one that is too long."""
    return version_key(text) if text and len(text) <= MAX_VERSION else None


def _runs(text: str) -> str:
    # A text ends in a run of digits, even if that is empty and so 0, then in a run of other signs, which is empty: the last mark.
    # Only the first run of signs can be empty otherwise, so a mark after digits is always the end: no key begins another one.
    found = [_signs(match[1]) + _number(match[2]) for match in _PART.finditer(text) if match[0]]
    return "".join(found or [_signs("") + _number("")]) + _END


def _signs(run: str) -> str:
    return "".join(_sign(char) for char in run) + _END


def _sign(char: str) -> str:
    if char == "~":
        return _TILDE
    return char if char.isascii() and char.isalpha() else _OTHER + char


def _number(digits: str) -> str:
    """Of two numbers the longer one is greater, so the length goes first, in two digits of its own."""
    significant = digits.lstrip("0")
    return f"{len(significant):02x}{significant}"

"""Version numbers in their natural order: a key whose plain byte order is the order of the versions.

The order is that of Debian's packages: an epoch before a colon counts first, then what stands before the last hyphen, then what
stands behind it; digits count by value, letters before all other signs, and a tilde before the end of the text. Knows no product.
"""

import re
from itertools import chain
from typing import Final

#: What stands behind it is not looked at.
MAX_VERSION_CHARACTERS: Final = 200

_EPOCH: Final = re.compile(r"([0-9]+):")
_PART: Final = re.compile(r"([^0-9]*)([0-9]*)")
# In this order: a tilde, the end of a run of signs, letters as they are, and every other sign behind a brace.
_TILDE, _END, _OTHER = "!", "#", "{"
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def version_key(text: str) -> str:
    """A text to sort and compare by, byte by byte. Versions that are equal (`1.0` and `1.00`) have the same key."""
    given = text.strip()[:MAX_VERSION_CHARACTERS]
    epoch = _EPOCH.match(given)
    upstream, _, revision = _halves(given[epoch.end() :] if epoch else given)
    return _number(epoch[1] if epoch else "") + _run(upstream) + _run(revision)


def _halves(text: str) -> tuple[str, str, str]:
    """Before and behind the last hyphen; without one, everything stands before it."""
    return text.rpartition("-") if "-" in text else (text, "", "")


def _run(text: str) -> str:
    # The pattern also finds the empty rest; it stands for itself only where there is nothing else ("" is as good as "0").
    parts = [(signs, digits) for signs, digits in _PART.findall(text) if signs or digits] or [("", "")]
    return "".join(chain.from_iterable((_signs(signs), _END, _number(digits)) for signs, digits in parts)) + _END


def _signs(text: str) -> str:
    return "".join(_TILDE if one == "~" else one if one in _LETTERS else _OTHER + one for one in text)


def _number(digits: str) -> str:
    """By value: first how many digits, then these. More than nine are counted in three digits behind a colon."""
    value = digits.lstrip("0")
    length = len(value)
    return f"{length}{value}" if length < 10 else f":{length:03}{value}"

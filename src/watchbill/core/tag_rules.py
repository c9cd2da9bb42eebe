"""What a tag of a device may be: a short word, compared without case and therefore kept in lower case."""

import re
from collections.abc import Sequence
from typing import Final

from watchbill.core.fields import join, shown
from watchbill.core.filter_text import fold
from watchbill.core.problems import Problem

MAX_TAGS: Final = 100
MAX_TAG_CHARACTERS: Final = 50

# Letters of any script and digits, and between them the signs by which people build names. No space, no comma: lists are written with them.
_TAG: Final = re.compile(r"[^\W_](?:[\w.:/-]{0,48}[^\W_])?")
_ALLOWED: Final = f"must be 1 to {MAX_TAG_CHARACTERS} letters and digits, with _ - . : / between them; it begins and ends with a letter or a digit"


def read_tags(told: Sequence[str], path: str, problems: list[Problem]) -> list[str]:
    """The tags as they are kept: each once, sorted. Every unfit one is a problem under `path`."""
    found = set()
    for place, text in enumerate(told):
        tag = fold(text.strip())
        if _TAG.fullmatch(tag) is None:
            problems.append(Problem(join(path, place), "invalid_tag", f"{shown(text)} {_ALLOWED}"))
        found.add(tag)
    return sorted(found)


def too_many(number: int) -> str:
    return f"a device has at most {MAX_TAGS} tags; it would have {number}"

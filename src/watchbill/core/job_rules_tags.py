"""The tags of a job: short words by which people find what belongs together. Pure.

They are a set: each stands once, and the alphabet orders them, so that another order is no change.
"""

import re
from collections.abc import Iterable
from typing import Final

from watchbill.core.fields import Fields, shown
from watchbill.core.job_rules_values import MAX_TAGS

#: As a pattern that JSON Schema knows too.
TAG: Final = r"^[a-z0-9][a-z0-9_.-]{0,39}$"
_TAG: Final = re.compile(TAG.removeprefix("^").removesuffix("$"))
_ALPHABET: Final = "a-z, 0-9, `.`, `_` and `-`, at most 40, beginning with a letter or digit"


def tags(fields: Fields, name: str = "tags", *, least: int = 0) -> tuple[str, ...]:
    """The tags in a list, in order; every one that cannot be a tag is refused."""
    found: dict[str, int] = {}
    for place, item in enumerate(fields.items(name, most=MAX_TAGS, least=least)):
        if not isinstance(item, str) or _TAG.fullmatch(item) is None:
            fields.refuse(f"{name}.{place}", "invalid_tag", f"{shown(item)} is no tag: use {_ALPHABET}")
        elif item in found:
            fields.refuse(f"{name}.{place}", "duplicate", f"{item} is listed already at {name}.{found[item]}")
        else:
            found[item] = place
    return ordered(found)


def ordered(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))

"""Versions of Ansible collections (semantic versions) and what a declared set of them may say: `>=1.5,<2`, `==1.5.4`, `1.5.4`, `*`. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import total_ordering
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

_VERSION: Final = re.compile(
    r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
_BOUND: Final = re.compile(r"(>=|<=|==|!=|>|<|=)?\s*([0-9][0-9A-Za-z.+-]*)")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">=": ge, "<=": le, ">": gt, "<": lt, "==": eq, "=": eq, "": eq, "!=": ne,
}  # fmt: skip
_EXACTLY: Final = frozenset(("", "=", "=="))
MAX_BOUNDS: Final = 8


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """One semantic version; what is built of it (`+…`) does not count. `pre`: the parts after a dash, none for a release."""

    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    def __lt__(self, other: "Version") -> bool:
        return self._rank() < other._rank()

    def _rank(self) -> tuple[object, ...]:
        """A release comes after what comes before it; numbers before words, as semantic versions say."""
        parts = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in self.pre)
        return self.numbers, not self.pre, parts


@dataclass(frozen=True, slots=True)
class Bound:
    """One condition on a version."""

    sign: str
    version: Version

    def allows(self, version: Version) -> bool:
        return _COMPARE[self.sign](version, self.version)


def version_of(text: str) -> Version | None:
    """The version that a text spells in full, None when it spells none."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    major, minor, patch, pre = found.groups()
    return Version((int(major), int(minor), int(patch)), tuple(pre.split(".")) if pre else ())


def bounds_of(text: str) -> tuple[Bound, ...] | None:
    """The conditions that a specifier names, none for `*`; None when it is no specifier."""
    parts = [one.strip() for one in text.split(",")]
    if parts == ["*"]:
        return ()
    if len(parts) > MAX_BOUNDS:
        return None
    read = [_bound(one) for one in parts]
    return tuple(one for one in read if one is not None) if None not in read else None


def _bound(text: str) -> Bound | None:
    found = _BOUND.fullmatch(text)
    # A bound may be short: >=1.5 is >=1.5.0.
    version = version_of(_whole(found[2])) if found else None
    return Bound(found[1] or "", version) if found and version else None


def _whole(text: str) -> str:
    return text + ".0" * max(0, 2 - text.count(".")) if re.fullmatch(r"[0-9.]+", text) else text


def newest(bounds: Iterable[Bound], versions: Iterable[str]) -> str | None:
    """The newest of these versions that all conditions allow. One before a release only where it is named exactly."""
    wanted = tuple(bounds)
    named = {one.version for one in wanted if one.sign in _EXACTLY}
    known = [(version, text) for text in versions if (version := version_of(text)) is not None]
    fit = [
        (version, text)
        for version, text in known
        if (not version.pre or version in named) and all(one.allows(version) for one in wanted)
    ]
    return max(fit)[1] if fit else None

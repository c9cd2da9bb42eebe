"""Addresses as stretches of one line of numbers, so that the largest network is counted without being walked. Knows no grammar. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

Address = IPv4Address | IPv6Address
#: First and last number, both within.
Span = tuple[int, int]

# IPv6 lies far behind IPv4 on the line, with a gap between them: no stretch runs from one into the other.
_IPV6: Final = 1 << 128


def number_of(address: Address) -> int:
    return int(address) if isinstance(address, IPv4Address) else _IPV6 + int(address)


def address_at(number: int) -> Address:
    return IPv4Address(number) if number < _IPV6 else IPv6Address(number - _IPV6)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same numbers in order, each once: no stretch touches the next."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def size(spans: Iterable[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """What is left of merged spans when other merged ones are taken away."""
    left: list[Span] = []
    place = 0
    for first, last in spans:
        begin = first
        while place < len(taken) and taken[place][1] < begin:
            place += 1
        here = place
        while here < len(taken) and taken[here][0] <= last:
            if begin < taken[here][0]:
                left.append((begin, taken[here][0] - 1))
            begin = taken[here][1] + 1
            here += 1
        if begin <= last:
            left.append((begin, last))
    return left


def is_within(spans: Sequence[Span], number: int) -> bool:
    """Whether merged spans hold a number."""
    place = bisect_left(spans, number, key=lambda span: span[1])
    return place < len(spans) and spans[place][0] <= number


@dataclass(slots=True)
class Covered:
    """What has been seen so far."""

    _firsts: list[int] = field(default_factory=list)
    _lasts: list[int] = field(default_factory=list)

    def add(self, span: Span) -> list[Span]:
        """See a stretch; returned are the parts of it that are new."""
        low, high = bisect_left(self._lasts, span[0]), bisect_right(self._firsts, span[1])
        old = list(zip(self._firsts[low:high], self._lasts[low:high], strict=True))
        first, last = (min(span[0], old[0][0]), max(span[1], old[-1][1])) if old else span
        self._firsts[low:high], self._lasts[low:high] = [first], [last]
        return without([span], old)

r"""Owns writing a pattern as a regular expression of PostgreSQL that means exactly the same. Runs no SQL.

The Engine writes `translate(x, FOLD_FROM, FOLD_TO) COLLATE "C" ~ written(pattern)`, with no flag. Nothing is left to how the database
reads a pattern: classes are written out as code points, so `\w` and its like do not follow a locale; `.` is written as a set
without the newline; `^` and `$` stand for the ends of the whole text, which is what they mean there without a newline flag; every
character but ASCII letters and digits is written as `\uXXXX`, so none is a sign of syntax and no text begins with `***` or `(?i)`.
"""

from typing import assert_never

from watchbill.core.filter_regex_sets import EVERYTHING, LAST, Ranges, complement
from watchbill.core.filter_regex_tree import Branches, Chars, End, Node, Pattern, Repeat, Sequence, Start


def written(pattern: Pattern) -> str:
    """The pattern as an advanced regular expression of PostgreSQL, for folded texts."""
    return _node(pattern.tree)


def _node(node: Node) -> str:
    match node:
        case Chars(ranges=ranges):
            return _set(ranges)
        case Start():
            return "^"
        case End():
            return "$"
        case Sequence(items=items):
            return "".join(map(_node, items))
        case Branches(options=options):
            return f"(?:{'|'.join(map(_node, options))})"
        case Repeat(item=item, low=low, high=high):
            return _atom(item) + _count(low, high)
        case _:
            assert_never(node)


def _atom(node: Node) -> str:
    return _node(node) if isinstance(node, Chars | Branches) else f"(?:{_node(node)})"


def _count(low: int, high: int | None) -> str:
    if high is None:
        return "*" if low == 0 else f"{{{low},}}"
    return f"{{{low},{high}}}"


def _set(ranges: Ranges) -> str:
    if ranges == EVERYTHING:
        return "."
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _char(ranges[0][0])
    # A set that reaches to the end of Unicode is said shorter by what it lacks.
    if ranges[-1][1] == LAST:
        return f"[^{_stretches(complement(ranges))}]"
    return f"[{_stretches(ranges)}]"


def _stretches(ranges: Ranges) -> str:
    return "".join(_char(first) if first == last else f"{_char(first)}-{_char(last)}" for first, last in ranges)


def _char(code: int) -> str:
    if code < 0x80 and chr(code).isalnum():
        return chr(code)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

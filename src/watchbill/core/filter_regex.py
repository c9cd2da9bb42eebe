r"""Owns the small dialect of patterns: reads one into its tree, or says what at which character is not part of it. Matches nothing.

The dialect: characters, `.` (any but a newline), classes `[a-z]` and `[^…]`, `\d \w \s` and their capitals in their ASCII meaning,
`\t \n \r \f \v \xHH \uHHHH`, a backslash before any sign, `^` and `$` (start and end of the whole text), groups `(…)` and `(?:…)`,
`|`, and `* + ? {m} {m,} {m,n}`. A pattern matches anywhere in the text, and case is ignored by the table of `filter_text`: what the
pattern says is folded here, what it is asked about is folded by who asks. There is nothing here whose cost can explode.
"""

from collections.abc import Mapping
from typing import Final

from watchbill.core.filter_regex_class import ClassReader
from watchbill.core.filter_regex_sets import CLASSES, NOT_NEWLINE
from watchbill.core.filter_regex_signs import MAX_PATTERN, PatternError, Signs, literal
from watchbill.core.filter_regex_tree import Branches, Chars, End, Node, Pattern, Repeat, Sequence, Start, expanded_size

#: Characters and anchors once every repeat is written out. PostgreSQL takes counts up to 255, and what it needs to prepare a pattern
#: of nested counts grows faster than their product: over a second at 400, a quarter of one at 250.
MAX_EXPANDED: Final = 250
#: A count in braces.
MAX_REPEAT: Final = MAX_EXPANDED
#: Groups within groups.
MAX_GROUPS: Final = 20

_QUANTIFIERS: Final = "*+?{"
_COUNTS: Final[Mapping[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_TWICE: Final = "a quantifier cannot follow another one; write (…) around what is repeated"
_SECOND: Final[Mapping[str, str]] = {
    "?": "a lazy quantifier is not supported; whether a text matches does not depend on it, leave the ? out",
    "+": "a possessive quantifier is not supported; leave the + out",
    "*": _TWICE,
    "{": _TWICE,
}
#: What may follow `(?` elsewhere, longest first.
_EXTENSIONS: Final[Mapping[str, str]] = {
    "<=": "look-behind (?<=…) is not supported",
    "<!": "look-behind (?<!…) is not supported",
    "=": "look-ahead (?=…) is not supported",
    "!": "look-ahead (?!…) is not supported",
    ">": "an atomic group (?>…) is not supported; write (…)",
    "(": "a conditional (?(…)…) is not supported",
    "#": "a comment (?#…) is not supported",
    "P=": "a back reference (?P=…) is not supported",
    "P": "a named group is not supported; write (…)",
    "<": "a named group is not supported; write (…)",
    "'": "a named group is not supported; write (…)",
}


def parse_pattern(text: str) -> Pattern:
    """The pattern that a text of 1 to 200 characters says. Raises `PatternError` with the character where it fails."""
    if not text:
        raise PatternError(1, "an empty pattern matches everything")
    if len(text) > MAX_PATTERN:
        raise PatternError(MAX_PATTERN + 1, f"a pattern has at most {MAX_PATTERN} characters, not {len(text)}")
    signs = Signs(text)
    tree = _Reader(signs).branches(depth=0)
    if not signs.is_over:
        signs.refuse(r"a ) that closes nothing; write \) for the sign itself")
    if (size := expanded_size(tree)) > MAX_EXPANDED:
        raise PatternError(
            1,
            f"with its repeats written out the pattern has {size} characters and anchors, at most {MAX_EXPANDED} are allowed",
        )
    return Pattern(text, tree)


class _Reader:
    """Descends through the pattern, one method for each level of its grammar."""

    def __init__(self, signs: Signs) -> None:
        self.signs = signs

    def branches(self, *, depth: int) -> Node:
        options = [self._sequence(depth)]
        while self.signs.take("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Branches(tuple(options))

    def _sequence(self, depth: int) -> Node:
        items: list[Node] = []
        while not self.signs.is_over and self.signs.next not in "|)":
            items.append(self._repeated(depth))
        if not items:
            self.signs.refuse("an empty alternative or group matches everything; write (…)? for what may be left out")
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _repeated(self, depth: int) -> Node:
        at = self.signs.at
        item = self._item(depth)
        if self.signs.is_over or self.signs.next not in _QUANTIFIERS:
            return item
        is_anchor = self.signs.text[at] in "^$"
        if is_anchor:
            self.signs.refuse(f"an anchor cannot be repeated by {self.signs.next}")
        low, high = self._count()
        self._refuse_second_quantifier()
        return Repeat(item, low, high)

    def _refuse_second_quantifier(self) -> None:
        if self.signs.next in _SECOND:
            self.signs.refuse(_SECOND[self.signs.next])

    def _count(self) -> tuple[int, int | None]:
        at = self.signs.at
        sign = self.signs.pop()
        if sign != "{":
            return _COUNTS[sign]
        low = self._number()
        high: int | None = low
        if self.signs.take(","):
            high = None if self.signs.next == "}" else self._number()
        if not self.signs.take("}"):
            self.signs.refuse(r"a count is written {2}, {2,} or {2,5}; write \{ for the sign itself", at)
        if high is not None and (high < low or high == 0):
            self.signs.refuse("the upper count must be at least 1 and at least the lower one", at)
        return low, high

    def _number(self) -> int:
        at = self.signs.at
        digits = self.signs.digits()
        if not digits:
            self.signs.refuse(
                r"a count is written {2}, {2,} or {2,5} (and {0,5}, not {,5}); write \{ for the sign itself", at
            )
        if len(digits) > 3 or int(digits) > MAX_REPEAT:
            self.signs.refuse(f"a count is at most {MAX_REPEAT}", at)
        return int(digits)

    def _item(self, depth: int) -> Node:
        sign = self.signs.pop()
        if sign in _QUANTIFIERS:
            self.signs.refuse(f"{sign} has nothing to repeat; write \\{sign} for the sign itself", self.signs.at - 1)
        match sign:
            case "(":
                return self._group(depth + 1)
            case "[":
                return Chars(ClassReader(self.signs).read())
            case ".":
                return Chars(NOT_NEWLINE)
            case "^":
                return Start()
            case "$":
                return End()
            case "\\":
                return self._escape()
            case _:
                return Chars(literal(ord(sign)))

    def _escape(self) -> Node:
        code = self.signs.escaped()
        return Chars(CLASSES[code]) if isinstance(code, str) else Chars(literal(code))

    def _group(self, depth: int) -> Node:
        opened = self.signs.at - 1
        if depth > MAX_GROUPS:
            self.signs.refuse(f"groups nest at most {MAX_GROUPS} deep", opened)
        if self.signs.take("?") and not self.signs.take(":"):
            self.signs.refuse(self._extension(), opened)
        node = self.branches(depth=depth)
        if not self.signs.take(")"):
            self.signs.refuse("a group that is not closed", opened)
        return node

    def _extension(self) -> str:
        rest = self.signs.text[self.signs.at :]
        known = (message for start, message in _EXTENSIONS.items() if rest.startswith(start))
        return next(known, "a group cannot set flags; case is ignored anyhow. Write (…) or (?:…)")

r"""Owns reading a class of a pattern, what stands between `[` and `]`. Knows nothing of the rest of the grammar."""

from watchbill.core.filter_regex_sets import CLASSES, Ranges, complement, folded, ranges_of
from watchbill.core.filter_regex_signs import Signs


class ClassReader:
    """Reads one class; the opening bracket is read already."""

    def __init__(self, signs: Signs) -> None:
        self.signs = signs
        self.opened = signs.at - 1

    def read(self) -> Ranges:
        r"""The characters of the class, as folded texts show them.

        What is named is folded before a `[^…]` is turned round, and `\W` and its like are complements already: `[^A]` has no a.
        """
        is_negated = self.signs.take("^")
        if self.signs.next == "]":
            self.signs.refuse(r"a class that begins with ]; write \] for the sign itself")
        stretches: list[tuple[int, int]] = []
        while not self.signs.take("]"):
            stretches += self._member()
        ranges = ranges_of(stretches)
        found = complement(ranges) if is_negated else ranges
        if not found:
            self.signs.refuse("a class that no character is in", self.opened)
        return found

    def _member(self) -> list[tuple[int, int]]:
        at = self.signs.at
        first = self._end()
        if self.signs.next != "-" or self.signs.text[self.signs.at + 1 : self.signs.at + 2] == "]":
            return list(CLASSES[first]) if isinstance(first, str) else list(folded(first, first))
        self.signs.pop()
        last = self._end()
        if isinstance(first, str) or isinstance(last, str):
            self.signs.refuse(r"a range goes from one character to another; write \- for the sign itself", at)
        if last < first:
            self.signs.refuse(f"the range {chr(first)}-{chr(last)} goes backwards", at)
        return list(folded(first, last))

    def _end(self) -> int | str:
        """One character, or the letter of a class."""
        if self.signs.is_over:
            self.signs.refuse("a class that is not closed", self.opened)
        at = self.signs.at
        sign = self.signs.pop()
        if sign == "\\":
            return self.signs.escaped()
        if sign == "[" and self.signs.next and self.signs.next in ":.=":
            self.signs.refuse(
                f"a named class [{self.signs.next}…{self.signs.next}] is not supported; write \\d, \\w, \\s or the characters",
                at,
            )
        return ord(sign)

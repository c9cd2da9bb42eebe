"""The one error of the wire: a message, payload or code that does not keep to the protocol.

It names every field that is wrong; it never carries the wrong value itself, because a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Sequence


class WireError(ValueError):
    """`problems` holds one (field, what is allowed) pair per wrong field; `field` is the first of them."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        self.field = self.problems[0][0]
        super().__init__("; ".join(f"{field} {allowed}" for field, allowed in self.problems))

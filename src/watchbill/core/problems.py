"""One shape for "what is wrong with this input": a field, a stable code and a sentence. Owns no rules itself."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of an input. `field` is a dotted path into it (`schedule.start`, `targets.2.device_id`)."""

    field: str
    code: str
    message: str

    def under(self, prefix: str) -> "Problem":
        """The same problem seen from an enclosing object."""
        return Problem(f"{prefix}.{self.field}" if self.field else prefix, self.code, self.message)


def under(prefix: str, problems: Iterable[Problem]) -> list[Problem]:
    return [problem.under(prefix) for problem in problems]

"""What an expression of a workflow is once it is read: its tree, its bounds, and how a fault of one is told. Computes nothing.

Chains (`a + b - c`, `a.b[0]`) are one node each, so that a long one is not a deep one.
"""

from dataclasses import dataclass
from typing import Any, Final

#: A value of JSON: null, true or false, a number, a text, a list, an object.
Json = Any

MAX_SOURCE: Final = 2_000
MAX_DEPTH: Final = 30
MAX_STEPS: Final = 10_000
#: Of a result as JSON, and of every value on the way.
MAX_BYTES: Final = 64 * 1024
#: Whole numbers beyond are rounded by other readers of JSON.
MAX_WHOLE: Final = 2**53 - 1
#: What an expression may speak of; each is followed by a name.
HEADS: Final = ("parameters", "inputs", "run")


class ExpressionError(ValueError):
    """What is wrong with an expression, or with what it met. `position` counts characters from 0 in the text it stands in."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.position = position
        self.message = message


@dataclass(frozen=True, slots=True)
class Literal:
    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """`parameters.threshold`: the head, and the name that must follow it."""

    head: str
    name: str
    at: int

    @property
    def dotted(self) -> str:
        return f"{self.head}.{self.name}"


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Index:
    key: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Path:
    of: "Node"
    steps: tuple[Member | Index, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-`."""

    operator: str
    of: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators of one level from left to right: `or`; `and`; one comparison; `+ -`; `* / %`."""

    first: "Node"
    rest: tuple[tuple[str, int, "Node"], ...]


@dataclass(frozen=True, slots=True)
class IfElse:
    then: "Node"
    condition: "Node"
    otherwise: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Node", ...]
    at: int


Node = Literal | ListOf | Name | Path | Unary | Chain | IfElse | Call

"""The expressions of workflows, and texts that hold some: a small language over values of JSON, with a bound on everything.

It reaches nothing but the names it is given: there are no attributes of objects, no calls but its own functions, no loops.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from watchbill.core import expression_functions as functions
from watchbill.core.expression_nodes import (
    MAX_BYTES,
    Call,
    Chain,
    ExpressionError,
    IfElse,
    Index,
    Json,
    ListOf,
    Literal,
    Member,
    Name,
    Node,
    Path,
    Unary,
)
from watchbill.core.expression_parse import COMPARISONS, read_expression
from watchbill.core.expression_values import Budget, as_text, is_number, kind_of, written

#: The longest text that may hold expressions, and how many.
MAX_TEMPLATE: Final = 32 * 1024
MAX_IN_TEMPLATE: Final = 100


@dataclass(frozen=True, slots=True)
class Expression:
    """A read expression. `evaluate` takes `{"parameters": {…}, "inputs": {…}, "run": {…}}`; what is missing there is null."""

    source: str
    root: Node
    placed_names: tuple[Name, ...]

    def names(self) -> set[str]:
        """What it speaks of, as `parameters.threshold` and `inputs.check`."""
        return {name.dotted for name in self.placed_names}

    def evaluate(self, names: Mapping[str, Json]) -> Json:
        """Its value. Raises ExpressionError where it meets what it cannot work with, and when it becomes too much."""
        budget = Budget()
        value = _Evaluation(names, budget).of(self.root)
        written(value, budget, 0)
        return value

    def decide(self, names: Mapping[str, Json]) -> bool:
        """Its value as a condition: null is false, and what is neither true nor false is an ExpressionError."""
        return functions.truth(self.evaluate(names), "a condition", 0)


def parse(source: str) -> Expression:
    """Raises ExpressionError."""
    parsed = read_expression(source)
    return Expression(source, parsed.root, parsed.names)


@dataclass(slots=True)
class _Evaluation:
    names: Mapping[str, Json]
    budget: Budget

    def of(self, node: Node) -> Json:
        match node:
            case Literal(value):
                return value
            case ListOf(items, at):
                self.budget.spend(at)
                return [self.of(item) for item in items]
            case Name():
                self.budget.spend(node.at)
                return self._named(node)
            case Path():
                return self._path(node)
            case Unary():
                return self._unary(node)
            case Chain():
                return self._chain(node)
            case IfElse():
                return self._if_else(node)
            case Call(function, arguments, at):
                return functions.call(function, [self.of(one) for one in arguments], self.budget, at)
        assert_never(node)

    def _named(self, name: Name) -> Json:
        value = functions.member(self.names.get(name.head), name.name, name.at)
        kind_of(value)
        return value

    def _path(self, path: Path) -> Json:
        value = self.of(path.of)
        for step in path.steps:
            self.budget.spend(step.at)
            match step:
                case Member(name, at):
                    value = functions.member(value, name, at)
                case Index(key, at):
                    value = functions.indexed(value, self.of(key), at)
        return value

    def _unary(self, node: Unary) -> Json:
        self.budget.spend(node.at)
        value = self.of(node.of)
        if node.operator == "not":
            return not functions.truth(value, "what not turns round", node.at)
        if not is_number(value):
            raise ExpressionError(node.at, f"- needs a number, not {kind_of(value)}")
        return -value

    def _chain(self, chain: Chain) -> Json:
        operator, at, _ = chain.rest[0]
        if operator in ("and", "or"):
            return self._logic(chain, operator, at)
        value = self.of(chain.first)
        for sign, place, node in chain.rest:
            self.budget.spend(place)
            join = functions.compared if sign in COMPARISONS else functions.calculated
            value = join(sign, value, self.of(node), self.budget, place)
        return value

    def _logic(self, chain: Chain, operator: str, at: int) -> bool:
        """From left to right, and no further than needed."""
        is_settled_by = operator == "or"
        what = f"each side of {operator}"
        if functions.truth(self.of(chain.first), what, at) is is_settled_by:
            return is_settled_by
        for _, place, node in chain.rest:
            self.budget.spend(place)
            if functions.truth(self.of(node), what, place) is is_settled_by:
                return is_settled_by
        return not is_settled_by

    def _if_else(self, node: IfElse) -> Json:
        self.budget.spend(node.at)
        is_so = functions.truth(self.of(node.condition), "the condition of if", node.at)
        return self.of(node.then if is_so else node.otherwise)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{{ expression }}` of a text. `at`: where the expression begins in it."""

    at: int
    expression: Expression


@dataclass(frozen=True, slots=True)
class Template:
    """A text with expressions between `{{` and `}}`; what stands beside them is as it is."""

    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises ExpressionError, with positions in the whole text."""
        if len(text) > MAX_TEMPLATE:
            raise ExpressionError(MAX_TEMPLATE, f"must have at most {MAX_TEMPLATE} characters, not {len(text)}")
        return cls(tuple(_parts(text)))

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    def names(self) -> set[str]:
        return {name for one in self.placeholders for name in one.expression.names()}

    def render(self, names: Mapping[str, Json]) -> str:
        """The text with every value in its place, at most 64 KiB. Raises ExpressionError."""
        found, size = [], 0
        for part in self.parts:
            found.append(part if isinstance(part, str) else _shown(part, names))
            size += len(found[-1].encode(errors="surrogatepass"))
            if size > MAX_BYTES:
                at = 0 if isinstance(part, str) else part.at
                raise ExpressionError(at, f"the text becomes too long: at most {MAX_BYTES // 1024} KiB")
        return "".join(found)


def _shown(part: Placeholder, names: Mapping[str, Json]) -> str:
    try:
        return as_text(part.expression.evaluate(names), Budget(), 0)
    except ExpressionError as error:
        raise ExpressionError(part.at + error.position, error.message) from None


def _parts(text: str) -> Iterator[str | Placeholder]:
    at = count = 0
    while (opened := text.find("{{", at)) >= 0:
        count += 1
        if count > MAX_IN_TEMPLATE:
            raise ExpressionError(opened, f"a text holds at most {MAX_IN_TEMPLATE} expressions")
        if opened > at:
            yield text[at:opened]
        closed = _closed(text, opened + 2)
        yield _placeholder(text[opened + 2 : closed], opened + 2)
        at = closed + 2
    if at < len(text):
        yield text[at:]


def _placeholder(source: str, at: int) -> Placeholder:
    try:
        return Placeholder(at, parse(source))
    except ExpressionError as error:
        raise ExpressionError(at + error.position, error.message) from None


def _closed(text: str, at: int) -> int:
    """Where the `}}` is that ends an expression; one in a quoted text is part of that."""
    begin, quote = at, ""
    while at < len(text):
        sign = text[at]
        if quote:
            at += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif text.startswith("}}", at):
            return at
        at += 1
    raise ExpressionError(begin - 2, "{{ has no }} that ends the expression")

"""Reads the text of an expression into its tree, by recursive descent with bounded depth. Evaluates nothing.

Levels, loosest first: `x if c else y`; `or`; `and`; `not`; one comparison or `in`; `+ -`; `* / %`; `-x`; `.name` and `[index]`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from watchbill.core.expression_nodes import (
    HEADS,
    MAX_DEPTH,
    MAX_SOURCE,
    MAX_WHOLE,
    Call,
    Chain,
    ExpressionError,
    IfElse,
    Index,
    ListOf,
    Literal,
    Member,
    Name,
    Node,
    Path,
    Unary,
)
from watchbill.core.expression_values import whole
from watchbill.core.fields import shown, text_fault

#: Functions, with the least and the most arguments each takes.
ARITY: Final[Mapping[str, tuple[int, int]]] = {
    "len": (1, 1),
    "lower": (1, 1),
    "upper": (1, 1),
    "contains": (2, 2),
    "starts_with": (2, 2),
    "ends_with": (2, 2),
    "matches": (2, 2),
    "number": (1, 1),
    "text": (1, 1),
    "round": (1, 2),
    "min": (1, 50),
    "max": (1, 50),
    "any": (1, 1),
    "all": (1, 1),
    "default": (2, 2),
    "json": (1, 1),
}
COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")
_KEYWORDS: Final = frozenset(("and", "or", "not", "in", "if", "else", "true", "false", "null"))
_CONSTANTS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t", "r": "\r"}
_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<sign>==|!=|<=|>=|[<>+\-*/%.,()\[\]])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ADDITIVE: Final = ("+", "-")
_MULTIPLICATIVE: Final = ("*", "/", "%")
_HINTS: Final = {
    "=": "two values are compared by ==",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != to compare",
    "{": "there are no objects here",
    "'": "the text does not end",
    '"': "the text does not end",
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A tree, and every name in it with its place."""

    root: Node
    names: tuple[Name, ...]


def read_expression(source: str) -> Parsed:
    """Raises ExpressionError."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(MAX_SOURCE, f"must have at most {MAX_SOURCE} characters, not {len(source)}")
    parser = _Parser(source, _tokens(source))
    if parser.next.kind == "end":
        raise ExpressionError(0, "must hold an expression, such as parameters.threshold > 5")
    root = parser.expression()
    parser.ended()
    return Parsed(root, tuple(parser.names))


def _tokens(source: str) -> list[_Token]:
    found, at = [], 0
    end = len(source.rstrip(" \t\r\n"))
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None:
            raise _strange(source, at)
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", end)]


def _strange(source: str, at: int) -> ExpressionError:
    at += len(source[at:]) - len(source[at:].lstrip(" \t\r\n"))
    sign = source[at]
    hint = _HINTS.get(sign)
    return ExpressionError(
        at, hint if hint and sign in "'\"" else f"{sign!r} has no meaning here" + (f": {hint}" * bool(hint))
    )


@dataclass(slots=True)
class _Parser:
    source: str
    tokens: list[_Token]
    place: int = 0
    depth: int = 0
    names: list[Name] = field(default_factory=list)

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def taken(self, *texts: str) -> _Token | None:
        """The next token when it is one of these signs or keywords; it is then behind us."""
        token = self.next
        if token.kind in ("sign", "word") and token.text in texts:
            self.place += 1
            return token
        return None

    def expect(self, sign: str, where: str) -> None:
        if self.taken(sign) is None:
            raise ExpressionError(self.next.at, f"{sign} is missing {where}{self._instead()}")

    def _instead(self) -> str:
        return ", where the expression ends" if self.next.kind == "end" else f" before {self.next.text[:40]}"

    def ended(self) -> None:
        if self.next.kind != "end":
            raise ExpressionError(self.next.at, f"{shown(self.next.text)[1:-1]} is not expected here")

    def enter(self, at: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(at, f"is nested more than {MAX_DEPTH} deep")

    def expression(self) -> Node:
        at = self.next.at
        self.enter(at)
        node = self.either()
        if mark := self.taken("if"):
            condition = self.either()
            self.expect("else", "after the condition of if")
            node = IfElse(node, condition, self.expression(), mark.at)
        self.depth -= 1
        return node

    def either(self) -> Node:
        first, rest = self.both(), []
        while mark := self.taken("or"):
            rest.append(("or", mark.at, self.both()))
        return Chain(first, tuple(rest)) if rest else first

    def both(self) -> Node:
        first, rest = self.negated(), []
        while mark := self.taken("and"):
            rest.append(("and", mark.at, self.negated()))
        return Chain(first, tuple(rest)) if rest else first

    def negated(self) -> Node:
        mark = self.taken("not")
        if mark is None:
            return self.compared()
        self.enter(mark.at)
        node = Unary("not", self.negated(), mark.at)
        self.depth -= 1
        return node

    def compared(self) -> Node:
        first = self.arithmetic(_ADDITIVE)
        at, operator = self.next.at, self.comparison()
        if operator is None:
            return first
        node = Chain(first, ((operator, at, self.arithmetic(_ADDITIVE)),))
        again = self.next.at
        if self.comparison() is not None:
            raise ExpressionError(again, "comparisons do not chain: write a < b and b < c")
        return node

    def comparison(self) -> str | None:
        following = self.tokens[self.place + 1] if self.next.kind != "end" else self.next
        if self.next.text == "not" and self.next.kind == "word" and following.text == "in":
            self.place += 2
            return "not in"
        mark = self.taken(*COMPARISONS)
        return mark.text if mark else None

    def arithmetic(self, signs: tuple[str, ...]) -> Node:
        first, rest = self.operand(signs), []
        while mark := self.taken(*signs):
            rest.append((mark.text, mark.at, self.operand(signs)))
        return Chain(first, tuple(rest)) if rest else first

    def operand(self, signs: tuple[str, ...]) -> Node:
        return self.arithmetic(_MULTIPLICATIVE) if signs is _ADDITIVE else self.signed()

    def signed(self) -> Node:
        mark = self.taken("-")
        if mark is None:
            return self.path()
        self.enter(mark.at)
        node = Unary("-", self.signed(), mark.at)
        self.depth -= 1
        return node

    def path(self) -> Node:
        node, steps = self.primary(), []
        while mark := self.taken(".", "["):
            steps.append(Member(self.member(), mark.at) if mark.text == "." else Index(self.index(), mark.at))
        return Path(node, tuple(steps)) if steps else node

    def member(self) -> str:
        """The name after a dot; there the words of the language are names too."""
        token = self.next
        if token.kind != "word":
            raise ExpressionError(token.at, "a name is missing after the dot")
        self.place += 1
        return token.text

    def index(self) -> Node:
        node = self.expression()
        self.expect("]", "after an index")
        return node

    def primary(self) -> Node:
        token = self.next
        if token.kind == "end":
            raise ExpressionError(token.at, "a value is missing, where the expression ends")
        self.place += 1
        match token.kind:
            case "number":
                return Literal(_number(token))
            case "text":
                return Literal(_text(token))
            case "word":
                return self.word(token)
            case _:
                return self.bracketed(token)

    def bracketed(self, token: _Token) -> Node:
        if token.text == "(":
            node = self.expression()
            self.expect(")", "after what stands in brackets")
            return node
        if token.text == "[":
            return ListOf(self.listed("]"), token.at)
        raise ExpressionError(token.at, f"a value is missing before {token.text}")

    def listed(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self.taken(end):
            if items:
                self.expect(",", f"or {end}")
            items.append(self.expression())
        return tuple(items)

    def word(self, token: _Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.text in _KEYWORDS:
            raise ExpressionError(token.at, f"a value is missing before {token.text}")
        return self.call(token) if self.taken("(") else self.named(token)

    def call(self, token: _Token) -> Node:
        bounds = ARITY.get(token.text)
        if bounds is None:
            raise ExpressionError(token.at, f"{token.text[:40]} is not a function; there are: {', '.join(ARITY)}")
        arguments = self.listed(")")
        least, most = bounds
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise ExpressionError(token.at, f"{token.text} takes {wanted} values, not {len(arguments)}")
        return Call(token.text, arguments, token.at)

    def named(self, token: _Token) -> Node:
        if token.text not in HEADS:
            raise ExpressionError(token.at, _strange_head(token.text))
        name = Name(token.text, self.first_member(token), token.at)
        self.names.append(name)
        return name

    def first_member(self, token: _Token) -> str:
        """The name after a head is fixed, so that what an expression needs is known before it is evaluated."""
        if self.taken("."):
            return self.member()
        if self.taken("["):
            key = self.index()
            if isinstance(key, Literal) and isinstance(key.value, str):
                return key.value
        raise ExpressionError(token.at, f"{token.text} needs a fixed name after it: {token.text}.NAME")


def _strange_head(head: str) -> str:
    if head == "variables":
        return "variables of the Engine stand in the url and the headers of requests alone, as {{ variables.NAME }} without more"
    known = ", ".join(f"{one}.NAME" for one in HEADS)
    return f"{head[:40]} is not a name here; there are: {known}; text is quoted"


def _number(token: _Token) -> int | float:
    if len(token.text) <= 40:
        value = float(token.text) if set(token.text) & set(".eE") else int(token.text)
        if abs(value) <= MAX_WHOLE:
            return whole(value, token.at)
    raise ExpressionError(token.at, f"{token.text[:40]} is too large: numbers go to {MAX_WHOLE}")


def _text(token: _Token) -> str:
    value = re.sub(r"\\(.)", lambda match: _escape(match, token.at), token.text[1:-1], flags=re.DOTALL)
    if fault := text_fault(value):
        raise ExpressionError(token.at, f"a text {fault}")
    return value


def _escape(match: re.Match[str], at: int) -> str:
    if match[1] not in _ESCAPES:
        allowed = ", ".join(f"\\{sign}" for sign in _ESCAPES)
        raise ExpressionError(at + 1 + match.start(), f"\\{match[1]} has no meaning in a text; there are: {allowed}")
    return _ESCAPES[match[1]]

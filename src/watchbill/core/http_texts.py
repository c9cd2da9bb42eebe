"""The HTTP request of a workflow's node, built of its settings: pure texts in which the Engine's variables are still closed. Sends nothing.

`{{ variables.NAME }}` in the address and in values of headers is opened by whoever sends; any other `{{ … }}` is rendered here, piece
by piece, so that no value of a parameter can be read as another expression or reach out of its place in the address.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from watchbill.core.fields import shown
from watchbill.core.notification_channel_rules import url_problems

#: Renders one `{{ … }}`, braces and all.
Render = Callable[[str], str]
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_URL_CHARACTERS: Final = 8_000
MAX_BODY_BYTES: Final = 1024 * 1024
DEFAULT_TIMEOUT_SECONDS: Final = 30
#: A variable of the Engine in a text, braces and all.
VARIABLE: Final = re.compile(r"\{\{\s*variables\.([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"([\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?)?")
_IN_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]*")
#: What stands before the path of an address.
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*[/?#]")
#: What the Engine sets itself, and what would change how the request is read.
_OWN_HEADERS: Final = frozenset(
    {"content-length", "host", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "proxy-authorization",
     "accept-encoding", "keep-alive"}
)  # fmt: skip


class UnsendableError(Exception):
    """Why a request cannot be made, in a sentence that repeats no value of a variable."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A variable of the Engine in its place in a text."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """What a text of the settings became: its pieces, and variables between them."""

    pieces: tuple[str | Closed, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(one.name for one in self.pieces if isinstance(one, Closed))

    def opened(self, values: Mapping[str, str]) -> str:
        return "".join(values[one.name] if isinstance(one, Closed) else one for one in self.pieces)

    def __str__(self) -> str:
        """For logs and people: variables by their names."""
        return "".join(f"{{{{ variables.{one.name} }}}}" if isinstance(one, Closed) else one for one in self.pieces)


@dataclass(frozen=True, slots=True)
class Ready:
    """A request as it goes out, secrets and all."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`expect` None = every status from 200 to 299 is a success."""

    method: str
    url: Text
    headers: Mapping[str, Text]
    body: str | None
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    expect: frozenset[int] | None = None

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that it is opened with."""
        return self.url.names.union(*(one.names for one in self.headers.values()))

    def is_expected(self, status: int) -> bool:
        return 200 <= status < 300 if self.expect is None else status in self.expect

    def opened(self, values: Mapping[str, str]) -> Ready:
        """With these values of its variables. Raises UnsendableError where one is missing or does not fit into its place."""
        lacking = sorted(self.variables - values.keys())
        if lacking:
            raise UnsendableError(f"The Engine has no value for everything of the variable {', '.join(lacking)}.")
        url = _checked_url(self.url.opened(values), has_variables=bool(self.url.names))
        headers = {name: _checked_header(name, value.opened(values)) for name, value in self.headers.items()}
        return Ready(self.method, url, headers, (self.body or "").encode(errors="replace"))


def build(settings: Mapping[str, Any], render: Render) -> HttpRequest:
    """The request that a node's checked settings describe. Raises UnsendableError, and whatever `render` raises."""
    method = str(settings["method"])
    if method not in METHODS:
        raise UnsendableError(f"{shown(method)} is not a method that can be sent.")
    body = settings.get("body")
    text = None if body is None else "".join(piece if is_plain else render(piece) for is_plain, piece in pieces(body))
    if text is not None and len(text.encode(errors="replace")) > MAX_BODY_BYTES:
        raise UnsendableError(f"The body has more than {MAX_BODY_BYTES // 1024} KiB.")
    expect = settings.get("expect")
    return HttpRequest(
        method,
        _address(str(settings["url"]), render),
        _headers(settings.get("headers") or {}, text, render),
        text,
        int(settings.get("timeout_seconds") or DEFAULT_TIMEOUT_SECONDS),
        None if expect is None else frozenset(expect),
    )


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """The text cut at its `{{ … }}`: whether a piece is plain, and the piece. Braces in quotes inside of an expression end nothing."""
    at = 0
    while (begin := text.find("{{", at)) >= 0:
        if begin > at:
            yield True, text[at:begin]
        at = _end(text, begin + 2)
        yield False, text[begin:at]
    if at < len(text):
        yield True, text[at:]


def _end(text: str, at: int) -> int:
    quoted = ""
    while at < len(text):
        sign = text[at]
        if quoted:
            if sign == "\\":
                at += 1
            elif sign == quoted:
                quoted = ""
        elif sign in "'\"":
            quoted = sign
        elif text.startswith("}}", at):
            return at + 2
        at += 1
    return len(text)


def _address(source: str, render: Render) -> Text:
    made: list[str | Closed] = []
    for is_plain, piece in pieces(source):
        variable = None if is_plain else VARIABLE.fullmatch(piece)
        if is_plain:
            made.append(piece)
        elif variable:
            made.append(Closed(variable[1]))
        else:
            made.append(_placed(render(piece), made))
    return Text(tuple(made))


def _placed(value: str, before: list[str | Closed]) -> str:
    """A rendered value as it may stand there: a whole beginning as it is, in a host only what hosts have, else percent-encoded."""
    if not before:
        return value
    if any(isinstance(one, Closed) for one in before) or _ORIGIN.match("".join(map(str, before))):
        return quote(value, safe="", errors="replace")
    if not _IN_HOST.fullmatch(value):
        raise UnsendableError(f"{shown(value)} cannot be a part of the host that a request goes to.")
    return value


def _headers(given: Mapping[str, str], body: str | None, render: Render) -> dict[str, Text]:
    made = {}
    for name, source in given.items():
        if not _HEADER.fullmatch(name):
            raise UnsendableError(f"{shown(name)} is not a name of a header.")
        if name.lower() in _OWN_HEADERS:
            raise UnsendableError(f"The header {name} is set by the Engine.")
        made[name] = _value(str(source), render)
    if body is not None and not any(name.lower() == "content-type" for name in made):
        made["Content-Type"] = Text(("application/json" if _is_json(body) else "text/plain; charset=utf-8",))
    for name, value in made.items():
        _checked_header(name, "".join(one for one in value.pieces if isinstance(one, str)), is_part=bool(value.names))
    return made


def _value(source: str, render: Render) -> Text:
    found: list[str | Closed] = []
    for is_plain, piece in pieces(source):
        variable = None if is_plain else VARIABLE.fullmatch(piece)
        found.append(Closed(variable[1]) if variable else piece if is_plain else render(piece))
    return Text(tuple(found))


def _checked_header(name: str, value: str, *, is_part: bool = False) -> str:
    if len(value) > 8_000 or not _HEADER_VALUE.fullmatch(value.strip() if is_part else value):
        raise UnsendableError(f"The header {name} must have one line of printable ASCII, at most 8,000 characters.")
    return value


def _checked_url(url: str, *, has_variables: bool) -> str:
    problems = url_problems(url)
    if len(url) > MAX_URL_CHARACTERS:
        raise UnsendableError(f"The address has more than {MAX_URL_CHARACTERS} characters.")
    if problems:
        said = "with the values of its variables" if has_variables else shown(url)
        raise UnsendableError(f"The address, {said}, {problems[0].message}.")
    return url


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

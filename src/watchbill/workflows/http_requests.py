"""What sends the request of a workflow's node and says how it was answered. Knows no database.

Secrets are opened here alone: whatever comes back is searched for them, in the forms that others write them in, before it goes on.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpcore

from watchbill.core.assembly_rules import as_text
from watchbill.core.http_texts import HttpRequest, Ready, UnsendableError
from watchbill.core.variable_rules import Found
from watchbill.core.workflow_types import NodeState
from watchbill.kit import guarded_http
from watchbill.kit.guarded_http import UNANSWERED, Answer, Bounds, RefusedAddressError, is_tls_failure
from watchbill_wire import masking

#: Bytes of a body that are kept.
MOST_BODY: Final = 64 * 1024
#: What of an answer's headers is told, and how much of each.
HEADERS: Final = ("content-type", "date", "etag", "last-modified", "location", "retry-after", "x-request-id")
_MOST_HEADER: Final = 1_000
_MASK: Final = "***"
_DEEPEST: Final = 50
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """How a request ended. `reason` is a word and `detail` a sentence; both are None for a success that needs no words.

    Words: `unsendable`, `refused_address`, `unreachable`, `tls_error`, `timed_out`, `connection_lost`, `redirected`, `unexpected_status`.
    """

    state: NodeState
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Parsed where it is JSON; a text else; None without an answer.
    body: Any = None
    reason: str | None = None
    detail: str | None = None

    def result(self) -> dict[str, Any]:
        """What expressions see of it."""
        return {
            "state": self.state.value,
            "status": self.status,
            "headers": dict(self.headers),
            "body": self.body,
        }


async def send(request: HttpRequest, values: Mapping[str, Found], *, allows_private: bool) -> HttpAnswer:
    """One attempt. `values`: of the variables that the request names. Raises nothing of what can go wrong on the way."""
    hidden = _Hidden.of(values)
    try:
        ready = request.opened({name: as_text(one.value) for name, one in values.items()})
    except UnsendableError as error:
        return _failed("unsendable", hidden.text(str(error)))
    try:
        answer = await _asked(ready, request.timeout_seconds, hidden, allows_private=allows_private)
    except (*UNANSWERED, OSError, RefusedAddressError) as error:
        return _unanswered(error, request.timeout_seconds, hidden)
    return _judged(request, answer, hidden)


async def _asked(ready: Ready, seconds: int, hidden: "_Hidden", *, allows_private: bool) -> Answer:
    # Beyond what is kept, as much as a secret may be long: one that the end cuts would not be found.
    bounds = Bounds(seconds, MOST_BODY + hidden.longest, connect_seconds=min(seconds, 10))
    headers = {"User-Agent": "Watchbill", "Accept": "*/*", "Accept-Encoding": "identity"}
    given = {name.lower() for name in ready.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given} | dict(ready.headers)
    if ready.body or ready.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(ready.body))
    return await guarded_http.request(
        ready.method, ready.url, headers, ready.body, bounds=bounds, allows_private=allows_private
    )


def _failed(reason: str, detail: str, state: NodeState = NodeState.FAILED) -> HttpAnswer:
    return HttpAnswer(state, reason=reason, detail=detail)


def _unanswered(error: Exception, seconds: int, hidden: "_Hidden") -> HttpAnswer:
    match error:
        case RefusedAddressError():
            said = f"Not sent: {hidden.text(str(error))}. WATCHBILL_WEBHOOK_PRIVATE=on would allow it."
            return _failed("refused_address", said)
        case TimeoutError() | httpcore.TimeoutException():
            said = f"There was no whole answer within {seconds} seconds."
            return _failed("timed_out", said, NodeState.TIMED_OUT)
        case httpcore.ConnectError() if is_tls_failure(error):
            return _failed("tls_error", f"The TLS of the server is not accepted: {hidden.text(str(error))}.")
        case httpcore.ConnectError():
            return _failed(
                "unreachable", f"The server cannot be reached: {hidden.text(str(error)) or 'no connection'}."
            )
        case _:
            return _failed("connection_lost", "The server ended the connection without a whole answer.")


def _judged(request: HttpRequest, answer: Answer, hidden: "_Hidden") -> HttpAnswer:
    body, is_cut = _kept(answer, hidden)
    headers = {name: hidden.text(value)[:_MOST_HEADER] for name, value in answer.headers if name in HEADERS}
    cut = f" Of its body only the first {MOST_BODY // 1024} KiB are kept." if is_cut else ""
    told = HttpAnswer(NodeState.SUCCESS, answer.status, headers, body, None, cut.strip() or None)
    if request.is_expected(answer.status):
        return told
    reason, said = "unexpected_status", f"The server answered with status {answer.status}.{cut}"
    if 300 <= answer.status < 400:
        reason = "redirected"
        said = (
            f"The server answered with a redirect ({answer.status}), which is not followed: use its final address.{cut}"
        )
    return HttpAnswer(NodeState.FAILED, answer.status, headers, body, reason, said)


def _kept(answer: Answer, hidden: "_Hidden") -> tuple[Any, bool]:
    """The body without secrets, and whether it is only its beginning."""
    masked = hidden.masked(answer.body)
    is_cut = answer.is_cut or len(masked) > MOST_BODY
    text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", masked[:MOST_BODY].decode("utf-8", "replace"))
    kind = next((value for name, value in answer.headers if name == "content-type"), "")
    if is_cut or "json" not in kind.lower():
        return text, is_cut
    try:
        return _clean(json.loads(text, parse_constant=_refuse), hidden, _DEEPEST), is_cut
    except (ValueError, RecursionError):
        return text, is_cut


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _clean(value: Any, hidden: "_Hidden", depth: int) -> Any:
    """Once more without secrets, now that no escapes hide them, and without what cannot be stored."""
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", hidden.text(value))
    if isinstance(value, list):
        return [_clean(one, hidden, depth - 1) for one in value]
    if isinstance(value, dict):
        return {_clean(name, hidden, depth): _clean(one, hidden, depth - 1) for name, one in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class _Hidden:
    """Takes secrets out of what came back."""

    pattern: re.Pattern[bytes] | None
    longest: int

    @classmethod
    def of(cls, values: Mapping[str, Found]) -> "_Hidden":
        forms = masking.patterns(as_text(one.value) for one in values.values() if one.is_secret)
        if not forms:
            return cls(None, 0)
        return cls(re.compile(b"|".join(map(re.escape, forms))), max(map(len, forms)))

    def masked(self, raw: bytes) -> bytes:
        return self.pattern.sub(_MASK.encode(), raw) if self.pattern else raw

    def text(self, text: str) -> str:
        if self.pattern is None:
            return text
        return self.masked(text.encode(errors="replace")).decode(errors="replace")

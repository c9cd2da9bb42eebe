"""What happens around every request: an id, a log line, metrics, security headers and a bound on the body. Plain ASGI."""

import re
import time
import uuid
from collections.abc import Mapping
from types import MappingProxyType

from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchbill.kit import log

REQUEST_ID_HEADER = "X-Request-Id"
MAX_BODY_BYTES = 1024 * 1024
#: Paths whose bodies may be larger, and how large: those that are streamed.
NOWHERE_LARGER: Mapping[str, int] = MappingProxyType({})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_logger = log.get("http")

REQUESTS = Counter("watchbill_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "watchbill_http_request_seconds", "From the request's arrival to its reply's end.", ["method", "route"]
)
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Observed:
    """Gives each request an id, counts it and logs one line about it: never a query, a header or a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            _tell(scope, status, time.perf_counter() - began, request_id)


def _tell(scope: Scope, status: int, seconds: float, request_id: str) -> None:
    route = getattr(scope.get("route"), "path", None)
    # Counted by the route's pattern, so that neither ids nor made-up paths or methods make new series.
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(method, route or "none", str(status)).inc()
    SECONDS.labels(method, route or "none").observe(seconds)
    sign_in = scope["state"].get("sign_in")
    level = "error" if status >= 500 else "debug" if route in _PROBES else "info"
    getattr(_logger, level)(
        "request.answered",
        method=method,
        path=scope["path"][:200],
        status=status,
        milliseconds=round(seconds * 1000, 1),
        actor=sign_in.actor.name if sign_in else None,
        request_id=request_id,
    )


_PROBES = {"/healthz", "/readyz", "/metrics"}


class Guarded:
    """Adds security headers to every reply, and refuses a body beyond the limit as soon as it shows."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        is_tls: bool,
        max_body_bytes: int = MAX_BODY_BYTES,
        larger: Mapping[str, int] = NOWHERE_LARGER,
    ) -> None:
        self._app = app
        self._max = max_body_bytes
        self._larger = larger
        self._headers = dict(_HEADERS)
        if is_tls:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, self._bounded(scope, receive), answer)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        announced = Headers(scope=scope).get("content-length", "")
        most = self._larger.get(scope["path"], self._max)
        received = 0

        async def bounded() -> Message:
            nonlocal received
            if announced.isdigit() and int(announced[:20]) > most:
                raise _too_large(most)
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise _too_large(most)
            return message

        return bounded


def _too_large(most: int) -> HTTPException:
    # Raised where the body is read, which is inside the route: rendered there like every refusal.
    return HTTPException(413, f"The body may have at most {most} bytes.", {"Connection": "close"})

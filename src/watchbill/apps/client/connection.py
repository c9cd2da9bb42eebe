"""Requests to the API: sent with the token, answered as JSON, refused as CliError with every problem. Knows no resource."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from watchbill.apps.client.trust import Trust
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.core.problems import Problem
from watchbill.kit.secrets import Secret

Json = Any
Query = Mapping[str, object]
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
#: For what may be large.
_SLOW = httpx.Timeout(120.0, connect=10.0)
_CODES = {401: ExitCode.NOT_SIGNED_IN, 404: ExitCode.NOT_FOUND, 503: ExitCode.UNREACHABLE}
_PAGE = 200
Placed = Callable[[list[Problem]], list[Problem]]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, in the API's order. `is_more`: there are others behind them."""

    items: list[Json]
    is_more: bool


@dataclass
class Api:
    """One Engine, as one caller."""

    server: str
    trust: Trust = field(default_factory=Trust)
    token: Secret | None = None

    def __post_init__(self) -> None:
        verify = self.trust.context() if self.server.startswith("https") else True
        headers = {"User-Agent": "watchbill-cli", "Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        self.client = httpx.Client(
            base_url=self.server, verify=verify, headers=headers, timeout=_TIMEOUT, trust_env=False
        )

    def close(self) -> None:
        self.client.close()

    # --- verbs ---------------------------------------------------------------------------------------------------------

    def get(self, path: str, query: Query | None = None) -> Json:
        return _body(self.send("GET", path, query=query))

    def post(self, path: str, body: object = None, *, is_creating: bool = False, placed: Placed | None = None) -> Json:
        """`is_creating`: a lost reply is asked for once more, under a key by which the Engine knows the repeat."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if is_creating else {}
        return _body(self.send("POST", path, body=body, headers=headers, placed=placed))

    def put(self, path: str, body: object, *, revision: int | None = None, placed: Placed | None = None) -> Json:
        headers = {"If-Match": f'"{revision}"'} if revision is not None else {}
        return _body(self.send("PUT", path, body=body, headers=headers, placed=placed))

    def patch(self, path: str, body: object) -> Json:
        return _body(self.send("PATCH", path, body=body))

    def delete(self, path: str) -> Json:
        return _body(self.send("DELETE", path))

    def page(self, path: str, query: Query | None = None, *, limit: int) -> Page:
        """Up to `limit` rows, over as many pages as that takes."""
        items: list[Json] = []
        cursor: str | None = None
        while True:
            wanted = {**(query or {}), "limit": min(limit - len(items), _PAGE), "cursor": cursor}
            reply = self.get(path, wanted)
            items += reply["items"]
            cursor = reply["next_cursor"]
            if cursor is None or len(items) >= limit:
                return Page(items, cursor is not None)

    def now(self) -> datetime:
        """The Engine's clock, to the second."""
        return parsedate_to_datetime(self.send("GET", "/healthz").headers["Date"])

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        placed: Placed | None = None,
    ) -> httpx.Response:
        """One request; raises CliError unless it succeeded. `placed` puts line numbers to the problems of a file."""
        content, given = _encoded(body), {**(headers or {})}
        if content is not None:
            given.setdefault("Content-Type", "application/json")
        request = self.client.build_request(
            method, path, params=httpx.QueryParams(query_params(query)), content=content, headers=given
        )
        with self.reaching():
            try:
                response = self.client.send(request)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                if "Idempotency-Key" not in given and method != "GET":
                    raise
                response = self.client.send(request)
        if response.is_error:
            raise refusal(response, placed)
        return response

    def upload(self, path: str, chunks: Iterator[bytes], query: Query | None = None) -> Json:
        """Send a body of any size as it is read."""
        headers = {"Content-Type": "application/octet-stream"}
        with self.reaching():
            params = httpx.QueryParams(query_params(query))
            response = self.client.post(path, content=chunks, params=params, headers=headers, timeout=_SLOW)
        if response.is_error:
            raise refusal(response)
        return _body(response)

    def download(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """The body of a reply, as it comes."""
        with (
            self.reaching(),
            self.client.stream("GET", path, params=httpx.QueryParams(query_params(query)), timeout=_SLOW) as response,
        ):
            if response.is_error:
                response.read()
                raise refusal(response)
            yield from response.iter_bytes()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn what can go wrong on the way into a sentence."""
        try:
            yield
        except httpx.TimeoutException:
            raise CliError(f"{self.server} does not answer in time.", ExitCode.UNREACHABLE) from None
        except httpx.HTTPError as error:
            hint = ""
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                hint = "If it is your own Engine, sign in with `watchbill login --pin`, or name its authority by --ca."
            raise CliError(f"{self.server} cannot be reached: {error}", ExitCode.UNREACHABLE, hint=hint) from None


def _encoded(body: object) -> str | bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body)


def query_params(query: Query | None) -> list[tuple[str, str | int | float | bool | None]]:
    """What is None is left out; a list becomes the parameter several times."""
    found: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in (query or {}).items():
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        found += [(name, _param(one)) for one in values if one is not None]
    return found


def _param(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _body(response: httpx.Response) -> Json:
    if response.status_code == httpx.codes.NO_CONTENT:
        return None
    try:
        return response.json()
    except ValueError:
        raise CliError(f"{response.url} does not answer like a Watchbill Engine.") from None


def refusal(response: httpx.Response, placed: Placed | None = None) -> CliError:
    """What the Engine said no to: its sentence, and a line for every problem."""
    code = _CODES.get(response.status_code, ExitCode.FAILED)
    try:
        document = response.json()
        detail, found = str(document["detail"]), document["errors"]
        problems = [Problem(one["field"], one["code"], one["message"]) for one in found]
    except (ValueError, KeyError, TypeError):
        return CliError(f"{response.url} answered {response.status_code} {response.reason_phrase}.", code)
    lines = [f"{p.field}: {p.message}" if p.field else p.message for p in (placed(problems) if placed else problems)]
    return CliError(detail, code, lines, _hint(response, str(document.get("code"))))


def _hint(response: httpx.Response, code: str) -> str:
    if response.status_code == httpx.codes.UNAUTHORIZED and code != "login_failed":
        return "`watchbill login` signs you in."
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return f"Try again in {response.headers.get('Retry-After', 'some')} seconds."
    return ""

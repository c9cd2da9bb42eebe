"""What every resource shares: one transaction a request, problem details, who is asking, paging, ETags.

Handlers parse, call a face or two, and shape the reply; the rest is here. A route is for signed-in callers unless its router
says otherwise.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import psycopg
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from watchbill.api import auth, idempotent
from watchbill.core.problems import Problem
from watchbill.kit import log
from watchbill.kit.clock import Clock, rfc3339
from watchbill.kit.db import Database
from watchbill.kit.errors import AppError, EtagMismatchError, InvalidError, TooManyRequestsError
from watchbill.kit.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings

T = TypeVar("T")

_logger = log.get("api")


@dataclass(frozen=True, slots=True)
class Deps:
    """What handlers need of the process they run in; `app.state.deps`."""

    db: Database
    clock: Clock
    keys: KeyRing
    settings: Settings
    #: Base32 SHA-256 of the certificate that agents will meet (`watchbill_wire.pin_of`); None without TLS of our own.
    certificate_pin: str | None = None
    #: Base64 SHA-256 of that certificate's public key, as curl takes it; None without TLS of our own.
    public_key_pin: str | None = None
    #: Set when the process stops: replies that need not end do then.
    closing: asyncio.Event = field(default_factory=asyncio.Event)


class Model(BaseModel):
    """Base of all request and reply bodies: unknown fields are refused, never ignored."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


#: An instant on the wire: RFC 3339, UTC, `Z`.
Instant = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
#: One that comes from the database, which is in UTC there: written in the same way, but without a call for each of the hundreds of a page.
StoredInstant = datetime


class PageOf(Model, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Any], shape: Callable[[Any], T]) -> "PageOf[T]":
        return cls(items=[shape(item) for item in page.items], next_cursor=page.next_cursor)


class PageQuery(Model):
    """Query of a list: take it as `Annotated[MyQuery, Query()]`, and a misspelt filter is refused instead of ignored."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="rows on a page")] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=1000, description="`next_cursor` of the page before")] = None


class SearchQuery(PageQuery):
    q: Annotated[str | None, Field(max_length=200, description="part of a name")] = None


class FieldProblem(Model):
    field: str
    code: str
    message: str


class ProblemDetails(Model):
    """RFC 9457 problem details; `errors` lists every problem at once."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]


_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid content",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}

_SCHEMAS: Final = "#/components/schemas/{model}"
_PROBLEM: Final = _SCHEMAS.format(model="ProblemDetails")
#: For `responses=` of routers, so that the OpenAPI document names the error shape.
# By reference, which `app.create_app` gives its meaning: as a model the framework would build it anew for each of them and each route.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": _TITLES[status], "content": {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}}
    for status in (401, 403, 404, 409, 412, 422, 429)
}


def problem(
    status: int, code: str, detail: str, problems: Sequence[Problem] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = {
        "type": f"urn:watchbill:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": p.field, "code": p.code, "message": p.message} for p in problems],
    }
    return JSONResponse(body, status, headers=dict(headers or {}), media_type="application/problem+json")


class TransactionalRoute(APIRoute):
    """One request is one transaction, committed before a byte of the reply leaves; an error reply rolls it back.

    The body is read first: a slow sender must not hold a database connection. Then the caller is established, before the
    content is looked at.
    """

    access: ClassVar[auth.Access] = auth.Access.SIGNED_IN

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_transaction(request: Request) -> Response:
            deps: Deps = request.app.state.deps
            body = await request.body()
            async with deps.db.engine.connect() as tx:
                request.state.tx = tx
                request.state.now = await deps.clock.now(tx)
                await auth.establish(request, self.access)
                refuse_unstorable(body)
                try:
                    response = await idempotent.handled(request, deps.keys, handle)
                except AppError:
                    if getattr(request.state, "keep_on_error", False):
                        await tx.commit()
                    raise
                if response.status_code < 400 or getattr(request.state, "keep_on_error", False):
                    await tx.commit()
            return response

        return in_transaction


class PublicRoute(TransactionalRoute):
    """For those who cannot be signed in: agents, and what says that the service is there."""

    access = auth.Access.PUBLIC


class PersonalRoute(TransactionalRoute):
    """About the caller's own session; open also to somebody who must first choose a password."""

    access = auth.Access.PERSONAL


def problem_schemas() -> dict[str, Any]:
    """What `PROBLEMS` refers to, for the components of the API's document."""
    schema = ProblemDetails.model_json_schema(mode="serialization", ref_template=_SCHEMAS)
    return {**schema.pop("$defs", {}), "ProblemDetails": schema}


def router(**options: Any) -> APIRouter:
    """A router for signed-in callers, whose requests are transactions and whose errors are documented."""
    return APIRouter(route_class=TransactionalRoute, responses=PROBLEMS, **options)


def public_router(**options: Any) -> APIRouter:
    return APIRouter(route_class=PublicRoute, responses=PROBLEMS, **options)


def personal_router(**options: Any) -> APIRouter:
    return APIRouter(route_class=PersonalRoute, responses=PROBLEMS, **options)


#: What PostgreSQL, a process environment or a file name cannot hold, in the only way JSON can spell it.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def refuse_unstorable(body: bytes) -> None:
    """Refuse NUL characters and halves of surrogate pairs anywhere in a JSON body, naming every place."""
    if b"\\u" not in body:
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return  # told as malformed JSON by whoever parses it for good
    found = [
        Problem(place, "unstorable_text", "must not hold a NUL or half a surrogate pair") for place in _bad(document)
    ]
    if found:
        raise InvalidError.of(found, what="The request")


def _bad(document: object) -> Iterator[str]:
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            if any(_UNSTORABLE.search(name) for name in value):
                yield place
            waiting += [(f"{place}.{_UNSTORABLE.sub('?', name)}".lstrip("."), inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}.{number}".lstrip("."), inner) for number, inner in enumerate(value)]
        elif isinstance(value, str) and _UNSTORABLE.search(value):
            yield place


# Not plain functions, which the framework would call in a thread each.
async def _deps(request: Request) -> Deps:
    deps: Deps = request.app.state.deps
    return deps


async def _tx(request: Request) -> AsyncConnection:
    tx: AsyncConnection = request.state.tx
    return tx


async def _now(request: Request) -> datetime:
    now: datetime = request.state.now
    return now


TheDeps = Annotated[Deps, Depends(_deps)]
Tx = Annotated[AsyncConnection, Depends(_tx)]
Now = Annotated[datetime, Depends(_now)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="rows on a page")]
AfterCursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]
DEFAULT_PAGE = DEFAULT_LIMIT
#: An integer id in a path, a query or a body.
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
#: A name that people give to things: one line, without blanks around it.
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def ruled(problems: Callable[[str], Sequence[Problem]]) -> AfterValidator:
    """A rule of the core or of a feature, asked while the body is read, so that its verdict comes with all the others."""

    def check(value: Any) -> Any:
        found = problems(value.get_secret_value() if isinstance(value, SecretStr) else value)
        if found:
            raise PydanticCustomError(found[0].code, "{text}", {"text": "; ".join(one.message for one in found)})
        return value

    return AfterValidator(check)


#: Free text about something.
Description = Annotated[str, StringConstraints(max_length=10_000)]


def etag(revision: int | str) -> str:
    return f'"{revision}"'


def check_if_match(header: str | None, revision: int | str) -> None:
    """Refuse a write that was based on another revision. No header, no check."""
    if header is None or header.strip() == "*":
        return
    if etag(revision) not in [tag.strip().removeprefix("W/") for tag in header.split(",")]:
        raise EtagMismatchError("This was changed by somebody else meanwhile; read it again and repeat your change.")


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DataError, _data_error)
    app.add_exception_handler(IntegrityError, _integrity_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    for lost in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(lost, _database_lost)
    app.add_exception_handler(Exception, _unexpected)


async def _app_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    headers = {}
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.status, error.code, error.detail, error.problems, headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = validation_problems(error.errors())
    if any(p.code == "json_invalid" for p in problems):
        return problem(422, "malformed_json", "The body is not valid JSON.", problems)
    number = len(problems)
    detail = f"The request has {number} problem{'s' if number != 1 else ''}: nothing was changed."
    # The wire protocol has its own word for it.
    code = "invalid_request" if request.url.path.startswith("/api/agent/") else "invalid_content"
    return problem(422, code, detail, problems)


def validation_problems(errors: Sequence[Any]) -> list[Problem]:
    """Pydantic's errors as our problems, with dotted field paths."""
    problems = []
    for error in errors:
        place = [str(part) for part in error["loc"]]
        if place and place[0] in ("body", "query", "path", "header", "cookie"):
            place = place[1:]
        problems.append(Problem(".".join(place), str(error["type"]), _message(error)))
    return problems


def _message(error: Any) -> str:
    """The framework's words, but for instants: people write those by hand."""
    is_instant = str(error["type"]).startswith(("datetime_", "timezone_"))
    return "must be an instant with its offset such as 2026-05-04T07:00:00Z" if is_instant else str(error["msg"])


_HTTP_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "http_error")
    return problem(error.status_code, code, str(error.detail), headers=error.headers)


async def _data_error(_: Request, __: Exception) -> JSONResponse:
    """The database's own last word on values: a NUL in a text, a number beyond 64 bits."""
    return problem(422, "invalid_content", "A value cannot be stored: a NUL character or a number out of range.")


async def _integrity_error(_: Request, error: Exception) -> JSONResponse:
    _logger.warning("request.lost_race", error=type(error).__name__, constraint=_constraint(error))
    return problem(
        409, "conflict", "Something this depends on was changed at the same moment; nothing was changed here."
    )


def _constraint(error: Exception) -> str | None:
    cause = getattr(error, "orig", None)
    return cause.diag.constraint_name if isinstance(cause, psycopg.Error) else None


async def _client_gone(_: Request, __: Exception) -> JSONResponse:
    return problem(400, "incomplete_body", "The connection ended before the body did.")


async def _unexpected(request: Request, _: Exception) -> JSONResponse:
    request_id = getattr(request.state, "request_id", "unknown")
    return problem(500, "internal_error", f"Something went wrong on our side; the log has it as request {request_id}.")


async def _database_lost(_: Request, __: Exception) -> JSONResponse:
    detail = "The database does not answer; nothing was changed. Try again soon."
    return problem(503, "database_unavailable", detail, headers={"Retry-After": "2"})

"""Who is asking: the session cookie or the bearer token of a request, and what it needs besides.

Routes call `establish` before anything else; handlers take the result as `Caller` or `TheSignIn`.
"""

from datetime import datetime
from enum import Enum, auto
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import identity
from watchbill.identity import Actor, SignIn
from watchbill.identity.sessions import TOKEN_PREFIX
from watchbill.kit.errors import ForbiddenError, NotSignedInError

CSRF_HEADER = "X-CSRF-Token"
COOKIE = "watchbill_session"
#: Browsers accept this name only with Secure, Path=/ and no Domain, so no neighbour host can plant one.
SECURE_COOKIE = "__Host-watchbill_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(Enum):
    """Whom a route lets in."""

    PUBLIC = auto()
    PERSONAL = auto()  # signed in, even if a password must be chosen first
    SIGNED_IN = auto()


def remote_addr(request: Request) -> str | None:
    return request.client.host if request.client else None


async def establish(request: Request, access: Access) -> None:
    """Put the caller into `request.state.sign_in`, or raise."""
    if access is Access.PUBLIC:
        return
    request.state.sign_in = await sign_in_of(request, request.state.tx, request.state.now, access)


async def sign_in_of(request: Request, tx: AsyncConnection, now: datetime, access: Access = Access.SIGNED_IN) -> SignIn:
    """Who sent this request; NotSignedInError or ForbiddenError when it may not go on."""
    sign_in = await _find(request, tx, now)
    if sign_in is None:
        raise NotSignedInError("Sign in, or send a valid API token.")
    if request.method not in _SAFE_METHODS and not identity.check_csrf(sign_in, request.headers.get(CSRF_HEADER)):
        detail = f"A write with a session cookie needs the header {CSRF_HEADER} with the session's csrf_token."
        raise ForbiddenError(detail, code="csrf_token_mismatch")
    if sign_in.operator.must_change_password and access is not Access.PERSONAL:
        detail = "Choose a new password first: POST /api/session/password."
        raise ForbiddenError(detail, code="password_change_required")
    return sign_in


async def _find(request: Request, tx: AsyncConnection, now: datetime) -> SignIn | None:
    header = request.headers.get("Authorization")
    address = remote_addr(request)
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip().startswith(TOKEN_PREFIX):
            return None
        return await identity.by_api_token(tx, token.strip(), remote_addr=address, now=now)
    cookie = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
    return await identity.by_session(tx, cookie, remote_addr=address, now=now) if cookie else None


# Not plain functions, which the framework would call in a thread each.
async def _sign_in(request: Request) -> SignIn:
    sign_in: SignIn = request.state.sign_in
    return sign_in


async def _caller(request: Request) -> Actor:
    return (await _sign_in(request)).actor


TheSignIn = Annotated[SignIn, Depends(_sign_in)]
Caller = Annotated[Actor, Depends(_caller)]

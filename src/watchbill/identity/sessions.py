"""Signing in and out: sessions of people, and who is behind a session cookie or an API token.

A session's token is random and stored hashed. Its CSRF token is derived from it, so it needs no storage: whoever holds the
cookie's value can compute it, and a foreign page can neither read nor send that cookie.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity import audit, passwords, store
from watchbill.identity.actor import EVERY_SITE, ROLE_PERMISSIONS, Actor, Permission, Role, SiteScope
from watchbill.identity.store import Operator
from watchbill.identity.throttle import Limit
from watchbill.kit.errors import ForbiddenError, InvalidError, TooManyRequestsError
from watchbill.kit.secrets import encode, fingerprint, is_same, new_token

PER_USERNAME = Limit("login_username", 10, timedelta(minutes=10))
PER_ADDRESS = Limit("login_address", 50, timedelta(minutes=10))
TOKEN_PREFIX = "wbt_"  # noqa: S105 - what tokens begin with, not one
_USER_AGENT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser or client. `token` is known only in the request that carried or made it."""

    token: str
    expires_at: datetime

    @property
    def csrf_token(self) -> str:
        return encode(hmac.digest(self.token.encode(), b"watchbill:csrf", hashlib.sha256))


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who is behind a request: the actor, the account, and the session (None = an API token)."""

    actor: Actor
    operator: Operator
    session: Session | None
    token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One counted try to sign in: what to check the password against."""

    username: str
    remote_addr: str | None
    operator: Operator | None
    password_hash: str | None
    retry_after_seconds: int | None

    def check_limit(self) -> None:
        if self.retry_after_seconds is not None:
            detail = "Too many failed attempts to sign in; wait before the next one."
            raise TooManyRequestsError(detail, retry_after_seconds=self.retry_after_seconds)


async def begin_attempt(tx: AsyncConnection, username: str, remote_addr: str | None, now: datetime) -> Attempt:
    """Count a try before its password is looked at. Commit it, whatever becomes of the try."""
    name = username.lower()
    waits = [
        await PER_ADDRESS.hit(tx, remote_addr or "unknown", now),
        await PER_USERNAME.hit(tx, fingerprint(name).hex(), now),
    ]
    found = await store.find_login(tx, name)
    operator, password_hash = found if found and found[0].enabled else (None, None)
    longest = max((wait for wait in waits if wait is not None), default=None)
    return Attempt(username, remote_addr, operator, password_hash, longest)


async def finish_attempt(
    tx: AsyncConnection, attempt: Attempt, *, is_right: bool, lifetime: timedelta, user_agent: str | None, now: datetime
) -> SignIn | None:
    """Open the session when the password was right; None otherwise. Commit it in both cases."""
    if attempt.operator is None:
        return None
    actor = actor_of(attempt.operator, attempt.remote_addr)
    if not is_right:
        await _audit(tx, actor, "session.refused", attempt.operator, now)
        return None
    operator = await store.find_operator(tx, attempt.operator.id)
    if operator is None or not operator.enabled:  # taken away while the password was checked
        return None
    await PER_USERNAME.forgive(tx, fingerprint(attempt.username.lower()).hex())
    await PER_ADDRESS.take_back(tx, attempt.remote_addr or "unknown")
    await store.update_operator(tx, operator.id, {"last_login_at": now})
    await _audit(tx, actor, "session.opened", operator, now)
    session = await open_session(
        tx, operator.id, lifetime=lifetime, remote_addr=attempt.remote_addr, user_agent=user_agent, now=now
    )
    return SignIn(actor, operator, session)


async def open_session(
    tx: AsyncConnection,
    operator_id: int,
    *,
    lifetime: timedelta,
    remote_addr: str | None = None,
    user_agent: str | None = None,
    now: datetime,
) -> Session:
    session = Session(new_token(), now + lifetime)
    values = {
        "token_hash": fingerprint(session.token),
        "operator_id": operator_id,
        "created_at": now,
        "expires_at": session.expires_at,
        "remote_addr": remote_addr,
        "user_agent": user_agent and user_agent[:_USER_AGENT_LENGTH],
    }
    await store.insert_session(tx, values)
    return session


async def close_session(tx: AsyncConnection, sign_in: SignIn, *, now: datetime) -> None:
    if sign_in.session is not None:
        await store.delete_session(tx, fingerprint(sign_in.session.token))
        await _audit(tx, sign_in.actor, "session.closed", sign_in.operator, now)


async def by_session(tx: AsyncConnection, token: str, *, remote_addr: str | None, now: datetime) -> SignIn | None:
    """Who is behind a session cookie; None when it is unknown, ended, or its operator is disabled."""
    found = await store.find_session(tx, fingerprint(token), now)
    if found is None:
        return None
    operator, expires_at = found
    return SignIn(actor_of(operator, remote_addr), operator, Session(token, expires_at))


async def by_api_token(tx: AsyncConnection, token: str, *, remote_addr: str | None, now: datetime) -> SignIn | None:
    """Who is behind an API token, with the scopes of the token that the owner may still give."""
    found = await store.find_live_token(tx, fingerprint(token), now)
    if found is None:
        return None
    operator, api_token = found
    if api_token.last_used_at is None or api_token.last_used_at <= now - store.LAST_USED_STEP:
        await store.touch_token(tx, api_token.id, now)
    scopes = frozenset(Permission(scope) for scope in api_token.scopes if scope in set(Permission))
    actor = actor_of(operator, remote_addr, scopes=scopes, name=f"{operator.username} (token {api_token.name})")
    return SignIn(actor, operator, None, api_token.id)


def actor_of(
    operator: Operator, remote_addr: str | None, *, scopes: frozenset[Permission] | None = None, name: str | None = None
) -> Actor:
    permissions = ROLE_PERMISSIONS[operator.role] - operator.denied_permissions
    scope = EVERY_SITE if operator.role is Role.ADMIN else SiteScope(operator.site_ids)
    return Actor(
        operator.id,
        name or operator.username,
        operator.role,
        scope,
        permissions if scopes is None else permissions & scopes,
        remote_addr,
    )


async def change_own_password(
    tx: AsyncConnection, sign_in: SignIn, *, current: str, new: str, lifetime: timedelta, now: datetime
) -> SignIn:
    """Set the caller's password, end every session of theirs, and open a fresh one for the caller.

    A wrong current password counts like a failed sign-in; the caller of this must keep what was written then.
    """
    operator = sign_in.operator
    if sign_in.session is None:
        raise ForbiddenError("A password is changed in a signed-in session, not with a token.", code="session_required")
    await _check_current(tx, sign_in, current, now)
    found = passwords.problems(new, username=operator.username, field="new_password")
    if new == current:
        found.append(Problem("new_password", "same_password", "must differ from the current password"))
    if found:
        raise InvalidError.of(found, what="The new password")
    values = {"password_hash": await passwords.hashed(new), "must_change_password": False, "updated_at": now}
    await store.update_operator(tx, operator.id, values)
    await store.delete_sessions_of(tx, operator.id)
    await _audit(tx, sign_in.actor, "operator.password_changed", operator, now)
    session = await open_session(tx, operator.id, lifetime=lifetime, remote_addr=sign_in.actor.remote_addr, now=now)
    changed = await store.find_operator(tx, operator.id)
    return SignIn(sign_in.actor, changed or operator, session)


async def _check_current(tx: AsyncConnection, sign_in: SignIn, current: str, now: datetime) -> None:
    subject = fingerprint(sign_in.operator.username.lower()).hex()
    wait = await PER_USERNAME.hit(tx, subject, now)
    if wait is not None:
        raise TooManyRequestsError("Too many wrong passwords; wait before the next try.", retry_after_seconds=wait)
    if not await passwords.is_right(current, await store.password_hash_of(tx, sign_in.operator.id)):
        wrong = Problem("current_password", "wrong_password", "is not the present password")
        raise InvalidError.of([wrong], what="The change of password")
    await PER_USERNAME.take_back(tx, subject)


async def keep_hash_current(tx: AsyncConnection, attempt: Attempt, password: str) -> None:
    """Hash the password just checked again when it was hashed with parameters of another day."""
    if attempt.operator is not None and attempt.password_hash and passwords.is_outdated(attempt.password_hash):
        await store.update_operator(tx, attempt.operator.id, {"password_hash": await passwords.hashed(password)})


def check_csrf(sign_in: SignIn, given: str | None) -> bool:
    """Whether a write may be trusted to come from our own pages. An API token is never sent by a browser by itself."""
    return sign_in.session is None or (given is not None and is_same(given, sign_in.session.csrf_token))


async def _audit(tx: AsyncConnection, actor: Actor, action: str, operator: Operator, now: datetime) -> None:
    detail: Mapping[str, object] = {"username": operator.username}
    await audit.record(tx, actor, action, "operator", operator.id, now=now, detail=detail)

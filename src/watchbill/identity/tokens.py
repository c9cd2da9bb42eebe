"""API tokens: made by a signed-in person, shown once, never able to do more than their owner can at that moment."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity import audit, store
from watchbill.identity.actor import Actor, Permission
from watchbill.identity.sessions import TOKEN_PREFIX, SignIn
from watchbill.identity.store import ApiToken
from watchbill.kit.errors import ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.kit.secrets import Secret, fingerprint, new_token


@dataclass(frozen=True, slots=True)
class NewApiToken:
    """A token and the one sight of its text."""

    token: ApiToken
    text: Secret


async def create_api_token(
    tx: AsyncConnection,
    sign_in: SignIn,
    *,
    name: str,
    scopes: Collection[Permission],
    expires_at: datetime | None,
    now: datetime,
) -> NewApiToken:
    if sign_in.session is None:
        # A stolen token must not be able to outlive its own expiry or revocation by making another.
        raise ForbiddenError(
            "API tokens are made in a signed-in session, not with another token.", code="session_required"
        )
    found = _problems(sign_in.actor, scopes, expires_at, now)
    if found:
        raise InvalidError.of(found, what="The API token")
    text = TOKEN_PREFIX + new_token()
    values = {
        "operator_id": sign_in.operator.id,
        "name": name,
        "token_hash": fingerprint(text),
        "hint": text[: len(TOKEN_PREFIX) + 4],
        "scopes": sorted(scope.value for scope in set(scopes)),
        "created_at": now,
        "expires_at": expires_at,
    }
    made = await store.insert_token(tx, values)
    detail = {"name": name, "scopes": list(made.scopes)}
    await audit.record(tx, sign_in.actor, "api_token.created", "api_token", made.id, now=now, detail=detail)
    return NewApiToken(made, Secret(text))


def _problems(
    actor: Actor, scopes: Collection[Permission], expires_at: datetime | None, now: datetime
) -> list[Problem]:
    found = []
    if not scopes:
        found.append(Problem("scopes", "empty", "must name at least one permission"))
    for position, scope in enumerate(scopes):
        if not actor.may(scope):
            found.append(Problem(f"scopes.{position}", "not_held", f"you do not have the permission {scope} yourself"))
    if expires_at is not None and expires_at <= now:
        found.append(Problem("expires_at", "in_the_past", "must be in the future"))
    return found


async def list_api_tokens(
    tx: AsyncConnection, actor: Actor, *, of_everybody: bool = False, limit: int, cursor: str | None = None
) -> Page[ApiToken]:
    """The caller's tokens, newest first; everybody's for those who manage operators."""
    if of_everybody:
        actor.require(Permission.OPERATORS_WRITE)
    before_id = None if cursor is None else decode_cursor(cursor, (int,))[0]
    owner_id = None if of_everybody else actor.operator_id
    rows = await store.list_tokens(
        tx, owner_id=owner_id, before_id=None if before_id is None else int(before_id), limit=limit + 1
    )
    return page_of(rows, limit, lambda token: (token.id,))


async def revoke_api_token(tx: AsyncConnection, sign_in: SignIn, token_id: int, *, now: datetime) -> None:
    """End a token for good: one's own, or anybody's for those who manage operators. A token may always end itself."""
    actor = sign_in.actor
    owner_id = None if actor.may(Permission.OPERATORS_WRITE) else actor.operator_id
    token = await store.find_token(tx, token_id, owner_id=owner_id)
    if token is None:
        raise NotFoundError("There is no such API token.")
    if sign_in.session is None and owner_id is not None and token_id != sign_in.token_id:
        # Whatever it was made for, to take the others from its owner is not that.
        refusal = "A token ends no other one: revoke it in a signed-in session."
        raise ForbiddenError(refusal, code="session_required")
    await store.revoke_token(tx, token_id, now)
    detail = {"name": token.name}
    await audit.record(tx, actor, "api_token.revoked", "api_token", token_id, now=now, detail=detail)

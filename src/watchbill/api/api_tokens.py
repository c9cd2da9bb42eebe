"""`/api/api_tokens`: tokens for scripts and the command line."""

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, Field

from watchbill import identity
from watchbill.api.auth import Caller, TheSignIn
from watchbill.api.common import (
    Id,
    Instant,
    Model,
    Name,
    Now,
    PageOf,
    PageQuery,
    Tx,
    router,
)
from watchbill.identity import Permission

resource = router(prefix="/api/api_tokens", tags=["api_tokens"])


class ApiTokenCreate(Model):
    """`scopes` are permissions that the caller has; `expires_at` null = never."""

    name: Name
    scopes: Annotated[list[Permission], Field(max_length=len(Permission))]
    expires_at: AwareDatetime | None = None


class ApiTokenReply(Model):
    """`hint` is how the token begins."""

    id: int
    operator_id: int
    name: str
    hint: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None


class NewApiTokenReply(ApiTokenReply):
    """`token` is shown this once."""

    token: str


class ApiTokenQuery(PageQuery):
    of_everybody: Annotated[bool, Field(alias="all", description="for those who manage operators")] = False


@resource.get("")
async def list_api_tokens(tx: Tx, caller: Caller, query: Annotated[ApiTokenQuery, Query()]) -> PageOf[ApiTokenReply]:
    """The caller's tokens, or everybody's; newest first."""
    page = await identity.list_api_tokens(
        tx, caller, of_everybody=query.of_everybody, limit=query.limit, cursor=query.cursor
    )
    return PageOf[ApiTokenReply].of(page, ApiTokenReply.model_validate)


@resource.post("", status_code=201)
async def create_api_token(body: ApiTokenCreate, tx: Tx, sign_in: TheSignIn, now: Now) -> NewApiTokenReply:
    """Make a token. Its text is in this reply and nowhere else."""
    made = await identity.create_api_token(
        tx, sign_in, name=body.name, scopes=body.scopes, expires_at=body.expires_at, now=now
    )
    return NewApiTokenReply(**ApiTokenReply.model_validate(made.token).model_dump(), token=made.text.reveal())


@resource.delete("/{token_id}", status_code=204)
async def revoke_api_token(token_id: Id, tx: Tx, sign_in: TheSignIn, now: Now) -> None:
    """End a token for good."""
    await identity.revoke_api_token(tx, sign_in, token_id, now=now)

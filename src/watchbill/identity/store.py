"""SQL of operators, their sites, sessions and API tokens. Decides nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, RowMapping, Select, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import Permission, Role
from watchbill.identity.tables import api_tokens, operator_sites, operators, sessions
from watchbill.kit.errors import ConflictError

#: How exactly "last used" is kept: a busy token must not write a row at every request.
LAST_USED_STEP = timedelta(minutes=1)

_SITE_IDS = (
    select(func.coalesce(func.array_agg(operator_sites.c.site_id), literal([], ARRAY(BigInteger))))
    .where(operator_sites.c.operator_id == operators.c.id)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Operator:
    """A signed-in human's account. `site_ids` are the assigned sites; an admin has none and sees all.

    `denied_permissions` are those of the role that were taken from this account.
    """

    id: int
    username: str
    display_name: str
    role: Role
    enabled: bool
    must_change_password: bool
    denied_permissions: frozenset[Permission]
    site_ids: frozenset[int]
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What may be shown of an API token after it was made."""

    id: int
    operator_id: int
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


_OPERATOR_COLUMNS = [
    operators.c[name]
    for name in (
        "id",
        "username",
        "display_name",
        "role",
        "enabled",
        "must_change_password",
        "denied_permissions",
        "created_at",
        "updated_at",
        "last_login_at",
    )
]
_TOKEN_COLUMNS = [column for column in api_tokens.c if column.name != "token_hash"]


def _operators() -> Select[Any]:
    return select(*_OPERATOR_COLUMNS, _SITE_IDS.label("site_ids"))


def _operator(row: RowMapping) -> Operator:
    values = {column.name: row[column.name] for column in _OPERATOR_COLUMNS}
    # What is denied under a name of another version is not a permission here either.
    denied = frozenset(Permission(one) for one in row["denied_permissions"] if one in set(Permission))
    told = {"role": Role(row["role"]), "denied_permissions": denied, "site_ids": frozenset(row["site_ids"])}
    return Operator(**(values | told))


def _token(row: RowMapping) -> ApiToken:
    return ApiToken(**(dict(row) | {"scopes": tuple(row["scopes"])}))


async def find_operator(tx: AsyncConnection, operator_id: int) -> Operator | None:
    row = (await tx.execute(_operators().where(operators.c.id == operator_id))).mappings().one_or_none()
    return _operator(row) if row else None


async def find_login(tx: AsyncConnection, username: str) -> tuple[Operator, str] | None:
    """An operator by name, with the password hash."""
    query = _operators().add_columns(operators.c.password_hash).where(func.lower(operators.c.username) == username)
    row = (await tx.execute(query)).mappings().one_or_none()
    return (_operator(row), row["password_hash"]) if row else None


async def password_hash_of(tx: AsyncConnection, operator_id: int) -> str:
    query = select(operators.c.password_hash).where(operators.c.id == operator_id)
    return str((await tx.execute(query)).scalar_one())


async def list_operators(tx: AsyncConnection, *, q: str | None, after: str | None, limit: int) -> list[Operator]:
    query = _operators().order_by(func.lower(operators.c.username)).limit(limit)
    if q:
        found = (operators.c.username, operators.c.display_name)
        query = query.where(or_(*(column.icontains(q, autoescape=True) for column in found)))
    if after is not None:
        query = query.where(func.lower(operators.c.username) > after)
    return [_operator(row) for row in (await tx.execute(query)).mappings()]


async def has_operators(tx: AsyncConnection) -> bool:
    return bool((await tx.execute(select(exists(select(operators.c.id))))).scalar_one())


async def insert_operator(tx: AsyncConnection, values: Mapping[str, object]) -> int:
    try:
        async with tx.begin_nested():
            made = await tx.execute(insert(operators).values(values).returning(operators.c.id))
            return int(made.scalar_one())
    except IntegrityError:
        raise ConflictError(f"There is already an operator {values['username']}.", code="username_taken") from None


async def update_operator(tx: AsyncConnection, operator_id: int, values: Mapping[str, object]) -> None:
    await tx.execute(update(operators).where(operators.c.id == operator_id).values(values))


async def delete_operator(tx: AsyncConnection, operator_id: int) -> None:
    try:
        async with tx.begin_nested():
            await tx.execute(delete(operators).where(operators.c.id == operator_id))
    except IntegrityError:
        detail = "This operator's name stands on jobs, assemblies or decisions; disable the account instead."
        raise ConflictError(detail, code="operator_in_use") from None


async def set_sites(tx: AsyncConnection, operator_id: int, site_ids: Collection[int]) -> None:
    await tx.execute(delete(operator_sites).where(operator_sites.c.operator_id == operator_id))
    if site_ids:
        rows = [{"operator_id": operator_id, "site_id": site_id} for site_id in sorted(site_ids)]
        await tx.execute(insert(operator_sites), rows)


async def lock_enabled_admins(tx: AsyncConnection) -> set[int]:
    """The admins that can sign in, held until the end of the transaction so that two cannot remove each other."""
    query = select(operators.c.id).where(operators.c.role == Role.ADMIN, operators.c.enabled)
    return set((await tx.execute(query.order_by(operators.c.id).with_for_update())).scalars())


async def insert_session(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(sessions).values(values))


async def find_session(tx: AsyncConnection, token_hash: bytes, now: datetime) -> tuple[Operator, datetime] | None:
    """The enabled operator behind a live session, and when the session ends."""
    query = (
        _operators()
        .add_columns(sessions.c.expires_at)
        .join_from(sessions, operators, sessions.c.operator_id == operators.c.id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now, operators.c.enabled)
    )
    row = (await tx.execute(query)).mappings().one_or_none()
    return (_operator(row), row["expires_at"]) if row else None


async def delete_session(tx: AsyncConnection, token_hash: bytes) -> None:
    await tx.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


async def delete_sessions_of(tx: AsyncConnection, operator_id: int) -> None:
    await tx.execute(delete(sessions).where(sessions.c.operator_id == operator_id))


async def delete_ended_sessions(tx: AsyncConnection, now: datetime) -> None:
    await tx.execute(delete(sessions).where(sessions.c.expires_at <= now))


async def insert_token(tx: AsyncConnection, values: Mapping[str, object]) -> ApiToken:
    made = await tx.execute(insert(api_tokens).values(values).returning(*_TOKEN_COLUMNS))
    return _token(made.mappings().one())


async def find_live_token(tx: AsyncConnection, token_hash: bytes, now: datetime) -> tuple[Operator, ApiToken] | None:
    """The enabled operator behind a token that is neither revoked nor expired."""
    labelled = [column.label(f"token_{column.name}") for column in _TOKEN_COLUMNS]
    query = (
        _operators()
        .add_columns(*labelled)
        .join_from(api_tokens, operators, api_tokens.c.operator_id == operators.c.id)
        .where(
            api_tokens.c.token_hash == token_hash,
            api_tokens.c.revoked_at.is_(None),
            or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now),
            operators.c.enabled,
        )
    )
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    values = {column.name: row[f"token_{column.name}"] for column in _TOKEN_COLUMNS}
    return _operator(row), ApiToken(**(values | {"scopes": tuple(values["scopes"])}))


async def touch_token(tx: AsyncConnection, token_id: int, now: datetime) -> None:
    is_old = or_(api_tokens.c.last_used_at.is_(None), api_tokens.c.last_used_at <= now - LAST_USED_STEP)
    await tx.execute(update(api_tokens).where(api_tokens.c.id == token_id, is_old).values(last_used_at=now))


async def find_token(tx: AsyncConnection, token_id: int, *, owner_id: int | None) -> ApiToken | None:
    """A token by id; of one owner only, unless `owner_id` is None."""
    query = select(*_TOKEN_COLUMNS).where(api_tokens.c.id == token_id)
    if owner_id is not None:
        query = query.where(api_tokens.c.operator_id == owner_id)
    row = (await tx.execute(query)).mappings().one_or_none()
    return _token(row) if row else None


async def list_tokens(
    tx: AsyncConnection, *, owner_id: int | None, before_id: int | None, limit: int
) -> list[ApiToken]:
    query = select(*_TOKEN_COLUMNS).order_by(api_tokens.c.id.desc()).limit(limit)
    if owner_id is not None:
        query = query.where(api_tokens.c.operator_id == owner_id)
    if before_id is not None:
        query = query.where(api_tokens.c.id < before_id)
    return [_token(row) for row in (await tx.execute(query)).mappings()]


async def revoke_token(tx: AsyncConnection, token_id: int, now: datetime) -> None:
    await tx.execute(
        update(api_tokens).where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    )

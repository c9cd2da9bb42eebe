"""SQL of credentials: those within a site scope, and what of them is sealed. Decides nothing."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    any_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.credential_rules import Become, BecomeMethod, CredentialKind, SecretName, Transport
from watchbill.core.problems import Problem
from watchbill.credentials.private_keys import KeyFacts
from watchbill.credentials.sealed import Sealed
from watchbill.credentials.tables import credentials
from watchbill.credentials.values import Credential, CredentialFacts, Listed
from watchbill.identity import EVERY_SITE, SiteScope
from watchbill.identity.tables import operators
from watchbill.kit.errors import ConflictError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.sites.tables import sites

_C = credentials.c
_CREATOR, _EDITOR = operators.alias("creator"), operators.alias("editor")
_SAME = (
    "id", "revision", "site_id", "name", "description", "username", "domain", "port", "tls", "validate_certificates",
    "certificate", "certificate_fingerprint", "certificate_expires_at", "created_at", "updated_at",
)  # fmt: skip
_READ = (
    "kind",
    "transport",
    "become_method",
    "become_user",
    "key_type",
    "key_bits",
    "key_fingerprint",
    "sealed",
    "lost",
)
_LOSE = text("""
UPDATE credentials c SET lost = n.lost FROM jsonb_to_recordset(:rows) AS n(id bigint, lost text[]) WHERE c.id = n.id
""").bindparams(bindparam("rows", type_=JSONB))
_RESEAL = text("""
UPDATE credentials c SET sealed = n.sealed FROM jsonb_to_recordset(:rows) AS n(id bigint, sealed jsonb) WHERE c.id = n.id
""").bindparams(bindparam("rows", type_=JSONB))


def _visible(scope: SiteScope) -> ColumnElement[bool]:
    """What is for every site concerns everybody; the rest is for who sees the site."""
    return or_(_C.site_id.is_(None), scope.clause(_C.site_id))


def _query(scope: SiteScope) -> Select[Any]:
    return (
        select(
            *[_C[name] for name in (*_SAME, *_READ)],
            sites.c.name.label("site_name"),
            _CREATOR.c.username.label("created_by"),
            _EDITOR.c.username.label("updated_by"),
            func.lower(_C.name).label("sort_name"),
        )
        .outerjoin(sites, sites.c.id == _C.site_id)
        .outerjoin(_CREATOR, _CREATOR.c.id == _C.created_by)
        .outerjoin(_EDITOR, _EDITOR.c.id == _C.updated_by)
        .where(_visible(scope))
    )


def _credential(row: Row[Any]) -> Credential:
    key = KeyFacts(row.key_type, row.key_bits, row.key_fingerprint) if row.key_type is not None else None
    become = Become(BecomeMethod(row.become_method), row.become_user) if row.become_method is not None else None
    return Credential(
        **{name: getattr(row, name) for name in (*_SAME, "site_name", "created_by", "updated_by")},
        kind=CredentialKind(row.kind),
        transport=Transport(row.transport) if row.transport is not None else None,
        become=become,
        key=key,
        sealed=_sealed(row.sealed),
        lost=[SecretName(name) for name in row.lost],
    )


def _sealed(stored: Mapping[str, str]) -> dict[SecretName, str]:
    return {SecretName(name): envelope for name, envelope in stored.items()}


async def find(
    tx: AsyncConnection, scope: SiteScope, credential_id: int, *, for_update: bool = False
) -> Credential | None:
    query = _query(scope).where(_C.id == credential_id)
    row = (await tx.execute(query.with_for_update(of=credentials) if for_update else query)).one_or_none()
    return _credential(row) if row is not None else None


async def list_page(
    tx: AsyncConnection, scope: SiteScope, wanted: Listed, *, limit: int, cursor: str | None
) -> Page[Credential]:
    """By name."""
    name = func.lower(_C.name)
    query = _query(scope).where(*_conditions(wanted))
    if cursor is not None:
        after, last_id = decode_cursor(cursor, (str, int))
        query = query.where(tuple_(name, _C.id) > tuple_(literal(after), literal(last_id, BigInteger)))
    rows = (await tx.execute(query.order_by(name, _C.id).limit(limit + 1))).all()
    return page_of(rows, limit, lambda row: (row.sort_name, row.id)).map(_credential)


def _conditions(wanted: Listed) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        conditions.append(_C.kind == wanted.kind.value)
    if wanted.site_id is not None:
        conditions.append(_C.site_id == literal(wanted.site_id, BigInteger))
    if wanted.state is not None:
        is_lost = func.cardinality(_C.lost) > 0
        conditions.append(is_lost if wanted.state == "reset_required" else ~is_lost)
    if wanted.q:
        conditions.append(_C.name.icontains(wanted.q, autoescape=True))
    return conditions


async def facts(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> dict[int, CredentialFacts]:
    """Those of these that the reader sees; they are not taken away until the transaction ends."""
    wanted = _C.id == any_(literal(sorted(ids), ARRAY(BigInteger)))
    query = select(_C.id, _C.name, _C.kind, _C.site_id, _C.lost).where(wanted, _visible(scope)).order_by(_C.id)
    rows = await tx.execute(query.with_for_update(read=True, key_share=True))
    return {
        row.id: CredentialFacts(row.id, row.name, CredentialKind(row.kind), row.site_id, bool(row.lost)) for row in rows
    }


async def ids_named(tx: AsyncConnection, scope: SiteScope, name: str) -> list[int]:
    """The visible credentials with this name; case does not count."""
    query = select(_C.id).where(func.lower(_C.name) == func.lower(name), _visible(scope)).order_by(_C.id)
    return list((await tx.execute(query)).scalars())


async def insert_credential(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    """A new row; its secrets follow by `update_credential`, once they can be sealed for its id."""
    try:
        async with tx.begin_nested():
            made = await tx.execute(insert(credentials).values(**values, sealed={}, lost=[]).returning(_C.id))
            return int(made.scalar_one())
    except IntegrityError:
        raise _name_taken() from None


async def update_credential(tx: AsyncConnection, credential_id: int, values: Mapping[str, Any]) -> None:
    try:
        async with tx.begin_nested():
            await tx.execute(update(credentials).where(_C.id == credential_id).values(**values))
    except IntegrityError:
        raise _name_taken() from None


def _name_taken() -> ConflictError:
    taken = Problem("name", "name_taken", "another credential of the same site has this name (case does not count)")
    return ConflictError("There is a credential of this name already.", code="name_taken", problems=[taken])


async def delete_credential(tx: AsyncConnection, credential_id: int) -> None:
    await tx.execute(delete(credentials).where(_C.id == credential_id))


async def get_sealed(tx: AsyncConnection, credential_id: int) -> Credential | None:
    """One credential, whoever may see it, as it is until the transaction ends."""
    row = (await tx.execute(_query(EVERY_SITE).where(_C.id == credential_id))).one_or_none()
    return _credential(row) if row is not None else None


async def all_sealed(tx: AsyncConnection) -> list[tuple[int, Sealed, list[SecretName]]]:
    """Of every credential its secrets and which of them count as lost, held."""
    query = select(_C.id, _C.sealed, _C.lost).order_by(_C.id).with_for_update()
    return [(row.id, _sealed(row.sealed), [SecretName(name) for name in row.lost]) for row in await tx.execute(query)]


async def set_lost(tx: AsyncConnection, lost: Mapping[int, Collection[SecretName]]) -> None:
    if lost:
        rows = [{"id": one, "lost": sorted(name.value for name in names)} for one, names in lost.items()]
        await tx.execute(_LOSE, {"rows": rows})


async def replace_sealed(tx: AsyncConnection, sealed: Mapping[int, Sealed]) -> None:
    if sealed:
        rows = [{"id": one, "sealed": plain(envelopes)} for one, envelopes in sealed.items()]
        await tx.execute(_RESEAL, {"rows": rows})


def plain(sealed: Sealed) -> dict[str, str]:
    """Envelopes as their column holds them."""
    return {name.value: envelope for name, envelope in sealed.items()}

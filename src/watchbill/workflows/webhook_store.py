"""The SQL of webhooks: what their keepers see of them, what a delivery needs, and what is remembered of those that came."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    any_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity import Role, SiteScope
from watchbill.identity.tables import operator_sites, operators
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.workflows.tables import webhook_deliveries, webhook_keys, webhook_signatures, webhooks
from watchbill.workflows.webhook_values import Keeper, Webhook, WebhookDelivery

#: Of each webhook the newest are kept; of those that anybody can bring about fewer, so that they push out no others.
MOST_DELIVERIES: Final = 100
MOST_STRANGE: Final = 20
STRANGE: Final = ("unauthorized", "rate_limited")
#: How long the name of a delivery is known.
KEEP_KEYS: Final = timedelta(hours=24)
_W, _D, _K, _S = webhooks.c, webhook_deliveries.c, webhook_keys.c, webhook_signatures.c
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || CAST(:workflow AS text), 0))")
_TRIM = text("""
DELETE FROM webhook_deliveries WHERE webhook_id = :webhook AND (outcome = ANY(CAST(:strange AS text[]))) = :is_strange AND id <= (
  SELECT id FROM webhook_deliveries WHERE webhook_id = :webhook AND (outcome = ANY(CAST(:strange AS text[]))) = :is_strange
  ORDER BY id DESC OFFSET :most LIMIT 1)
""")
_FORGET = text("""
WITH signatures AS (DELETE FROM webhook_signatures WHERE expires_at < :now),
  keys AS (DELETE FROM webhook_keys WHERE created_at < :keys_before)
UPDATE webhooks SET previous_hash = NULL, previous_sealed = NULL, previous_until = NULL WHERE previous_until < :now
""")
_RESEAL = text("""
UPDATE webhooks w SET secret_sealed = n.sealed, previous_sealed = n.previous
FROM unnest(CAST(:ids AS bigint[]), CAST(:sealed AS text[]), CAST(:previous AS text[])) AS n(id, sealed, previous) WHERE w.id = n.id
""")


def _visible(scope: SiteScope) -> ColumnElement[bool]:
    """A webhook is seen by who sees every site that it may reach."""
    if scope.site_ids is None:
        return true()
    mine = cast(literal(sorted(scope.site_ids), ARRAY(BigInteger)), ARRAY(BigInteger))
    return _W.allowed_site_ids.op("<@")(mine).is_(True)


def _scope_left() -> ColumnElement[Any]:
    """Site ids, NULL = every site: what its saver lost, or was never given back, is lost to the webhook too."""
    is_limited = exists().where(operators.c.id == _W.scope_of, operators.c.role != Role.ADMIN)
    has = operator_sites.c
    still = or_(_W.allowed_site_ids.is_(None), has.site_id == any_(_W.allowed_site_ids))
    left = select(func.array_agg(has.site_id)).where(has.operator_id == _W.scope_of, still).scalar_subquery()
    return case((is_limited, func.coalesce(left, cast([], ARRAY(BigInteger)))), else_=_W.allowed_site_ids)


def _query(scope: SiteScope) -> Select[Any]:
    last = select(_D.at, _D.outcome).where(_D.webhook_id == _W.id).order_by(_D.id.desc()).limit(1).lateral("last")
    of_itself = [_W[one.name] for one in fields(Webhook) if one.name in _W and one.name != "updated_by"]
    return (
        select(
            *of_itself,
            operators.c.username.label("updated_by"),
            last.c.at.label("last_delivery_at"),
            last.c.outcome.label("last_outcome"),
        )
        .outerjoin(operators, operators.c.id == _W.updated_by)
        .outerjoin(last, true())
        .where(_visible(scope))
    )


async def find(tx: AsyncConnection, scope: SiteScope, webhook_id: int) -> Webhook | None:
    row = (await tx.execute(_query(scope).where(_W.id == webhook_id))).mappings().one_or_none()
    return Webhook(**row) if row else None


async def hold_one(tx: AsyncConnection, webhook_id: int) -> None:
    """Nobody else changes it until the transaction ends."""
    await tx.execute(select(_W.id).where(_W.id == webhook_id).with_for_update())


async def list_page(
    tx: AsyncConnection, scope: SiteScope, workflow_id: UUID, *, limit: int, cursor: str | None
) -> Page[Webhook]:
    """Oldest first."""
    query = _query(scope).where(_W.workflow_id == workflow_id).order_by(_W.id).limit(limit + 1)
    if cursor is not None:
        query = query.where(_W.id > decode_cursor(cursor, (int,))[0])
    rows = [Webhook(**row) for row in (await tx.execute(query)).mappings()]
    return page_of(rows, limit, lambda one: (one.id,))


async def hold_workflow(tx: AsyncConnection, workflow_id: UUID) -> int:
    """Let nobody else save a webhook of this workflow until the transaction ends; how many it has."""
    await tx.execute(_HOLD, {"workflow": workflow_id})
    query = select(func.count()).select_from(webhooks).where(_W.workflow_id == workflow_id)
    return int((await tx.execute(query)).scalar_one())


async def is_named(tx: AsyncConnection, workflow_id: UUID, name: str, *, other_than: int | None) -> bool:
    same = exists().where(
        _W.workflow_id == workflow_id, func.lower(_W.name) == func.lower(name), _W.id.is_distinct_from(other_than)
    )
    return bool((await tx.execute(select(same))).scalar_one())


async def insert_webhook(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    return int((await tx.execute(insert(webhooks).values(**values).returning(_W.id))).scalar_one())


async def update_webhook(tx: AsyncConnection, webhook_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(webhooks).where(_W.id == webhook_id).values(**values))


async def delete_webhook(tx: AsyncConnection, webhook_id: int) -> None:
    await tx.execute(delete(webhooks).where(_W.id == webhook_id))


async def list_deliveries(
    tx: AsyncConnection, webhook_id: int, *, limit: int, cursor: str | None
) -> Page[WebhookDelivery]:
    """Newest first."""
    query = select(*(_D[one.name] for one in fields(WebhookDelivery))).where(_D.webhook_id == webhook_id)
    if cursor is not None:
        query = query.where(_D.id < decode_cursor(cursor, (int,))[0])
    rows = (await tx.execute(query.order_by(_D.id.desc()).limit(limit + 1))).mappings()
    return page_of([WebhookDelivery(**row) for row in rows], limit, lambda one: (one.id,))


# --- a delivery --------------------------------------------------------------------------------------------------------


async def keeper(tx: AsyncConnection, *, public_id: str | None = None, webhook_id: int | None = None) -> Keeper | None:
    """The webhook that a delivery is for, whoever sends it."""
    columns = [_W[one.name] for one in fields(Keeper) if one.name != "site_ids"]
    query = select(*columns, _scope_left().label("site_ids"))
    query = query.where(_W.public_id == public_id) if public_id is not None else query.where(_W.id == webhook_id)
    row = (await tx.execute(query)).mappings().one_or_none()
    return Keeper(**row) if row else None


async def remember(tx: AsyncConnection, webhook_id: int, signatures: Sequence[bytes], until: datetime) -> bool:
    """Whether none of these signatures was taken before."""
    rows = [{"webhook_id": webhook_id, "signature": one, "expires_at": until} for one in signatures]
    new = upsert(webhook_signatures).values(rows).on_conflict_do_nothing().returning(_S.signature)
    return len((await tx.execute(new)).all()) == len(rows)


async def known_key(tx: AsyncConnection, webhook_id: int, key: str, now: datetime) -> tuple[int, bytes] | None:
    """The run of an earlier delivery of this name, and the digest of its body."""
    query = select(_K.run_id, _K.body_sha256).where(
        _K.webhook_id == webhook_id, _K.key == key, _K.created_at > now - KEEP_KEYS
    )
    row = (await tx.execute(query)).one_or_none()
    return (row.run_id, row.body_sha256) if row else None


async def keep_key(tx: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Anew where one of that name has been forgotten."""
    fresh = upsert(webhook_keys).values(**values)
    changed = {name: fresh.excluded[name] for name in ("body_sha256", "run_id", "created_at")}
    await tx.execute(fresh.on_conflict_do_update(index_elements=[_K.webhook_id, _K.key], set_=changed))


async def note(tx: AsyncConnection, webhook_id: int, values: Mapping[str, Any]) -> None:
    """Write down what came, unless the webhook has gone meanwhile, and forget the oldest."""
    is_there = select(_W.id).where(_W.id == webhook_id).with_for_update(read=True, key_share=True)
    if (await tx.execute(is_there)).one_or_none() is None:
        return
    await tx.execute(insert(webhook_deliveries).values(webhook_id=webhook_id, **values))
    is_strange = values["outcome"] in STRANGE
    most = MOST_STRANGE if is_strange else MOST_DELIVERIES
    kept = {"webhook": webhook_id, "strange": list(STRANGE), "is_strange": is_strange, "most": most}
    await tx.execute(_TRIM, kept)


# --- looking after them ------------------------------------------------------------------------------------------------


async def forget(tx: AsyncConnection, now: datetime) -> None:
    """What is of no use any more: names and signatures of old deliveries, and secrets whose overlap is over."""
    await tx.execute(_FORGET, {"now": now, "keys_before": now - KEEP_KEYS})


async def sealed(tx: AsyncConnection) -> list[tuple[int, str, str, str | None]]:
    """What is kept sealed, held: row, public id, the secret, and the one before."""
    query = select(_W.id, _W.public_id, _W.secret_sealed, _W.previous_sealed).where(_W.secret_sealed.is_not(None))
    rows = await tx.execute(query.order_by(_W.id).with_for_update())
    return [(row.id, row.public_id, row.secret_sealed, row.previous_sealed) for row in rows]


async def replace_sealed(tx: AsyncConnection, renewed: Mapping[int, tuple[str, str | None]]) -> None:
    if renewed:
        first, second = [one[0] for one in renewed.values()], [one[1] for one in renewed.values()]
        await tx.execute(_RESEAL, {"ids": list(renewed), "sealed": first, "previous": second})

"""The SQL of channels, as one reader sees them. Decides nothing.

A reader of some sites sees the channels that are for one of them; those for every site are seen by who sees every site.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity import SiteScope
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.notifications.tables import (
    notification_channels,
    notification_items,
    notification_messages,
    notification_rule_channels,
    notification_rules,
)
from watchbill.notifications.values import Channel

#: More than these are sent once more by the next request.
MOST_RETRIED: Final = 10_000
_C, _M, _I = notification_channels.c, notification_messages.c, notification_items.c
_COLUMNS = [_C[one.name] for one in fields(Channel)]
_HOLD = text("SELECT pg_advisory_xact_lock(hashtext('watchbill_notification_channels'))")
_END_WAITING = text(
    "UPDATE notification_messages SET state = 'failed', ended_at = :now, leased_until = NULL, error = :why"
    " WHERE channel_id = :channel AND state = 'waiting'"
)
_RESEAL = text("""
UPDATE notification_channels c SET sealed = n.sealed
FROM unnest(CAST(:ids AS bigint[]), CAST(:sealed AS text[])) AS n(id, sealed) WHERE c.id = n.id
""")
_WAIT_AGAIN = text("""
UPDATE notification_messages SET state = 'waiting', due_at = :now, first_attempt_at = NULL, ended_at = NULL, leased_until = NULL,
  holds_line = false
WHERE seq = ANY(:seqs) AND state = 'failed'
""")
_RESULT = text("""
UPDATE notification_channels SET
  last_success_at = CASE WHEN :is_ok THEN CAST(:now AS timestamptz) ELSE last_success_at END,
  last_failure_at = CASE WHEN :is_ok THEN last_failure_at ELSE CAST(:now AS timestamptz) END,
  last_error = CASE WHEN :is_ok THEN last_error ELSE :error END
WHERE id = :id
""")


def is_seen(scope: SiteScope) -> ColumnElement[bool]:
    if scope.site_ids is None:
        return true()
    return _C.site_ids.op("&&")(cast(literal(sorted(scope.site_ids), ARRAY(BigInteger)), ARRAY(BigInteger))).is_(true())


def _as_seen(channel: Channel, scope: SiteScope) -> Channel:
    """Of its sites only those that the reader sees."""
    if scope.site_ids is None or channel.site_ids is None:
        return channel
    return replace(channel, site_ids=[one for one in channel.site_ids if one in scope.site_ids])


async def find(tx: AsyncConnection, scope: SiteScope, channel_id: int, *, for_update: bool = False) -> Channel | None:
    query = select(*_COLUMNS).where(_C.id == channel_id, is_seen(scope))
    row = (await tx.execute(query.with_for_update() if for_update else query)).mappings().one_or_none()
    return _as_seen(Channel(**row), scope) if row is not None else None


async def list_page(
    tx: AsyncConnection, scope: SiteScope, q: str | None, *, is_archived: bool, limit: int, cursor: str | None
) -> Page[Channel]:
    """By name."""
    name = func.lower(_C.name)
    query = select(*_COLUMNS, name.label("sort_name")).where(is_seen(scope))
    query = query.where(_C.archived_at.is_not(None) if is_archived else _C.archived_at.is_(None))
    if q:
        query = query.where(_C.name.icontains(q, autoescape=True))
    if cursor is not None:
        after, last_id = decode_cursor(cursor, (str, int))
        query = query.where(tuple_(name, _C.id) > tuple_(literal(after), literal(last_id, BigInteger)))
    rows = (await tx.execute(query.order_by(name, _C.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.sort_name, row.id))
    return page.map(
        lambda row: _as_seen(Channel(**{one.name: getattr(row, one.name) for one in fields(Channel)}), scope)
    )


async def usable(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> dict[int, bool]:
    """Which of these the reader may let a rule or a workflow use, and whether each is on; they stay until the transaction ends."""
    query = (
        select(_C.id, _C.enabled)
        .where(_C.id.in_(sorted(ids)), _C.archived_at.is_(None), is_seen(scope))
        .order_by(_C.id)
    )
    rows = await tx.execute(query.with_for_update(read=True, key_share=True))
    return {row.id: row.enabled for row in rows}


async def are_enabled(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> dict[int, bool]:
    """Of the same ones, whether anything is sent on each."""
    query = select(_C.id, _C.enabled).where(_C.id.in_(sorted(ids)), _C.archived_at.is_(None), is_seen(scope))
    rows = await tx.execute(query.order_by(_C.id).with_for_update(read=True, key_share=True))
    return {row.id: row.enabled for row in rows}


async def hold_saving(tx: AsyncConnection) -> None:
    await tx.execute(_HOLD)


async def is_named(tx: AsyncConnection, name: str, *, other_than: int | None) -> bool:
    same = exists().where(
        func.lower(_C.name) == func.lower(name), _C.archived_at.is_(None), _C.id.is_distinct_from(other_than)
    )
    return bool((await tx.execute(select(same))).scalar_one())


async def count(tx: AsyncConnection) -> int:
    query = select(func.count()).select_from(notification_channels).where(_C.archived_at.is_(None))
    return int((await tx.execute(query)).scalar_one())


async def insert_channel(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    made = await tx.execute(insert(notification_channels).values(**values).returning(_C.id))
    return int(made.scalar_one())


async def update_channel(tx: AsyncConnection, channel_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(notification_channels).where(_C.id == channel_id).values(**values))


async def sealed(tx: AsyncConnection) -> dict[int, str]:
    """What is kept sealed, by channel, held."""
    query = select(_C.id, _C.sealed).where(_C.sealed.is_not(None)).order_by(_C.id).with_for_update()
    return {row.id: row.sealed for row in await tx.execute(query)}


async def replace_sealed(tx: AsyncConnection, envelopes: Mapping[int, str]) -> None:
    if envelopes:
        await tx.execute(_RESEAL, {"ids": list(envelopes), "sealed": list(envelopes.values())})


async def end_waiting(tx: AsyncConnection, channel_id: int, why: str, now: datetime) -> int:
    return (await tx.execute(_END_WAITING, {"channel": channel_id, "why": why, "now": now})).rowcount


async def failed_messages(
    tx: AsyncConnection, scope: SiteScope, ids: Collection[int] | None, channel_id: int | None
) -> tuple[list[int], int]:
    """Messages that were given up: of these notifications (None = any), on this channel (None = any); and how many more are not to
    be sent: their channel is archived, off, or not seen.
    """
    is_usable = and_(is_seen(scope), _C.enabled, _C.archived_at.is_(None)).label("is_usable")
    query = select(_M.seq, is_usable).join(notification_channels, _C.id == _M.channel_id).where(_M.state == "failed")
    if ids is not None:
        with_one = exists().where(_I.message_seq == _M.seq, _I.notification_id.in_(sorted(ids)))
        query = query.where(with_one)
    if channel_id is not None:
        query = query.where(_M.channel_id == literal(channel_id, BigInteger))
    rows = (
        await tx.execute(query.order_by(_M.seq).limit(MOST_RETRIED).with_for_update(of=notification_messages))
    ).all()
    seqs = [row.seq for row in rows if row.is_usable]
    return seqs, len(rows) - len(seqs)


async def wait_again(tx: AsyncConnection, seqs: Sequence[int], now: datetime) -> None:
    """For a day from their next attempt on. The number of attempts goes on: it keeps off whoever comes back late from one of them."""
    await tx.execute(_WAIT_AGAIN, {"seqs": list(seqs), "now": now})


async def count_rules(tx: AsyncConnection, channel_id: int) -> int:
    """How many rules use it."""
    used, rules = notification_rule_channels.c, notification_rules.c
    query = (
        select(func.count()).select_from(notification_rule_channels).join(notification_rules, rules.id == used.rule_id)
    )
    return int((await tx.execute(query.where(used.channel_id == channel_id, rules.archived_at.is_(None)))).scalar_one())


async def note_result(tx: AsyncConnection, channel_id: int, *, is_ok: bool, error: str, now: datetime) -> None:
    await tx.execute(_RESULT, {"id": channel_id, "is_ok": is_ok, "error": error, "now": now})

"""The SQL of reading what was told, as one reader sees it: of jobs that they see, in words about the devices that they see."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Text, and_, case, cast, exists, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.notification_rules import MESSAGE
from watchbill.core.notification_words import counts_of, sentence
from watchbill.identity import Actor, Permission
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.notifications import channel_store
from watchbill.notifications.tables import (
    notification_channels,
    notification_items,
    notification_messages,
    notification_rules,
    notifications,
)
from watchbill.notifications.values import Delivery, Notification, NotificationFilter

_N, _M, _I, _C, _R = (one.c for one in (notifications, notification_messages, notification_items, notification_channels, notification_rules))  # fmt: skip

#: A list is not to carry the whole of what each message says.
_BRIEF = [_N.facts.op("-")(literal("text", Text)).label("facts"), *(one for one in _N if one.name != "facts")]


async def list_notifications(
    tx: AsyncConnection, actor: Actor, wanted: NotificationFilter, *, limit: int, cursor: str | None
) -> Page[Notification]:
    """Newest first."""
    actor.require(Permission.READ)
    query = select(*_BRIEF).where(*_conditions(actor.scope, wanted))
    if cursor is not None:
        query = query.where(_N.id < decode_cursor(cursor, (int,))[0])
    rows = (await tx.execute(query.order_by(_N.id.desc()).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.id,))
    return Page(await _shown(tx, actor.scope, page.items), page.next_cursor)


async def get_notification(tx: AsyncConnection, actor: Actor, notification_id: int) -> Notification:
    actor.require(Permission.READ)
    query = select(notifications).where(_N.id == notification_id, *_conditions(actor.scope, NotificationFilter()))
    found = await _shown(tx, actor.scope, (await tx.execute(query)).all())
    if not found:
        raise NotFoundError("There is no such notification.", code="notification_not_found")
    return found[0]


async def visible(tx: AsyncConnection, actor: Actor, ids: Collection[int]) -> set[int]:
    """Of these notifications, those that the caller sees."""
    query = select(_N.id).where(_N.id.in_(sorted(ids)), *_conditions(actor.scope, NotificationFilter()))
    return set((await tx.execute(query)).scalars())


def _is_seen(scope: SiteScope) -> ColumnElement[bool]:
    """What is told of one site is for those who see the site, and the words of a workflow for those who see all that they may be about."""
    foreign = exists().where(_R.id == _N.rule_id, _R.site_id.is_not(None), ~scope.clause(_R.site_id))
    told = and_(jobs.is_seen(scope, _N.job_id), ~foreign)
    seen = cast(literal(scope.as_list(), ARRAY(BigInteger)), ARRAY(BigInteger))
    said = and_(_N.site_ids.op("<@")(seen), _N.site_ids.op("&&")(seen))
    return case((_N.event == MESSAGE, said), else_=told)


def _conditions(scope: SiteScope, wanted: NotificationFilter) -> list[ColumnElement[bool]]:
    conditions = [] if scope.site_ids is None else [_is_seen(scope)]
    if wanted.job_id is not None:
        conditions.append(_N.job_id == wanted.job_id)
    if wanted.event is not None:
        conditions.append(_N.event == wanted.event)
    if wanted.state is not None:
        sent = exists().where(_I.notification_id == _N.id, _I.message_seq == _M.seq, _M.state == wanted.state)
        conditions.append(sent)
    return conditions


async def _shown(tx: AsyncConnection, scope: SiteScope, rows: Sequence[Row[Any]]) -> list[Notification]:
    deliveries = await _deliveries(tx, scope, [row.id for row in rows])
    return [
        Notification(
            id=row.id,
            rule_id=row.rule_id,
            event=row.event,
            job_id=row.job_id if row.event != MESSAGE else row.facts["job_id"],
            job_name=row.facts["job_name"],
            occurrence_id=row.occurrence_id,
            sentence=sentence(row.event, row.facts, scope.site_ids),
            counts=counts_of(row.facts, scope.site_ids),
            created_at=row.created_at,
            deliveries=deliveries[row.id],
            workflow_run_id=row.facts.get("run_id"),
            workflow_name=row.facts.get("workflow_name"),
            text=row.facts.get("text"),
        )
        for row in rows
    ]


async def _deliveries(tx: AsyncConnection, scope: SiteScope, ids: Sequence[int]) -> dict[int, list[Delivery]]:
    found: dict[int, list[Delivery]] = defaultdict(list)
    query = (
        select(_I.notification_id, notification_messages, _C.name, channel_store.is_seen(scope).label("is_seen"))
        .join(notification_messages, _M.seq == _I.message_seq)
        .join(notification_channels, _C.id == _M.channel_id)
        .where(_I.notification_id.in_(ids))
        .order_by(_M.seq)
    )
    for row in await tx.execute(query) if ids else ():
        found[row.notification_id].append(_delivery(row))
    return found


def _delivery(row: Row[Any]) -> Delivery:
    seen = row.is_seen
    return Delivery(
        message_id=row.id,
        channel_id=row.channel_id if seen else None,
        channel=row.name if seen else None,
        state=row.state,
        due_at=row.due_at,
        attempt=row.attempt,
        error=row.error if seen else None,
        ended_at=row.ended_at,
    )

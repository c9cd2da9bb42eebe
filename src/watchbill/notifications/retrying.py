"""Sending once more what was given up: by a person who has mended what was in the way. Under the same ids, in the same order."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity import Actor, Permission, audit
from watchbill.kit.db import notify
from watchbill.kit.errors import ConflictError
from watchbill.notifications import channel_store, reading
from watchbill.notifications.channels import CHANNEL, get_channel
from watchbill.notifications.values import Notification


@dataclass(frozen=True, slots=True)
class Retried:
    """Messages that are sent once more; `skipped`: failed ones of channels that are archived or off, or that the caller does not see."""

    messages: int
    skipped: int


async def retry(tx: AsyncConnection, actor: Actor, notification_id: int, *, now: datetime) -> Notification:
    """Send what failed of one notification once more; ConflictError when nothing can be."""
    before = await reading.get_notification(tx, actor, notification_id)
    actor.require(Permission.NOTIFICATIONS_WRITE)
    if not any(one.state == "failed" for one in before.deliveries):
        raise ConflictError("Nothing of this notification has failed.", code="nothing_failed")
    done = await _again(tx, actor, [notification_id], None, now)
    if not done.messages:
        what = "It failed only on channels that are archived or off, or that you do not see."
        raise ConflictError(what, code="channel_not_usable")
    return await reading.get_notification(tx, actor, notification_id)


async def retry_many(
    tx: AsyncConnection, actor: Actor, ids: Collection[int] | None, channel_id: int | None, *, now: datetime
) -> Retried:
    """The same for these notifications, or (None) for all that failed on a channel; what is not visible is left alone."""
    actor.require(Permission.NOTIFICATIONS_WRITE)
    if channel_id is not None:
        await get_channel(tx, actor, channel_id)
    visible = None if ids is None else await reading.visible(tx, actor, ids)
    return await _again(tx, actor, visible, channel_id, now)


async def _again(
    tx: AsyncConnection, actor: Actor, ids: Collection[int] | None, channel_id: int | None, now: datetime
) -> Retried:
    seqs, skipped = await channel_store.failed_messages(tx, actor.scope, ids, channel_id)
    if seqs:
        await channel_store.wait_again(tx, seqs, now)
        kind, number = ("notification_channel", channel_id) if ids is None else ("notification", min(ids))
        detail = {"messages": len(seqs), "notifications": sorted(ids or ())[:100]}
        await audit.record(tx, actor, "notification.retry", kind, number, now=now, detail=detail)
        await notify(tx, CHANNEL)
    return Retried(len(seqs), skipped)

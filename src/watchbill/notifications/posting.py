"""Which message a notification goes into: one of its own at once, or the one that its channel's digest or quiet hours let go later."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.notification_times import timing_of, turn
from watchbill.core.zones import Zone
from watchbill.notifications import outbox


@dataclass(frozen=True, slots=True)
class Post:
    """A notification for a channel, of which `id`, `timezone`, `digest` and `quiet` are known."""

    notification: int
    channel: Row[Any]
    is_urgent: bool = False


async def post(tx: AsyncConnection, posts: Iterable[Post], now: datetime) -> None:
    """Put notifications into the outbox; to each channel they go in this order."""
    single: list[tuple[int, int]] = []
    slots: dict[tuple[int, datetime], list[int]] = defaultdict(list)
    for one in posts:
        channel = one.channel
        timing = timing_of(Zone(channel.timezone), channel.digest, channel.quiet)
        when = turn(timing, now, is_urgent=one.is_urgent)
        if when.is_gathered:
            slots[channel.id, when.at].append(one.notification)
        else:
            single.append((channel.id, one.notification))
    single += await outbox.put_gathered(tx, slots, now)
    await outbox.put_single(tx, single, now)

"""Telling people: which changes of which jobs, and what workflows say, on which channels, when. Sends nothing within a transaction; opens and settles no work."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.notifications import beat, outbox
from watchbill.notifications.channel_store import are_enabled as channels_enabled
from watchbill.notifications.channels import (
    CHANNEL,
    Made,
    archive_channel,
    create_channel,
    get_channel,
    list_channels,
    lock_channel,
    lock_for_test,
    reseal,
    unusable_channels,
    update_channel,
)
from watchbill.notifications.looking import Step, look, look_at
from watchbill.notifications.reading import get_notification, list_notifications
from watchbill.notifications.retrying import Retried, retry, retry_many
from watchbill.notifications.rules import (
    archive_rule,
    create_rule,
    get_rule,
    list_rules,
    lock_rule,
    rules_of_job,
    update_rule,
)
from watchbill.notifications.sending import claim, send, settle, try_out
from watchbill.notifications.telling import About, tell
from watchbill.notifications.values import (
    Channel,
    ChannelDraft,
    ChannelKind,
    ChannelName,
    Delivery,
    MailServer,
    Message,
    Notification,
    NotificationFilter,
    Rule,
    RuleDraft,
    Sent,
)


async def next_due(tx: AsyncConnection, now: datetime) -> datetime | None:
    """When the next message that nobody is sending may go; it may be past."""
    return await outbox.next_due(tx, now)


async def prune(tx: AsyncConnection, now: datetime, *, keep: timedelta) -> None:
    """Delete what was told longer ago, a thousand at a time. Safe to repeat."""
    await outbox.prune(tx, now - keep)


__all__ = [
    "CHANNEL",
    "About",
    "Channel",
    "ChannelDraft",
    "ChannelKind",
    "ChannelName",
    "Delivery",
    "Made",
    "MailServer",
    "Message",
    "Notification",
    "NotificationFilter",
    "Retried",
    "Rule",
    "RuleDraft",
    "Sent",
    "Step",
    "archive_channel",
    "archive_rule",
    "beat",
    "channels_enabled",
    "claim",
    "create_channel",
    "create_rule",
    "get_channel",
    "get_notification",
    "get_rule",
    "list_channels",
    "list_notifications",
    "list_rules",
    "lock_channel",
    "lock_for_test",
    "lock_rule",
    "look",
    "look_at",
    "next_due",
    "prune",
    "reseal",
    "retry",
    "retry_many",
    "rules_of_job",
    "send",
    "settle",
    "tell",
    "try_out",
    "unusable_channels",
    "update_channel",
    "update_rule",
]

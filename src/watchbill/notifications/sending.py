"""Sending: claims messages, says them in words, sends them by their kind, and writes down how it went.

At least once: a sender that dies after it sent leaves a message that is sent again, under the same id. The attempt number keeps who
comes back late from writing anything.
"""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.notification_rules import MESSAGE
from watchbill.core.notification_times import is_given_up, pause_after
from watchbill.core.notification_words import counts_of, sentence, subject
from watchbill.kit.clock import rfc3339
from watchbill.kit.secrets import KeyRing, SecretError
from watchbill.kit.settings import Settings
from watchbill.notifications import channel_store, mail, outbox, webhook
from watchbill.notifications.channels import open_endpoint
from watchbill.notifications.values import Channel, Endpoint, Item, Message, Sent


async def claim(tx: AsyncConnection, keys: KeyRing, now: datetime, limit: int) -> list[Message]:
    """The next message of each of up to `limit` channels, this sender's until its lease ends."""
    claimed = await outbox.claim(tx, now, limit)
    channels = await outbox.channel_rows(tx, {row.channel_id for row in claimed})
    items = await outbox.items_of(tx, [row.seq for row in claimed])
    made = []
    for row in claimed:
        channel = channels[row.channel_id]
        endpoint = _opened(channel, keys)
        if endpoint is None:
            await settle(tx, _message(row, Endpoint(channel.kind), ()), _UNREADABLE, now)
            continue
        made.append(_message(row, endpoint, items.get(row.seq, ())))
    return made


#: Spreads attempts, and guards nothing.
_CHANCE = random.SystemRandom()
_UNREADABLE = Sent(is_ok=False, sentence="The address of the channel cannot be opened with this key ring.")


def _opened(channel: Any, keys: KeyRing) -> Endpoint | None:
    try:
        return open_endpoint(channel, keys)
    except SecretError:
        return None


def _message(row: Any, endpoint: Endpoint, items: Sequence[Item]) -> Message:
    return Message(row.seq, row.id, row.channel_id, row.attempt, row.first_attempt_at, endpoint, items)


async def send(settings: Settings, base_url: str, message: Message, now: datetime) -> Sent:
    """One attempt, outside of any transaction."""
    if message.endpoint.kind == "webhook":
        return await _post(settings, message.endpoint, message.id, payload(message.items, base_url, now), now)
    sentences = [sentence(one.event, one.facts) for one in message.items]
    text = "\n\n".join(_paragraph(one, base_url, is_alone=len(sentences) == 1) for one in message.items)
    return await mail.send(settings, message.endpoint, message.id, subject(sentences), text + _FOOT, now)


async def _test(settings: Settings, endpoint: Endpoint, name: str, now: datetime) -> Sent:
    message_id = uuid4()
    said = f"This is a test of the channel {name}. Nothing has happened."
    if endpoint.kind == "email":
        return await mail.send(settings, endpoint, message_id, subject([f"Test of {name}"]), said + _FOOT, now)
    body = {"type": "watchbill.test", "timestamp": rfc3339(now), "data": {"sentence": said}}
    return await _post(settings, endpoint, message_id, body, now)


async def _post(settings: Settings, endpoint: Endpoint, message_id: UUID, body: Any, now: datetime) -> Sent:
    return await webhook.send(endpoint, message_id, body, now, allows_private=settings.webhook_private == "on")


async def settle(tx: AsyncConnection, message: Message, sent: Sent, now: datetime) -> None:
    """Write down how an attempt went: done, again later, or given up."""
    if sent.is_ok:
        kept = await outbox.sent(tx, message.seq, message.attempt, now)
    else:
        kept = await _unsent(tx, message, sent, now)
    if kept:
        await channel_store.note_result(tx, message.channel_id, is_ok=sent.is_ok, error=sent.sentence, now=now)


async def _unsent(tx: AsyncConnection, message: Message, sent: Sent, now: datetime) -> bool:
    again_at = now + pause_after(message.attempt, _CHANCE.random())
    if sent.is_final or is_given_up(message.first_attempt_at, again_at):
        return await outbox.failed(tx, message.seq, message.attempt, sent.sentence, now)
    return await outbox.again(tx, message.seq, message.attempt, again_at, sent.sentence, holds_line=sent.holds_line)


async def try_out(tx: AsyncConnection, channel: Channel, settings: Settings, *, keys: KeyRing, now: datetime) -> Sent:
    """Send a test while somebody waits for the answer, and note it with the channel as any attempt."""
    endpoint = _opened(channel, keys)
    sent = _UNREADABLE if endpoint is None else await _test(settings, endpoint, channel.name, now)
    await channel_store.note_result(tx, channel.id, is_ok=sent.is_ok, error=sent.sentence, now=now)
    return sent


def payload(items: Sequence[Item], base_url: str, now: datetime) -> dict[str, Any]:
    """The body of a webhook: one notification, or those that were gathered."""
    shown = [_shown(one, base_url) for one in items]
    if len(items) == 1:
        return {"type": f"watchbill.{items[0].event}", "timestamp": shown[0]["at"], "data": shown[0]}
    return {"type": "watchbill.digest", "timestamp": rfc3339(now), "data": {"notifications": shown}}


def _shown(one: Item, base_url: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "event": one.event,
        "at": rfc3339(one.created_at),
        "sentence": sentence(one.event, one.facts),
        "occurrence_id": str(one.occurrence_id),
        **(_of_message(one) if one.event == MESSAGE else _of_job(one)),
        "url": link(one, base_url),
    }


def _of_job(one: Item) -> dict[str, Any]:
    same = ("job_name", "scheduled_for_at", "state", "outcome", "reason")
    named = {name: one.facts.get(name) for name in same}
    return {"job_id": one.job_id, **named, "counts": counts_of(one.facts, None)}


def _of_message(one: Item) -> dict[str, Any]:
    same = ("subject", "text", "job_id", "job_name", "workflow_id", "workflow_name")
    return {**{name: one.facts[name] for name in same}, "workflow_run_id": one.facts["run_id"]}


def link(one: Item, base_url: str) -> str:
    if one.event == MESSAGE:
        return f"{base_url}/api/workflow_runs/{one.facts['run_id']}"
    return f"{base_url}/api/scheduled_jobs/{one.job_id}/occurrences/{one.occurrence_id}"


def _paragraph(one: Item, base_url: str, *, is_alone: bool) -> str:
    told = f"Told: {rfc3339(one.created_at)}.\n{link(one, base_url)}"
    if one.event == MESSAGE:
        where = f"Workflow: {one.facts['workflow_name']}. {told}"
        # Alone, its subject is that of the mail.
        said = [one.facts["text"], ""] if is_alone else [sentence(one.event, one.facts), one.facts["text"]]
        return "\n".join([*said, where]).strip()
    return f"{sentence(one.event, one.facts)}\nDue: {one.facts['scheduled_for_at']}. {told}"


_FOOT = "\n\n-- \nSent by Watchbill. Rules and channels: watchbill notifications --help\n"

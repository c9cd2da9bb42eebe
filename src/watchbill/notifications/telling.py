"""Telling what a workflow says in words of its own: one message to one channel, in the transaction of whoever says it."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.notification_words import message_subject, message_text
from watchbill.kit.db import notify
from watchbill.notifications import outbox
from watchbill.notifications.channels import CHANNEL
from watchbill.notifications.posting import Post, post


class About(TypedDict):
    """Which run of which workflow says it. `job_id`: the saved job that launched it; None = none did. It is shown to whoever sees every
    site that the occurrence may reach."""

    job_id: int | None
    occurrence_id: UUID
    run_id: int
    workflow_id: UUID
    workflow_name: str


async def tell(
    tx: AsyncConnection, channel_id: int, *, key: str, subject: str, text: str, about: About, now: datetime
) -> bool:
    """Put a message into the outbox of a channel, once for each `key`; False: the channel is archived, off, or there is none.

    A blank subject names the workflow. What no line, database or receiver takes is replaced, and what is too long is cut. The channel
    was checked when the workflow was saved (`unusable_channels`); who launches it chooses none, and so is not asked.
    """
    channel = await outbox.in_use(tx, channel_id)
    if channel is None:
        return await outbox.is_written(tx, key)
    facts = {
        "subject": message_subject(subject, about["workflow_name"]),
        "text": message_text(text),
        "job_id": about["job_id"],
        "run_id": about["run_id"],
        "workflow_id": str(about["workflow_id"]),
        "workflow_name": about["workflow_name"],
    }
    written = await outbox.write_message(tx, key, facts, about["occurrence_id"], now)
    if written is not None:
        await post(tx, [Post(written, channel)], now)
        await notify(tx, CHANNEL)
    return True

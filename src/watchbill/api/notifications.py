"""`/api/notifications`: what was told, and what became of it on each channel. `/api/outbound_heartbeat`: the sign of life."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field, model_validator

from watchbill import notifications
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, TheDeps, Tx, router
from watchbill.core.notification_rules import Event
from watchbill.notifications import NotificationFilter

resource = router(prefix="/api/notifications", tags=["notifications"])
heartbeat = router(prefix="/api/outbound_heartbeat", tags=["notifications"])

State = Literal["waiting", "sent", "failed"]
Told = Event | Literal["message"]


class NotificationQuery(PageQuery):
    job_id: Annotated[Id | None, Field(description="of this job")] = None
    event: Annotated[Told | None, Field(description="of this kind; message: what workflows say")] = None
    state: Annotated[State | None, Field(description="with a message in this state on some channel")] = None


class DeliveryReply(Model):
    """`channel` and `channel_id` null: a channel that the caller does not see."""

    message_id: UUID = Field(description="goes with every attempt: of a webhook `msg_` and this without hyphens")
    channel_id: int | None
    channel: str | None
    state: State
    due_at: Instant = Field(description="of what waits: when the next attempt is made")
    attempt: int = Field(description="attempts so far")
    error: str | None = Field(description="how the last attempt failed")
    ended_at: Instant | None


class NotificationReply(Model):
    """`counts` and numbers in `sentence` are of the devices that both the rule and the caller see. Of a message, which a run of a workflow
    sends, `sentence` is its subject, and it is shown to those who see every site that the run may reach.
    """

    id: int
    rule_id: int | None = Field(description="null: a message")
    event: Told
    job_id: int | None = Field(description="null: a message of a run that no saved job launched")
    job_name: str | None
    workflow_run_id: int | None = Field(description="of a message: the run that sent it")
    workflow_name: str | None
    occurrence_id: UUID
    sentence: str
    counts: dict[str, int]
    created_at: Instant
    deliveries: list[DeliveryReply]


class WholeNotificationReply(NotificationReply):
    text: str | None = Field(description="of a message: what it says under its subject")


class RetryBody(Model):
    """Exactly one of the two."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="what failed of these notifications"
    )
    channel_id: Id | None = Field(default=None, description="all that failed on this channel")

    @model_validator(mode="after")
    def is_one(self) -> "RetryBody":
        if (self.ids is None) == (self.channel_id is None):
            raise ValueError("give either ids or channel_id")
        return self


class RetriedReply(Model):
    messages: int = Field(description="that are sent once more")
    skipped: int = Field(description="that are not: their channel is archived, off, or not seen by the caller")


class HeartbeatReply(Model):
    """`why_not`: why no sign is given just now; null while schedulers do their work."""

    enabled: bool = Field(description="whether WATCHBILL_OUTBOUND_HEARTBEAT_URL is set for the API's process")
    every_minutes: int
    why_not: str | None
    last_success_at: Instant | None
    last_failure_at: Instant | None
    last_error: str | None


@resource.get("")
async def list_notifications(
    query: Annotated[NotificationQuery, Query()], tx: Tx, caller: Caller
) -> PageOf[NotificationReply]:
    """What was told of the jobs that the caller sees, and what workflows said, newest first, with what became of it on each channel."""
    wanted = NotificationFilter(query.job_id, query.event, query.state)
    page = await notifications.list_notifications(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[NotificationReply].of(page, NotificationReply.model_validate)


@resource.get("/{notification_id}")
async def get_notification(notification_id: Id, tx: Tx, caller: Caller) -> WholeNotificationReply:
    """One notification."""
    return WholeNotificationReply.model_validate(await notifications.get_notification(tx, caller, notification_id))


@resource.post("/{notification_id}/retry")
async def retry_notification(notification_id: Id, tx: Tx, caller: Caller, now: Now) -> NotificationReply:
    """Send once more what failed of a notification, on the channels that the caller sees and that are on. A message that gathers several
    goes whole, and to all its addresses. 409 `nothing_failed`, `channel_not_usable`.
    """
    return NotificationReply.model_validate(await notifications.retry(tx, caller, notification_id, now=now))


@resource.post("/retry")
async def retry_notifications(body: RetryBody, tx: Tx, caller: Caller, now: Now) -> RetriedReply:
    """The same for many: up to 10,000 messages at a time, the oldest first. Notifications that the caller does not see are passed over."""
    done = await notifications.retry_many(tx, caller, body.ids, body.channel_id, now=now)
    return RetriedReply(messages=done.messages, skipped=done.skipped)


@heartbeat.get("")
async def get_outbound_heartbeat(tx: Tx, caller: Caller, now: Now, deps: TheDeps) -> HeartbeatReply:
    """The sign of life that schedulers give to whoever watches them from outside."""
    life = await notifications.beat.get_life(tx, caller, now)
    return HeartbeatReply(
        enabled=deps.settings.outbound_heartbeat_url is not None,
        every_minutes=deps.settings.outbound_heartbeat_minutes,
        why_not=life.why_not,
        last_success_at=life.last_success_at,
        last_failure_at=life.last_failure_at,
        last_error=life.last_error,
    )

"""`/api/notifications`: what was told, and what became of it on each channel. `/api/outbound_heartbeat`: the sign of life."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from watchbill import notifications
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, PageQuery, TheDeps, Tx, router
from watchbill.core.notification_rules import Event
from watchbill.notifications import NotificationFilter

resource = router(prefix="/api/notifications", tags=["notifications"])
heartbeat = router(prefix="/api/outbound_heartbeat", tags=["notifications"])

State = Literal["waiting", "sent", "failed"]


class NotificationQuery(PageQuery):
    job_id: Annotated[Id | None, Field(description="of this job")] = None
    event: Annotated[Event | None, Field(description="of this kind")] = None
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
    """`counts` and numbers in `sentence` are of the devices that both the rule and the caller see."""

    id: int
    rule_id: int
    event: Event
    job_id: int
    job_name: str
    occurrence_id: UUID
    sentence: str
    counts: dict[str, int]
    created_at: Instant
    deliveries: list[DeliveryReply]


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
    """What was told of the jobs that the caller sees, newest first, with what became of it on each channel."""
    wanted = NotificationFilter(query.job_id, query.event, query.state)
    page = await notifications.list_notifications(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[NotificationReply].of(page, NotificationReply.model_validate)


@resource.get("/{notification_id}")
async def get_notification(notification_id: Id, tx: Tx, caller: Caller) -> NotificationReply:
    """One notification."""
    return NotificationReply.model_validate(await notifications.get_notification(tx, caller, notification_id))


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

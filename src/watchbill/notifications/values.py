"""What the faces of this feature take and give: channels, rules, notifications. Frozen values, no SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from watchbill.core.notification_rules import Event
from watchbill.kit.secrets import Secret

ChannelKind = Literal["webhook", "email"]


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server of one channel, and whom it sends as. `password` None: none, or (saved anew) the one that is kept."""

    host: str
    port: int
    tls: str
    sender: str
    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """A channel as somebody saves it. What is write-only and None stays as it was; a new webhook needs its `url`."""

    kind: ChannelKind
    name: str
    description: str
    site_ids: Sequence[int] | None
    to: Sequence[str]
    timezone: str
    digest: Mapping[str, Any] | None
    quiet: Mapping[str, Any] | None
    enabled: bool
    url: Secret | None = None
    secret: Secret | None = None
    headers: Mapping[str, Secret] | None = None
    #: Of e-mail; None = the Engine's own.
    smtp: MailServer | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it may be shown. `site_ids` None = for the rules of those who see every site."""

    id: int
    kind: ChannelKind
    name: str
    description: str
    site_ids: list[int] | None
    destination: str
    addresses: list[str]
    header_names: list[str]
    smtp: Mapping[str, Any] | None
    timezone: str
    digest: Mapping[str, Any] | None
    quiet: Mapping[str, Any] | None
    enabled: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a channel leads, opened for sending."""

    kind: ChannelKind
    addresses: Sequence[str] = ()
    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    smtp: MailServer | None = None


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as somebody saves it: of a job, of the jobs of a site, or (neither) of all jobs."""

    events: Sequence[Event]
    urgent_events: Sequence[Event]
    channel_ids: Sequence[int]
    not_started_minutes: int
    failures_in_a_row: int
    slower_factor: float
    replaces_general: bool
    enabled: bool
    job_id: int | None = None
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    id: int
    job_id: int | None
    site_id: int | None
    events: list[str]
    urgent_events: list[str]
    not_started_minutes: int
    failures_in_a_row: int
    slower_factor: float
    replaces_general: bool
    enabled: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    channels: Sequence["ChannelName"] = ()


@dataclass(frozen=True, slots=True)
class ChannelName:
    """A channel that a rule uses. Of one that the reader does not see only that there is one is told: no name."""

    id: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a notification on one channel. `channel` None: one that the reader does not see."""

    message_id: UUID
    channel_id: int | None
    channel: str | None
    state: str
    due_at: datetime
    attempt: int
    error: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notification:
    """What a rule told of a job, or (`rule_id` None) what a run of a workflow said. `job_id` and `job_name` None: no saved job launched it.

    `text`: all that a message says; lists leave it out.
    """

    id: int
    rule_id: int | None
    event: str
    job_id: int | None
    job_name: str | None
    occurrence_id: UUID
    sentence: str
    counts: Mapping[str, int]
    created_at: datetime
    deliveries: Sequence[Delivery] = ()
    workflow_run_id: int | None = None
    workflow_name: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    job_id: int | None = None
    event: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One notification within a message."""

    id: int
    event: str
    job_id: int
    occurrence_id: UUID
    facts: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message: sent by nobody else until its lease ends. `attempt` fences what becomes of it."""

    seq: int
    id: UUID
    channel_id: int
    attempt: int
    first_attempt_at: datetime
    endpoint: Endpoint
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Sent:
    """How an attempt ended, in a sentence for people. `holds_line`: the receiver is in trouble, not this one message."""

    is_ok: bool
    sentence: str
    holds_line: bool = True
    is_final: bool = False

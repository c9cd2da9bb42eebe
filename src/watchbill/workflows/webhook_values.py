"""What webhooks are to those who look after them, and what came through them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from watchbill.core.webhook_proof import Mode
from watchbill.kit.secrets import Secret

#: `unauthorized` and `rate_limited` are what anybody can bring about; `tested` is somebody's trial.
Outcome = Literal["launched", "repeated", "invalid", "refused", "unauthorized", "rate_limited", "tested"]


@dataclass(frozen=True, slots=True)
class WebhookDraft:
    """What is said of a webhook by whoever saves it."""

    name: str
    enabled: bool
    mode: Mode
    rate_per_minute: int


@dataclass(frozen=True, slots=True)
class Webhook:
    """`allowed_site_ids`: the sites of whoever saved it last, None = every site. `previous_until`: the secret before is taken so long."""

    id: int
    public_id: str
    workflow_id: UUID
    name: str
    enabled: bool
    mode: Mode
    rate_per_minute: int
    allowed_site_ids: Sequence[int] | None
    secret_set_at: datetime
    previous_until: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime
    updated_by: str | None
    last_delivery_at: datetime | None
    last_outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """A webhook with a new secret, told this once."""

    webhook: Webhook
    secret: Secret


@dataclass(frozen=True, slots=True)
class Keeper:
    """A webhook as a delivery meets it: its secrets, and the sites that whoever saved it still has."""

    id: int
    public_id: str
    workflow_id: UUID
    enabled: bool
    mode: Mode
    rate_per_minute: int
    secret_hash: bytes | None = field(repr=False)
    secret_sealed: str | None = field(repr=False)
    previous_hash: bytes | None = field(repr=False)
    previous_sealed: str | None = field(repr=False)
    previous_until: datetime | None
    site_ids: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One that came. `problems` as replies have them; `body` is its beginning; `run_id`: what it launched, which may be gone by now."""

    id: int
    at: datetime
    source_address: str | None
    outcome: Outcome
    reason: str | None
    problems: Sequence[Mapping[str, Any]]
    run_id: int | None
    body: str
    body_bytes: int

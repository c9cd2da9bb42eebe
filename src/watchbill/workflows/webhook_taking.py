"""One delivery to a webhook: is it from who has the secret, is it new, what does it say, and the run that it launches.

Whoever has no proof is told nothing: an address of no webhook, a wrong secret and a webhook that is off are answered alike.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core import webhook_payload
from watchbill.core.problems import Problem
from watchbill.core.webhook_proof import Proof
from watchbill.identity import ENGINE, Limit
from watchbill.kit.errors import AppError, ConflictError, InvalidError, TooManyRequestsError
from watchbill.kit.secrets import KeyRing, SecretError
from watchbill.workflows import webhook_secrets as secrets
from watchbill.workflows import webhook_store as store
from watchbill.workflows.launching import Launch, launch
from watchbill.workflows.webhook_values import Keeper, Outcome
from watchbill_wire import masking

#: Of a body so much is kept.
EXCERPT_BYTES: Final = 2048
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MINUTE: Final = timedelta(minutes=1)
#: What strangers send is written down so often in a minute, and no oftener.
_STRANGERS: Final = Limit("webhook_strangers", 30, _MINUTE)
_NOT_JSON: Final = Problem("", "json_invalid", "the body must be JSON in UTF-8")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived. `key`: the name that its sender gives it."""

    public_id: str
    body: bytes
    proof: Proof
    key: str | None
    source_address: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it. `webhook_id` None = there is no such webhook. Without a run there is an error, but for who has no proof."""

    outcome: Outcome
    webhook_id: int | None
    run_id: int | None = None
    reason: str | None = None
    error: AppError | None = None

    @property
    def is_strange(self) -> bool:
        return self.outcome == "unauthorized"


async def take(tx: AsyncConnection, delivery: Delivery, keys: KeyRing, now: datetime) -> Taken:
    """Launch what a delivery asks for, once. Nothing is written for who has no proof: that is `note_stranger`'s, afterwards."""
    # Others cannot even be looked for, and take as long.
    public_id = delivery.public_id if _ID.fullmatch(delivery.public_id) else "none"
    hook = await store.keeper(tx, public_id=public_id)
    verdict = secrets.judge(hook, delivery.proof, delivery.body, keys, now)
    if hook is None or verdict.reason is not None:
        return Taken("unauthorized", hook.id if hook else None, reason=verdict.reason)
    # Held until the end: deliveries of one webhook come one after the other, whichever process they come to.
    wait = await Limit("webhook", hook.rate_per_minute, _MINUTE).hit(tx, str(hook.id), now)
    if wait is not None:
        said = f"This webhook takes {hook.rate_per_minute} deliveries a minute."
        taken = Taken("rate_limited", hook.id, error=TooManyRequestsError(said, retry_after_seconds=wait))
    else:
        taken = await _admitted(tx, hook, delivery, verdict.signatures, now)
    if not taken.is_strange:
        await _note(tx, hook, delivery, taken, keys, now)
    return taken


async def note_stranger(tx: AsyncConnection, delivery: Delivery, taken: Taken, keys: KeyRing, now: datetime) -> None:
    """Write down that somebody had no proof, for who looks for the reason. After the reply, so that it tells nothing by its time."""
    hook = await store.keeper(tx, webhook_id=taken.webhook_id) if taken.webhook_id is not None else None
    if hook is not None and await _STRANGERS.hit(tx, str(hook.id), now) is None:
        await _note(tx, hook, delivery, taken, keys, now)


async def _admitted(
    tx: AsyncConnection, hook: Keeper, delivery: Delivery, signatures: Sequence[bytes], now: datetime
) -> Taken:
    digest = hashlib.sha256(delivery.body).digest()
    earlier = await store.known_key(tx, hook.id, delivery.key, now) if delivery.key else None
    if earlier is not None and earlier[1] == digest:
        return Taken("repeated", hook.id, earlier[0])
    if signatures and not await store.remember(tx, hook.id, signatures, delivery.proof.accepted_until):
        return Taken("unauthorized", hook.id, reason="replayed")
    if earlier is not None:
        message = "names another delivery of the last 24 hours, with another body"
        problem = Problem("Idempotency-Key", "reused", message)
        return Taken("invalid", hook.id, error=InvalidError.of([problem], what="The delivery"))
    try:
        async with tx.begin_nested():
            run_id = await _launched(tx, hook, delivery, now)
    except AppError as error:
        outcome: Outcome = "invalid" if isinstance(error, InvalidError) else "refused"
        return Taken(outcome, hook.id, reason=error.code, error=error)
    if delivery.key:
        known = {"webhook_id": hook.id, "key": delivery.key, "body_sha256": digest, "run_id": run_id, "created_at": now}
        await store.keep_key(tx, known)
    return Taken("launched", hook.id, run_id)


async def _launched(tx: AsyncConnection, hook: Keeper, delivery: Delivery, now: datetime) -> int:
    new = Launch(
        hook.workflow_id,
        "webhook",
        parameters=await _parameters(tx, hook.workflow_id, delivery.body),
        allowed_site_ids=hook.site_ids,
        request_id=f"webhook {hook.id}:{uuid4().hex}",
        is_free=True,
    )
    return await launch(tx, new, now)


async def _parameters(tx: AsyncConnection, workflow_id: UUID, body: bytes) -> dict[str, Any]:
    workflow = await assemblies.get(tx, ENGINE, workflow_id)
    schema = webhook_payload.schema_of(workflow.draft)
    if schema is None:
        raise ConflictError("The workflow takes no webhooks.", code="no_trigger")
    try:
        document = webhook_payload.read_body(body)
    except webhook_payload.NoJsonError:
        raise InvalidError.of([_NOT_JSON], what="The delivery") from None
    found = webhook_payload.mapped(schema, workflow.draft.variables, document)
    if found.problems:
        raise InvalidError.of(found.problems, what="The delivery")
    return dict(found.parameters)


async def _note(
    tx: AsyncConnection, hook: Keeper, delivery: Delivery, taken: Taken, keys: KeyRing, now: datetime
) -> None:
    problems = taken.error.problems if taken.error else ()
    values = {
        "at": now,
        "source_address": delivery.source_address,
        "outcome": taken.outcome,
        "reason": taken.reason or (taken.error.code if taken.error else None),
        "problems": [{"field": one.field, "code": one.code, "message": one.message} for one in problems],
        "run_id": taken.run_id,
        "body": excerpt(delivery.body, _told(hook, delivery, keys)),
        "body_bytes": len(delivery.body),
    }
    await store.note(tx, hook.id, values)


def _told(hook: Keeper, delivery: Delivery, keys: KeyRing) -> list[str]:
    """What must not be kept, should it stand in the body."""
    given = [delivery.proof.bearer] if delivery.proof.bearer else []
    try:
        return [*given, *secrets.signing_secrets(hook, keys)]
    except SecretError:
        return given


def excerpt(body: bytes, hidden: Sequence[str]) -> str:
    """The beginning of a body as a text, without any of the `hidden`."""
    forms = masking.patterns(hidden)
    longest = max(map(len, forms), default=0)
    start = body[: EXCERPT_BYTES + longest]
    if forms:
        start = re.sub(b"|".join(map(re.escape, forms)), b"***", start)
    return start[:EXCERPT_BYTES].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")

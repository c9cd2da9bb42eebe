"""The verbs of webhooks: who may launch a workflow from outside, with which secret, and what came.

A webhook is seen and looked after by who sees every site that it may reach. Its secret is told once, when it is made or replaced.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.assemblies import Assembly
from watchbill.core import webhook_payload
from watchbill.core.problems import Problem
from watchbill.core.webhook_payload import Mapped
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import ConflictError, InvalidError, NotFoundError
from watchbill.kit.paging import Page
from watchbill.kit.secrets import KeyRing, new_token
from watchbill.workflows import webhook_secrets as secrets
from watchbill.workflows import webhook_store as store
from watchbill.workflows.launching import Launch, launch
from watchbill.workflows.webhook_taking import excerpt
from watchbill.workflows.webhook_values import MadeWebhook, Webhook, WebhookDelivery, WebhookDraft

MAX_WEBHOOKS: Final = 50
#: What a webhook launches, its maker could launch by a job.
_NEEDED: Final = (Permission.JOBS_WRITE, Permission.RUN_AS_SYSTEM)


async def get_webhook(tx: AsyncConnection, actor: Actor, webhook_id: int) -> Webhook:
    actor.require(Permission.READ)
    return _there(await store.find(tx, actor.scope, webhook_id))


async def list_webhooks(
    tx: AsyncConnection, actor: Actor, workflow_id: UUID, *, limit: int, cursor: str | None
) -> Page[Webhook]:
    await _workflow(tx, actor, workflow_id)
    return await store.list_page(tx, actor.scope, workflow_id, limit=limit, cursor=cursor)


async def list_deliveries(
    tx: AsyncConnection, actor: Actor, webhook_id: int, *, limit: int, cursor: str | None
) -> Page[WebhookDelivery]:
    """What came last, newest first. Bodies are for those who may change the webhook."""
    await get_webhook(tx, actor, webhook_id)
    actor.require(*_NEEDED)
    return await store.list_deliveries(tx, webhook_id, limit=limit, cursor=cursor)


async def lock_webhook(tx: AsyncConnection, actor: Actor, webhook_id: int) -> Webhook:
    """The webhook, held until the transaction ends, for a caller who may change it."""
    await store.hold_one(tx, webhook_id)
    found = await get_webhook(tx, actor, webhook_id)
    actor.require(*_NEEDED)
    return found


async def create_webhook(
    tx: AsyncConnection, actor: Actor, workflow_id: UUID, draft: WebhookDraft, *, keys: KeyRing, now: datetime
) -> MadeWebhook:
    """A new webhook of a workflow that has a trigger for one."""
    workflow = await _workflow(tx, actor, workflow_id)
    actor.require(*_NEEDED)
    if workflow.archived_at is not None:
        raise ConflictError("This workflow is archived; bring it back first.", code="assembly_archived")
    if webhook_payload.schema_of(workflow.draft) is None:
        raise ConflictError("This workflow has no trigger of type trigger_webhook: add one first.", code="no_trigger")
    if await store.hold_workflow(tx, workflow_id) >= MAX_WEBHOOKS:
        raise ConflictError(f"This workflow has {MAX_WEBHOOKS} webhooks, which is the most.", code="too_many")
    await _check(tx, workflow_id, draft, None)
    public_id, secret = new_token(18), secrets.make()
    made = {"public_id": public_id, "workflow_id": workflow_id, "mode": draft.mode, "secret_set_at": now, "revision": 1}
    first = {"created_by": actor.operator_id, "created_at": now, **secrets.columns(draft.mode, public_id, secret, keys)}
    webhook_id = await store.insert_webhook(tx, {**_columns(actor, draft, now), **made, **first})
    await _record(
        tx, actor, "create", webhook_id, now, {"name": draft.name, "mode": draft.mode, "workflow": str(workflow_id)}
    )
    return MadeWebhook(await get_webhook(tx, actor, webhook_id), secret)


async def update_webhook(
    tx: AsyncConnection, actor: Actor, before: Webhook, draft: WebhookDraft, *, now: datetime
) -> Webhook:
    """Save a locked webhook anew; from now on it reaches the sites of whoever saves it."""
    await store.hold_workflow(tx, before.workflow_id)
    await _check(tx, before.workflow_id, draft, before)
    await store.update_webhook(tx, before.id, {**_columns(actor, draft, now), "revision": before.revision + 1})
    await _record(tx, actor, "update", before.id, now, {"name": draft.name, "enabled": draft.enabled})
    return await get_webhook(tx, actor, before.id)


async def rotate_secret(
    tx: AsyncConnection, actor: Actor, before: Webhook, overlap: timedelta, *, keys: KeyRing, now: datetime
) -> MadeWebhook:
    """Give a locked webhook a new secret; the one it has is taken for `overlap` more, one from before that no longer."""
    held = await store.keeper(tx, webhook_id=before.id)
    secret = secrets.make()
    values = {"secret_set_at": now, "updated_at": now, "updated_by": actor.operator_id, "revision": before.revision + 1}
    previous: dict[str, Any] = {"previous_hash": None, "previous_sealed": None, "previous_until": None}
    if overlap and held is not None:
        previous = {
            "previous_hash": held.secret_hash,
            "previous_sealed": held.secret_sealed,
            "previous_until": now + overlap,
        }
    fresh = secrets.columns(before.mode, before.public_id, secret, keys)
    await store.update_webhook(tx, before.id, {**values, **previous, **fresh})
    await _record(
        tx, actor, "rotate", before.id, now, {"name": before.name, "overlap_seconds": int(overlap.total_seconds())}
    )
    return MadeWebhook(await get_webhook(tx, actor, before.id), secret)


async def delete_webhook(tx: AsyncConnection, actor: Actor, before: Webhook, *, now: datetime) -> None:
    """Its address leads nowhere from now on; what it launched goes on."""
    await store.delete_webhook(tx, before.id)
    await _record(tx, actor, "delete", before.id, now, {"name": before.name})


async def try_out(
    tx: AsyncConnection, actor: Actor, hook: Webhook, payload: object, *, is_real: bool, now: datetime
) -> tuple[Mapped, int | None]:
    """What a body would give to the workflow's parameters, noted as a test; with `is_real` the run of it, in the sites of the caller."""
    if is_real:
        actor.require(Permission.JOBS_RUN)
    workflow = await _workflow(tx, actor, hook.workflow_id)
    schema = webhook_payload.schema_of(workflow.draft)
    if schema is None:
        raise ConflictError("This workflow has no trigger of type trigger_webhook any more.", code="no_trigger")
    found = webhook_payload.mapped(schema, workflow.draft.variables, payload)
    run_id = None
    if is_real and not found.problems:
        new = Launch(
            hook.workflow_id,
            "webhook",
            parameters=found.parameters,
            allowed_site_ids=actor.scope.as_list(),
            started_by=actor.operator_id,
            request_id=f"webhook test:{new_token()}",
            is_free=True,
        )
        run_id = await launch(tx, new, now)
    body = json.dumps(payload).encode()
    problems = [{"field": one.field, "code": one.code, "message": one.message} for one in found.problems]
    told = {"at": now, "source_address": actor.remote_addr, "outcome": "tested", "reason": None, "problems": problems}
    await store.note(tx, hook.id, {**told, "run_id": run_id, "body": excerpt(body, ()), "body_bytes": len(body)})
    await _record(tx, actor, "test", hook.id, now, {"name": hook.name, "run_id": run_id})
    return found, run_id


async def forget(tx: AsyncConnection, now: datetime) -> None:
    """Delete what is remembered of deliveries for no longer, and secrets whose overlap is over. Safe to repeat."""
    await store.forget(tx, now)


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns in how many webhooks."""
    fresh = {}
    for webhook_id, public_id, current, previous in await store.sealed(tx):
        name = secrets.context(public_id)
        after = (keys.renewed(current, name), keys.renewed(previous, name) if previous else None)
        if after != (current, previous):
            fresh[webhook_id] = after
    await store.replace_sealed(tx, fresh)
    return len(fresh)


async def _workflow(tx: AsyncConnection, actor: Actor, workflow_id: UUID) -> Assembly:
    found = await assemblies.get(tx, actor, workflow_id)
    if found.draft.workflow is None:
        raise NotFoundError("There is no such workflow.", code="workflow_not_found")
    return found


def _there(found: Webhook | None) -> Webhook:
    if found is None:
        raise NotFoundError("There is no such webhook.", code="webhook_not_found")
    return found


async def _check(tx: AsyncConnection, workflow_id: UUID, draft: WebhookDraft, before: Webhook | None) -> None:
    problems = []
    if before is not None and before.mode != draft.mode:
        problems.append(Problem("mode", "cannot_change", f"stays {before.mode}; make another webhook"))
    if await store.is_named(tx, workflow_id, draft.name, other_than=before.id if before else None):
        message = "another webhook of this workflow has this name (case does not count)"
        problems.append(Problem("name", "name_taken", message))
    if problems:
        raise InvalidError.of(problems, what="The webhook")


def _columns(actor: Actor, draft: WebhookDraft, now: datetime) -> dict[str, Any]:
    return {
        "name": draft.name,
        "enabled": draft.enabled,
        "rate_per_minute": draft.rate_per_minute,
        "allowed_site_ids": actor.scope.as_list(),
        "scope_of": actor.operator_id,
        "updated_by": actor.operator_id,
        "updated_at": now,
    }


async def _record(
    tx: AsyncConnection, actor: Actor, verb: str, webhook_id: int, now: datetime, detail: Mapping[str, Any]
) -> None:
    await audit.record(tx, actor, f"webhook.{verb}", "webhook", webhook_id, now=now, detail=detail)

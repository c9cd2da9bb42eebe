"""`/api/workflows/{assembly_id}/webhooks`, `/api/webhooks` and `/hooks/{public_id}`: what launches workflows from outside."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, JsonValue
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from watchbill import workflows
from watchbill.api.addresses import server_url
from watchbill.api.auth import Caller, remote_addr
from watchbill.api.common import (
    PROBLEMS,
    Deps,
    FieldProblem,
    Id,
    Instant,
    Model,
    Name,
    Now,
    PageOf,
    PageQuery,
    ProblemDetails,
    TheDeps,
    Tx,
    check_if_match,
    etag,
    problem,
    router,
)
from watchbill.core.webhook_proof import delivery_key, read_proof
from watchbill.kit.errors import NotSignedInError, TooManyRequestsError
from watchbill.workflows import Delivery, Taken, Webhook, WebhookDelivery, WebhookDraft

MAX_BODY_BYTES: Final = 256 * 1024
#: How long a body may take to arrive.
_BODY_SECONDS: Final = 30
_REFUSED: Final = "Not accepted: there is no such webhook, or it is off, or the proof is missing, wrong, more than five minutes old or used already."

of_workflows = router(prefix="/api/workflows", tags=["webhooks"])
resource = router(prefix="/api/webhooks", tags=["webhooks"])
public = APIRouter(tags=["webhooks"], responses={key: PROBLEMS[key] for key in (401, 404, 409, 422, 429)})


async def _base_url(request: Request) -> str:
    deps: Deps = request.app.state.deps
    return server_url(deps, request)


BaseUrl = Annotated[str, Depends(_base_url)]
IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]


class WebhookBody(Model):
    name: Name = Field(description="unique among the webhooks of the workflow")
    enabled: bool = Field(default=True, description="false: deliveries are answered as if there were no such webhook")
    mode: Literal["hmac", "bearer"] = Field(
        default="hmac", description="how senders prove themselves; stays as it was made"
    )
    rate_per_minute: Annotated[int, Field(ge=1, le=6000, description="deliveries in a minute; more get 429")] = 60

    def draft(self) -> WebhookDraft:
        return WebhookDraft(self.name, self.enabled, self.mode, self.rate_per_minute)


class WebhookReply(Model):
    """A webhook without its secret, which is told when it is made or replaced and never again."""

    id: int
    workflow_id: UUID
    public_id: str
    url: str = Field(description="where senders post to")
    name: str
    enabled: bool
    mode: Literal["hmac", "bearer"]
    rate_per_minute: int
    site_ids: list[int] | None = Field(
        description="the sites of whoever saved it last: its runs reach those that they still have. null: every site"
    )
    secret_set_at: Instant
    previous_secret_until: Instant | None = Field(description="so long the secret before is taken too")
    revision: int
    created_at: Instant
    updated_at: Instant
    updated_by: str | None
    last_delivery_at: Instant | None
    last_outcome: str | None


class MadeWebhookReply(WebhookReply):
    secret: str = Field(description="told only now")


class RotateBody(Model):
    overlap_seconds: Annotated[
        int, Field(ge=0, le=30 * 86_400, description="so long the secret of now is taken too; 0: not at all")
    ] = 86_400


class TestBody(Model):
    payload: JsonValue = Field(description="a body as a sender would send it")
    launch: bool = Field(default=False, description="also launch the workflow with it, in the sites of the caller")


class TestReply(Model):
    """`parameters`: what the payload gives to the workflow; `run_id`: the run that was launched."""

    parameters: dict[str, JsonValue]
    problems: list[FieldProblem]
    run_id: int | None


class WebhookDeliveryReply(Model):
    """`body`: its first 2 KiB. `reason`: a word for whoever looks after the webhook; the sender was told none where it had no proof."""

    id: int
    at: Instant
    source_address: str | None
    outcome: Literal["launched", "repeated", "invalid", "refused", "unauthorized", "rate_limited", "tested"]
    reason: str | None
    problems: list[FieldProblem]
    run_id: int | None = Field(description="what it launched; the run may be gone by now")
    body: str
    body_bytes: int


class AcceptedReply(Model):
    run_id: int


# --- looking after them ------------------------------------------------------------------------------------------------


def _shown(one: Webhook, base_url: str) -> dict[str, Any]:
    same = set(WebhookReply.model_fields) - {"url", "site_ids", "previous_secret_until"}
    return {
        **{name: getattr(one, name) for name in same},
        "url": f"{base_url}/hooks/{one.public_id}",
        "site_ids": one.allowed_site_ids,
        "previous_secret_until": one.previous_until,
    }


def _reply(one: Webhook, base_url: str, response: Response) -> WebhookReply:
    response.headers["ETag"] = etag(one.revision)
    return WebhookReply.model_validate(_shown(one, base_url))


def _delivery(one: WebhookDelivery) -> WebhookDeliveryReply:
    return WebhookDeliveryReply.model_validate({name: getattr(one, name) for name in WebhookDeliveryReply.model_fields})


@of_workflows.get("/{assembly_id}/webhooks")
async def list_webhooks(
    assembly_id: UUID, query: Annotated[PageQuery, Query()], tx: Tx, caller: Caller, base_url: BaseUrl
) -> PageOf[WebhookReply]:
    """The webhooks of a workflow whose every site the caller sees, oldest first."""
    page = await workflows.list_webhooks(tx, caller, assembly_id, limit=query.limit, cursor=query.cursor)
    return PageOf[WebhookReply].of(page, lambda one: WebhookReply.model_validate(_shown(one, base_url)))


@of_workflows.post("/{assembly_id}/webhooks", status_code=201)
async def create_webhook(
    assembly_id: UUID,
    body: WebhookBody,
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    base_url: BaseUrl,
    response: Response,
) -> MadeWebhookReply:
    """Make a webhook. Its secret is told in this reply only."""
    made = await workflows.create_webhook(tx, caller, assembly_id, body.draft(), keys=deps.keys, now=now)
    response.headers["Location"] = f"/api/webhooks/{made.webhook.id}"
    response.headers["ETag"] = etag(made.webhook.revision)
    return MadeWebhookReply.model_validate({**_shown(made.webhook, base_url), "secret": made.secret.reveal()})


@resource.get("/{webhook_id}")
async def get_webhook(webhook_id: Id, tx: Tx, caller: Caller, base_url: BaseUrl, response: Response) -> WebhookReply:
    """One webhook."""
    return _reply(await workflows.get_webhook(tx, caller, webhook_id), base_url, response)


@resource.put("/{webhook_id}")
async def update_webhook(
    webhook_id: Id,
    body: WebhookBody,
    tx: Tx,
    caller: Caller,
    now: Now,
    base_url: BaseUrl,
    response: Response,
    if_match: IfMatch = None,
) -> WebhookReply:
    """Save a webhook anew; from now on its runs reach the sites of the caller."""
    before = await workflows.lock_webhook(tx, caller, webhook_id)
    check_if_match(if_match, before.revision)
    saved = await workflows.update_webhook(tx, caller, before, body.draft(), now=now)
    return _reply(saved, base_url, response)


@resource.delete("/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Delete a webhook with what is known of its deliveries; what it launched goes on."""
    before = await workflows.lock_webhook(tx, caller, webhook_id)
    check_if_match(if_match, before.revision)
    await workflows.delete_webhook(tx, caller, before, now=now)


@resource.post("/{webhook_id}/rotate")
async def rotate_webhook_secret(
    webhook_id: Id,
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    base_url: BaseUrl,
    body: RotateBody | None = None,
) -> MadeWebhookReply:
    """Replace the secret. The new one is told in this reply only; the old one is taken for a while longer."""
    overlap = timedelta(seconds=(body or RotateBody()).overlap_seconds)
    before = await workflows.lock_webhook(tx, caller, webhook_id)
    made = await workflows.rotate_secret(tx, caller, before, overlap, keys=deps.keys, now=now)
    return MadeWebhookReply.model_validate({**_shown(made.webhook, base_url), "secret": made.secret.reveal()})


@resource.get("/{webhook_id}/deliveries")
async def list_webhook_deliveries(
    webhook_id: Id, query: Annotated[PageQuery, Query()], tx: Tx, caller: Caller
) -> PageOf[WebhookDeliveryReply]:
    """What came last, newest first: a hundred that had a proof, and twenty that had none or were too many."""
    page = await workflows.list_deliveries(tx, caller, webhook_id, limit=query.limit, cursor=query.cursor)
    return PageOf[WebhookDeliveryReply].of(page, _delivery)


@resource.post("/{webhook_id}/test")
async def test_webhook(webhook_id: Id, body: TestBody, tx: Tx, caller: Caller, now: Now) -> TestReply:
    """What a body would give to the workflow's parameters, with everything that is wrong with it; launches only when asked to."""
    hook = await workflows.lock_webhook(tx, caller, webhook_id)
    found, run_id = await workflows.try_webhook(tx, caller, hook, body.payload, is_real=body.launch, now=now)
    problems = [FieldProblem(field=one.field, code=one.code, message=one.message) for one in found.problems]
    return TestReply(parameters=dict(found.parameters), problems=problems, run_id=run_id)


# --- for senders -------------------------------------------------------------------------------------------------------


@public.post(
    "/hooks/{public_id}",
    status_code=202,
    response_model=AcceptedReply,
    responses={
        408: {"model": ProblemDetails, "description": "Too slow"},
        413: {"model": ProblemDetails, "description": "Too large"},
        415: {"model": ProblemDetails, "description": "Not JSON"},
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
)
async def deliver_webhook(public_id: str, request: Request, deps: TheDeps) -> Response:
    """Launch the webhook's workflow with what the body says.

    With a signature of mode `hmac` in `X-Watchbill-Timestamp` and `X-Watchbill-Signature`, or the secret as a bearer token. The reply comes
    once the run is sure to happen. A delivery named by `Idempotency-Key` is one run, however often it is sent.
    """
    sent = Delivery(
        public_id,
        await _body(request),
        read_proof(request.headers),
        delivery_key(request.headers),
        remote_addr(request),
    )
    async with deps.db.begin() as tx:
        taken = await workflows.take_delivery(tx, sent, deps.keys, await deps.clock.now(tx))
    return _answer(deps, sent, taken)


def _answer(deps: Deps, sent: Delivery, taken: Taken) -> Response:
    if taken.is_strange:
        headers = {"WWW-Authenticate": "Bearer"}
        response: Response = problem(401, NotSignedInError.code, _REFUSED, headers=headers)
        response.background = BackgroundTask(_note_stranger, deps, sent, taken)
        return response
    if taken.error is None:
        return JSONResponse({"run_id": taken.run_id}, 202)
    error = taken.error
    wait = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, TooManyRequestsError) else {}
    return problem(error.status, error.code, error.detail, error.problems, wait)


async def _note_stranger(deps: Deps, sent: Delivery, taken: Taken) -> None:
    async with deps.db.begin() as tx:
        await workflows.note_stranger(tx, sent, taken, deps.keys, await deps.clock.now(tx))


async def _body(request: Request) -> bytes:
    """The body, within its bounds; looked at before anything else is, so that it tells nothing of the webhook."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    if not is_json or request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPException(415, "The body must be JSON, sent as application/json and not compressed.")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _bounded(request)
    except TimeoutError:
        raise HTTPException(408, "The body did not arrive in time.", {"Connection": "close"}) from None


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"The body may have at most {MAX_BODY_BYTES} bytes.", {"Connection": "close"})
    return bytes(body)

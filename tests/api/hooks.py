"""Senders of webhooks for tests: a workflow that takes them, and deliveries signed as the documentation says."""

import hashlib
import hmac
import json
import time
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx

from tests.api.workflow_graphs import create, document, edge, node
from watchbill import workflows
from watchbill.identity import ENGINE, SiteScope
from watchbill.workflows import WebhookDraft

PARAMETERS = [
    {"name": "host", "type": "string", "required": True},
    {"name": "level", "type": "number", "default": 3},
    {"name": "urgent", "type": "boolean", "promptable": False},
    {"name": "team", "type": "choice", "choices": ["day", "night"], "default": "day"},
]
PAYLOAD = [
    {"parameter": "host", "path": "alert.labels.host", "required": True},
    {"parameter": "level", "path": "alert.levels.0"},
    {"parameter": "urgent", "path": "alert.urgent"},
    {"parameter": "team", "path": "team", "required": False},
]
BODY = {"alert": {"labels": {"host": "web-1"}, "levels": [7, 8], "urgent": True}}


def hooked(*, name: str = "On alert", concurrency: str = "allow", **changes: Any) -> dict[str, Any]:
    """A workflow that begins by a webhook, and waits for a moment."""
    made = document(
        node("hook", "trigger_webhook", payload=deepcopy(PAYLOAD)),
        node("pause", "wait", **{"for": "duration", "seconds": 5}),
        edges=[edge("hook.out", "pause.in"), edge("start.out", "pause.in"), edge("nightly.out", "pause.in")],
        name=name,
        variables=deepcopy(PARAMETERS),
        **changes,
    )
    made["workflow"]["concurrency"] = concurrency
    nodes = made["workflow"]["nodes"]
    made["workflow"]["edges"] = [one for one in made["workflow"]["edges"] if one["to"] != "hook.in"]
    assert [one["id"] for one in nodes] == ["start", "nightly", "hook", "pause"]
    return made


@dataclass
class Sender:
    """Posts to one webhook, over `client`, with its `secret`."""

    client: httpx.AsyncClient
    hook: dict[str, Any]
    secret: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/hooks/{self.hook['public_id']}"

    async def send(
        self, body: Any = BODY, *, ago: float = 0, secret: str | None = None, **headers: str
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        proof = self.proof(raw, int(time.time() - ago), secret or self.secret)
        return await self.post(raw, {**proof, **{name.replace("_", "-"): value for name, value in headers.items()}})

    def proof(self, raw: bytes, at: int, secret: str) -> dict[str, str]:
        if self.hook["mode"] == "bearer":
            return {"Authorization": f"Bearer {secret}"}
        return {"X-Watchbill-Timestamp": str(at), "X-Watchbill-Signature": f"v1={signature(secret, at, raw)}"}

    async def post(self, raw: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.client.post(self.path, content=raw, headers={"Content-Type": "application/json", **headers})


def signature(secret: str, at: int, raw: bytes) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()


async def make_hook(client: httpx.AsyncClient, workflow_id: str, **changes: Any) -> Any:
    reply = await client.post(f"/api/workflows/{workflow_id}/webhooks", json={"name": "Alerts", **changes})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def sender_of(client: httpx.AsyncClient, outside: httpx.AsyncClient, **changes: Any) -> Sender:
    """A webhook of a new workflow, made by `client`, and who posts to it."""
    workflow = await create(client, hooked())
    made = await make_hook(client, workflow["id"], **changes)
    return Sender(outside, made, made["secret"])


async def deliveries(client: httpx.AsyncClient, hook: dict[str, Any]) -> list[Any]:
    reply = await client.get(f"/api/webhooks/{hook['id']}/deliveries", params={"limit": 500})
    assert reply.status_code == 200, reply.text
    items: list[Any] = reply.json()["items"]
    return items


async def placed_hook(maker: Any, workflow_id: str, name: str, site_id: int | None) -> dict[str, Any]:
    """A webhook of whoever sees one site only, or every site where none is named; for the authorization matrix."""
    sites = None if site_id is None else frozenset({site_id})
    draft = WebhookDraft(name, enabled=True, mode="hmac", rate_per_minute=60)
    async with maker.deps.db.begin() as tx:
        actor, now = replace(ENGINE, scope=SiteScope(sites)), await maker.deps.clock.now(tx)
        made = await workflows.create_webhook(tx, actor, UUID(workflow_id), draft, keys=maker.deps.keys, now=now)
    return {"hooked_id": workflow_id, "webhook_id": made.webhook.id}

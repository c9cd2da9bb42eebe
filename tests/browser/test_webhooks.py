"""Webhooks of a workflow in the console: made with a secret that is shown once, used, looked into, tested, turned off, and deleted."""

import hashlib
import hmac
import json
import re
import time
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import violations
from tests.flows.fleet import Fleet

pytestmark = pytest.mark.timeout(240)


async def _workflow(fleet: Fleet) -> dict[str, Any]:
    """Launched by a webhook whose body says which host; it waits a moment and is over."""
    payload = [{"parameter": "host", "path": "alert.host", "required": True}]
    nodes = [
        {"id": "called", "type": "trigger_webhook", "name": "Called", "settings": {"payload": payload}},
        {"id": "moment", "type": "wait", "name": "A moment", "settings": {"for": "duration", "seconds": 1}},
    ]
    edges = [{"from": "called.out", "to": "moment.in", "route_on": "success"}]
    body = {
        "name": "Answer an alert",
        "kind": "workflow",
        "variables": [{"name": "host", "type": "string", "default": "none"}],
        "workflow": {"schema": 1, "concurrency": "allow", "nodes": nodes, "edges": edges},
    }
    reply = await fleet.http.post("/api/assemblies", json=body)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def _deliver(url: str, secret: str, body: dict[str, Any]) -> httpx.Response:
    text, now = json.dumps(body), str(int(time.time()))
    signature = hmac.new(secret.encode(), f"{now}.{text}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "X-Watchbill-Timestamp": now, "X-Watchbill-Signature": f"v1={signature}",
    }  # fmt: skip
    async with httpx.AsyncClient() as sender:
        return await sender.post(url, content=text, headers=headers)


async def _more(page: Page, name: str, entry: str) -> None:
    await page.get_by_role("button", name=f"More for {name}").click()
    await page.get_by_role("menuitem", name=entry).click()


async def test_a_webhook_is_made_used_looked_into_and_deleted(fleet: Fleet, open_page: Page) -> None:
    page = open_page
    workflow = await _workflow(fleet)
    await page.goto(f"/assemblies/{workflow['id']}")
    await page.get_by_role("link", name="Its webhooks").click()
    await expect(page.get_by_text("This workflow has no webhook yet.")).to_be_visible()
    await page.get_by_role("button", name="New Webhook").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("alerts")
    await dialog.get_by_role("button", name="Make webhook").click()
    await expect(dialog.get_by_text("It is shown this once.")).to_be_visible()
    assert await violations(page) == []
    secret, url = [await dialog.locator("code").nth(place).inner_text() for place in (0, 1)]
    await dialog.get_by_role("button", name="I have it").click()
    await expect(page.get_by_role("row", name=re.compile("alerts"))).to_contain_text("none yet")
    assert secret not in await page.content()
    # A sender with it is answered with a run; one with another body is told why not.
    url = str(fleet.http.base_url).rstrip("/") + "/hooks/" + url.rsplit("/", 1)[1]
    taken = await _deliver(url, secret, {"alert": {"host": "web-1"}})
    assert taken.status_code == 202, taken.text
    assert (await _deliver(url, secret, {"alert": {}})).status_code == 422
    await page.get_by_role("button", name="Last deliveries to alerts").click()
    await expect(dialog.get_by_role("row", name=re.compile("Launched a run"))).to_contain_text("web-1")
    await expect(dialog.get_by_role("row", name=re.compile("Its body is wrong"))).to_contain_text("alert.host")
    assert await violations(page) == []
    await dialog.get_by_role("link", name="Its run").click()
    await expect(page).to_have_url(re.compile(f"/workflow-runs/{taken.json()['run_id']}$"))
    await expect(page.get_by_text(re.compile("by a webhook"))).to_be_visible()
    await page.go_back()
    # Tried out: what a body gives, without a run.
    await page.get_by_role("button", name="Test alerts").click()
    await dialog.get_by_role("textbox", name="Body").fill('{"alert": {"host": "db-2"}')
    await dialog.get_by_role("button", name="Send test").click()
    await expect(dialog.get_by_text(re.compile("^This is no JSON"))).to_be_visible()
    await dialog.get_by_role("textbox", name="Body").fill('{"alert": {"host": "db-2"}}')
    await dialog.get_by_role("button", name="Send test").click()
    await expect(dialog.get_by_role("status")).to_contain_text('host = "db-2"')
    assert await violations(page) == []
    await dialog.get_by_role("button", name="Close").last.click()
    # Another secret: the one of now goes on being taken.
    await _more(page, "alerts", "New secret…")
    await dialog.get_by_role("button", name="Replace the secret").click()
    await expect(dialog.get_by_text("The secret before is taken until")).to_be_visible()
    assert await dialog.locator("code").first.inner_text() != secret
    await dialog.get_by_role("button", name="I have it").click()
    assert (await _deliver(url, secret, {"alert": {"host": "web-1"}})).status_code == 202
    await _more(page, "alerts", "Turn off")
    await expect(page.get_by_role("row", name=re.compile("alerts")).get_by_text("off", exact=True)).to_be_visible()
    assert (await _deliver(url, secret, {"alert": {"host": "web-1"}})).status_code == 401
    await _more(page, "alerts", "Edit…")
    await dialog.get_by_role("textbox", name="Name").fill("pages")
    await dialog.get_by_role("button", name="Save webhook").click()
    await expect(page.get_by_role("row", name=re.compile("pages"))).to_be_visible()
    assert await violations(page) == []
    await _more(page, "pages", "Delete…")
    await dialog.get_by_role("button", name="Delete webhook").click()
    await expect(page.get_by_text("This workflow has no webhook yet.")).to_be_visible()

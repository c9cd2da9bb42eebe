"""Inventory > Devices: the list, and one device with what ran on it, what waits for it and what it is called."""

import base64
import re
import secrets
from datetime import timedelta
from ipaddress import IPv4Network
from uuid import UUID

import pytest
from playwright.async_api import Page, expect

from tests.flows.fleet import Fleet
from watchbill import agents, vpn
from watchbill.core.vpn_rules import HubState
from watchbill.kit.clock import Clock
from watchbill.kit.secrets import KeyRing
from watchbill_wire import ServiceAccountReported

pytestmark = pytest.mark.timeout(300)

_DAILY = {"type": "daily", "start": "2026-01-01T03:00"}


async def test_a_device_shows_what_ran_and_waits_on_it(fleet: Fleet, page: Page) -> None:
    here = await fleet.enrol("alpha")
    away = await fleet.enrol("beta", start=False)
    field = {"name": "rack", "label": "Rack", "type": "text"}
    assert (await fleet.http.post("/api/custom_fields", json=field)).status_code == 201
    script = await fleet.script("echo all is well", name="Look round")
    job = await fleet.job(script, here, away, name="Rounds", policies={"offline": "wait"})
    await page.goto(f"/devices/{here.device_id}")
    ran = page.get_by_role("region", name="What ran on it")
    await expect(ran.get_by_text("all is well")).to_be_visible()
    await expect(ran.get_by_role("link", name="Rounds")).to_have_attribute(
        "href", re.compile(rf"/jobs/{job['id']}/run\?occurrence=")
    )
    targets = page.get_by_role("region", name="Jobs that target it")
    await expect(targets).to_contain_text("by its name")
    await page.get_by_text("Executions", exact=True).click()
    row = page.get_by_role("row").filter(has_text="Rounds")
    await expect(row).to_contain_text("Look round")
    await expect(row).to_contain_text("Exited")
    await page.get_by_text("Software", exact=True).click()
    await expect(page).to_have_url(re.compile("tab=software"))
    await page.get_by_text("Overview", exact=True).click()
    await page.get_by_role("button", name=re.compile("^Edit the custom fields")).click()
    await page.get_by_label("Rack").fill("B-12")
    await page.get_by_role("button", name="Save values").click()
    await expect(page.get_by_text("B-12", exact=True)).to_be_visible()

    await page.goto(f"/devices/{away.device_id}")
    waiting = page.get_by_role("region", name="Waiting for it")
    await expect(waiting.get_by_role("link", name="Rounds")).to_be_visible()
    await waiting.get_by_role("button", name="Withdraw…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Why").fill("it is gone for good")
    await dialog.get_by_role("button", name="Withdraw 1 start").click()
    await expect(waiting).to_contain_text("Nothing waits.")
    await page.get_by_role("button", name="Access").click()
    await page.get_by_role("menuitem", name="Revoke…").click()
    revoke = dialog.get_by_role("button", name="Revoke device")
    await expect(revoke).to_be_disabled()
    hostname = await page.get_by_role("heading", level=1).inner_text()
    await dialog.get_by_label(re.compile("^Type ")).fill(hostname)
    await revoke.click()
    await expect(page.get_by_text("Revoked", exact=True)).to_be_visible()


async def test_the_service_account_of_a_device_is_asked_for_and_taken_back(fleet: Fleet, page: Page) -> None:
    agent = await fleet.enrol("alpha", start=False)
    await page.goto(f"/devices/{agent.device_id}")
    panel = page.get_by_role("region", name="Service account")
    await expect(panel).to_contain_text("The Engine has no account on this device.")
    await panel.get_by_role("button", name=re.compile("^Create the service account")).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("svc-watchbill")
    await dialog.get_by_role("button", name="Create account").click()
    await expect(panel).to_contain_text("Being created")
    async with fleet.db.begin() as tx:
        device = UUID(agent.device_id)
        (wish,) = (await agents.service_accounts_wanted(tx, [device])).values()
        told = {device: ServiceAccountReported("present", wish.generation)}
        await agents.service_accounts_told(tx, fleet.keys, told, await fleet.clock.now(tx))
    await expect(panel).to_contain_text("Present")
    await expect(panel.get_by_role("button", name=re.compile("^Create"))).to_be_disabled()
    await panel.get_by_role("button", name=re.compile("^Rotate")).click()
    await dialog.get_by_role("button", name="Rotate account").click()
    await expect(panel).to_contain_text("Being rotated")
    await panel.get_by_role("button", name=re.compile("^Remove")).click()
    await dialog.get_by_role("button", name="Remove account").click()
    await expect(panel).to_contain_text("Being removed")


async def test_devices_are_found_and_tagged(fleet: Fleet, page: Page) -> None:
    enrolled = [await fleet.enrol(name, start=False) for name in ("alpha", "beta")]
    body = {"name": "Linux", "criteria": {"field": "os_family", "operator": "is", "value": "linux"}}
    found = (await fleet.http.post("/api/device_filters", json=body)).json()
    await page.goto(f"/devices?filter_id={found['id']}&online=false")
    rows = page.get_by_role("row").filter(has_text="Offline")
    await expect(rows).to_have_count(2)
    await page.get_by_role("checkbox", name=re.compile("^Select all")).check()
    await page.get_by_role("button", name="Tag…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Add tags").fill("harbour")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("All 2 devices change.")
    await dialog.get_by_role("button", name="Tag 2 devices").click()
    await expect(page.get_by_text("2 devices tagged.")).to_be_visible()
    await expect(rows.first).to_contain_text("harbour")
    reply = await fleet.http.post(
        "/api/devices/tags", json={"device_ids": [enrolled[0].device_id], "remove": ["harbour"]}
    )
    assert reply.status_code == 200
    await page.get_by_label("Any tag").fill("harbour")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="Views").click()
    await page.get_by_role("menuitem", name="Save as a new view…").click()
    await dialog.get_by_label("Name").fill("Of the harbour")
    await page.get_by_role("button", name="Save view").click()
    await expect(page).to_have_url(re.compile(r"view=\d+"))
    await page.get_by_role("button", name="Clear filters").click()
    await expect(rows).to_have_count(2)


async def test_a_device_shows_whether_its_tunnel_can_be_used(fleet: Fleet, page: Page, keys: KeyRing) -> None:
    agent = await fleet.enrol("alpha", start=False)
    told = vpn.TunnelReported(base64.b64encode(secrets.token_bytes(32)).decode(), vpn.TunnelState.UP)
    device = UUID(agent.device_id)
    assert told.public_key is not None
    async with fleet.db.begin() as tx:
        now = await Clock().now(tx)
        draft = vpn.HubDraft(IPv4Network("100.96.0.0/12"), "engine.example:51820", 25, "wbhub", "quay")
        await vpn.open_hub(tx, keys, draft, now)
        await vpn.note_hub(tx, HubState.UP, None, "quay", now)
        await vpn.note_reported(tx, {device: told}, now)
        await vpn.note_applied(tx, [told.public_key])
    await page.goto(f"/devices/{agent.device_id}")
    tunnel = page.get_by_role("region", name="Tunnel")
    await expect(tunnel).to_contain_text("Not ready")
    await expect(tunnel).to_contain_text("nothing has asked for it")
    async with fleet.db.begin() as tx:
        await vpn.prepare(tx, [device], now + timedelta(hours=1), now)
    await page.reload()
    await expect(tunnel).to_contain_text("no handshake yet")
    async with fleet.db.begin() as tx:
        await vpn.note_seen(tx, [vpn.Seen(told.public_key, "203.0.113.7:40000", 1.0, 1.0, 2048, 92)], now)
    # It is followed while it is open.
    await expect(tunnel).to_contain_text("Ready", timeout=15_000)
    await expect(tunnel).to_contain_text("100.96.0.2")
    await expect(tunnel).to_contain_text("203.0.113.7:40000")
    await expect(tunnel).to_contain_text("2 KiB, 92 bytes")

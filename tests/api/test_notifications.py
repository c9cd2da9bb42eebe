"""Channels, rules and notifications through HTTP: what is kept, what is never shown, and what is refused."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import World, codes
from watchbill import notifications
from watchbill.api.common import Deps
from watchbill.core.occurrence import public_id
from watchbill.runs import Skipped, record_skipped

CHANNELS, RULES = "/api/notification_channels", "/api/notification_rules"
URL = "https://hooks.example.org:8443/T0P5ECRET/B1"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def hook(**changes: Any) -> dict[str, Any]:
    return {"kind": "webhook", "name": "Night", "url": URL, "headers": {"Authorization": "Bearer t0k3n"}, **changes}


async def made(client: httpx.AsyncClient, **changes: Any) -> Any:
    reply = await client.post(CHANNELS, json=hook(**changes))
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_what_a_webhook_is_known_by_is_told_once_or_never(admin: httpx.AsyncClient) -> None:
    own = await admin.post(CHANNELS, json=hook())
    given = await admin.post(CHANNELS, json=hook(name="Day", secret=SECRET))
    assert own.json()["secret"].startswith("whsec_")
    assert given.json()["secret"] is None
    assert own.json()["destination"] == "https://hooks.example.org:8443/…"
    assert own.json()["header_names"] == ["Authorization"]
    audit = await admin.get("/api/audit")
    for reply in (own, given, await admin.get(CHANNELS), await admin.get(f"{CHANNELS}/{own.json()['id']}"), audit):
        assert not any(word in reply.text for word in ("T0P5ECRET", "t0k3n", SECRET))
    assert own.json()["secret"] not in (await admin.get(CHANNELS)).text
    assert "notification_channel.create" in audit.text


async def test_a_mail_server_is_shown_without_its_password(admin: httpx.AsyncClient) -> None:
    server = {"host": "mail.example.org", "port": 465, "tls": "tls", "sender": "night@example.org", "user": "wb"}
    body: dict[str, Any] = {
        "kind": "email",
        "name": "Mail",
        "to": ["ops@example.org"],
        "smtp": {**server, "password": "hush hush"},
    }
    reply = await admin.post(CHANNELS, json=body)
    assert reply.status_code == 201, reply.text
    assert reply.json()["smtp"] == server
    for shown in (reply, await admin.get(CHANNELS), await admin.get("/api/audit")):
        assert "hush" not in shown.text
    kept = await admin.put(f"{CHANNELS}/{reply.json()['id']}", json={**body, "smtp": server})
    assert kept.status_code == 200, kept.text
    wrong = {"host": "a b", "port": 0, "tls": "ssl", "sender": "nobody", "user": ""}
    refused = await admin.post(CHANNELS, json={**body, "name": "Other", "smtp": wrong})
    assert set(codes(refused)) == {"smtp.host", "smtp.port", "smtp.tls", "smtp.sender", "smtp.user"}
    readable = {**server, "tls": "off", "password": "hush hush"}
    for smtp, field in ((readable, "smtp.tls"), ({**server, "user": None, "password": "x"}, "smtp.password")):
        refused = await admin.post(CHANNELS, json={**body, "name": "Other", "smtp": smtp})
        assert set(codes(refused)) == {field}
    hooked = await admin.post(CHANNELS, json=hook(smtp={"host": "mail.example.org", "sender": "night@example.org"}))
    assert set(codes(hooked)) == {"smtp"}


async def test_what_failed_is_asked_for_by_ids_or_by_channel(admin: httpx.AsyncClient) -> None:
    path = "/api/notifications/retry"
    channel = (await made(admin))["id"]
    assert (await admin.post(path, json={"channel_id": channel})).json() == {"messages": 0, "skipped": 0}
    assert (await admin.post(path, json={"ids": [1, 2]})).json() == {"messages": 0, "skipped": 0}
    wrong: list[dict[str, Any]] = [{}, {"ids": [1], "channel_id": channel}, {"ids": []}]
    for body in wrong:
        assert (await admin.post(path, json=body)).status_code == 422
    assert (await admin.post(path, json={"channel_id": channel + 1})).status_code == 404
    assert (await admin.post("/api/notifications/1/retry")).status_code == 404


async def test_every_problem_of_a_channel_is_told_at_once(admin: httpx.AsyncClient) -> None:
    bad = {
        "kind": "webhook",
        "name": "",
        "url": "https://me:pw@x/",
        "secret": "short",
        "headers": {"Host": "x"},
        "timezone": "Moon/Base",
        "digest": {"every_minutes": 1},
        "quiet": {"from": "22:00", "to": "7"},
        "extra": 1,
    }
    reply = await admin.post(CHANNELS, json=bad)
    assert reply.status_code == 422
    assert set(codes(reply)) >= {
        "name",
        "url",
        "secret",
        "headers",
        "timezone",
        "digest.every_minutes",
        "quiet.to",
        "extra",
    }
    assert "me:pw" not in reply.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "webhook", "name": "N"}, "url"),
        ({"kind": "email", "name": "N"}, "to"),
        ({"kind": "email", "name": "N", "to": ["a@x.org"], "url": URL}, "url"),
        ({"kind": "webhook", "name": "N", "url": URL, "to": ["a@x.org"]}, "to"),
        ({"kind": "webhook", "name": "N", "url": URL, "site_ids": [999]}, "site_ids"),
    ],
)
async def test_a_channel_has_what_its_kind_needs_and_nothing_else(admin: httpx.AsyncClient, body, field: str) -> None:
    reply = await admin.post(CHANNELS, json=body)
    assert reply.status_code == 422
    assert set(codes(reply)) == {field}


async def test_an_update_keeps_what_is_left_out_and_takes_no_header_to_another_host(admin: httpx.AsyncClient) -> None:
    channel = await made(admin)
    path = f"{CHANNELS}/{channel['id']}"
    saved = await admin.put(path, json={"kind": "webhook", "name": "Late"}, headers={"If-Match": '"1"'})
    assert saved.status_code == 200
    assert (saved.json()["destination"], saved.json()["header_names"]) == (channel["destination"], ["Authorization"])
    assert (await admin.put(path, json=hook(), headers={"If-Match": '"1"'})).status_code == 412
    moved = await admin.put(path, json={"kind": "webhook", "name": "Late", "url": "https://evil.example.net/"})
    assert codes(moved) == {"headers": "required"}
    assert (await admin.put(path, json={"kind": "email", "name": "Late", "to": ["a@x.org"]})).status_code == 422


async def test_names_are_told_apart_among_the_channels_in_use(admin: httpx.AsyncClient) -> None:
    channel = await made(admin)
    assert codes(await admin.post(CHANNELS, json=hook(name="NIGHT"))) == {"name": "name_taken"}
    assert (await admin.post(f"{CHANNELS}/{channel['id']}/archive")).json()["archived_at"] is not None
    assert (await admin.post(f"{CHANNELS}/{channel['id']}/archive")).status_code == 409
    await made(admin, name="NIGHT")
    assert [one["name"] for one in (await admin.get(CHANNELS, params={"archived": True})).json()["items"]] == ["Night"]


async def test_a_test_says_what_happened_and_is_kept(admin: httpx.AsyncClient) -> None:
    channel = await made(admin, url="http://127.0.0.1:9/x")
    reply = (await admin.post(f"{CHANNELS}/{channel['id']}/test")).json()
    assert reply["ok"] is False
    assert "127.0.0.1, which is not a public address" in reply["sentence"]
    kept = (await admin.get(f"{CHANNELS}/{channel['id']}")).json()
    assert kept["last_error"] == reply["sentence"]


async def test_operators_use_the_channels_of_their_sites(
    admin: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    whole = await made(admin)
    ours = await made(admin, name="Ours", site_ids=[world.site_a])
    assert [one["id"] for one in (await operator.get(CHANNELS)).json()["items"]] == [ours["id"]]
    assert (await operator.post(CHANNELS, json=hook(name="Mine"))).status_code == 403
    rule = {"events": ["failed"], "channel_ids": [ours["id"]], "site_id": world.site_a}
    kept = await operator.post(RULES, json=rule)
    assert kept.status_code == 201
    refused = await operator.post(
        RULES, json={**rule, "channel_ids": [ours["id"], whole["id"]], "site_id": world.site_b}
    )
    assert codes(refused) == {"channel_ids.1": "not_found", "site_id": "not_found"}
    path = f"{RULES}/{kept.json()['id']}"
    both = await admin.put(path, json={**_bare(rule), "channel_ids": [ours["id"], whole["id"]]})
    assert both.status_code == 200
    seen = (await operator.get(path)).json()["channels"]
    assert seen == [{"id": None, "name": None}, {"id": ours["id"], "name": "Ours"}]
    assert codes(await operator.put(path, json=_bare(rule))) == {"channel_ids": "hidden_channels"}


def _bare(rule: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name != "site_id"}


async def test_the_rules_of_a_job_are_its_own_and_the_general_ones(
    admin: httpx.AsyncClient, fleet: dict[str, str]
) -> None:
    body = {
        "name": "Sweep",
        "components": [{"assembly_id": fleet["assembly"], "variables": {"MaxAgeHours": 1, "Token": "x"}}],
        "targets": [{"kind": "device", "device_id": fleet["crane"]}],
        "schedule": {"type": "daily", "start": "2026-01-01T03:00", "timezone": "UTC"},
    }
    job = await admin.post("/api/scheduled_jobs", json=body)
    if job.status_code == 422:
        job = await admin.post("/api/scheduled_jobs", json={**body, "components": [{"assembly_id": fleet["assembly"]}]})
    assert job.status_code == 201, job.text
    path = f"/api/scheduled_jobs/{job.json()['id']}/notifications"
    channel = (await made(admin))["id"]
    general = (await admin.post(RULES, json={"events": ["missed"], "channel_ids": [channel]})).json()
    own = (await admin.post(path, json={"events": ["failed"], "channel_ids": [channel]})).json()
    assert [one["id"] for one in (await admin.get(path)).json()["items"]] == [own["id"], general["id"]]
    alone = {"events": ["failed"], "channel_ids": [channel], "replaces_general": True}
    assert (await admin.put(f"{RULES}/{own['id']}", json=alone)).json()["revision"] == 2
    assert [one["id"] for one in (await admin.get(path)).json()["items"]] == [own["id"]]
    assert codes(await admin.post(RULES, json=alone)) == {"replaces_general": "not_allowed"}
    assert (await admin.post(f"{RULES}/{own['id']}/archive")).status_code == 200
    assert (await admin.put(f"{RULES}/{own['id']}", json=alone)).status_code == 409


async def test_what_a_workflow_said_is_listed_and_its_text_told_to_who_asks_for_it(
    admin: httpx.AsyncClient, operator: httpx.AsyncClient, deps: Deps, fleet: dict[str, str]
) -> None:
    channel = (await made(admin))["id"]
    await _said(admin, deps, channel, fleet)
    (one,) = (await admin.get("/api/notifications", params={"event": "message"})).json()["items"]
    assert (one["sentence"], one["rule_id"], one["job_id"], one["job_name"]) == ("Disk is full", None, None, None)
    assert (one["workflow_name"], one["workflow_run_id"], one["counts"]) == ("Patch", 77, {})
    assert [(sent["channel"], sent["state"]) for sent in one["deliveries"]] == [("Night", "waiting")]
    assert "text" not in one
    assert (await admin.get(f"/api/notifications/{one['id']}")).json()["text"] == "On crane."
    assert (await operator.get(f"/api/notifications/{one['id']}")).status_code == 404
    refused = await admin.post(RULES, json={"events": ["message"], "channel_ids": [channel]})
    assert set(codes(refused)) == {"events.0"}


async def _said(admin: httpx.AsyncClient, deps: Deps, channel: int, fleet: dict[str, str]) -> None:
    """An occurrence that may reach every site, and a message about it."""
    body = {
        "name": "Sweep",
        "components": [{"assembly_id": fleet["assembly"], "variables": {"MaxAgeHours": 1, "Token": "x"}}],
        "targets": [{"kind": "device", "device_id": fleet["crane"]}],
        "schedule": {"type": "daily", "start": "2026-01-01T03:00", "timezone": "UTC"},
    }
    job = (await admin.post("/api/scheduled_jobs", json=body)).json()["id"]
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        occurrence = public_id(job, "schedule", now, "")
        await record_skipped(tx, [Skipped(occurrence, job, 1, now, "overlap")], now)
        about = notifications.About(
            job_id=None, occurrence_id=occurrence, run_id=77, workflow_id=UUID(fleet["assembly"]), workflow_name="Patch"
        )
        assert await notifications.tell(
            tx, channel, key="77/tell", subject="Disk is full", text="On crane.", about=about, now=now
        )

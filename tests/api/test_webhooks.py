"""Webhooks as those see them who look after them: made, saved, rotated, tested, deleted, and what they never tell."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import SignIn, World, codes
from tests.api.hooks import BODY, deliveries, hooked, make_hook, sender_of
from tests.api.workflow_graphs import create, pausing
from tests.factories import people
from watchbill import workflows
from watchbill.apps import sealed
from watchbill.identity import Role
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing, decode

HOOKS = "/api/webhooks"


async def test_a_secret_is_told_once_and_kept_as_it_must_be(
    admin: httpx.AsyncClient, db: Database, keys: KeyRing
) -> None:
    workflow = (await create(admin, hooked()))["id"]
    signing = await make_hook(admin, workflow)
    bearer = await make_hook(admin, workflow, name="Token", mode="bearer")
    listed = await admin.get(f"/api/workflows/{workflow}/webhooks")
    assert [one["name"] for one in listed.json()["items"]] == ["Alerts", "Token"]
    assert signing["url"].endswith(f"/hooks/{signing['public_id']}")
    for made in (signing, bearer):
        assert made["secret"].startswith("wbh_")
        for reply in (listed, await admin.get(f"{HOOKS}/{made['id']}"), await admin.get("/api/audit")):
            assert made["secret"] not in reply.text
    async with db.begin() as tx:
        kept = (await tx.execute(text("SELECT secret_hash, secret_sealed FROM webhooks ORDER BY id"))).all()
        counted = await sealed.by_key(tx)
    assert kept[0].secret_hash is None and signing["secret"] not in kept[0].secret_sealed
    assert kept[1].secret_sealed is None and bearer["secret"].encode() not in kept[1].secret_hash
    assert counted[keys.active]["secrets of webhooks"] == 1


async def test_what_is_wrong_is_told_all_at_once(admin: httpx.AsyncClient) -> None:
    workflow = (await create(admin, hooked()))["id"]
    path = f"/api/workflows/{workflow}/webhooks"
    wrong = {"name": "", "mode": "basic", "rate_per_minute": 0, "enabled": "maybe", "secret": "x"}
    assert set(codes(await admin.post(path, json=wrong))) == {"name", "mode", "rate_per_minute", "enabled", "secret"}
    made = await make_hook(admin, workflow)
    assert codes(await admin.post(path, json={"name": "ALERTS"})) == {"name": "name_taken"}
    both = await admin.put(f"{HOOKS}/{made['id']}", json={"name": "Alerts", "mode": "bearer"})
    assert codes(both) == {"mode": "cannot_change"}


async def test_a_webhook_needs_a_workflow_with_a_trigger_for_it(admin: httpx.AsyncClient) -> None:
    script = (await admin.post("/api/assemblies", json={"name": "S", "interpreter": "sh", "content": "true"})).json()
    other = await create(admin, pausing())
    assert (await admin.post(f"/api/workflows/{script['id']}/webhooks", json={"name": "A"})).status_code == 404
    refused = await admin.post(f"/api/workflows/{other['id']}/webhooks", json={"name": "A"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_trigger")
    archived = await create(admin, hooked())
    assert (await admin.post(f"/api/assemblies/{archived['id']}/archive")).is_success
    assert (await admin.post(f"/api/workflows/{archived['id']}/webhooks", json={"name": "A"})).status_code == 409


async def test_a_save_is_refused_on_another_revision(admin: httpx.AsyncClient) -> None:
    made = await make_hook(admin, (await create(admin, hooked()))["id"])
    path, body = f"{HOOKS}/{made['id']}", {"name": "Later", "enabled": False, "rate_per_minute": 5}
    saved = await admin.put(path, json=body, headers={"If-Match": '"1"'})
    assert (saved.status_code, saved.headers["etag"]) == (200, '"2"')
    assert {name: saved.json()[name] for name in body} == body
    assert (await admin.put(path, json=body, headers={"If-Match": '"1"'})).status_code == 412
    assert (await admin.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404
    trail = (await admin.get("/api/audit", params={"object_kind": "webhook"})).json()["items"]
    assert [one["action"] for one in trail] == ["webhook.delete", "webhook.update", "webhook.create"]


async def test_it_is_seen_by_who_sees_every_site_that_it_reaches(
    admin: httpx.AsyncClient,
    operator: httpx.AsyncClient,
    viewer: httpx.AsyncClient,
    other: httpx.AsyncClient,
    world: World,
) -> None:
    workflow = (await create(admin, hooked()))["id"]
    everywhere, local = await make_hook(admin, workflow), await make_hook(operator, workflow, name="Ours")
    assert (everywhere["site_ids"], local["site_ids"]) == (None, [world.site_a])
    for client, names in ((admin, ["Alerts", "Ours"]), (operator, ["Ours"]), (viewer, ["Ours"]), (other, [])):
        found = (await client.get(f"/api/workflows/{workflow}/webhooks")).json()["items"]
        assert [one["name"] for one in found] == names
    assert (await other.get(f"{HOOKS}/{local['id']}")).status_code == 404
    assert (await operator.post(f"{HOOKS}/{everywhere['id']}/rotate")).status_code == 404
    for reply in (
        await viewer.put(f"{HOOKS}/{local['id']}", json={"name": "X"}),
        await viewer.get(f"{HOOKS}/{local['id']}/deliveries"),
        await viewer.post(f"{HOOKS}/{local['id']}/rotate"),
        await viewer.post(f"{HOOKS}/{local['id']}/test", json={"payload": {}}),
        await viewer.delete(f"{HOOKS}/{local['id']}"),
        await viewer.post(f"/api/workflows/{workflow}/webhooks", json={"name": "X"}),
    ):
        assert reply.status_code == 403
    saved = await admin.put(f"{HOOKS}/{local['id']}", json={"name": "Ours"})
    assert saved.json()["site_ids"] is None, "it reaches what whoever saved it last sees"
    assert (await operator.get(f"{HOOKS}/{local['id']}")).status_code == 404


async def test_a_test_says_what_a_body_gives_and_launches_only_when_asked(admin: httpx.AsyncClient) -> None:
    workflow = (await create(admin, hooked()))["id"]
    made = await make_hook(admin, workflow)
    path = f"{HOOKS}/{made['id']}/test"
    good = (await admin.post(path, json={"payload": BODY})).json()
    assert good == {"parameters": {"host": "web-1", "level": 7, "urgent": True}, "problems": [], "run_id": None}
    bad = (await admin.post(path, json={"payload": {"alert": {"levels": ["x"]}, "team": 1}, "launch": True})).json()
    assert {one["field"]: one["code"] for one in bad["problems"]} == {
        "alert.labels.host": "required",
        "alert.levels.0": "wrong_type",
        "team": "not_a_choice",
    }
    assert bad["run_id"] is None
    run = (await admin.post(path, json={"payload": BODY, "launch": True})).json()["run_id"]
    started = (await admin.get(f"/api/workflow_runs/{run}")).json()
    assert (started["source"], started["parameters"]["host"]) == ("webhook", "web-1")
    assert [one["outcome"] for one in await deliveries(admin, made)] == ["tested"] * 3


async def test_a_rotated_key_ring_opens_what_was_sealed_before(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, db: Database, keys: KeyRing
) -> None:
    sender = await sender_of(admin, anonymous)
    assert (await admin.post(f"{HOOKS}/{sender.hook['id']}/rotate")).status_code == 200
    newer = KeyRing("k2", {**keys.keys, "k2": decode("A" * 43)})
    async with db.begin() as tx:
        assert await workflows.reseal(tx, newer) == 1
        assert await workflows.reseal(tx, newer) == 0
        assert (await sealed.by_key(tx))["k2"]["secrets of webhooks"] == 2


@pytest.mark.parametrize("overlap", [-1, 30 * 86_400 + 1, "day"])
async def test_an_overlap_is_up_to_thirty_days(admin: httpx.AsyncClient, overlap: Any) -> None:
    made = await make_hook(admin, (await create(admin, hooked()))["id"])
    reply = await admin.post(f"{HOOKS}/{made['id']}/rotate", json={"overlap_seconds": overlap})
    assert set(codes(reply)) == {"overlap_seconds"}


async def test_there_are_not_any_number_of_them(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = (await create(admin, hooked()))["id"]
    monkeypatch.setattr("watchbill.workflows.webhooks.MAX_WEBHOOKS", 1)
    await make_hook(admin, workflow)
    refused = await admin.post(f"/api/workflows/{workflow}/webhooks", json={"name": "Two"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many")


async def test_a_run_reaches_the_sites_that_its_saver_still_has(
    signed_in: SignIn, admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, db: Database, clock: Any, world: World
) -> None:
    async with db.begin() as tx:
        both = await people.make_operator(
            tx, "beth", Role.OPERATOR, now=await clock.now(tx), site_ids=(world.site_a, world.site_b)
        )
    sender = await sender_of(await signed_in(both), anonymous)
    first = (await sender.send()).json()["run_id"]
    taken = await admin.patch(f"/api/operators/{both.id}", json={"site_ids": [world.site_b]})
    assert taken.status_code == 200, taken.text
    second = (await sender.send({**BODY, "again": 1})).json()["run_id"]
    async with db.begin() as tx:
        rows = await tx.execute(text("SELECT run_id, allowed_site_ids FROM workflow_runs"))
        reached = {row.run_id: sorted(row.allowed_site_ids) for row in rows}
    assert reached == {first: [world.site_a, world.site_b], second: [world.site_b]}

"""Deliveries to webhooks over HTTP: who is let in, what comes twice, what is too much, and what each of them launches."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import BASE_URL, codes
from tests.api.hooks import BODY, Sender, deliveries, hooked, make_hook, sender_of
from tests.api.workflow_graphs import create
from watchbill import workflows
from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import Settings


@pytest.fixture
async def sender(admin: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> Sender:
    return await sender_of(admin, anonymous)


@pytest.fixture
async def elsewhere(
    database_url: str, clock: Clock, keys: KeyRing, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    """Another api process: it shares the database with the first, and nothing else."""
    database = Database(database_url, pool_size=6)
    transport = httpx.ASGITransport(app=create_app(Deps(database, clock, keys, settings)))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client
    await database.close()


async def runs_of(db: Database) -> list[int]:
    async with db.begin() as tx:
        return list((await tx.execute(text("SELECT run_id FROM workflow_runs ORDER BY run_id"))).scalars())


async def test_a_delivery_launches_its_workflow_with_what_the_body_says(
    admin: httpx.AsyncClient, sender: Sender
) -> None:
    reply = await sender.send()
    assert reply.status_code == 202, reply.text
    run = (await admin.get(f"/api/workflow_runs/{reply.json()['run_id']}")).json()
    assert run["source"] == "webhook"
    assert run["parameters"] == {"host": "web-1", "level": 7, "urgent": True, "team": "day"}
    (kept,) = await deliveries(admin, sender.hook)
    assert (kept["outcome"], kept["run_id"], kept["problems"]) == ("launched", run["id"], [])
    assert (json.loads(kept["body"]), kept["body_bytes"]) == (BODY, len(json.dumps(BODY)))
    assert kept["source_address"] == "192.0.2.1"
    shown = (await admin.get(f"/api/webhooks/{sender.hook['id']}")).json()
    assert (shown["last_outcome"], shown["last_delivery_at"]) == ("launched", kept["at"])


async def test_who_has_no_proof_is_told_nothing(
    admin: httpx.AsyncClient, sender: Sender, db: Database, anonymous: httpx.AsyncClient
) -> None:
    raw = json.dumps(BODY).encode()
    off = await make_hook(admin, sender.hook["workflow_id"], name="Off", enabled=False)
    nowhere = Sender(anonymous, {**sender.hook, "public_id": "no-such-webhook"}, sender.secret)
    refused = {
        "unknown": await nowhere.send(),
        "strange id": await Sender(anonymous, {**sender.hook, "public_id": "%00%ff"}, sender.secret).send(),
        "disabled": await Sender(anonymous, off, off["secret"]).send(),
        "wrong_proof": await sender.send(secret="wbh_other"),
        "untimely": await sender.send(ago=301),
        "future": await sender.send(ago=-302),
        "no_proof": await sender.post(raw, {}),
        "other mode": await sender.post(raw, {"Authorization": f"Bearer {sender.secret}"}),
        "other body": await sender.post(raw + b" ", sender.proof(raw, 1_000_000_000, sender.secret)),
        "session token": await sender.post(raw, {"Authorization": "Bearer wbt_something"}),
    }
    assert {name: reply.status_code for name, reply in refused.items()} == dict.fromkeys(refused, 401)
    assert len({reply.text for reply in refused.values()}) == 1
    assert len({tuple(sorted(set(reply.headers) - {"x-request-id"})) for reply in refused.values()}) == 1
    assert await runs_of(db) == []
    reasons = [one["reason"] for one in await deliveries(admin, sender.hook)]
    assert sorted(reasons) == ["no_proof", "no_proof", "no_proof", "untimely", "untimely", "wrong_proof", "wrong_proof"]
    assert [one["reason"] for one in await deliveries(admin, off)] == ["disabled"]


@pytest.mark.parametrize("ago", [295, -295])
async def test_clocks_may_differ_by_five_minutes(sender: Sender, ago: int) -> None:
    assert (await sender.send(ago=ago)).status_code == 202


async def test_a_signature_is_taken_once_whichever_process_it_comes_to(
    admin: httpx.AsyncClient, sender: Sender, elsewhere: httpx.AsyncClient, db: Database
) -> None:
    raw = json.dumps(BODY).encode()
    there = Sender(elsewhere, sender.hook, sender.secret)
    proof = sender.proof(raw, int(time.time()), sender.secret)
    replies = await asyncio.gather(*(one.post(raw, proof) for one in (sender, there) * 3))
    assert sorted(reply.status_code for reply in replies) == [202, 401, 401, 401, 401, 401]
    twice = {**proof, "X-Watchbill-Signature": f"v1={'0' * 64}, {proof['X-Watchbill-Signature']}"}
    assert (await there.post(raw, twice)).status_code == 401
    assert (await there.post(raw, {**proof, "Idempotency-Key": "new"})).status_code == 401
    assert len(await runs_of(db)) == 1
    assert {one["reason"] for one in await deliveries(admin, sender.hook)} == {None, "replayed"}


async def test_a_named_delivery_is_one_run_whichever_process_it_comes_to(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, db: Database
) -> None:
    sender = await sender_of(admin, anonymous, mode="bearer")
    there = Sender(elsewhere, sender.hook, sender.secret)
    replies = await asyncio.gather(*(one.send(X_GitHub_Delivery="72d3162e") for one in (sender, there) * 3))
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.json()["run_id"] for reply in replies}) == 1
    assert len(await runs_of(db)) == 1
    other = await sender.send({**BODY, "x": 1}, X_GitHub_Delivery="72d3162e")
    assert (other.status_code, codes(other)) == (422, {"Idempotency-Key": "reused"})
    assert (await sender.send(Idempotency_Key="another")).json() != replies[0].json()
    assert len(await runs_of(db)) == 2


async def test_too_many_are_refused_by_all_processes_together(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, elsewhere: httpx.AsyncClient, db: Database
) -> None:
    sender = await sender_of(admin, anonymous, mode="bearer", rate_per_minute=4)
    there = Sender(elsewhere, sender.hook, sender.secret)
    for _ in range(6):
        assert (await there.send(secret="wbh_guess")).status_code == 401, "strangers use nothing up"
    replies = await asyncio.gather(*(one.send() for one in (sender, there) * 4))
    assert sorted(reply.status_code for reply in replies) == [202] * 4 + [429] * 4
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in replies if one.status_code == 429)
    assert len(await runs_of(db)) == 4
    assert sum(one["outcome"] == "rate_limited" for one in await deliveries(admin, sender.hook)) == 4


@pytest.mark.parametrize("mode", ["hmac", "bearer"])
async def test_a_replaced_secret_is_taken_for_its_overlap(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, db: Database, mode: str
) -> None:
    sender = await sender_of(admin, anonymous, mode=mode)
    path = f"/api/webhooks/{sender.hook['id']}/rotate"
    made = (await admin.post(path)).json()
    assert made["previous_secret_until"] is not None

    async def taken(secret: str, mark: str) -> int:
        return (await sender.send({**BODY, "mark": mark}, secret=secret)).status_code

    assert [await taken(sender.secret, "a"), await taken(made["secret"], "b")] == [202, 202]
    async with db.begin() as tx:
        await tx.execute(text("UPDATE webhooks SET previous_until = previous_until - interval '25 hours'"))
    assert [await taken(sender.secret, "c"), await taken(made["secret"], "d")] == [401, 202]
    last = (await admin.post(path, json={"overlap_seconds": 0})).json()
    assert last["previous_secret_until"] is None
    assert [await taken(made["secret"], "e"), await taken(last["secret"], "f")] == [401, 202]


async def test_a_body_is_bounded_json(admin: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    sender = await sender_of(admin, anonymous, mode="bearer")
    proof = {"Authorization": f"Bearer {sender.secret}"}
    raw = json.dumps(BODY).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert (await sender.post(raw, {**proof, "Content-Type": kind})).status_code == 415
    assert (await sender.post(raw, {**proof, "Content-Encoding": "gzip"})).status_code == 415
    assert (
        await sender.post(raw, {**proof, "Content-Type": "application/cloudevents+json; charset=utf-8"})
    ).status_code == 202
    for broken in (b"", b"{", b"\xff", b"[NaN]", b"[" * 100_000):
        reply = await sender.post(broken, proof)
        assert (reply.status_code, codes(reply)) == (422, {"": "json_invalid"})
    most = raw[:-1] + b" " * (256 * 1024 - len(raw)) + b"}"
    assert (await sender.post(most, proof)).status_code == 202
    assert (await sender.post(most + b" ", proof)).status_code == 413
    assert (await sender.post(b" " * 2_000_000, {})).status_code == 413, "also for who has no proof"


async def test_everything_that_is_wrong_with_a_body_is_told(
    admin: httpx.AsyncClient, sender: Sender, db: Database
) -> None:
    wrong: dict[str, Any] = {"alert": {"labels": {"host": 5}, "levels": ["high"], "urgent": "yes"}, "team": "noon"}
    reply = await sender.send(wrong)
    assert reply.status_code == 422
    expected = {
        "alert.labels.host": "wrong_type",
        "alert.levels.0": "wrong_type",
        "alert.urgent": "wrong_type",
        "team": "not_a_choice",
    }
    assert codes(reply) == expected
    (kept,) = await deliveries(admin, sender.hook)
    assert (kept["outcome"], {one["field"]: one["code"] for one in kept["problems"]}) == ("invalid", expected)
    assert codes(await sender.send({})) == {"alert.labels.host": "required"}
    assert await runs_of(db) == []


async def test_a_launch_that_the_workflow_refuses_is_a_conflict_and_told(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, db: Database
) -> None:
    workflow = await create(admin, hooked(concurrency="skip"))
    made = await make_hook(admin, workflow["id"], mode="bearer")
    sender = Sender(anonymous, made, made["secret"])
    assert (await sender.send()).status_code == 202
    again = await sender.send(Idempotency_Key="later")
    assert (again.status_code, again.json()["code"]) == (409, "overlap")
    assert [one["outcome"] for one in await deliveries(admin, made)] == ["refused", "launched"]
    assert len(await runs_of(db)) == 1
    assert (await admin.post(f"/api/assemblies/{workflow['id']}/archive")).is_success
    assert (await sender.send()).status_code == 409


async def test_nothing_secret_is_kept_of_a_body(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, sender: Sender
) -> None:
    await sender.send({**BODY, "mine": sender.secret})
    bearer = await make_hook(admin, sender.hook["workflow_id"], name="Token", mode="bearer")
    await Sender(anonymous, bearer, bearer["secret"]).send(
        {**BODY, "long": "x" * 1940 + bearer["secret"], "tail": "y" * 3000}
    )
    for hook, secret in ((sender.hook, sender.secret), (bearer, bearer["secret"])):
        (kept,) = await deliveries(admin, hook)
        assert "***" in kept["body"]
        assert secret[:10] not in kept["body"]
        assert len(kept["body"]) <= 2048


async def test_the_newest_deliveries_are_kept_and_strangers_push_out_none(
    admin: httpx.AsyncClient, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchbill.workflows.webhook_store.MOST_DELIVERIES", 3)
    monkeypatch.setattr("watchbill.workflows.webhook_store.MOST_STRANGE", 2)
    for number in range(5):
        assert (await sender.send({**BODY, "n": number})).status_code == 202
        assert (await sender.send(secret="wbh_guess")).status_code == 401
    kept = await deliveries(admin, sender.hook)
    assert [json.loads(one["body"])["n"] for one in kept if one["outcome"] == "launched"] == [4, 3, 2]
    assert sum(one["outcome"] == "unauthorized" for one in kept) == 2


async def test_what_is_of_no_use_any_more_is_forgotten(
    admin: httpx.AsyncClient, sender: Sender, db: Database, clock: Clock
) -> None:
    await sender.send(Idempotency_Key="one")
    await admin.post(f"/api/webhooks/{sender.hook['id']}/rotate")

    async def counted() -> tuple[int, int, int]:
        query = text(
            "SELECT (SELECT count(*) FROM webhook_signatures), (SELECT count(*) FROM webhook_keys), count(previous_sealed) FROM webhooks"
        )
        async with db.begin() as tx:
            signatures, keys, previous = (await tx.execute(query)).one()
            return signatures, keys, previous

    for later, left in (
        (timedelta(minutes=4), (1, 1, 1)),
        (timedelta(minutes=6), (0, 1, 1)),
        (timedelta(hours=25), (0, 0, 0)),
    ):
        async with db.begin() as tx:
            await workflows.forget_deliveries(tx, await clock.now(tx) + later)
        assert await counted() == left

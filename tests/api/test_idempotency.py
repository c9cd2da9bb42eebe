"""Idempotency-Key: the same request again gets the first reply again, and nothing happens twice."""

import asyncio
from datetime import timedelta

from sqlalchemy import text, update

from tests.api.conftest import codes
from watchbill.identity.tables import idempotency_keys

KEY = {"Idempotency-Key": "4f1c-once"}
SITE = {"name": "Depot"}


async def number_of_sites(client, name: str) -> int:
    return len((await client.get("/api/sites", params={"q": name})).json()["items"])


async def test_a_repeat_gets_the_first_reply_and_makes_nothing(admin):
    first = await admin.post("/api/sites", json=SITE, headers=KEY)
    again = await admin.post("/api/sites", json=SITE, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    assert await number_of_sites(admin, "Depot") == 1


async def test_a_repeat_that_comes_while_the_first_is_at_work_waits_for_its_reply(admin):
    replies = await asyncio.gather(*(admin.post("/api/sites", json=SITE, headers=KEY) for _ in range(5)))
    assert [reply.status_code for reply in replies] == [201] * 5
    assert len({reply.text for reply in replies}) == 1
    assert await number_of_sites(admin, "Depot") == 1


async def test_the_same_key_with_another_request_is_refused(admin):
    await admin.post("/api/sites", json=SITE, headers=KEY)
    for request in (
        admin.post("/api/sites", json={"name": "Other"}, headers=KEY),
        admin.post("/api/operators", json=SITE, headers=KEY),
        admin.post("/api/sites?x=1", json=SITE, headers=KEY),
    ):
        reply = await request
        assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_reused")
    assert await number_of_sites(admin, "Other") == 0


async def test_a_refused_request_may_be_corrected_under_the_same_key(admin):
    assert (await admin.post("/api/sites", json={"name": "Harbour"}, headers=KEY)).status_code == 409
    assert (await admin.post("/api/sites", json={"name": ""}, headers=KEY)).status_code == 422
    assert (await admin.post("/api/sites", json=SITE, headers=KEY)).status_code == 201


async def test_two_operators_with_the_same_key_do_not_meet(admin, operator, world):
    path = f"/api/sites/{world.site_a}/auto_approval"
    first = await admin.post(path, json={"minutes": 1}, headers=KEY)
    second = await operator.post(path, json={"minutes": 1}, headers=KEY)
    assert "idempotency-replayed" not in second.headers
    assert second.json()["auto_approve_until"] > first.json()["auto_approve_until"]


async def test_a_lesser_token_of_the_same_operator_does_not_get_the_reply(admin, connect):
    made = await admin.post("/api/api_tokens", json={"name": "t", "scopes": ["read"]}, headers=KEY)
    client = await connect()
    client.headers["Authorization"] = f"Bearer {made.json()['token']}"
    reply = await client.post("/api/api_tokens", json={"name": "t", "scopes": ["read"]}, headers=KEY)
    assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_reply_is_kept_for_a_day(admin, db, clock):
    await admin.post("/api/sites", json=SITE, headers=KEY)
    async with db.begin() as tx:
        yesterday = await clock.now(tx) - timedelta(hours=24)
        await tx.execute(update(idempotency_keys).values(created_at=yesterday))
    assert (await admin.post("/api/sites", json=SITE, headers=KEY)).json()["code"] == "site_name_taken"


async def test_a_token_in_a_kept_reply_is_sealed(admin, db):
    made = await admin.post("/api/api_tokens", json={"name": "t", "scopes": ["read"]}, headers=KEY)
    again = await admin.post("/api/api_tokens", json={"name": "t", "scopes": ["read"]}, headers=KEY)
    assert again.json()["token"] == made.json()["token"]
    async with db.begin() as tx:
        rows = (await tx.execute(text("SELECT row_to_json(k)::text FROM idempotency_keys k"))).scalars().all()
    assert rows and not any(made.json()["token"] in row for row in rows)


async def test_a_key_that_cannot_be_one_is_refused(admin):
    for key in ("", "two words", "x" * 201, "schlüssel"):
        reply = await admin.post("/api/sites", json=SITE, headers={"Idempotency-Key": key.encode()})
        assert codes(reply) == {"Idempotency-Key": "invalid"}


async def test_who_is_not_signed_in_has_no_keys(anonymous, db):
    assert (await anonymous.post("/api/sites", json=SITE, headers=KEY)).status_code == 401
    login = {"username": "nobody", "password": "wrong"}
    for _ in range(2):
        assert (await anonymous.post("/api/session", json=login, headers=KEY)).status_code == 401
    async with db.begin() as tx:
        assert (await tx.execute(idempotency_keys.select())).all() == []

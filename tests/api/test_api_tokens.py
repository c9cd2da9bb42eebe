"""API tokens over HTTP."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.api.conftest import codes
from watchbill.identity.tables import api_tokens
from watchbill.kit.clock import rfc3339

READ = {"name": "reports", "scopes": ["read"]}


@pytest.fixture
def bearer(connect):
    async def of(token: str):
        client = await connect()
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    return of


async def test_a_token_is_shown_once_and_works_without_cookie_and_csrf(operator, bearer, world, db):
    made = await operator.post("/api/api_tokens", json={**READ, "scopes": ["read", "approvals:decide"]})
    assert made.status_code == 201
    token = made.json()["token"]
    assert token.startswith("wbt_") and token.startswith(made.json()["hint"])
    client = await bearer(token)
    me = (await client.get("/api/session")).json()
    assert (me["permissions"], me["site_ids"], me["csrf_token"]) == (["approvals:decide", "read"], [world.site_a], None)
    assert (await client.post(f"/api/sites/{world.site_a}/auto_approval", json={"minutes": 5})).status_code == 200
    assert token not in (await operator.get("/api/api_tokens")).text
    async with db.begin() as tx:
        assert token.encode() not in (await tx.execute(select(api_tokens.c.token_hash))).scalar_one()


async def test_a_token_may_not_do_more_than_its_scopes(admin, bearer):
    client = await bearer((await admin.post("/api/api_tokens", json=READ)).json()["token"])
    assert (await client.get("/api/sites")).status_code == 200
    reply = await client.post("/api/sites", json={"name": "X"})
    assert reply.status_code == 403
    assert "ada (token reports)" in reply.json()["detail"]


async def test_scopes_beyond_ones_own_permissions_are_refused_each_by_name(operator):
    reply = await operator.post("/api/api_tokens", json={**READ, "scopes": ["audit:read", "read", "sites:write"]})
    assert codes(reply) == {"scopes.0": "not_held", "scopes.2": "not_held"}


async def test_a_token_loses_what_its_owner_loses(admin, signed_in, bearer, world):
    owner = await signed_in(world.operator)
    client = await bearer(
        (await owner.post("/api/api_tokens", json={**READ, "scopes": ["read", "devices:write"]})).json()["token"]
    )
    await admin.patch(f"/api/operators/{world.operator.id}", json={"role": "viewer", "site_ids": [world.site_b]})
    me = (await client.get("/api/session")).json()
    assert (me["permissions"], me["site_ids"]) == (["read"], [world.site_b])
    await admin.patch(f"/api/operators/{world.operator.id}", json={"enabled": False})
    assert (await client.get("/api/session")).status_code == 401


async def test_an_expired_token_is_worth_nothing(operator, bearer, db, clock):
    async with db.begin() as tx:
        soon = await clock.now(tx) + timedelta(hours=1)
    client = await bearer(
        (await operator.post("/api/api_tokens", json={**READ, "expires_at": rfc3339(soon)})).json()["token"]
    )
    assert (await client.get("/api/session")).status_code == 200
    async with db.begin() as tx:
        await tx.execute(api_tokens.update().values(expires_at=await clock.now(tx)))
    assert (await client.get("/api/session")).status_code == 401


async def test_a_token_that_would_be_dead_from_the_start_or_without_scopes_is_refused(operator):
    reply = await operator.post("/api/api_tokens", json={**READ, "scopes": [], "expires_at": "2020-01-01T00:00:00Z"})
    assert codes(reply) == {"scopes": "empty", "expires_at": "in_the_past"}


async def test_a_revoked_token_is_worth_nothing_at_once(operator, bearer):
    made = (await operator.post("/api/api_tokens", json=READ)).json()
    client = await bearer(made["token"])
    assert (await operator.delete(f"/api/api_tokens/{made['id']}")).status_code == 204
    assert (await client.get("/api/session")).status_code == 401
    assert (await operator.get("/api/api_tokens")).json()["items"][0]["revoked_at"] is not None


async def test_one_operators_tokens_are_absent_for_another_but_not_for_admins(operator, other, admin):
    made = (await operator.post("/api/api_tokens", json=READ)).json()
    assert (await other.delete(f"/api/api_tokens/{made['id']}")).status_code == 404
    assert (await other.get("/api/api_tokens")).json()["items"] == []
    assert (await other.get("/api/api_tokens?all=true")).status_code == 403
    assert len((await admin.get("/api/api_tokens?all=true")).json()["items"]) == 1
    assert (await admin.delete(f"/api/api_tokens/{made['id']}")).status_code == 204


async def test_a_token_can_neither_make_tokens_nor_change_the_password(admin, bearer):
    client = await bearer((await admin.post("/api/api_tokens", json=READ)).json()["token"])
    refused = await client.post("/api/api_tokens", json=READ)
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")
    change = {"current_password": "x", "new_password": "a wholly new phrase"}
    assert (await client.post("/api/session/password", json=change)).json()["code"] == "session_required"


async def test_the_last_use_is_written_at_most_once_a_minute(operator, bearer, db):
    client = await bearer((await operator.post("/api/api_tokens", json=READ)).json()["token"])

    async def last_used():
        async with db.begin() as tx:
            return (await tx.execute(select(api_tokens.c.last_used_at))).scalar_one()

    await client.get("/api/session")
    first = await last_used()
    await client.get("/api/session")
    assert first is not None and await last_used() == first
    async with db.begin() as tx:
        await tx.execute(text("UPDATE api_tokens SET last_used_at = last_used_at - interval '61 seconds'"))
    await client.get("/api/session")
    assert await last_used() > first


@pytest.mark.parametrize("header", ["Bearer wbt_unknown", "Bearer ", "Basic YWRhOng=", "wbt_x", "Bearer wbt_\xff"])
async def test_a_header_that_is_no_token_of_ours_signs_nobody_in(operator, header):
    """Not even when a good cookie comes with it: what was asked for explicitly decides."""
    reply = await operator.get("/api/session", headers={"Authorization": header.encode("latin-1")})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"


async def test_a_token_ends_itself_and_no_other_one_of_its_owner(operator, bearer):
    first, second = [(await operator.post("/api/api_tokens", json={**READ, "name": name})).json() for name in "ab"]
    client = await bearer(first["token"])
    refused = await client.delete(f"/api/api_tokens/{second['id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")
    assert (await client.delete(f"/api/api_tokens/{first['id']}")).status_code == 204
    assert (await client.get("/api/session")).status_code == 401
    assert (await operator.delete(f"/api/api_tokens/{second['id']}")).status_code == 204

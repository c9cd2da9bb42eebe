"""Signing in and out over HTTP."""

import asyncio

import httpx
import pytest
from sqlalchemy import select, text

from tests.api.conftest import codes
from tests.factories.people import PASSWORD, make_operator
from watchbill import identity
from watchbill.api import auth
from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.identity import Role
from watchbill.identity.tables import operators, sessions
from watchbill.kit.settings import load

LOGIN = {"username": "ada", "password": PASSWORD}


async def test_a_right_password_opens_a_session_that_later_requests_are_made_with(anonymous, world):
    reply = await anonymous.post("/api/session", json=LOGIN)
    assert reply.status_code == 200
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    me = (await anonymous.get("/api/session")).json()
    assert me["operator"]["username"] == "ada"
    assert me["site_ids"] is None
    assert me["csrf_token"] == reply.json()["csrf_token"]
    assert "operators:write" in me["permissions"]


async def test_an_operators_session_names_its_sites_and_no_more_permissions_than_the_role(operator, world):
    me = (await operator.get("/api/session")).json()
    assert me["site_ids"] == [world.site_a]
    assert "operators:write" not in me["permissions"]


@pytest.mark.parametrize("login", [{**LOGIN, "password": "not the password"}, {**LOGIN, "username": "nobody"}])
async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(anonymous, world, login):
    reply = await anonymous.post("/api/session", json=login)
    assert reply.status_code == 401
    assert reply.json()["code"] == "login_failed"
    assert reply.json()["detail"] == "Username or password is wrong."
    assert "set-cookie" not in reply.headers


async def test_a_disabled_operator_cannot_sign_in(anonymous, world, db, clock):
    async with db.begin() as tx:
        await make_operator(tx, "gone", Role.VIEWER, now=await clock.now(tx), enabled=False)
    reply = await anonymous.post("/api/session", json={**LOGIN, "username": "gone"})
    assert reply.json()["code"] == "login_failed"


async def test_usernames_are_the_same_in_any_case(anonymous, world):
    assert (await anonymous.post("/api/session", json={**LOGIN, "username": "ADA"})).status_code == 200


async def test_after_ten_wrong_passwords_even_the_right_one_must_wait(anonymous, world):
    for _ in range(10):
        assert (await anonymous.post("/api/session", json={**LOGIN, "password": "wrong"})).status_code == 401
    refused = await anonymous.post("/api/session", json=LOGIN)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 600
    assert (await anonymous.post("/api/session", json={**LOGIN, "username": "otto"})).status_code == 200


async def test_guesses_sent_at_once_are_all_counted(anonymous, world):
    tries = [anonymous.post("/api/session", json={**LOGIN, "password": f"guess {n}"}) for n in range(14)]
    statuses = sorted(reply.status_code for reply in await asyncio.gather(*tries))
    assert statuses == [401] * 10 + [429] * 4


async def test_an_address_that_fails_with_many_names_must_wait(anonymous, world, db):
    await anonymous.post("/api/session", json={"username": "n0", "password": "wrong"})
    async with db.begin() as tx:
        await tx.execute(text("UPDATE rate_limits SET hits = 50 WHERE bucket = 'login_address'"))
    assert (await anonymous.post("/api/session", json=LOGIN)).status_code == 429


async def test_signing_in_rightly_does_not_use_up_the_limit(anonymous, world, db):
    for _ in range(12):
        assert (await anonymous.post("/api/session", json=LOGIN)).status_code == 200
    async with db.begin() as tx:
        assert (await tx.execute(text("SELECT coalesce(sum(hits), 0) FROM rate_limits"))).scalar_one() == 0


async def test_a_write_with_the_cookie_but_without_the_csrf_token_is_refused(operator):
    del operator.headers[auth.CSRF_HEADER]
    reply = await operator.delete("/api/session")
    assert (reply.status_code, reply.json()["code"]) == (403, "csrf_token_mismatch")
    operator.headers[auth.CSRF_HEADER] = "guess"
    assert (await operator.delete("/api/session")).status_code == 403
    assert (await operator.get("/api/session")).status_code == 200


async def test_signing_out_ends_the_session_on_the_server(operator, connect):
    token = operator.cookies[auth.COOKIE]
    assert (await operator.delete("/api/session")).status_code == 204
    thief = await connect()
    thief.cookies.set(auth.COOKIE, token)
    assert (await thief.get("/api/session")).status_code == 401


async def test_a_session_ends_at_its_time(operator, db, clock):
    async with db.begin() as tx:
        await tx.execute(sessions.update().values(expires_at=await clock.now(tx)))
    assert (await operator.get("/api/session")).json()["code"] == "not_signed_in"


async def test_sessions_are_stored_without_their_token(operator, db):
    async with db.begin() as tx:
        stored = (await tx.execute(select(sessions.c.token_hash))).scalar_one()
    assert operator.cookies[auth.COOKIE].encode() not in stored


async def test_a_new_password_ends_the_other_sessions_and_renews_this_one(signed_in, world, anonymous):
    here, elsewhere = await signed_in(world.operator), await signed_in(world.operator)
    change = {"current_password": PASSWORD, "new_password": "a wholly new phrase"}
    reply = await here.post("/api/session/password", json=change)
    assert reply.status_code == 200
    assert (await elsewhere.get("/api/session")).status_code == 401
    assert (await here.get("/api/session")).json()["csrf_token"] == reply.json()["csrf_token"]
    assert (await anonymous.post("/api/session", json={"username": "otto", "password": PASSWORD})).status_code == 401
    login = {"username": "otto", "password": "a wholly new phrase"}
    assert (await anonymous.post("/api/session", json=login)).status_code == 200


async def test_every_fault_of_a_new_password_is_told(operator):
    change = {"current_password": PASSWORD, "new_password": "otto"}
    reply = await operator.post("/api/session/password", json=change)
    assert reply.status_code == 422
    assert {problem["code"] for problem in reply.json()["errors"]} == {
        "password_length",
        "password_monotonous",
        "password_has_username",
    }


async def test_a_wrong_current_password_is_counted_although_refused(operator):
    change = {"current_password": "wrong", "new_password": "a wholly new phrase"}
    for _ in range(10):
        reply = await operator.post("/api/session/password", json=change)
        assert codes(reply) == {"current_password": "wrong_password"}
    assert (await operator.post("/api/session/password", json=change)).status_code == 429


async def test_a_first_password_must_be_changed_before_anything_else(signed_in, db, clock, world):
    async with db.begin() as tx:
        fresh = await make_operator(tx, "fresh", Role.ADMIN, now=await clock.now(tx), must_change_password=True)
    client = await signed_in(fresh)
    refused = await client.get("/metrics")
    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    assert (await client.get("/api/session")).json()["must_change_password"] is True
    change = {"current_password": PASSWORD, "new_password": "a wholly new phrase"}
    changed = await client.post("/api/session/password", json=change)
    assert changed.json()["must_change_password"] is False
    assert (await client.get("/metrics")).status_code == 200


async def test_a_password_hashed_with_weaker_parameters_is_hashed_again_at_login(anonymous, world, db):
    await anonymous.post("/api/session", json=LOGIN)
    async with db.begin() as tx:
        stored = await tx.execute(select(operators.c.password_hash).where(operators.c.username == "ada"))
    assert not identity.passwords.is_outdated(stored.scalar_one())


async def test_under_tls_the_cookie_is_secure_and_bound_to_this_host(deps: Deps, world, tmp_path):
    secure = load({"WATCHBILL_DATA_DIR": str(tmp_path), "WATCHBILL_TLS": "on"})
    transport = httpx.ASGITransport(app=create_app(Deps(deps.db, deps.clock, deps.keys, secure)))
    async with httpx.AsyncClient(transport=transport, base_url="https://watchbill.test") as client:
        reply = await client.post("/api/session", json=LOGIN)
        assert reply.headers["set-cookie"].startswith("__Host-watchbill_session=")
        assert "Secure" in reply.headers["set-cookie"]
        assert reply.headers["strict-transport-security"]
        assert (await client.get("/api/session")).status_code == 200


async def test_opened_refused_and_closed_sessions_stand_in_the_audit_trail(anonymous, world, db):
    await anonymous.post("/api/session", json={**LOGIN, "password": "wrong"})
    csrf = (await anonymous.post("/api/session", json=LOGIN)).json()["csrf_token"]
    await anonymous.delete("/api/session", headers={auth.CSRF_HEADER: csrf})
    async with db.begin() as tx:
        rows = (
            await tx.execute(text("SELECT action, actor, remote_addr FROM audit WHERE actor <> 'engine' ORDER BY id"))
        ).all()
    assert [tuple(row) for row in rows] == [
        ("session.refused", "ada", "192.0.2.1"),
        ("session.opened", "ada", "192.0.2.1"),
        ("session.closed", "ada", "192.0.2.1"),
    ]

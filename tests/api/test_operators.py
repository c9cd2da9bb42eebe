"""Accounts over HTTP."""

import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from tests.factories.people import PASSWORD

NEW = {"username": "nora", "password": "a wholly new phrase", "role": "operator"}


async def test_an_admin_makes_an_operator_who_signs_in_and_chooses_a_password(admin, anonymous, world):
    made = await admin.post("/api/operators", json={**NEW, "site_ids": [world.site_b, world.site_a]})
    assert made.status_code == 201
    assert made.json()["site_ids"] == sorted([world.site_a, world.site_b])
    assert NEW["password"] not in made.text and "argon2" not in made.text
    login = {"username": "nora", "password": NEW["password"]}
    assert (await anonymous.post("/api/session", json=login)).json()["must_change_password"] is True


async def test_every_problem_of_a_new_operator_is_told_at_once(admin):
    bad = {"username": "no spaces please", "password": "short", "role": "king", "site_ids": ["x"], "colour": "red"}
    reply = await admin.post("/api/operators", json=bad)
    assert reply.status_code == 422
    assert set(codes(reply)) == {"username", "password", "role", "site_ids.0", "colour"}
    assert codes(reply)["password"] == "password_length"
    rules = {**NEW, "username": "engine", "password": "engine-engine", "site_ids": [998, 999]}
    reply = await admin.post("/api/operators", json=rules)
    assert [problem["code"] for problem in reply.json()["errors"]] == [
        "password_has_username",
        "reserved",
        "unknown_site",
        "unknown_site",
    ]


async def test_what_each_role_may_do_is_told_and_what_of_it_can_be_denied(admin):
    roles = {one["role"]: one for one in (await admin.get("/api/operators/roles")).json()["items"]}
    assert set(roles) == {"admin", "operator", "viewer"}
    assert roles["admin"]["deniable"] == roles["viewer"]["deniable"] == []
    operator = roles["operator"]
    assert sorted(set(operator["permissions"]) - set(operator["deniable"])) == ["read"]
    denied = {**NEW, "denied_permissions": operator["deniable"]}
    assert (await admin.post("/api/operators", json=denied)).status_code == 201


async def test_an_admin_takes_no_sites(admin, world):
    reply = await admin.post("/api/operators", json={**NEW, "role": "admin", "site_ids": [world.site_a]})
    assert codes(reply) == {"site_ids": "not_for_admins"}


async def test_a_username_exists_once_in_any_case(admin):
    assert (await admin.post("/api/operators", json=NEW)).status_code == 201
    again = await admin.post("/api/operators", json={**NEW, "username": "NORA"})
    assert (again.status_code, again.json()["code"]) == (409, "username_taken")


@pytest.mark.parametrize("method", ["get", "post"])
async def test_only_admins_manage_operators(operator, viewer, world, method):
    for client in (operator, viewer):
        options = {"json": NEW} if method == "post" else {}
        reply = await getattr(client, method)("/api/operators", **options)
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
        assert (await client.get(f"/api/operators/{world.admin.id}")).status_code == 403
        assert (await client.patch(f"/api/operators/{world.admin.id}", json={"enabled": False})).status_code == 403
        assert (await client.delete(f"/api/operators/{world.admin.id}")).status_code == 403


async def test_the_last_enabled_admin_stays(admin, world):
    path = f"/api/operators/{world.admin.id}"
    for change in ({"role": "viewer"}, {"enabled": False}):
        reply = await admin.patch(path, json=change)
        assert (reply.status_code, reply.json()["code"]) == (409, "last_admin")
    assert (await admin.delete(path)).json()["code"] == "last_admin"
    assert (await admin.patch(path, json={"display_name": "Ada M."})).json()["display_name"] == "Ada M."


async def test_an_admin_may_go_when_another_stays(admin, world):
    await admin.patch(f"/api/operators/{world.other.id}", json={"role": "admin"})
    assert (await admin.patch(f"/api/operators/{world.admin.id}", json={"role": "viewer"})).status_code == 200


async def test_disabling_and_another_role_end_the_sessions(admin, operator, viewer, world):
    await admin.patch(f"/api/operators/{world.operator.id}", json={"enabled": False})
    assert (await operator.get("/api/session")).status_code == 401
    await admin.patch(f"/api/operators/{world.viewer.id}", json={"role": "operator"})
    assert (await viewer.get("/api/session")).status_code == 401


async def test_other_sites_take_effect_in_the_running_session(admin, viewer, world):
    await admin.patch(f"/api/operators/{world.viewer.id}", json={"site_ids": [world.site_b]})
    assert (await viewer.get("/api/session")).json()["site_ids"] == [world.site_b]
    assert (await viewer.get(f"/api/sites/{world.site_a}")).status_code == 404


async def test_becoming_an_admin_drops_the_assigned_sites(admin, world):
    reply = await admin.patch(f"/api/operators/{world.operator.id}", json={"role": "admin"})
    assert (reply.json()["role"], reply.json()["site_ids"]) == ("admin", [])


async def test_a_password_set_by_an_admin_ends_sessions_and_must_be_changed(admin, operator, anonymous, world):
    change = {"password": "a wholly new phrase"}
    reply = await admin.patch(f"/api/operators/{world.operator.id}", json=change)
    assert reply.json()["must_change_password"] is True
    assert (await operator.get("/api/session")).status_code == 401
    assert (await anonymous.post("/api/session", json={"username": "otto", "password": PASSWORD})).status_code == 401


async def test_an_operator_whose_name_stands_somewhere_is_disabled_not_deleted(admin, world, db):
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO enrolment_requests (id, site_id, state, hostname, public_key, poll_token_hash, os_family,"
                " created_at, expires_at, decided_by) VALUES (gen_random_uuid(), :site, 'denied', 'x', '', '', 'linux',"
                " now(), now(), :who)"
            ),
            {"site": world.site_a, "who": world.operator.id},
        )
    refused = await admin.delete(f"/api/operators/{world.operator.id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "operator_in_use")
    assert (await admin.delete(f"/api/operators/{world.viewer.id}")).status_code == 204
    assert (await admin.get(f"/api/operators/{world.viewer.id}")).status_code == 404


async def test_the_list_is_paged_by_name_and_searched(admin, world):
    first = (await admin.get("/api/operators?limit=3")).json()
    second = (await admin.get("/api/operators", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [one["username"] for one in first["items"] + second["items"]] == ["ada", "bruno", "otto", "vera"]
    assert second["next_cursor"] is None
    found = (await admin.get("/api/operators?q=VER")).json()["items"]
    assert [one["username"] for one in found] == ["vera"]


async def test_changes_stand_in_the_audit_trail_without_any_password(admin, world, db):
    await admin.patch(f"/api/operators/{world.operator.id}", json={"password": "a wholly new phrase", "role": "viewer"})
    async with db.begin() as tx:
        row = (await tx.execute(text("SELECT action, actor, detail FROM audit WHERE actor <> 'engine'"))).one()
    assert (row.action, row.actor) == ("operator.updated", "ada")
    assert row.detail["role"] == ["operator", "viewer"]
    assert row.detail["is_password_set"] is True
    assert "phrase" not in str(row.detail)


SCRIPT = {"name": "Clean up", "interpreter": "bash", "content": "true"}


async def test_a_permission_of_the_role_is_taken_from_one_operator_and_given_back(admin, operator, world):
    path = f"/api/operators/{world.operator.id}"
    denied = ["run_as_system", "assemblies:write"]
    reply = await admin.patch(path, json={"denied_permissions": denied})
    assert reply.json()["denied_permissions"] == sorted(denied)
    mine = set((await operator.get("/api/session")).json()["permissions"])
    assert "jobs:write" in mine and not mine & set(denied)
    assert (await operator.post("/api/assemblies", json=SCRIPT)).status_code == 403
    assert (await admin.patch(path, json={"description": "x"})).status_code == 422
    assert (await admin.patch(path, json={"display_name": "Otto"})).json()["denied_permissions"] == sorted(denied)
    assert (await admin.patch(path, json={"denied_permissions": []})).json()["denied_permissions"] == []
    assert (await operator.post("/api/assemblies", json=SCRIPT)).status_code == 201


async def test_what_is_denied_stands_in_the_audit_trail(admin, world):
    await admin.patch(f"/api/operators/{world.operator.id}", json={"denied_permissions": ["run_as_system"]})
    (entry,) = (await admin.get("/api/audit?action=operator.updated")).json()["items"]
    assert entry["detail"] == {"username": "otto", "denied_permissions": [[], ["run_as_system"]]}


async def test_only_what_the_role_has_can_be_denied_and_never_reading_and_nothing_to_admins(admin, world):
    path = f"/api/operators/{world.viewer.id}"
    reply = await admin.patch(path, json={"denied_permissions": ["jobs:run", "read"]})
    assert reply.status_code == 422
    assert [one["code"] for one in reply.json()["errors"]] == ["not_of_role", "not_deniable"]
    reply = await admin.post("/api/operators", json={**NEW, "role": "admin", "denied_permissions": ["jobs:run"]})
    assert codes(reply) == {"denied_permissions": "not_for_admins"}


async def test_another_role_forgets_the_denials_that_it_has_no_use_for(admin, world):
    made = await admin.post("/api/operators", json={**NEW, "denied_permissions": ["jobs:run", "run_as_system"]})
    assert made.json()["denied_permissions"] == ["jobs:run", "run_as_system"]
    path = f"/api/operators/{made.json()['id']}"
    assert (await admin.patch(path, json={"role": "viewer"})).json()["denied_permissions"] == []
    await admin.patch(path, json={"role": "operator", "denied_permissions": ["jobs:run"]})
    assert (await admin.patch(path, json={"role": "admin"})).json()["denied_permissions"] == []


async def test_a_token_of_an_admin_gives_nobody_what_it_may_not_do_itself(admin, connect, world):
    scopes = {"name": "accounts", "scopes": ["operators:write", "read"]}
    token = (await admin.post("/api/api_tokens", json=scopes)).json()["token"]
    accounts = await connect()
    accounts.headers["Authorization"] = f"Bearer {token}"
    new_admin = await accounts.post("/api/operators", json={**NEW, "role": "admin"})
    assert (new_admin.status_code, new_admin.json()["code"]) == (403, "exceeds_own_permissions")
    assert (await accounts.post("/api/operators", json={**NEW, "role": "viewer"})).status_code == 201
    for change in ({"role": "operator"}, {"role": "admin"}):
        reply = await accounts.patch(f"/api/operators/{world.viewer.id}", json=change)
        assert reply.json()["code"] == "exceeds_own_permissions"
    taken_over = await accounts.patch(f"/api/operators/{world.admin.id}", json={"password": "a wholly new phrase"})
    assert taken_over.json()["code"] == "exceeds_own_permissions"


async def test_a_token_made_before_a_denial_loses_the_permission_too(admin, operator, connect, world):
    made = await operator.post("/api/api_tokens", json={"name": "ci", "scopes": ["read", "assemblies:write"]})
    client = await connect()
    client.headers["Authorization"] = f"Bearer {made.json()['token']}"
    await admin.patch(f"/api/operators/{world.operator.id}", json={"denied_permissions": ["assemblies:write"]})
    assert (await client.post("/api/assemblies", json=SCRIPT)).status_code == 403
    again = await operator.post("/api/api_tokens", json={"name": "ci2", "scopes": ["assemblies:write"]})
    assert codes(again) == {"scopes.0": "not_held"}

"""Credentials over HTTP: secrets go in and never out, lost updates are refused, jobs in use are named, and lost keys stop their jobs."""

import pytest
from sqlalchemy import text

from tests.api.jobs import PATH as JOBS
from tests.api.jobs import create as create_job
from tests.api.jobs import job as job_of
from tests.factories.logins import lose, sign_in_with
from tests.factories.private_keys import PASSPHRASE, ed25519_key, public_line, written
from watchbill import jobs

PATH = "/api/credentials"
SECRET = "correct-horse-battery-staple"
SSH = {"name": "Fleet root", "kind": "ssh", "username": "root", "password": SECRET}
BARE = {name: value for name, value in SSH.items() if name != "password"}


async def make(client, status=201, **changes):
    reply = await client.post(PATH, json=SSH | changes)
    assert reply.status_code == status, reply.text
    return reply.json()


def problems(reply):
    return sorted((one["field"], one["code"]) for one in reply["errors"])


async def test_secrets_go_in_and_no_reply_page_or_trail_has_them(admin, db):
    key = written(ed25519_key(), PASSPHRASE)
    become = {"method": "sudo", "password": "become-me-if-you-can"}
    made = await admin.post(PATH, json=SSH | {"private_key": key, "passphrase": PASSPHRASE, "become": become})
    assert made.status_code == 201, made.text
    told = made.json()
    assert [told[f"has_{name}"] for name in ("password", "private_key", "passphrase")] == [True, True, True]
    assert told["become"] == {"method": "sudo", "user": "root", "has_password": True}
    assert (told["key"]["type"], told["key"]["fingerprint"][:7]) == ("ed25519", "SHA256:")
    one = f"{PATH}/{told['id']}"
    saved = await admin.put(one, json=BARE | {"description": "of the fleet"})
    bad = await admin.put(one, json=BARE | {"password": [SECRET], "passphrase": f"not {PASSPHRASE}"})
    assert problems(bad.json()) == [("passphrase", "wrong_passphrase"), ("password", "wrong_type")]
    replies = [made, saved, bad, await admin.get(PATH), await admin.get(one), await admin.get("/api/audit")]
    for reply in replies:
        for secret in (SECRET, PASSPHRASE, "become-me", "PRIVATE KEY", key.splitlines()[2]):
            assert secret not in reply.text
    async with db.begin() as tx:
        kept = (await tx.execute(text("SELECT c::text FROM credentials c"))).scalar_one()
    assert SECRET not in kept


async def test_an_edit_keeps_what_it_does_not_say_and_refuses_a_lost_update(admin):
    made = await make(admin)
    one = f"{PATH}/{made['id']}"
    stale = await admin.put(one, json=BARE, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    saved = await admin.put(one, json=BARE | {"username": "ops"}, headers={"If-Match": '"1"'})
    assert (saved.json()["has_password"], saved.json()["revision"], saved.headers["ETag"]) == (True, 2, '"2"')
    gone = await admin.put(one, json=BARE | {"password": None})
    assert problems(gone.json()) == [("password", "required")]
    echoed = await admin.put(one, json=saved.json())
    assert {code for _, code in problems(echoed.json())} == {"read_only"}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"private_key": public_line(ed25519_key())}, [("private_key", "is_public_key")]),
        ({"kind": "winrm", "transport": "basic", "tls": False}, [("tls", "not_allowed")]),
        ({"site_id": 10**9, "port": 0, "color": 1}, [("color", "unknown_field"), ("port", "out_of_range"), ("site_id", "unknown_site")]),
    ],
)  # fmt: skip
async def test_everything_that_is_wrong_is_told_at_once(admin, changes, wanted):
    assert problems(await make(admin, 422, **changes)) == wanted


async def test_who_may_not_write_credentials_is_told_their_names_alone(admin, operator, viewer, other, world):
    made = await make(admin, site_id=world.site_a, domain="corp")
    one = f"{PATH}/{made['id']}"
    told = (await viewer.get(one)).json()
    assert (told["name"], told["kind"], told["state"], told["site_name"]) == ("Fleet root", "ssh", "ready", "Harbour")
    hidden = ("username", "domain", "has_password", "key", "become", "description", "lost_secrets")
    assert [told[name] for name in hidden] == [None] * len(hidden)
    assert "root" not in str({**told, "name": ""})
    assert (await operator.get(one)).json()["username"] == "root"
    assert (await other.get(one)).status_code == 404
    assert [one["allowed"] for one in told["allowed_actions"]] == [False, False]


async def test_one_that_jobs_use_is_not_deleted_and_they_are_named(admin, operator, other, fleet, world, db):
    made = await make(admin)
    one = f"{PATH}/{made['id']}"
    job = (await create_job(operator, fleet))["id"]
    async with db.begin() as tx:
        await sign_in_with(tx, job, made["id"])
    assert (await operator.get(f"{one}/usage")).json() == {
        "jobs": [{"id": job, "name": "Clear print spool"}],
        "unseen_jobs": 0,
    }
    assert (await other.get(f"{one}/usage")).json() == {"jobs": [], "unseen_jobs": 1}
    refused = await admin.delete(one)
    assert (refused.status_code, refused.json()["code"]) == (409, "credential_in_use")
    assert "Clear print spool" in refused.json()["detail"]
    assert (await admin.delete(f"{JOBS}/{job}")).status_code == 204
    assert (await admin.delete(one)).status_code == 204
    assert (await admin.get(one)).status_code == 404


async def test_a_site_with_credentials_stays(admin, make_site):
    site = await make_site("Wharf")
    made = await make(admin, site_id=site)
    refused = await admin.delete(f"/api/sites/{site}")
    assert (refused.status_code, "credentials" in refused.json()["detail"]) == (409, True)
    await admin.delete(f"{PATH}/{made['id']}")
    assert (await admin.delete(f"/api/sites/{site}")).status_code == 204


async def test_a_lost_key_stops_its_jobs_until_the_secret_is_given_anew(admin, operator, fleet, db, clock):
    made = await make(admin)
    one = f"{PATH}/{made['id']}"
    job = (await create_job(operator, fleet))["id"]
    async with db.begin() as tx:
        await sign_in_with(tx, job, made["id"])
        await lose(tx)
        await jobs.pause_locked(tx, await clock.now(tx))
    locked = (await admin.get(one)).json()
    assert (locked["state"], locked["lost_secrets"]) == ("reset_required", ["password"])
    assert [row["id"] for row in (await admin.get(PATH, params={"state": "reset_required"})).json()["items"]] == [
        made["id"]
    ]
    [row] = (await operator.get(JOBS)).json()["items"]
    assert row["enabled"] is False
    assert "secrets anew" in row["will_not_fire"]["sentence"]
    actions = {action["action"]: action["allowed"] for action in row["allowed_actions"]}
    assert (actions["toggle"], actions["rerun"]) == (False, False)
    for path, body in (("toggle", {"enabled": True}), ("rerun", {"targets": "all"})):
        refused = await operator.post(f"{JOBS}/{job}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "credential_locked"), path
        assert "Fleet root" in refused.json()["detail"]
    for bulk in ({"action": "toggle", "enabled": True}, {"action": "rerun"}):
        counted = (await operator.post(f"{JOBS}/bulk", json={**bulk, "job_ids": [job]})).json()
        assert counted["left_out"] == {"credential_locked": 1}, bulk
    preview = (await operator.get(f"{JOBS}/{job}/preview")).json()
    assert ("credential_id", "credential_locked") in {(one["field"], one["code"]) for one in preview["blockers"]}
    assert (await admin.put(one, json=SSH)).json()["state"] == "ready"
    assert (await operator.get(f"{JOBS}/{job}")).json()["enabled"] is False, "a person resumes it"
    resumed = await operator.post(f"{JOBS}/{job}/toggle", json={"enabled": True})
    assert (resumed.status_code, resumed.json()["enabled"]) == (200, True)


async def test_a_new_job_takes_a_credential_only_where_it_signs_in(operator, admin, fleet):
    made = await make(admin)
    for changes, field in (
        ({"credential_id": made["id"]}, "credential_id"),
        ({"use_service_account": True}, "use_service_account"),
    ):
        refused = await operator.post(JOBS, json=job_of(fleet, **changes))
        assert (refused.status_code, problems(refused.json())) == (422, [(field, "not_allowed")])

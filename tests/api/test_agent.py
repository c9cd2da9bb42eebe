"""Enrolment and tokens, as an agent meets them."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import text, update

from tests.api.conftest import codes
from tests.factories.machines import Machine
from watchbill import agents
from watchbill.agents.tables import enrolment_failures, enrolment_requests
from watchbill.agents.tokens import CHALLENGE_LIFETIME
from watchbill.kit.errors import ForbiddenError
from watchbill_wire import base64url, from_base64url


@pytest.fixture
async def code(operator, world) -> str:
    return str((await operator.get(f"/api/sites/{world.site_a}")).json()["enrolment_code"])


@pytest.fixture
async def machine(connect) -> Machine:
    return Machine(await connect())


@pytest.fixture
async def signing_key(db, clock, keys) -> str:
    async with db.begin() as tx:
        return await agents.ensure_signing_key(tx, keys, await clock.now(tx))


@pytest.fixture
async def device_id(machine, operator, code, signing_key) -> str:
    enrolled = await machine.enrol(code)
    approved = await operator.post(f"/api/device_approvals/{enrolled.json()['enrolment_id']}/approve")
    return str(approved.json()["device_id"])


async def test_from_the_code_to_a_token_that_the_gateway_accepts(machine, operator, code, signing_key, db, keys, clock):
    enrolled = await machine.enrol(code)
    assert enrolled.status_code == 202
    assert enrolled.json()["state"] == "pending"
    waiting = (await machine.poll(enrolled)).json()
    assert (waiting["state"], waiting["device_id"], waiting["gateway_url"]) == ("pending", None, None)

    approval = enrolled.json()["enrolment_id"]
    assert (await operator.post(f"/api/device_approvals/{approval}/approve")).status_code == 200
    answer = (await machine.poll(enrolled)).json()
    assert (answer["state"], answer["gateway_url"]) == ("approved", "ws://127.0.0.1:8471/agent/ws")
    assert [key["key_id"] for key in answer["engine_keys"]] == [signing_key]

    reply = (await machine.token(answer["device_id"])).json()
    assert reply["expires_in_seconds"] == 3600
    assert reply["server_time"].endswith("Z")
    async with db.begin() as tx:
        now = await clock.now(tx)
    assert str(agents.verify_token(keys, reply["token"], now)) == answer["device_id"]
    device = (await operator.get(f"/api/devices/{answer['device_id']}")).json()
    assert (device["hostname"], device["status"], device["interpreters"]) == ("web-1", "active", None)


async def test_what_the_engine_signs_is_verified_with_the_keys_told_to_agents(machine, device_id, db, keys):
    told = (await machine.token(device_id)).json()["engine_keys"]
    async with db.begin() as tx:
        signer = await agents.load_signer(tx, keys)
    public = {key["key_id"]: from_base64url(key["public_key"]) for key in told}[signer.key_id]
    Ed25519PublicKey.from_public_bytes(public).verify(signer.sign(b"an order"), b"an order")


async def test_a_code_works_however_it_is_typed(machine, code):
    assert (await machine.enrol(code.lower().replace("-", ""))).status_code == 202


async def test_a_wrong_code_is_refused_and_kept_only_masked(machine, admin, operator, code, db):
    wrong = "ABCDE-FGHJK-LMNPQ-RSTUV"
    reply = await machine.enrol(wrong)
    assert (reply.status_code, reply.json()["code"]) == (403, "enrolment_refused")
    async with db.begin() as tx:
        everything = [
            *(await tx.execute(text("SELECT row_to_json(f)::text FROM enrolment_failures f"))).scalars(),
            *(await tx.execute(text("SELECT row_to_json(r)::text FROM rate_limits r"))).scalars(),
        ]
    assert everything and not any("FGHJK" in row for row in everything)
    shown = (await admin.get("/api/device_approvals/refused_codes")).json()["items"]
    assert [(one["masked_code"], one["hostname"], one["remote_addr"]) for one in shown] == [
        ("ABCD…", "web-1", "192.0.2.1")
    ]
    assert (await operator.get("/api/device_approvals/refused_codes")).status_code == 403


async def test_after_ten_wrong_codes_an_address_must_wait_even_with_the_right_one(machine, code):
    for number in range(10):
        assert (await machine.enrol(f"WRNG{number}-AAAAA")).status_code == 403
    refused = await machine.enrol(code)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 600


async def test_wrong_codes_that_look_alike_are_counted_over_all_addresses(machine, db, code):
    async with db.begin() as tx:
        counted = "INSERT INTO rate_limits VALUES ('enrol_code', 'ABCD…', now(), 10)"
        await tx.execute(text(counted))
    assert (await machine.enrol("ABCDX-YYYYY")).status_code == 429
    async with db.begin() as tx:
        assert (await tx.execute(enrolment_failures.select())).all() == []
    assert (await machine.enrol(code)).status_code == 202


async def test_a_rotated_code_no_longer_enrols(machine, operator, code, world):
    await operator.post(f"/api/sites/{world.site_a}/enrolment_code")
    assert (await machine.enrol(code)).status_code == 403


async def test_a_key_that_is_not_the_senders_own_is_refused(machine, code):
    stolen = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    reply = await machine.enrol(code, public_key=base64url(stolen))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")
    assert codes(reply) == {"proof": "bad_signature"}
    assert codes(await machine.enrol(code, hostname="web-2")) == {"proof": "bad_signature"}


async def test_every_unusable_field_of_a_request_is_told(machine, code):
    bad = {"hostname": "two words", "public_key": "AAAA", "os_family": "beos", "proof": "%", "arch": "x\n"}
    reply = await machine.enrol(code, **bad)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")
    assert set(codes(reply)) == set(bad)


async def test_fields_of_a_newer_agent_are_let_pass(machine, code):
    assert (await machine.enrol(code, colour="red")).status_code == 202


async def test_asking_again_renews_the_same_request_and_its_poll_token(machine, operator, code):
    first, second = await machine.enrol(code), await machine.enrol(code)
    assert first.json()["enrolment_id"] == second.json()["enrolment_id"]
    assert (await machine.poll(first)).status_code == 404
    assert (await machine.poll(second)).status_code == 200
    assert len((await operator.get("/api/device_approvals")).json()["items"]) == 1


async def test_polling_needs_the_poll_token(machine, code):
    enrolled = await machine.enrol(code)
    path = f"/api/agent/enrol/{enrolled.json()['enrolment_id']}/poll"
    assert (await machine.client.post(path, json={"poll_token": "guess"})).status_code == 404


async def test_a_denied_machine_is_told_the_reason(machine, operator, code):
    enrolled = await machine.enrol(code)
    path = f"/api/device_approvals/{enrolled.json()['enrolment_id']}/deny"
    await operator.post(path, json={"reason": "not one of ours"})
    answer = (await machine.poll(enrolled)).json()
    assert (answer["state"], answer["reason"], answer["engine_keys"]) == ("denied", "not one of ours", [])


async def test_a_request_that_waited_for_a_week_is_expired_and_may_be_made_again(machine, operator, code, db, clock):
    enrolled = await machine.enrol(code)
    approval = f"/api/device_approvals/{enrolled.json()['enrolment_id']}"
    async with db.begin() as tx:
        now = await clock.now(tx)
        await tx.execute(update(enrolment_requests).values(expires_at=now))
    assert (await machine.poll(enrolled)).json()["state"] == "expired"
    assert (await operator.post(f"{approval}/approve")).json()["code"] == "approval_decided"
    async with db.begin() as tx:
        assert await agents.expire_requests(tx, now) == 1
    assert (await operator.get(approval)).json()["state"] == "expired"
    again = await machine.enrol(code)
    assert again.json()["enrolment_id"] != enrolled.json()["enrolment_id"]


async def test_a_disabled_or_revoked_device_gets_no_token(machine, operator, device_id):
    for verb, status in (("disable", 403), ("enable", 200), ("revoke", 403)):
        await operator.post(f"/api/devices/{device_id}/{verb}")
        reply = await machine.token(device_id)
        assert reply.status_code == status
        assert status == 200 or reply.json()["code"] == "device_refused"


async def test_another_key_an_altered_and_a_foreign_challenge_get_no_token(
    machine, connect, device_id, make_device, world
):
    stranger = Machine(await connect())
    assert (await stranger.token(device_id)).json()["code"] == "device_refused"
    other = await make_device("web-2", world.site_a)
    challenge = await machine.challenge(other)
    assert (await machine.token(device_id, challenge)).status_code == 403
    good = await machine.challenge(device_id)
    assert (await machine.token(device_id, good[:-2] + "AA")).status_code == 403
    assert (await machine.token(device_id, good)).status_code == 200


async def test_a_challenge_for_a_device_that_does_not_exist_tells_nothing(machine, device_id):
    nobody = "00000000-0000-4000-8000-000000000000"
    assert await machine.challenge(nobody)
    assert (await machine.token(nobody)).json() == (await Machine(machine.client).token(device_id)).json()


async def test_a_challenge_ends_after_a_minute_and_a_token_at_its_time(machine, device_id, db, clock, keys):
    async with db.begin() as tx:
        now = await clock.now(tx)
        from uuid import UUID

        stale = agents.new_challenge(keys, UUID(device_id), now - CHALLENGE_LIFETIME)
    assert (await machine.token(device_id, stale)).status_code == 403
    token = (await machine.token(device_id)).json()["token"]
    agents.verify_token(keys, token, now + timedelta(seconds=3500))
    with pytest.raises(ForbiddenError):
        agents.verify_token(keys, token, now + timedelta(seconds=3700))


async def test_a_challenge_is_no_token(machine, device_id, keys, clock, db):
    async with db.begin() as tx:
        now = await clock.now(tx)
    with pytest.raises(ForbiddenError):
        agents.verify_token(keys, await machine.challenge(device_id), now)


async def test_a_site_takes_only_so_many_waiting_machines(machine, code, world, db):
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO enrolment_requests (id, site_id, state, hostname, public_key, poll_token_hash, os_family,"
                " created_at, expires_at) SELECT gen_random_uuid(), :site, 'pending', 'h', int4send(n), '', 'linux',"
                " now(), now() + interval '7 days' FROM generate_series(1, 5000) AS n"
            ),
            {"site": world.site_a},
        )
    assert (await machine.enrol(code)).status_code == 429


async def sealing_key_of(db, device_id) -> bytes | None:
    async with db.begin() as tx:
        found = await tx.execute(text("SELECT sealing_key FROM devices WHERE id = :id"), {"id": device_id})
        key: bytes | None = found.scalar_one()
        return key


async def test_a_sealing_key_is_believed_when_the_device_signs_it_for_this_challenge(machine, device_id, db):
    first, other = bytes(range(32)), bytes(range(1, 33))
    challenge = await machine.challenge(device_id)
    assert (await machine.token(device_id, challenge, **machine.sealing(device_id, challenge, first))).is_success
    assert await sealing_key_of(db, device_id) == first
    stale = machine.sealing(device_id, challenge, other)
    unsigned = {"sealing_key": base64url(other)}
    stranger = Machine(machine.client).sealing(device_id, challenge, other)
    for told in (stale, unsigned, stranger):
        refused = await machine.token(device_id, **told)
        assert (refused.status_code, refused.json()["code"]) == (403, "device_refused")
        assert await sealing_key_of(db, device_id) == first
    short = await machine.token(device_id, sealing_key="AAAA")
    assert short.status_code == 422


async def test_an_agent_that_tells_no_sealing_key_has_the_old_one_forgotten(machine, device_id, db):
    challenge = await machine.challenge(device_id)
    await machine.token(device_id, challenge, **machine.sealing(device_id, challenge, bytes(range(32))))
    assert (await machine.token(device_id)).is_success
    assert await sealing_key_of(db, device_id) is None

"""Service accounts: keys that stay sealed, what devices are told and tell, and logins by what is there."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from sqlalchemy import text

import watchbill_wire as w
from tests.factories import places
from watchbill import agents
from watchbill.agents import account_store
from watchbill.core.service_accounts import AccountAction, AccountState
from watchbill.identity import ENGINE
from watchbill.kit.events import Cursor, read_after
from watchbill_agent.sealing import seal_password

A, S = AccountAction, AccountState


class Fleet:
    def __init__(self, db, keys, now) -> None:
        self.db, self.keys, self.now = db, keys, now

    async def device(self, name="web-1", **options):
        async with self.db.begin() as tx:
            return await places.make_device(tx, name, None, now=self.now, **options)

    async def do(self, device_id, action):
        async with self.db.begin() as tx:
            return await agents.change_service_account(tx, ENGINE, device_id, action, keys=self.keys, now=self.now)

    async def many(self, device_ids, action):
        async with self.db.begin() as tx:
            return await agents.change_service_accounts(tx, ENGINE, device_ids, action, keys=self.keys, now=self.now)

    async def wanted(self, device_id):
        async with self.db.begin() as tx:
            return (await agents.service_accounts_wanted(tx, [device_id])).get(device_id)

    async def tells(self, device_id, state, generation, **more):
        told = w.ServiceAccountReported(state, generation, **more)
        async with self.db.begin() as tx:
            await agents.service_accounts_told(tx, self.keys, {device_id: told}, self.now)
            return await agents.get_service_account(tx, ENGINE, device_id)

    async def login(self, device_id, keys=None):
        async with self.db.begin() as tx:
            return (await agents.service_logins(tx, keys or self.keys, [device_id])).get(device_id)

    async def generations(self):
        async with self.db.begin() as tx:
            return sorted(await account_store.find_keys(tx))


@pytest.fixture
async def fleet(db, clock, keys):
    async with db.begin() as tx:
        now = await clock.now(tx)
    return Fleet(db, keys, now)


def public_of(login):
    key = load_ssh_private_key(login.private_key.reveal().encode(), None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


async def test_the_first_wish_makes_the_key_and_the_login_is_there_when_the_device_says_so(fleet):
    device = await fleet.device()
    assert await fleet.wanted(device) is None
    assert (await fleet.do(device, A.CREATE)).state is S.CREATING
    wish = await fleet.wanted(device)
    assert (wish.name, wish.state, wish.sudo, len(wish.ssh_public_keys)) == ("svc-watchbill", "present", True, 1)
    now = fleet.now
    payload = w.DesiredPayload(str(device), now, now + timedelta(hours=1), None, wish)
    assert w.parse_desired(payload.to_text()) == payload, "agents understand it"
    assert await fleet.login(device) is None
    assert (await fleet.tells(device, "present", wish.generation)).state is S.PRESENT
    login = await fleet.login(device)
    assert (login.username, login.password) == ("svc-watchbill", None)
    assert wish.ssh_public_keys[0].startswith(public_of(login))
    assert "PRIVATE" not in repr(login)


async def test_devices_share_the_newest_key_and_a_rotation_makes_another_for_those_that_it_names(fleet):
    one, two = await fleet.device("one"), await fleet.device("two")
    first = (await fleet.many([one, two], A.CREATE), (await fleet.wanted(one)).generation)
    assert (first[0].devices, first[0].changed) == (2, 2)
    for device in (one, two):
        await fleet.tells(device, "present", first[1])
    assert (await fleet.do(one, A.ROTATE)).state is S.ROTATING
    before, after = (await fleet.wanted(two)).ssh_public_keys, (await fleet.wanted(one)).ssh_public_keys
    assert len(after) == 2
    assert after[1] == before[0] != after[0], "until the device has told, the one before holds too"
    assert (await fleet.wanted(one)).generation > (await fleet.wanted(two)).generation


async def test_until_a_device_tells_of_the_new_key_the_old_one_signs_in_and_is_then_forgotten(fleet):
    device = await fleet.device()
    await fleet.do(device, A.CREATE)
    old = (await fleet.wanted(device)).generation
    await fleet.tells(device, "present", old)
    before = public_of(await fleet.login(device))
    await fleet.do(device, A.ROTATE)
    new = (await fleet.wanted(device)).generation
    assert public_of(await fleet.login(device)) == before
    assert (await fleet.tells(device, "failed", new, detail="the disk is full")).detail == "the disk is full"
    assert public_of(await fleet.login(device)) == before, "what failed has taken nothing away"
    assert await fleet.generations() == [old, new]
    assert (await fleet.tells(device, "present", new)).state is S.PRESENT
    assert (await fleet.wanted(device)).ssh_public_keys[0].startswith(public_of(await fleet.login(device)))
    assert len((await fleet.wanted(device)).ssh_public_keys) == 1
    assert await fleet.generations() == [new]


async def test_what_is_removed_signs_nobody_in_from_that_moment(fleet):
    device = await fleet.device()
    await fleet.do(device, A.CREATE)
    generation = (await fleet.wanted(device)).generation
    await fleet.tells(device, "present", generation)
    assert (await fleet.do(device, A.REMOVE)).state is S.REMOVING
    assert await fleet.login(device) is None
    assert ((await fleet.wanted(device)).state, (await fleet.wanted(device)).ssh_public_keys) == ("absent", ())
    assert (await fleet.tells(device, "absent", generation)).state is S.NONE
    assert (await fleet.do(device, A.CREATE)).state is S.CREATING


async def test_a_device_is_believed_of_nothing_that_was_not_wanted_of_it(fleet):
    device, other = await fleet.device("one"), await fleet.device("other")
    assert (await fleet.tells(device, "present", 1)).state is S.NONE
    await fleet.do(device, A.CREATE)
    await fleet.do(other, A.CREATE)
    generation = (await fleet.wanted(device)).generation
    assert (await fleet.tells(device, "present", generation + 7)).state is S.CREATING
    await fleet.tells(device, "present", generation)
    async with fleet.db.begin() as tx:
        assert (await agents.get_service_account(tx, ENGINE, other)).state is S.CREATING


async def test_a_password_made_on_windows_is_kept_sealed_for_its_row_and_opened_for_a_login_alone(fleet):
    device = await fleet.device(os_family="windows")
    await fleet.do(device, A.CREATE)
    wish = await fleet.wanted(device)
    sealed = seal_password(str(device), wish.password_key, wish.generation, "hunter2-aA1")
    assert (await fleet.tells(device, "present", wish.generation, password_sealed=sealed)).state is S.PRESENT
    login = await fleet.login(device)
    assert (login.password.reveal(), login.private_key) == ("hunter2-aA1", None)
    async with fleet.db.begin() as tx:
        row = (await tx.execute(text("SELECT * FROM service_accounts"))).one()
    assert "hunter2" not in str(row)
    await fleet.tells(device, "present", wish.generation, password_sealed=sealed)
    async with fleet.db.begin() as tx:
        assert (await tx.execute(text("SELECT * FROM service_accounts"))).one() == row, "told again it writes nothing"


@pytest.mark.parametrize("fault", ["other device", "other generation", "garbage", "too long", "two lines"])
async def test_a_password_that_is_none_of_this_account_is_a_failure_of_this_device(fleet, fault):
    device = await fleet.device(os_family="windows")
    await fleet.do(device, A.CREATE)
    wish = await fleet.wanted(device)
    of = str(uuid4()) if fault == "other device" else str(device)
    generation = wish.generation + (fault == "other generation")
    password = {"too long": "x" * 1000, "two lines": "a\nb"}.get(fault, "hunter2")
    sealed = "AAAA" if fault == "garbage" else seal_password(of, wish.password_key, generation, password)
    told = await fleet.tells(device, "present", wish.generation, password_sealed=sealed)
    assert told.state is S.FAILED
    assert await fleet.login(device) is None


async def test_what_the_ring_cannot_open_is_a_login_without_key_and_password(fleet):
    device = await fleet.device()
    await fleet.do(device, A.CREATE)
    await fleet.tells(device, "present", (await fleet.wanted(device)).generation)
    other = type(fleet.keys)("k9", {"k9": bytes(range(32))})
    login = await fleet.login(device, other)
    assert (login.username, login.private_key, login.password) == ("svc-watchbill", None, None)


async def test_all_is_sealed_again_under_a_new_key(fleet):
    linux, windows = await fleet.device(), await fleet.device("win", os_family="windows")
    await fleet.many([linux, windows], A.CREATE)
    wish = await fleet.wanted(windows)
    await fleet.tells(linux, "present", wish.generation)
    sealed = seal_password(str(windows), wish.password_key, wish.generation, "hunter2")
    await fleet.tells(windows, "present", wish.generation, password_sealed=sealed)
    rotated = type(fleet.keys)("k2", {**fleet.keys.keys, "k2": bytes(range(32))})
    async with fleet.db.begin() as tx:
        assert await agents.reseal(tx, rotated) == 2
        assert await agents.reseal(tx, rotated) == 0
    only_new = type(fleet.keys)("k2", {"k2": bytes(range(32))})
    assert (await fleet.login(linux, only_new)).private_key is not None
    assert (await fleet.login(windows, only_new)).password.reveal() == "hunter2"


async def test_two_that_begin_at_once_make_one_key(fleet):
    devices = [await fleet.device(f"d{n}") for n in range(4)]
    await asyncio.gather(*(fleet.do(one, A.CREATE) for one in devices))
    assert len(await fleet.generations()) == 1


async def test_a_revoked_device_has_no_login(fleet):
    device = await fleet.device()
    await fleet.do(device, A.CREATE)
    await fleet.tells(device, "present", (await fleet.wanted(device)).generation)
    async with fleet.db.begin() as tx:
        await tx.execute(text("UPDATE devices SET status = 'revoked'"))
    assert await fleet.login(device) is None


async def test_every_change_is_in_the_trail_and_told_to_who_watches(fleet):
    device = await fleet.device()
    await fleet.do(device, A.CREATE)
    generation = (await fleet.wanted(device)).generation
    await fleet.tells(device, "present", generation)
    await fleet.do(device, A.ROTATE)
    await fleet.do(device, A.REMOVE)
    async with fleet.db.begin() as tx:
        query = "SELECT action FROM audit WHERE action LIKE 'service_account%' ORDER BY id"
        assert list((await tx.execute(text(query))).scalars()) == [
            f"service_account.{verb}" for verb in ("created", "rotated", "removed")
        ]
    async with fleet.db.begin() as tx:
        told = [one for one in await read_after(tx, Cursor(0, 0)) if one.kind == "device.service_account"]
    assert [one.payload for one in told] == [{"device_id": str(device)}] * 4

"""A key of the ring is lost: its credentials are locked until they are given anew, and opened again when the key is back."""

import pytest

from tests.credentials.conftest import SECRET, ssh
from tests.factories.logins import revealed
from tests.factories.private_keys import PASSPHRASE, ed25519_key, written
from watchbill import credentials
from watchbill.kit.errors import InvalidError
from watchbill.kit.secrets import KeyRing

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
FIRST, BOTH, LATER = KeyRing("k1", {"k1": OLD}), KeyRing("k2", {"k1": OLD, "k2": NEW}), KeyRing("k2", {"k2": NEW})
#: The file was lost, and a new ring made in its place: the same name, another key.
REMADE = KeyRing("k1", {"k1": NEW})
BARE = {"name": "Fleet root", "kind": "ssh", "username": "root"}


@pytest.fixture
def create(tx, world):
    async def make(**changes):
        return await credentials.create(tx, world.admin, ssh(**changes), keys=FIRST, now=world.now)

    return make


async def update(tx, world, one, definition, ring):
    held = await credentials.lock(tx, world.admin, one.id)
    return await credentials.update(tx, world.admin, held, definition, keys=ring, now=world.now)


@pytest.mark.parametrize("ring", [LATER, REMADE], ids=["key gone", "key remade"])
async def test_a_look_finds_what_no_key_opens_and_what_one_opens_again(tx, world, create, ring):
    one = await create(private_key=written(ed25519_key(), PASSPHRASE), passphrase=PASSPHRASE)
    whole = await credentials.create(tx, world.admin, ssh(name="Later"), keys=ring, now=world.now)
    assert (await credentials.check_keys(tx, BOTH if ring is LATER else FIRST)).locked == (
        frozenset() if ring is LATER else {whole.id}
    )
    found = await credentials.check_keys(tx, ring)
    assert found.locked == {one.id}
    assert (await credentials.check_keys(tx, ring)).changed == 0, "what is known is not told again"
    locked = await credentials.get(tx, world.admin, one.id)
    assert (locked.state, sorted(locked.lost)) == ("reset_required", ["passphrase", "password", "private_key"])
    assert (await credentials.get(tx, world.admin, whole.id)).state == "ready"
    assert (await credentials.facts(tx, world.admin.scope, [one.id]))[one.id].is_locked
    back = await credentials.check_keys(tx, FIRST if ring is REMADE else BOTH)
    assert one.id not in back.locked
    assert (await credentials.get(tx, world.admin, one.id)).state == "ready"


async def test_use_finds_it_too_and_says_what_to_do(tx, world, create):
    one = await create()
    with pytest.raises(credentials.CredentialLockedError, match="Fleet root") as refused:
        await credentials.open_for_use(tx, LATER, one.id)
    assert (refused.value.credential_id, refused.value.code, refused.value.status) == (one.id, "credential_locked", 409)
    assert (await credentials.get(tx, world.admin, one.id)).state == "reset_required"
    assert SECRET not in str(refused.value)


async def test_only_secrets_given_anew_lift_it(tx, world, create):
    key = ed25519_key()
    one = await create(private_key=written(key))
    await credentials.check_keys(tx, LATER)
    renamed = await update(tx, world, one, {**BARE, "name": "Renamed"}, LATER)
    assert sorted(renamed.lost) == ["password", "private_key"]
    half = await update(tx, world, one, {**BARE, "password": "another"}, LATER)
    assert (half.state, half.lost) == ("reset_required", ["private_key"])
    with pytest.raises(credentials.CredentialLockedError):
        await credentials.open_for_use(tx, LATER, one.id)
    whole = await update(tx, world, one, {**BARE, "private_key": written(key)}, LATER)
    assert (whole.state, whole.lost) == ("ready", [])
    assert revealed((await credentials.open_for_use(tx, LATER, one.id)).password) == "another"


async def test_taking_the_lost_secret_away_lifts_it_where_another_is_left(tx, world, create):
    one = await create(private_key=written(ed25519_key()))
    await update(tx, world, one, {**BARE, "password": "sealed later"}, BOTH)
    await credentials.check_keys(tx, LATER)
    after = await update(tx, world, one, {**BARE, "private_key": None}, LATER)
    assert (after.state, sorted(after.sealed), after.key) == ("ready", ["password"], None)


async def test_a_passphrase_cannot_be_tried_on_a_lost_key(tx, world, create):
    one = await create(private_key=written(ed25519_key(), PASSPHRASE), passphrase=PASSPHRASE)
    with pytest.raises(InvalidError) as refused:
        await update(tx, world, one, {**BARE, "passphrase": "another"}, LATER)
    assert [(one.field, one.code) for one in refused.value.problems] == [("private_key", "required")]


async def test_sealed_anew_they_need_the_old_key_no_more_and_lost_ones_stay_as_they_are(tx, world, create):
    one = await create()
    assert await credentials.reseal(tx, FIRST) == 0
    assert await credentials.reseal(tx, LATER) == 0, "what cannot be opened is left alone"
    assert await credentials.reseal(tx, BOTH) == 1
    assert revealed((await credentials.open_for_use(tx, LATER, one.id)).password) == SECRET

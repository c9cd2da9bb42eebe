"""Saving credentials through their face: what is read of keys, what stays, who may, and that nothing secret is stored open."""

import base64
import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import text

from tests.credentials.conftest import SECRET, ssh, winrm
from tests.factories.logins import revealed
from tests.factories.private_keys import PASSPHRASE, PRIVATE, certificate, ed25519_key, public_line, written
from watchbill import credentials
from watchbill.core.credential_rules import CredentialKind
from watchbill.credentials import Listed
from watchbill.identity import audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

ED25519 = ed25519_key()
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def create(tx, world, keys):
    async def make(definition, actor=None):
        return await credentials.create(tx, actor or world.admin, definition, keys=keys, now=world.now)

    return make


@pytest.fixture
def update(tx, world, keys):
    async def change(before, definition, actor=None):
        held = await credentials.lock(tx, actor or world.admin, before.id)
        return await credentials.update(tx, actor or world.admin, held, definition, keys=keys, now=world.now)

    return change


async def problems(saving):
    with pytest.raises(InvalidError) as refused:
        await saving
    return sorted((one.field, one.code) for one in refused.value.problems)


@pytest.mark.parametrize(
    ("key", "form", "passphrase", "told"),
    [
        (ED25519, PRIVATE.OpenSSH, None, ("ed25519", 256)),
        (ED25519, PRIVATE.OpenSSH, PASSPHRASE, ("ed25519", 256)),
        (ED25519, PRIVATE.PKCS8, None, ("ed25519", 256)),
        (ED25519, PRIVATE.PKCS8, PASSPHRASE, ("ed25519", 256)),
        (RSA, PRIVATE.TraditionalOpenSSL, None, ("rsa", 2048)),
        (RSA, PRIVATE.OpenSSH, PASSPHRASE, ("rsa", 2048)),
        (EC, PRIVATE.TraditionalOpenSSL, None, ("ecdsa", 256)),
    ],
)
async def test_keys_are_read_in_the_forms_that_people_have(create, key, form, passphrase, told):
    given = written(key, passphrase, form).replace("\n", "\r\n")
    made = await create(ssh(private_key=given, passphrase=passphrase, password=None))
    assert (made.key.type, made.key.bits) == told
    assert made.key.fingerprint.startswith("SHA256:")
    assert sorted(made.sealed) == (["passphrase", "private_key"] if passphrase else ["private_key"])


async def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(create):
    made = await create(ssh(private_key=written(ED25519, PASSPHRASE), passphrase=PASSPHRASE))
    digest = hashlib.sha256(base64.b64decode(public_line(ED25519).split()[1])).digest()
    assert made.key.fingerprint == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"private_key": public_line(ED25519)}, [("private_key", "is_public_key")]),
        ({"private_key": written(ED25519, PASSPHRASE)}, [("passphrase", "required")]),
        ({"private_key": written(ED25519, PASSPHRASE), "passphrase": "wrong"}, [("passphrase", "wrong_passphrase")]),
        (
            {"private_key": written(RSA, PASSPHRASE, PRIVATE.PKCS8), "passphrase": "wrong"},
            [("passphrase", "wrong_passphrase")],
        ),
        ({"private_key": written(ED25519), "passphrase": "x"}, [("passphrase", "not_needed")]),
        ({"private_key": written(ec.generate_private_key(ec.SECP256K1()), form=PRIVATE.PKCS8)}, [("private_key", "unsupported_key")]),
        ({"private_key": written(ED25519)[:200] + "\n-----END OPENSSH PRIVATE KEY-----"}, [("private_key", "unreadable")]),
        ({"private_key": "my key", "port": 0, "color": "red"}, [("color", "unknown_field"), ("port", "out_of_range"), ("private_key", "not_a_private_key")]),
        ({"site_id": 10**9}, [("site_id", "unknown_site")]),
    ],
)  # fmt: skip
async def test_each_mistake_is_told_at_its_field(create, changes, wanted):
    assert await problems(create(ssh(**changes))) == wanted


async def test_a_weak_rsa_key_is_refused_with_its_size(create):
    weak = written(rsa.generate_private_key(65537, 1024))
    with pytest.raises(InvalidError) as refused:
        await create(ssh(private_key=weak))
    [problem] = refused.value.problems
    assert (problem.code, "1024 bits" in problem.message) == ("unsupported_key", True)


async def test_nothing_secret_is_stored_open_and_each_is_bound_to_its_field(tx, create, world, keys):
    key = written(ED25519, PASSPHRASE)
    become = {"method": "su", "password": "become-me-if-you-can"}
    made = await create(ssh(private_key=key, passphrase=PASSPHRASE, become=become))
    [row] = (await tx.execute(text("SELECT c::text FROM credentials c"))).scalars()
    trail = await audit.list_entries(tx, world.admin, audit.Filter(), limit=10)
    for secret in (SECRET, PASSPHRASE, "become-me", "OPENSSH", key.splitlines()[1]):
        assert secret not in row
        assert secret not in repr((made, trail))
    [entry] = [one for one in trail.items if one.action == "credential.created"]
    assert entry.detail["secrets_set"] == ["become.password", "passphrase", "password", "private_key"]
    swapped = text("UPDATE credentials SET sealed = sealed || jsonb_build_object('password', sealed->'passphrase')")
    await tx.execute(swapped)
    with pytest.raises(credentials.CredentialLockedError):
        await credentials.open_for_use(tx, keys, made.id)


async def test_opened_for_use_it_has_everything_that_was_given(tx, create, keys, world):
    key = written(ED25519, PASSPHRASE)
    become = {"method": "doas", "user": "ops", "password": "become-me"}
    made = await create(
        ssh(private_key=key, passphrase=PASSPHRASE, become=become, port=2222, domain="corp", site_id=world.harbour)
    )
    opened = await credentials.open_for_use(tx, keys, made.id)
    assert (opened.id, opened.site_id, opened.kind, opened.login, opened.port) == (
        made.id, world.harbour, "ssh", "root@corp", 2222,
    )  # fmt: skip
    become_password = opened.become.password if opened.become else None
    given = (opened.password, opened.private_key, opened.passphrase, become_password)
    assert [revealed(one) for one in given] == [SECRET, key, PASSPHRASE, "become-me"]
    assert opened.become is not None
    assert (opened.become.method, opened.become.user, opened.transport, opened.tls) == ("doas", "ops", None, None)
    for secret in (SECRET, PASSPHRASE, "become-me", "BEGIN"):
        assert secret not in repr(opened)


async def test_what_is_not_said_stays_and_what_changes_nothing_makes_no_revision(tx, create, update, keys):
    key = written(ED25519)
    made = await create(ssh(private_key=key))
    bare = {"name": "Fleet root", "kind": "ssh", "username": "root"}
    assert (await update(made, bare)).revision == 1
    renamed = await update(made, {**bare, "name": "Fleet"})
    assert (renamed.revision, sorted(renamed.sealed), renamed.key) == (2, ["password", "private_key"], made.key)
    without = await update(made, {**bare, "password": None})
    assert (without.revision, sorted(without.sealed)) == (3, ["private_key"])
    assert await problems(update(made, {**bare, "private_key": None})) == [("password", "required")]
    opened = await credentials.open_for_use(tx, keys, made.id)
    assert (opened.password, revealed(opened.private_key)) == (None, key)


async def test_a_passphrase_is_tried_on_the_stored_key(create, update):
    made = await create(ssh(private_key=written(ED25519, PASSPHRASE), passphrase=PASSPHRASE))
    bare = {"name": "Fleet root", "kind": "ssh", "username": "root"}
    assert await problems(update(made, {**bare, "passphrase": "wrong"})) == [("passphrase", "wrong_passphrase")]
    assert await problems(update(made, {**bare, "passphrase": None})) == [("passphrase", "required")]
    assert (await update(made, {**bare, "passphrase": PASSPHRASE})).revision == 2
    other = await update(made, {**bare, "private_key": written(EC)})
    assert (other.key.type, sorted(other.sealed)) == ("ecdsa", ["password", "private_key"])


async def test_kind_and_site_stay_as_they_were_made(create, update, world):
    made = await create(ssh(site_id=world.harbour))
    assert await problems(update(made, ssh())) == [("site_id", "cannot_change")]
    assert await problems(update(made, winrm(site_id=world.harbour))) == [("kind", "cannot_change")]


async def test_a_certificate_signs_in_by_its_own_key_and_before_its_end(create, update, world, tx, keys):
    good = certificate(EC, world.now)
    base = {"name": "By certificate", "kind": "winrm", "transport": "certificate"}
    wrong = base | {"certificate": good, "private_key": written(RSA)}
    assert await problems(create(wrong)) == [("private_key", "not_of_certificate")]
    expired = base | {"certificate": certificate(EC, world.now, -1), "private_key": written(EC)}
    assert await problems(create(expired)) == [("certificate", "expired")]
    mixed = base | {"certificate": good + written(EC), "private_key": written(EC)}
    assert await problems(create(mixed)) == [("certificate", "has_private_key")]
    assert await problems(create(base | {"certificate": "x", "private_key": written(EC)})) == [
        ("certificate", "not_a_certificate")
    ]
    made = await create(base | {"certificate": good, "private_key": written(EC)})
    assert made.certificate_expires_at - world.now > timedelta(days=29)
    opened = await credentials.open_for_use(tx, keys, made.id)
    assert opened.certificate == good
    assert (revealed(opened.private_key) or "").startswith("-----BEGIN PRIVATE KEY-----")
    other = certificate(RSA, world.now)
    assert await problems(update(made, base | {"certificate": other})) == [("private_key", "not_of_certificate")]
    assert (await update(made, base | {"certificate": certificate(EC, world.now, 90)})).revision == 2


async def test_a_name_is_for_one_credential_of_a_site(create, update, world):
    made = await create(ssh())
    with pytest.raises(ConflictError) as taken:
        await create(ssh(name="FLEET ROOT"))
    assert taken.value.code == "name_taken"
    other = await create(ssh(site_id=world.harbour))
    assert other.id != made.id
    third = await create(ssh(name="Third"))
    with pytest.raises(ConflictError):
        await update(third, ssh())


class TestWhoMay:
    async def test_operators_look_after_those_of_their_sites(self, create, update, world, tx):
        mine = await create(ssh(site_id=world.harbour), world.operator)
        assert (await update(mine, ssh(site_id=world.harbour, username="ops"), world.operator)).username == "ops"
        assert await problems(create(ssh(site_id=world.lighthouse), world.operator)) == [("site_id", "unknown_site")]
        with pytest.raises(ForbiddenError):
            await create(ssh(), world.operator)
        held = await credentials.lock(tx, world.operator, mine.id)
        await credentials.remove(tx, world.operator, held, used_by=[], now=world.now)
        with pytest.raises(NotFoundError):
            await credentials.get(tx, world.admin, mine.id)

    async def test_those_of_every_site_are_seen_by_all_and_changed_by_who_sees_every_site(self, create, tx, world):
        shared, hidden = await create(ssh()), await create(ssh(site_id=world.lighthouse))
        assert (await credentials.get(tx, world.operator, shared.id)).name == "Fleet root"
        with pytest.raises(ForbiddenError):
            await credentials.lock(tx, world.operator, shared.id)
        for verb in (credentials.get, credentials.lock):
            with pytest.raises(NotFoundError):
                await verb(tx, world.operator, hidden.id)
        page = await credentials.list_credentials(tx, world.operator, Listed(), limit=10, cursor=None)
        assert [one.id for one in page.items] == [shared.id]
        reasons = {one.action: one.allowed for one in credentials.allowed_actions(world.operator, shared)}
        assert reasons == {"update": False, "delete": False}

    async def test_viewers_change_nothing(self, create, tx, world):
        made = await create(ssh(site_id=world.harbour))
        with pytest.raises(ForbiddenError):
            await create(ssh(name="Mine", site_id=world.harbour), world.viewer)
        with pytest.raises(ForbiddenError):
            await credentials.lock(tx, world.viewer, made.id)
        assert not credentials.is_told(world.viewer)
        assert credentials.is_told(world.operator)


async def test_a_list_is_by_name_in_pages_and_asks_for_kind_site_state_and_name(create, tx, world):
    for name in ("beta", "Alpha", "gamma"):
        await create(ssh(name=name))
    await create(winrm(name="Windows", site_id=world.harbour))
    names, cursor = [], None
    while True:
        page = await credentials.list_credentials(tx, world.admin, Listed(), limit=2, cursor=cursor)
        names += [one.name for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == ["Alpha", "beta", "gamma", "Windows"]
    for wanted, expected in (
        (Listed(kind=CredentialKind.WINRM), ["Windows"]),
        (Listed(site_id=world.harbour), ["Windows"]),
        (Listed(q="ALP"), ["Alpha"]),
        (Listed(state="reset_required"), []),
        (Listed(kind=CredentialKind.SSH, state="ready"), ["Alpha", "beta", "gamma"]),
    ):
        page = await credentials.list_credentials(tx, world.admin, wanted, limit=10, cursor=None)
        assert [one.name for one in page.items] == expected


async def test_what_is_in_use_stays_and_the_jobs_are_named(create, tx, world):
    made = await create(ssh())
    held = await credentials.lock(tx, world.admin, made.id)
    with pytest.raises(ConflictError, match="Patch web servers") as refused:
        await credentials.remove(tx, world.admin, held, used_by=["Patch web servers"], now=world.now)
    assert refused.value.code == "credential_in_use"
    assert (await credentials.get(tx, world.admin, made.id)).id == made.id

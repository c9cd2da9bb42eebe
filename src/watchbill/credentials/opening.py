"""Credentials opened for use, and what becomes of them when keys of the ring come, go or are lost."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.credential_rules import SecretName, default_port, login_name
from watchbill.credentials import store
from watchbill.credentials.sealed import context, lost_among
from watchbill.credentials.values import Credential, OpenBecome, OpenCredential
from watchbill.kit.errors import ConflictError, NotFoundError
from watchbill.kit.secrets import KeyRing, Secret


class CredentialLockedError(ConflictError):
    """The key that a secret was sealed under is lost: nothing signs in with the credential until the secret is given anew."""

    def __init__(self, credential_id: int, name: str) -> None:
        super().__init__(locked_reason(name), code="credential_locked")
        self.credential_id = credential_id


def locked_reason(name: str) -> str:
    """Why a job with this credential does not run, for people."""
    return f"Its credential “{name}” must be given its secrets anew: the key that they were sealed under is lost."


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at every credential found: which are locked now, and how many are so, or are so no more, since the last look."""

    locked: frozenset[int]
    changed: int


async def open_for_use(tx: AsyncConnection, keys: KeyRing, credential_id: int) -> OpenCredential:
    """The credential with its secrets. CredentialLockedError where a key is lost; the caller commits that it is known from now on."""
    found = await store.get_sealed(tx, credential_id)
    if found is None:
        raise NotFoundError("There is no such credential.", code="credential_not_found")
    lost = lost_among(keys, found.id, found.sealed)
    if lost:
        await store.set_lost(tx, {found.id: lost})
        raise CredentialLockedError(found.id, found.name)
    return _opened(found, keys)


def _opened(found: Credential, keys: KeyRing) -> OpenCredential:
    secrets = {name: keys.open_text(text, context(found.id, name)) for name, text in found.sealed.items()}
    same = (
        "id",
        "site_id",
        "name",
        "kind",
        "username",
        "domain",
        "port",
        "transport",
        "tls",
        "certificate",
        "revision",
    )
    return OpenCredential(
        **{name: getattr(found, name) for name in same},
        login=login_name(found.kind, found.transport, found.domain, found.username),
        default_port=default_port(found.kind, tls=found.tls),
        password=secrets.get(SecretName.PASSWORD),
        private_key=secrets.get(SecretName.PRIVATE_KEY),
        passphrase=secrets.get(SecretName.PASSPHRASE),
        validate_certificates=found.validate_certificates is not False,
        become=_become(found, secrets.get(SecretName.BECOME_PASSWORD)),
    )


def _become(found: Credential, password: Secret | None) -> OpenBecome | None:
    return OpenBecome(found.become.method, found.become.user, password) if found.become is not None else None


async def check_keys(tx: AsyncConnection, keys: KeyRing) -> Checked:
    """Try the ring on every credential: those that it does not open are locked, those that it opens again are not any more."""
    before = await store.all_sealed(tx)
    after = {one: lost_among(keys, one, sealed) for one, sealed, _ in before}
    changed = {one: after[one] for one, _, lost in before if set(lost) != set(after[one])}
    await store.set_lost(tx, changed)
    return Checked(frozenset(one for one, lost in after.items() if lost), len(changed))


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns in how many credentials. What cannot be opened stays as it is."""
    anew = {}
    for one, sealed, _ in await store.all_sealed(tx):
        fresh = {name: keys.renewed(envelope, context(one, name)) for name, envelope in sealed.items()}
        if fresh != sealed:
            anew[one] = fresh
    await store.replace_sealed(tx, anew)
    return len(anew)

"""The verbs of credentials: create, update, remove, look. A secret goes in and never comes out here.

Those of a site are looked after by operators of it, those of every site by who sees every site; all may use what they see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import sites
from watchbill.core.credential_rules import CredentialDraft, SecretName, read
from watchbill.core.problems import Problem
from watchbill.credentials import private_keys, store
from watchbill.credentials.private_keys import KeyFacts, ReadCertificate, ReadKey
from watchbill.credentials.sealed import context, seal
from watchbill.credentials.values import Action, Credential, Listed
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page
from watchbill.kit.secrets import KeyRing, SecretError

_WHAT: Final = "The credential"
_FOR_ALL: Final = "Credentials for every site are looked after by those who see all of them."
_PLAIN: Final = ("name", "description", "username", "domain", "port", "tls", "validate_certificates")
_CERTIFICATE: Final = ("certificate", "certificate_fingerprint", "certificate_expires_at")
_KEY, _PASSPHRASE = SecretName.PRIVATE_KEY, SecretName.PASSPHRASE


async def get(tx: AsyncConnection, actor: Actor, credential_id: int) -> Credential:
    actor.require(Permission.READ)
    found = await store.find(tx, actor.scope, credential_id)
    if found is None:
        raise NotFoundError("There is no such credential.", code="credential_not_found")
    return found


async def list_credentials(
    tx: AsyncConnection, actor: Actor, wanted: Listed, *, limit: int, cursor: str | None
) -> Page[Credential]:
    """By name."""
    actor.require(Permission.READ)
    return await store.list_page(tx, actor.scope, wanted, limit=limit, cursor=cursor)


async def lock(tx: AsyncConnection, actor: Actor, credential_id: int) -> Credential:
    """The credential, held until the transaction ends, for a caller who may change it."""
    found = await store.find(tx, actor.scope, credential_id, for_update=True)
    if found is None:
        raise NotFoundError("There is no such credential.", code="credential_not_found")
    _require(actor, found.site_id)
    return found


def is_told(actor: Actor) -> bool:
    """Whether the reader is told more of credentials than their names."""
    return actor.may(Permission.CREDENTIALS_WRITE)


def allowed_actions(actor: Actor, one: Credential) -> list[Action]:
    """What this reader may do to the credential, and why not; the writes themselves ask the same."""
    reason = None
    if not actor.may(Permission.CREDENTIALS_WRITE):
        reason = f"This needs the permission `{Permission.CREDENTIALS_WRITE}`."
    elif one.site_id is None and actor.scope.site_ids is not None:
        reason = _FOR_ALL
    return [Action(name, allowed=reason is None, reason=reason) for name in ("update", "delete")]


def _require(actor: Actor, site_id: int | None) -> None:
    actor.require(Permission.CREDENTIALS_WRITE)
    if site_id is None and actor.scope.site_ids is not None:
        raise ForbiddenError(_FOR_ALL)


async def create(tx: AsyncConnection, actor: Actor, definition: object, *, keys: KeyRing, now: datetime) -> Credential:
    """Save a new credential; InvalidError lists every problem."""
    actor.require(Permission.CREDENTIALS_WRITE)
    draft, problems = read(definition)
    problems += await _site_problems(tx, actor, draft.site_id)
    material = await _material(draft, None, keys, problems, now)
    if problems:
        raise InvalidError.of(problems, what=_WHAT)
    _require(actor, draft.site_id)
    first = {"site_id": draft.site_id, "kind": draft.kind.value, "created_by": actor.operator_id, "created_at": now}
    values = {**_columns(draft, material.key, _certificate(material.certificate)), **first, **_edited(actor, 1, now)}
    credential_id = await store.insert_credential(tx, values)
    sealed = seal(keys, credential_id, _given(draft, material))
    await store.update_credential(tx, credential_id, {"sealed": store.plain(sealed)})
    made = await get(tx, actor, credential_id)
    await _note(tx, actor, "created", made, sorted(sealed), now)
    return made


async def _site_problems(tx: AsyncConnection, actor: Actor, site_id: int | None) -> list[Problem]:
    if site_id is None or await sites.existing(tx, [site_id], actor.scope):
        return []
    return [Problem("site_id", "unknown_site", "there is no such site")]


async def update(
    tx: AsyncConnection, actor: Actor, before: Credential, definition: object, *, keys: KeyRing, now: datetime
) -> Credential:
    """Save a locked credential anew; InvalidError lists every problem. What changes nothing makes no revision."""
    draft, problems = read(definition, before.sealed.keys())
    problems += _fixed(before, draft)
    material = await _material(draft, before, keys, problems, now)
    if problems:
        raise InvalidError.of(problems, what=_WHAT)
    kept, given = draft.kept(before.sealed.keys()), _given(draft, material)
    columns = _columns(draft, material.key, _certificate(material.certificate))
    known = _columns(before, before.key, {name: getattr(before, name) for name in _CERTIFICATE})
    if not given and kept == before.sealed.keys() and columns == known:
        return before
    sealed = {name: before.sealed[name] for name in kept} | seal(keys, before.id, given)
    lost = sorted(name.value for name in before.lost if name in kept)
    secrets = {"sealed": store.plain(sealed), "lost": lost}
    await store.update_credential(tx, before.id, {**columns, **secrets, **_edited(actor, before.revision + 1, now)})
    after = await get(tx, actor, before.id)
    await _note(tx, actor, "updated", after, sorted(given), now, removed=sorted(before.sealed.keys() - sealed.keys()))
    return after


def _fixed(before: Credential, draft: CredentialDraft) -> list[Problem]:
    pairs = {"kind": (before.kind, draft.kind), "site_id": (before.site_id, draft.site_id)}
    message = "stays as it was made: jobs rely on it; make another credential"
    return [Problem(name, "cannot_change", message) for name, (old, new) in pairs.items() if old != new]


async def remove(
    tx: AsyncConnection, actor: Actor, before: Credential, *, used_by: Sequence[str], now: datetime
) -> None:
    """Take a locked credential away, its secrets for good; refused while jobs use it, which `used_by` names."""
    if used_by:
        raise ConflictError(f"The credential is in use by: {', '.join(used_by)}.", code="credential_in_use")
    await store.delete_credential(tx, before.id)
    await _note(tx, actor, "removed", before, [], now)


@dataclass(slots=True)
class _Material:
    """What was read in keys and certificates. `texts`: secrets as they are to be stored where that is not as they were given."""

    key: KeyFacts | None = None
    certificate: ReadCertificate | None = None
    texts: dict[SecretName, str] = field(default_factory=dict, repr=False)


async def _material(
    draft: CredentialDraft, before: Credential | None, keys: KeyRing, problems: list[Problem], now: datetime
) -> _Material:
    """Read what the draft says, and look at what it keeps as far as one depends on the other."""
    stored = before.sealed.keys() if before else ()
    material = _Material(before.key if before is not None and _KEY in draft.kept(stored) else None)
    certificate = private_keys.read_certificate(draft.certificate) if draft.certificate else None
    is_new_certificate = isinstance(certificate, ReadCertificate) and (
        before is None or before.certificate != certificate.text
    )
    if isinstance(certificate, Problem):
        problems.append(certificate)
    else:
        material.certificate = certificate
    key = None
    if _is_key_read(draft, stored) or (is_new_certificate and _KEY in draft.held(stored)):
        key = await _read_key(draft, before, keys, problems)
    if key is not None:
        material.key = key.facts
        material.texts[_KEY] = key.text if material.certificate is None else key.pem
    if material.certificate is not None and (is_new_certificate or key is not None):
        problems += private_keys.pair_problems(material.certificate, key, now)
    return material


def _is_key_read(draft: CredentialDraft, stored: Any) -> bool:
    """A key is looked at when it or its passphrase is said, and nothing else was wrong with them."""
    said = {name: text for name, text in draft.secrets.items() if name in (_KEY, _PASSPHRASE)}
    return bool(said) and _KEY in draft.held(stored) and "" not in said.values()


async def _read_key(
    draft: CredentialDraft, before: Credential | None, keys: KeyRing, problems: list[Problem]
) -> ReadKey | None:
    passphrase = draft.secrets.get(_PASSPHRASE)
    given = draft.secrets.get(_KEY)
    if given == "":
        return None
    if given is None and before is not None:
        given = _stored(before, _KEY, keys)
        passphrase = passphrase if _PASSPHRASE in draft.secrets else _stored(before, _PASSPHRASE, keys)
    if given is None:
        problems.append(Problem(_KEY.value, "required", "must be given anew: the key that it was sealed under is lost"))
        return None
    found = await private_keys.read_key(given, passphrase)
    if isinstance(found, Problem):
        problems.append(found)
        return None
    return found


def _stored(before: Credential, name: SecretName, keys: KeyRing) -> str | None:
    """A stored secret; None where there is none that can be opened."""
    if name not in before.sealed:
        return None
    try:
        return keys.open_text(before.sealed[name], context(before.id, name)).reveal()
    except SecretError:
        return None


def _given(draft: CredentialDraft, material: _Material) -> dict[SecretName, str]:
    """The secrets that are new, as they are to be stored."""
    said = {name: text for name, text in draft.secrets.items() if text is not None}
    return {name: material.texts.get(name, text) for name, text in said.items()}


def _columns(
    one: CredentialDraft | Credential, key: KeyFacts | None, certificate: Mapping[str, object]
) -> dict[str, Any]:
    """What is stored beside the secrets."""
    return {
        **{name: getattr(one, name) for name in _PLAIN},
        **certificate,
        "transport": one.transport.value if one.transport else None,
        "become_method": one.become.method.value if one.become else None,
        "become_user": one.become.user if one.become else None,
        "key_type": key.type if key else None,
        "key_bits": key.bits if key else None,
        "key_fingerprint": key.fingerprint if key else None,
    }


def _certificate(read: ReadCertificate | None) -> dict[str, object]:
    values = (read.text, read.fingerprint, read.expires_at) if read else (None, None, None)
    return dict(zip(_CERTIFICATE, values, strict=True))


def _edited(actor: Actor, revision: int, now: datetime) -> dict[str, Any]:
    return {"revision": revision, "updated_by": actor.operator_id, "updated_at": now}


async def _note(
    tx: AsyncConnection,
    actor: Actor,
    verb: str,
    one: Credential,
    given: Sequence[SecretName],
    now: datetime,
    *,
    removed: Sequence[SecretName] = (),
) -> None:
    """Who did what to it, and which secrets were given or taken away; never a secret."""
    said: Mapping[str, object] = {
        "name": one.name,
        "kind": one.kind.value,
        "username": one.username,
        "secrets_set": [name.value for name in given],
        "secrets_removed": [name.value for name in removed],
    }
    await audit.record(tx, actor, f"credential.{verb}", "credential", one.id, now=now, site_id=one.site_id, detail=said)

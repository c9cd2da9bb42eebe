"""`/api/credentials`: what jobs sign in to devices with. Secrets go in and never come out."""

from typing import Annotated, Any, Literal

from fastapi import Body, Header, Query, Response
from pydantic import Field

from watchbill import credentials, jobs
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Id,
    Instant,
    Model,
    Now,
    PageOf,
    SearchQuery,
    TheDeps,
    Tx,
    check_if_match,
    etag,
    router,
)
from watchbill.api.documented import Documented
from watchbill.core.credential_rules import (
    MAX_DESCRIPTION,
    MAX_PASSWORD,
    MAX_PEM,
    BecomeMethod,
    CredentialKind,
    SecretName,
    Transport,
)
from watchbill.credentials import Credential, Listed
from watchbill.filters import Use, used_by
from watchbill.identity import Actor

resource = router(prefix="/api/credentials", tags=["credentials"])

IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
_KEPT = "left out: the stored one stays; null: it is taken away"
Password = Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD, json_schema_extra={"writeOnly": True})]
Pem = Annotated[str, Field(min_length=1, max_length=MAX_PEM, json_schema_extra={"writeOnly": True})]


class BecomeBody(Model):
    """Whom to become once signed in."""

    method: BecomeMethod | None = Field(
        default=None, description="sudo (the default), su or doas for ssh; runas for winrm"
    )
    user: str | None = Field(default=None, description="root when absent; required for runas")
    password: Password | None = Field(default=None, description=f"what the method asks for; {_KEPT}")


class CredentialBody(Model):
    """A credential needs a name, a kind, and what it signs in by: for ssh a password, a private key or both; for winrm a password, or a
    certificate with its key. `kind` and `site_id` stay as they were made.
    """

    name: Annotated[
        str, Field(min_length=1, max_length=200, description="unlike those of the other credentials of its site")
    ]
    kind: CredentialKind = Field(description="ssh or winrm: what signs in with it")
    site_id: Id | None = Field(default=None, description="for the devices of this site alone; null: of every site")
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION, description="for people")] = ""
    username: str | None = Field(
        default=None, description="required but for the transport certificate, whose account Windows knows"
    )
    domain: str | None = Field(
        default=None, description="signs in as username@domain (ssh, kerberos) or DOMAIN\\username (the rest)"
    )
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="22, 5986 or (winrm without TLS) 5985 when absent"
    )
    password: Password | None = Field(default=None, description=f"{_KEPT}")
    private_key: Pem | None = Field(
        default=None,
        description=f"OpenSSH or PEM: Ed25519, RSA from 2048 bits or ECDSA; for winrm that of the certificate; {_KEPT}",
    )
    passphrase: Password | None = Field(
        default=None,
        description="of the private key, which it is tried on; goes with the key when that is replaced; for ssh alone",
    )
    transport: Transport | None = Field(
        default=None, description="of winrm: ntlm when absent; basic and certificate need TLS"
    )
    tls: bool | None = Field(default=None, description="of winrm: true when absent")
    validate_certificates: bool | None = Field(
        default=None,
        description="of winrm with TLS: whether the device's certificate must be one that this host trusts; true when absent",
    )
    certificate: Annotated[str, Field(max_length=MAX_PEM)] | None = Field(
        default=None, description="of the transport certificate: the client's certificate as PEM"
    )
    become: BecomeBody | None = Field(default=None, description="null: nobody")


class BecomeReply(Model):
    method: BecomeMethod
    user: str
    has_password: bool


class KeyReply(Model):
    """What may be told of a private key; `fingerprint` as `ssh-keygen -l` shows it."""

    type: Literal["ed25519", "rsa", "ecdsa"]
    bits: int
    fingerprint: str


class CredentialAction(Model):
    action: Literal["update", "delete"]
    allowed: bool
    reason: str | None


class CredentialReply(Model):
    """A credential without its secrets. To those who may not write credentials only name, kind, site and state are told; the rest is null.

    `state` reset_required: the key that `lost_secrets` were sealed under is lost; nothing signs in with the credential, and its jobs
    are paused, until they are given anew.
    """

    id: Id
    name: str
    kind: CredentialKind
    site_id: int | None
    site_name: str | None
    state: credentials.State
    lost_secrets: list[SecretName] | None
    description: str | None
    username: str | None
    domain: str | None
    port: int | None
    has_password: bool | None
    has_private_key: bool | None
    has_passphrase: bool | None
    key: KeyReply | None
    transport: Transport | None
    tls: bool | None
    validate_certificates: bool | None
    certificate: str | None
    certificate_fingerprint: str | None
    certificate_expires_at: Instant | None
    become: BecomeReply | None
    revision: int
    created_at: Instant
    created_by: str | None
    updated_at: Instant
    updated_by: str | None
    allowed_actions: list[CredentialAction]


class CredentialQuery(SearchQuery):
    """Which credentials."""

    kind: Annotated[CredentialKind | None, Field(description="only those for ssh, or for winrm")] = None
    site_id: Annotated[Id | None, Field(description="only those of this site; those of every site are of none")] = None
    state: Annotated[credentials.State | None, Field(description="ready, or reset_required: a key is lost")] = None


class JobOfCredential(Model):
    id: Id
    name: str


class CredentialUsage(Model):
    """The jobs that sign in with a credential, which cannot be deleted for them. What the caller does not see is counted, not named."""

    jobs: list[JobOfCredential]
    unseen_jobs: int


_ALWAYS = ("id", "name", "kind", "site_id", "site_name", "state", "revision", "created_at", "created_by", "updated_at")
_TOLD = (
    "description", "domain", "port", "key", "transport", "tls", "validate_certificates", "certificate",
    "certificate_fingerprint", "certificate_expires_at",
)  # fmt: skip


def _reply(one: Credential, caller: Actor) -> CredentialReply:
    always = {name: getattr(one, name) for name in (*_ALWAYS, "updated_by")}
    told = _told(one) if credentials.is_told(caller) else {}
    hidden = dict.fromkeys(CredentialReply.model_fields.keys() - always.keys())
    actions = credentials.allowed_actions(caller, one)
    return CredentialReply.model_validate({**hidden, **always, **told, "allowed_actions": actions})


def _told(one: Credential) -> dict[str, Any]:
    become = one.become and BecomeReply(
        method=one.become.method, user=one.become.user, has_password=SecretName.BECOME_PASSWORD in one.sealed
    )
    return {
        **{name: getattr(one, name) for name in _TOLD},
        "username": one.username or None,
        "has_password": SecretName.PASSWORD in one.sealed,
        "has_private_key": SecretName.PRIVATE_KEY in one.sealed,
        "has_passphrase": SecretName.PASSPHRASE in one.sealed,
        "lost_secrets": list(one.lost),
        "become": become,
    }


def _tagged(one: Credential, caller: Actor, response: Response) -> CredentialReply:
    response.headers["ETag"] = etag(one.revision)
    return _reply(one, caller)


def _usage(uses: list[Use]) -> CredentialUsage:
    seen = [JobOfCredential(id=one.id, name=one.name) for one in uses if one.is_visible]
    return CredentialUsage(jobs=seen, unseen_jobs=len(uses) - len(seen))


AnyCredential = Annotated[Any, Documented(CredentialBody), Body()]


@resource.get("")
async def list_credentials(
    query: Annotated[CredentialQuery, Query()], tx: Tx, caller: Caller
) -> PageOf[CredentialReply]:
    """The credentials of the caller's sites, and those of every site, by name."""
    wanted = Listed(query.kind, query.site_id, query.state, query.q)
    page = await credentials.list_credentials(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[CredentialReply].of(page, lambda one: _reply(one, caller))


@resource.post("", status_code=201)
async def create_credential(
    body: AnyCredential, tx: Tx, caller: Caller, now: Now, deps: TheDeps, response: Response
) -> CredentialReply:
    """Save a new credential. Its secrets are sealed, and no reply has them; a private key is read, and a mistake told at its field."""
    made = await credentials.create(tx, caller, body, keys=deps.keys, now=now)
    response.headers["Location"] = f"/api/credentials/{made.id}"
    return _tagged(made, caller, response)


@resource.get("/{credential_id}")
async def get_credential(credential_id: Id, tx: Tx, caller: Caller, response: Response) -> CredentialReply:
    """One credential; of its secrets only which there are."""
    return _tagged(await credentials.get(tx, caller, credential_id), caller, response)


@resource.put("/{credential_id}")
async def update_credential(
    credential_id: Id,
    body: AnyCredential,
    tx: Tx,
    caller: Caller,
    now: Now,
    deps: TheDeps,
    response: Response,
    if_match: IfMatch = None,
) -> CredentialReply:
    """Save a credential anew; it counts from the next sign-in on. A secret that is left out stays, null takes it away."""
    before = await credentials.lock(tx, caller, credential_id)
    check_if_match(if_match, before.revision)
    after = await credentials.update(tx, caller, before, body, keys=deps.keys, now=now)
    return _tagged(after, caller, response)


@resource.delete("/{credential_id}", status_code=204)
async def delete_credential(credential_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Delete a credential and forget its secrets for good; refused while a job uses it."""
    before = await credentials.lock(tx, caller, credential_id)
    check_if_match(if_match, before.revision)
    named = used_by(await jobs.using_credential(tx, caller, credential_id))
    await credentials.remove(tx, caller, before, used_by=named, now=now)


@resource.get("/{credential_id}/usage")
async def get_credential_usage(credential_id: Id, tx: Tx, caller: Caller) -> CredentialUsage:
    """The jobs that sign in with it."""
    await credentials.get(tx, caller, credential_id)
    return _usage(await jobs.using_credential(tx, caller, credential_id))

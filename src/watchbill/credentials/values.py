"""The values that the credentials package hands out. They decide nothing, and only an opened credential holds a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watchbill.core.credential_rules import Become, BecomeMethod, CredentialKind, SecretName, Transport
from watchbill.credentials.private_keys import KeyFacts
from watchbill.kit.secrets import Secret

State = Literal["ready", "reset_required"]


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as stored. `lost`: the secrets that no key of the ring opens any more; they must be given anew."""

    id: int
    revision: int
    site_id: int | None
    site_name: str | None
    name: str
    description: str
    kind: CredentialKind
    username: str
    domain: str | None
    port: int | None
    transport: Transport | None
    tls: bool | None
    validate_certificates: bool | None
    certificate: str | None
    certificate_fingerprint: str | None
    certificate_expires_at: datetime | None
    become: Become | None
    key: KeyFacts | None
    sealed: Mapping[SecretName, str] = field(repr=False)
    lost: Sequence[SecretName]
    created_by: str | None
    created_at: datetime
    updated_by: str | None
    updated_at: datetime

    @property
    def state(self) -> State:
        return "reset_required" if self.lost else "ready"


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What others need to know of a credential to use it. `site_id` None = it is for the devices of every site."""

    id: int
    name: str
    kind: CredentialKind
    site_id: int | None
    is_locked: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """Which credentials: of one kind, for one site, in one state, with this text in their names."""

    kind: CredentialKind | None = None
    site_id: int | None = None
    state: State | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Whether the reader may do something to a credential, and why not."""

    action: str
    allowed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OpenBecome:
    """Whom to become once signed in. `password` None = none is asked for."""

    method: BecomeMethod
    user: str
    password: Secret | None


@dataclass(frozen=True, slots=True)
class OpenCredential:
    """A credential with its secrets, for the process that signs in with it, and for as long as it does.

    `login`: the name to sign in with, its domain included. `port` None = `default_port`. Of WinRM with the transport certificate, the
    key of `certificate` is `private_key`.
    """

    id: int
    site_id: int | None
    name: str
    kind: CredentialKind
    username: str
    domain: str | None
    login: str
    port: int | None
    default_port: int
    password: Secret | None
    private_key: Secret | None
    passphrase: Secret | None
    transport: Transport | None
    tls: bool | None
    validate_certificates: bool
    certificate: str | None
    become: OpenBecome | None
    #: Which of its revisions this is; 0 = it is of no importance.
    revision: int = 0

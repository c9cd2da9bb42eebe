"""What a stored credential may say: reads one as the API gives it and names everything that is wrong with it. Pure.

Secrets are write-only: one that is not said stays as it is stored, null takes it away. What their texts hold is judged where they can
be read; here it is only whether they are there, and belong there.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from watchbill.core.fields import Choice, Fields, is_integer, shown, text_fault
from watchbill.core.problems import Problem


class CredentialKind(StrEnum):
    SSH = "ssh"
    WINRM = "winrm"


class Transport(StrEnum):
    """How WinRM is signed in to."""

    NTLM = "ntlm"
    CREDSSP = "credssp"
    KERBEROS = "kerberos"
    BASIC = "basic"
    CERTIFICATE = "certificate"


class BecomeMethod(StrEnum):
    """How another user is become, once signed in."""

    SUDO = "sudo"
    SU = "su"
    DOAS = "doas"
    RUNAS = "runas"


class SecretName(StrEnum):
    """The secrets that a credential may have, by their fields."""

    PASSWORD = "password"  # noqa: S105 - the name of a field
    PRIVATE_KEY = "private_key"
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a field
    BECOME_PASSWORD = "become.password"  # noqa: S105 - the name of a field


KINDS: Final = Choice(tuple(CredentialKind))
TRANSPORTS: Final = Choice(tuple(Transport))
BECOME_METHODS: Final[Mapping[CredentialKind, Choice]] = {
    CredentialKind.SSH: Choice((BecomeMethod.SUDO, BecomeMethod.SU, BecomeMethod.DOAS)),
    CredentialKind.WINRM: Choice((BecomeMethod.RUNAS,)),
}
MAX_DESCRIPTION: Final = 1000
MAX_PASSWORD: Final = 1000
MAX_PEM: Final = 20_000
PORTS: Final = (1, 65_535)
#: Passwords and names of users go to the sign-in of every device within their reach.
_MAX_USERNAME: Final = 256
_USERNAME: Final = re.compile(r"[\w.\\@$+#~%][\w.\\@$+#~%-]*")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_OVER_TLS: Final = frozenset({Transport.BASIC, Transport.CERTIFICATE})
#: What a reply adds to a credential.
READ_ONLY: Final = frozenset(
    {
        "id", "state", "lost_secrets", "site_name", "has_password", "has_private_key", "has_passphrase", "key",
        "certificate_fingerprint", "certificate_expires_at", "revision", "created_at", "created_by", "updated_at",
        "updated_by", "allowed_actions",
    }
)  # fmt: skip
_WINRM_ALONE: Final = ("transport", "tls", "validate_certificates", "certificate")


@dataclass(frozen=True, slots=True)
class Become:
    """Whom to become, and how; its password is among the secrets."""

    method: BecomeMethod
    user: str


@dataclass(frozen=True, slots=True)
class CredentialDraft:
    """A credential as read. Of SSH `transport`, `tls`, `validate_certificates` and `certificate` are None.

    `secrets` holds those that were said: a text is new, None takes the stored one away. `forgotten` are those stored ones that this
    way to sign in has no use for.
    """

    name: str
    description: str
    site_id: int | None
    kind: CredentialKind
    username: str
    domain: str | None
    port: int | None
    transport: Transport | None = None
    tls: bool | None = None
    validate_certificates: bool | None = None
    certificate: str | None = None
    become: Become | None = None
    secrets: Mapping[SecretName, str | None] = field(default_factory=dict, repr=False)
    forgotten: frozenset[SecretName] = frozenset()

    def kept(self, stored: Collection[SecretName]) -> frozenset[SecretName]:
        """Of the stored secrets those that stay as they are."""
        return frozenset(stored) - self.secrets.keys() - self.forgotten

    def held(self, stored: Collection[SecretName]) -> frozenset[SecretName]:
        """The secrets that there are once it is saved."""
        return self.kept(stored) | {name for name, text in self.secrets.items() if text is not None}


def read(definition: object, stored: Collection[SecretName] = ()) -> tuple[CredentialDraft, list[Problem]]:
    """A credential, and everything that is wrong with it. `stored`: the secrets that it has by now."""
    problems: list[Problem] = []
    fields = Fields.of(definition, problems)
    name = fields.name()
    description = fields.text("description", most=MAX_DESCRIPTION, default="")
    site_id = _site_id(fields)
    kind = fields.choice("kind", KINDS)
    if kind is None:
        # Which fields belong to it depends on its kind.
        return CredentialDraft(name, description, site_id, CredentialKind.SSH, "", None, None), problems
    draft = _of_kind(fields, CredentialDraft(name, description, site_id, CredentialKind(kind), "", None, None), stored)
    fields.refuse_unknown(f"a credential of kind {kind}", READ_ONLY)
    return draft, problems


def _site_id(fields: Fields) -> int | None:
    value = fields.take("site_id")
    if value is None:
        return None
    if is_integer(value) and 1 <= value < 2**63:
        return value
    fields.refuse("site_id", "wrong_type", f"must be the number of a site, or null for every site, not {shown(value)}")
    return None


def _of_kind(fields: Fields, bare: CredentialDraft, stored: Collection[SecretName]) -> CredentialDraft:
    is_winrm = bare.kind is CredentialKind.WINRM
    transport = _transport(fields) if is_winrm else None
    tls = fields.boolean("tls", default=True) if is_winrm else None
    become, become_password = _become(fields, bare.kind)
    said = {name: _secret(fields, name) for name in _TOP_SECRETS if name.value in fields.value}
    if become_password:
        said[SecretName.BECOME_PASSWORD] = become_password[0]
    takes = _taken(bare.kind, transport, has_become=become is not None)
    draft = CredentialDraft(
        name=bare.name,
        description=bare.description,
        site_id=bare.site_id,
        kind=bare.kind,
        username=_username(fields, transport),
        domain=_domain(fields),
        port=fields.optional_integer("port", *PORTS),
        transport=transport,
        tls=tls,
        validate_certificates=_validates(fields, tls=tls) if is_winrm else None,
        certificate=_certificate(fields, transport) if is_winrm else None,
        become=become,
        secrets={name: text for name, text in said.items() if name in takes},
        forgotten=_forgotten(said, takes),
    )
    if not is_winrm:
        _refuse_all(fields, _WINRM_ALONE, "belongs to the kind winrm")
    _refuse_strange(fields, said, takes, transport)
    _judge_together(fields, draft, draft.held(stored))
    return draft


_TOP_SECRETS: Final = (SecretName.PASSWORD, SecretName.PRIVATE_KEY, SecretName.PASSPHRASE)


def _transport(fields: Fields) -> Transport:
    return Transport(fields.choice("transport", TRANSPORTS, default=Transport.NTLM) or Transport.NTLM)


def _taken(kind: CredentialKind, transport: Transport | None, *, has_become: bool) -> frozenset[SecretName]:
    """The secrets that this way to sign in has a use for."""
    become = {SecretName.BECOME_PASSWORD} if has_become else set[SecretName]()
    if kind is CredentialKind.SSH:
        return frozenset({*_TOP_SECRETS, *become})
    if transport is Transport.CERTIFICATE:
        return frozenset({SecretName.PRIVATE_KEY, *become})
    return frozenset({SecretName.PASSWORD, *become})


def _forgotten(said: Mapping[SecretName, str | None], takes: frozenset[SecretName]) -> frozenset[SecretName]:
    """A passphrase goes with the key that it is for."""
    is_of_old_key = SecretName.PRIVATE_KEY in said and SecretName.PASSPHRASE not in said
    gone = {SecretName.PASSPHRASE} if is_of_old_key else set[SecretName]()
    return frozenset(gone | (set(SecretName) - takes))


def _secret(fields: Fields, name: SecretName) -> str | None:
    """The text of a secret, which no message repeats. A faulty one reads as if it were there, so that it is told once."""
    is_key = name is SecretName.PRIVATE_KEY
    most = MAX_PEM if is_key else MAX_PASSWORD
    field_name = name.value.rpartition(".")[2]
    value = fields.take(field_name)
    if value is None:
        return None
    if not isinstance(value, str):
        fields.refuse(field_name, "wrong_type", "must be a text, or null to take away what is stored")
    elif not 1 <= len(value) <= most:
        fields.refuse(field_name, "length", f"must have 1 to {most} characters; leave it out to keep what is stored")
    elif fault := text_fault(value, is_one_line=not is_key):
        fields.refuse(field_name, "invalid_text", fault)
    else:
        return value
    return ""


def _become(fields: Fields, kind: CredentialKind) -> tuple[Become | None, list[str | None]]:
    """Whom to become, and the password for it where one was said."""
    if fields.take("become") is None:
        return None, []
    inner = fields.object("become")
    choice = BECOME_METHODS[kind]
    method = BecomeMethod(inner.choice("method", choice, default=choice.now[0]) or choice.now[0])
    default = None if method is BecomeMethod.RUNAS else "root"
    user = inner.text("user", most=_MAX_USERNAME, least=1, default=default)
    _check_username(inner, "user", user)
    said = [_secret(inner, SecretName.BECOME_PASSWORD)] if "password" in inner.value else []
    inner.refuse_unknown("become", ("has_password",))
    return Become(method, user), said


def _username(fields: Fields, transport: Transport | None) -> str:
    if transport is Transport.CERTIFICATE:
        _refuse_all(fields, ("username",), "is said by the certificate: Windows maps it to an account")
        return ""
    username = fields.text("username", most=_MAX_USERNAME, least=1)
    _check_username(fields, "username", username)
    return username


def _check_username(fields: Fields, name: str, username: str) -> None:
    if username and not _USERNAME.fullmatch(username):
        message = r"must be letters, digits and . \ @ _ - $ + # ~ %, and not begin with -"
        fields.refuse(name, "invalid_text", message)


def _domain(fields: Fields) -> str | None:
    domain = fields.text("domain", most=253, default="")
    if domain and not _DOMAIN.fullmatch(domain):
        fields.refuse("domain", "invalid_text", "must be a domain such as CORP or corp.example.org")
        return None
    return domain or None


def _validates(fields: Fields, *, tls: bool | None) -> bool | None:
    value = fields.optional_boolean("validate_certificates")
    if tls:
        return value is not False
    if value is not None:
        fields.refuse("validate_certificates", "no_effect", "has no effect without TLS: leave it out")
    return None


def _certificate(fields: Fields, transport: Transport | None) -> str | None:
    if transport is not Transport.CERTIFICATE:
        _refuse_all(fields, ("certificate",), "belongs to the transport certificate")
        return None
    return fields.text("certificate", most=MAX_PEM, least=1) or None


def _refuse_all(fields: Fields, names: Collection[str], why: str) -> None:
    for name in names:
        if fields.take(name) not in (None, ""):
            fields.refuse(name, "not_allowed", why)


def _refuse_strange(
    fields: Fields, said: Mapping[SecretName, str | None], takes: frozenset[SecretName], transport: Transport | None
) -> None:
    """A secret that is given and would never be used."""
    for name in _TOP_SECRETS:
        if said.get(name) is not None and name not in takes:
            fields.refuse(name.value, "not_allowed", _why_not(name, transport))
        fields.take(name.value)


def _why_not(name: SecretName, transport: Transport | None) -> str:
    if name is SecretName.PASSPHRASE:
        return "belongs to the kind ssh; the key of a certificate is given without one, and sealed here"
    if name is SecretName.PASSWORD:
        return "does not belong to the transport certificate, which signs in by its key"
    return f"does not belong to the transport {transport}, which signs in by a password"


def _judge_together(fields: Fields, draft: CredentialDraft, held: frozenset[SecretName]) -> None:
    """What must be there, and what cannot be together."""
    if draft.kind is CredentialKind.SSH and not held & {SecretName.PASSWORD, SecretName.PRIVATE_KEY}:
        fields.refuse("password", "required", "or private_key is required: SSH signs in by one of them, or by both")
    if SecretName.PASSPHRASE in held and SecretName.PRIVATE_KEY not in held:
        fields.refuse("passphrase", "not_allowed", "belongs to a private key, and there is none")
    if draft.kind is CredentialKind.WINRM:
        needed = SecretName.PRIVATE_KEY if draft.transport is Transport.CERTIFICATE else SecretName.PASSWORD
        if needed not in held:
            fields.refuse(needed.value, "required", f"is required: the transport {draft.transport} signs in by it")
        if draft.transport in _OVER_TLS and draft.tls is False:
            fields.refuse("tls", "not_allowed", f"must be true: {draft.transport} is for encrypted connections alone")
    if draft.domain and any(sign in draft.username for sign in "\\@"):
        fields.refuse("domain", "not_allowed", "is in the username already: say it in one of the two places")


def login_name(kind: CredentialKind, transport: Transport | None, domain: str | None, username: str) -> str:
    """The name that is signed in with: `user@domain` for SSH and Kerberos, `DOMAIN\\user` for the rest of Windows."""
    if not domain:
        return username
    if kind is CredentialKind.SSH or transport is Transport.KERBEROS:
        return f"{username}@{domain}"
    return f"{domain}\\{username}"


def default_port(kind: CredentialKind, *, tls: bool | None) -> int:
    """Where a device is asked when the credential names no port."""
    if kind is CredentialKind.SSH:
        return 22
    return 5986 if tls else 5985

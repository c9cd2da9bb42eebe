"""What onboarding is tested with where no Engine runs: an Engine, a timeline and packages that live in memory."""

from watchbill.core.credential_rules import CredentialKind
from watchbill.credentials import OpenBecome, OpenCredential
from watchbill.kit.secrets import Secret


def credential(
    number: int = 1,
    *,
    username: str = "ada",
    password: str | None = None,
    private_key: str | None = None,
    passphrase: str | None = None,
    become: OpenBecome | None = None,
    kind: CredentialKind = CredentialKind.SSH,
) -> OpenCredential:
    """A credential that is named by its number."""
    return OpenCredential(
        id=number,
        site_id=None,
        name=f"Credential {number}",
        kind=kind,
        username=username,
        domain=None,
        login=username,
        port=None,
        default_port=22,
        password=_secret(password),
        private_key=_secret(private_key),
        passphrase=_secret(passphrase),
        transport=None,
        tls=None,
        validate_certificates=True,
        certificate=None,
        become=become,
    )


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)

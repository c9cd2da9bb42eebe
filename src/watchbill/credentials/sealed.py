"""How the secrets of a credential are bound: to its row and their field. Moved elsewhere, they cannot be opened."""

from collections.abc import Mapping

from watchbill.core.credential_rules import SecretName
from watchbill.kit.secrets import KeyRing, SecretError

#: By the names of secrets their envelopes.
Sealed = Mapping[SecretName, str]


def context(credential_id: int, name: SecretName) -> str:
    return f"credential:{credential_id}:{name.value}"


def seal(keys: KeyRing, credential_id: int, secrets: Mapping[SecretName, str]) -> dict[SecretName, str]:
    return {name: keys.seal_text(text, context(credential_id, name)) for name, text in secrets.items()}


def lost_among(keys: KeyRing, credential_id: int, sealed: Sealed) -> list[SecretName]:
    """The secrets that no key of the ring opens."""
    return [name for name, envelope in sealed.items() if not _opens(keys, envelope, context(credential_id, name))]


def _opens(keys: KeyRing, envelope: str, where: str) -> bool:
    try:
        keys.open(envelope, where)
    except SecretError:
        return False
    return True

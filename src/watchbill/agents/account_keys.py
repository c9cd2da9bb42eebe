"""The keys of service accounts: by which the Engine signs in, and to which devices seal the passwords that they make."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from watchbill.kit.secrets import KeyRing, Secret
from watchbill_wire import SEALED_NONCE, WireError, password_binding, password_info, split_sealed

#: A password longer than this is none that the agent makes.
MAX_PASSWORD = 128


class UnfitPasswordError(Exception):
    """What a device sent is no password that was sealed there for this account."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One generation, its private halves sealed."""

    generation: int
    ssh_public_key: str
    ssh_private_sealed: str = field(repr=False)
    password_public_key: bytes
    password_private_sealed: str = field(repr=False)
    created_at: datetime


def ssh_context(generation: int) -> str:
    return f"service_account_keys.ssh:{generation}"


def password_key_context(generation: int) -> str:
    return f"service_account_keys.password:{generation}"


def password_context(device_id: UUID) -> str:
    return f"service_accounts.password:{device_id}"


def new_key(keys: KeyRing, generation: int, now: datetime) -> AccountKey:
    ssh, exchange = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    public = ssh.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    private = ssh.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return AccountKey(
        generation,
        f"{public} watchbill-{generation}",
        keys.seal(private, ssh_context(generation)),
        exchange.public_key().public_bytes_raw(),
        keys.seal(exchange.private_bytes_raw(), password_key_context(generation)),
        now,
    )


def ssh_private_key(keys: KeyRing, key: AccountKey) -> Secret:
    """In OpenSSH's own form. Raises SecretError when it cannot be opened."""
    return keys.open_text(key.ssh_private_sealed, ssh_context(key.generation))


def open_password(keys: KeyRing, key: AccountKey, device_id: UUID, sealed: str) -> Secret:
    """The password that a device made. UnfitPasswordError: it is none; SecretError: the Engine's own key cannot be opened."""
    private = X25519PrivateKey.from_private_bytes(
        keys.open(key.password_private_sealed, password_key_context(key.generation))
    )
    try:
        sender, body = split_sealed(sealed)
        shared = private.exchange(X25519PublicKey.from_public_bytes(sender))
        box_key = HKDF(hashes.SHA256(), 32, None, password_info(sender, key.password_public_key)).derive(shared)
        plain = AESGCM(box_key).decrypt(SEALED_NONCE, body, password_binding(str(device_id), key.generation))
        password = plain.decode()
    except (InvalidTag, ValueError, WireError):
        raise UnfitPasswordError("the password was not sealed by this device for this account") from None
    if not 1 <= len(password) <= MAX_PASSWORD or not password.isprintable():
        raise UnfitPasswordError("the password is none that an agent makes")
    return Secret(password)

"""The device's second key: what is sealed to its public half by the Engine can be opened here and nowhere else. And the way back: a
password that was made here, for the Engine alone.

X25519 with a key made for each box, HKDF-SHA256, AES-256-GCM. The signing key cannot be used for this: Ed25519 only signs.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from watchbill_wire import (
    SEALED_NONCE,
    EnvelopePayload,
    WireError,
    from_base64url,
    join_sealed,
    parse_sealed,
    password_binding,
    password_info,
    sealed_binding,
    sealing_info,
    split_sealed,
)


class UnopenedError(Exception):
    """What is sealed in an order cannot be opened with this device's key, or holds no variables."""


def open_secrets(key: X25519PrivateKey, payload: EnvelopePayload) -> dict[str, str]:
    """The secret variables of an order, by name. Only for whoever starts its script, at that moment."""
    if payload.sealed is None:
        return {}
    try:
        sender, body = split_sealed(payload.sealed)
        shared = key.exchange(X25519PublicKey.from_public_bytes(sender))
        info = sealing_info(sender, key.public_key().public_bytes_raw())
        box_key = HKDF(hashes.SHA256(), 32, None, info).derive(shared)
        plain = AESGCM(box_key).decrypt(SEALED_NONCE, body, sealed_binding(payload.execution_id))
        return parse_sealed(plain.decode("utf-8"))
    except (InvalidTag, ValueError, WireError):
        # The cause is not told: nothing of what was opened may get into a log.
        raise UnopenedError("its secrets cannot be opened with the key of this device") from None


def seal_password(device_id: str, engine_key: str, generation: int, password: str) -> str:
    """ValueError: the Engine's key is none that anything can be sealed to."""
    public = from_base64url(engine_key)
    once = X25519PrivateKey.generate()
    sender = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(public))
    box_key = HKDF(hashes.SHA256(), 32, None, password_info(sender, public)).derive(shared)
    body = AESGCM(box_key).encrypt(SEALED_NONCE, password.encode("utf-8"), password_binding(device_id, generation))
    return join_sealed(sender, body)

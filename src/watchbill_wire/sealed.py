"""Secrets on their way: variables inside an order, and a password that a device made. What is sealed, and what binds a box to its place.

Sealing and opening stay with whoever holds keys; this module needs none. A box is the sender's one-time X25519 public key and
the ciphertext with its tag, together in base64url.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from watchbill_wire import fields as f
from watchbill_wire.errors import WireError

KEY_BYTES = 32
#: The key of a box is made for it alone, so that its nonce may always be the same.
SEALED_NONCE = bytes(12)


def sealing_key_signing_bytes(device_id: str, challenge: str, sealing_key: str) -> bytes:
    """What a device signs to announce its sealing key. `sealing_key` is the base64url text exactly as it stands in the request."""
    return b"watchbill-sealing-key:v1\n" + f"{device_id}\n{challenge}\n{sealing_key}".encode()


def sealing_info(sender_key: bytes, device_key: bytes) -> bytes:
    """HKDF's info: both public keys, so that a box is for one device only."""
    return b"watchbill-sealed:v1\n" + sender_key + device_key


def sealed_binding(execution_id: str) -> bytes:
    """Authenticated with the box: it cannot be moved into another order."""
    return b"watchbill-sealed:v1\n" + execution_id.encode("ascii")


def password_info(sender_key: bytes, engine_key: bytes) -> bytes:
    """HKDF's info of a password on its way to the Engine."""
    return b"watchbill-password:v1\n" + sender_key + engine_key


def password_binding(device_id: str, generation: int) -> bytes:
    """Authenticated with the box: it is of this device's account and of no other, and of this generation."""
    return b"watchbill-password:v1\n" + f"{device_id}\n{generation}".encode("ascii")


def sealed_text(variables: Mapping[str, str]) -> str:
    return json.dumps(dict(variables), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def join_sealed(sender_key: bytes, body: bytes) -> str:
    return f.base64url(sender_key + body)


def split_sealed(text: str) -> tuple[bytes, bytes]:
    raw = f.from_base64url(text, len(text))
    if len(raw) <= KEY_BYTES:
        raise WireError([("sealed", "must hold a key and what it seals")])
    return raw[:KEY_BYTES], raw[KEY_BYTES:]

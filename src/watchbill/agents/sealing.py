"""Secrets for one device: sealed to its key, so that neither a spool nor whoever carries the order can read them.

X25519 with a key made for each box, HKDF-SHA256, AES-256-GCM; `watchbill_agent.sealing` opens it.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from watchbill_wire import SEALED_NONCE, join_sealed, sealed_binding, sealed_text, sealing_info


def seal_for(device_key: bytes, execution_id: str, variables: Mapping[str, str]) -> str:
    """The `sealed` of an order. ValueError: the key is none that anything can be sealed to."""
    once = X25519PrivateKey.generate()
    sender = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(device_key))
    box_key = HKDF(hashes.SHA256(), 32, None, sealing_info(sender, device_key)).derive(shared)
    body = AESGCM(box_key).encrypt(SEALED_NONCE, sealed_text(variables).encode(), sealed_binding(execution_id))
    return join_sealed(sender, body)

"""Secrets at rest: AES-256-GCM envelopes under a key ring, derived keys for signing, hashes for look-up.

Format of an envelope: `wb1.<key id>.<base64url(nonce + ciphertext + tag)>`; the context string is authenticated with it, so a
sealed value cannot be moved to another row or column.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets as _random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_PREFIX = "wb1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class SecretError(Exception):
    """A sealed value cannot be opened, or the key ring cannot be read."""


class Secret:
    """A text that never shows itself: printed, logged or formatted it is `***`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Named 256-bit keys; new values are sealed under `active`, old ones stay readable while their key is in the ring.

    `again` reads the ring where it came from once more: for values that another process sealed under a key that was added since.
    """

    active: str
    keys: Mapping[str, bytes] = field(repr=False)
    again: Callable[[], "KeyRing"] | None = field(default=None, repr=False, compare=False)
    #: Keys that were looked for again, each once: None = it was not there.
    _late: dict[str, bytes | None] = field(default_factory=dict, repr=False, compare=False)

    def seal(self, plain: bytes, context: str) -> str:
        nonce = _random.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(self.keys[self.active]).encrypt(nonce, plain, context.encode())
        return f"{_PREFIX}.{self.active}.{encode(sealed)}"

    def open(self, envelope: str, context: str) -> bytes:
        prefix, _, rest = envelope.partition(".")
        key_id, _, body = rest.partition(".")
        key = self._key(key_id) if prefix == _PREFIX else None
        if key is None:
            raise SecretError(f"no key {key_id!r} in the key ring for this secret")
        try:
            raw = decode(body)
            return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            raise SecretError("the sealed value does not belong here or was altered") from None

    def _key(self, key_id: str) -> bytes | None:
        if key_id in self.keys:
            return self.keys[key_id]
        if self.again is not None and key_id not in self._late and _KEY_ID.fullmatch(key_id):
            self._late[key_id] = self._looked_up(key_id)
        return self._late.get(key_id)

    def _looked_up(self, key_id: str) -> bytes | None:
        try:
            return self.again().keys.get(key_id) if self.again is not None else None
        except SecretError:
            return None

    def is_current(self, envelope: str) -> bool:
        """Whether it was sealed under the key that is active."""
        return envelope.startswith(f"{_PREFIX}.{self.active}.")

    def renewed(self, envelope: str, context: str) -> str:
        """The same value sealed under the active key; the envelope itself where it is so already, or cannot be opened."""
        if self.is_current(envelope):
            return envelope
        try:
            return self.seal(self.open(envelope, context), context)
        except SecretError:
            return envelope

    def seal_text(self, text: str, context: str) -> str:
        return self.seal(text.encode(), context)

    def open_text(self, envelope: str, context: str) -> Secret:
        return Secret(self.open(envelope, context).decode())

    def derived(self, purpose: str) -> bytes:
        """A key for one purpose, bound to the active key (HKDF-SHA256, RFC 5869)."""
        return HKDF(hashes.SHA256(), 32, None, f"watchbill:{purpose}".encode()).derive(self.keys[self.active])


def encode(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_token(number_of_bytes: int = 32) -> str:
    return _random.token_urlsafe(number_of_bytes)


def fingerprint(token: str) -> bytes:
    """What is stored instead of a random token, to find it again. Not for passwords."""
    return hashlib.sha256(token.encode()).digest()


def mac(key: bytes, message: bytes) -> str:
    return encode(hmac.digest(key, message, "sha256"))


def is_same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def load_key_ring(path: Path) -> KeyRing:
    """Read the key ring that `create_key_ring` wrote."""
    try:
        return parse_key_ring(path.read_text(), str(path))
    except FileNotFoundError:
        raise SecretError(
            f"there is no key ring at {path}; `watchbill db upgrade` or `watchbill up` makes one"
        ) from None
    except (OSError, UnicodeDecodeError):
        raise SecretError(f"{path} cannot be read as a key ring") from None


def parse_key_ring(text: str, source: str) -> KeyRing:
    """The ring in a JSON text `{"active": …, "keys": {id: base64url of 32 bytes}}`. `source` says where it came from."""
    try:
        document = json.loads(text)
        keys = {name: decode(encoded) for name, encoded in document["keys"].items()}
        ring = KeyRing(document["active"], keys)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SecretError(f"{source} is not a key ring") from None
    if not isinstance(ring.active, str) or ring.active not in keys or any(len(key) != 32 for key in keys.values()):
        raise SecretError(f"{source} has no usable active key")
    if not all(_KEY_ID.fullmatch(name) for name in keys):
        raise SecretError(f"{source} has a key whose name is not 1 to 32 letters, digits, _ and -")
    return ring


def create_key_ring(path: Path) -> bool:
    """Write a ring with one fresh key unless there is one; True when it was made. Readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    document = {"active": "k1", "keys": {"k1": encode(_random.token_bytes(32))}}
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # fails when another process was first: its key stands
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True

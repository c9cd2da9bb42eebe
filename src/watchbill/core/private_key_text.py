"""What a pasted private key is by its looks, before anything tries to open it. Pure.

Names the usual mistakes (a public key, a key of another program), and how much work a protected key asks for: that number stands in
the key itself, and a hostile one would keep a process busy for years.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from watchbill.core.problems import Problem

#: Rounds of OpenSSH's key derivation; `ssh-keygen` makes keys of 16 or 24, and some people ask it for a hundred.
MOST_ROUNDS: Final = 256
#: Iterations of the key derivation of PEM.
MOST_ITERATIONS: Final = 2_000_000
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,60})-----\s*(.*?)-----END \1-----", re.DOTALL)
_PUBLIC_LINE: Final = re.compile(r"(ssh-(rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) +[A-Za-z0-9+/=]{40,}")
_MAGIC: Final = b"openssh-key-v1\0"
#: 1.3.6.1.4.1.11591.4.11
_SCRYPT: Final = bytes.fromhex("060b2b06010401da47040b")
_KEYS: Final = frozenset(
    {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"}
)
_FIELD: Final = "private_key"


@dataclass(frozen=True, slots=True)
class KeyText:
    """One private key with its line ends as programs expect them."""

    text: str
    is_openssh: bool


def read_key_text(given: str) -> KeyText | Problem:
    """The one private key that a text holds, or what is wrong with it."""
    text = given.replace("\r\n", "\n").replace("\r", "\n").strip()
    if fault := _other_kind(text):
        return fault
    blocks = [found for found in _BLOCK.finditer(text) if found[1] in _KEYS or "PRIVATE KEY" in found[1]]
    if len(blocks) != 1:
        message = "must be one private key, from its line -----BEGIN … PRIVATE KEY----- to its line -----END …-----"
        return Problem(_FIELD, "not_a_private_key", message)
    [found] = blocks
    if found[1] not in _KEYS:
        kind = found[1].removesuffix("PRIVATE KEY").strip()
        return Problem(_FIELD, "unsupported_key", f"is a {kind} key, which is not supported: {SUPPORTED}")
    if _is_too_much_work(found[1], found[2]):
        message = "asks for too much work to be opened: protect it anew with `ssh-keygen -p`"
        return Problem(_FIELD, "too_much_work", message)
    return KeyText(f"{found[0]}\n", found[1] == "OPENSSH PRIVATE KEY")


SUPPORTED: Final = "use Ed25519, RSA of at least 2048 bits, or ECDSA"


def _other_kind(text: str) -> Problem | None:
    """What people paste instead of a private key."""
    if _PUBLIC_LINE.match(text) or re.match(r"-----BEGIN (RSA )?PUBLIC KEY-----|---- BEGIN SSH2 PUBLIC KEY", text):
        message = "is a public key: give the private one, which `ssh-keygen` wrote to the file without .pub"
        return Problem(_FIELD, "is_public_key", message)
    if text.startswith("PuTTY-User-Key-File"):
        message = "is a key of PuTTY: export it as OpenSSH key in PuTTYgen (Conversions)"
        return Problem(_FIELD, "unsupported_key", message)
    if text.startswith("-----BEGIN CERTIFICATE-----") and "PRIVATE KEY" not in text:
        return Problem(_FIELD, "is_certificate", "is a certificate: give its private key")
    return None


def _is_too_much_work(label: str, body: str) -> bool:
    raw = _decoded(body)
    if label == "OPENSSH PRIVATE KEY":
        return _rounds(raw) > MOST_ROUNDS
    if label == "ENCRYPTED PRIVATE KEY":
        return _SCRYPT in raw[:256] or any(number > MOST_ITERATIONS for number in _integers(raw, 0, len(raw)))
    return False


def _decoded(body: str) -> bytes:
    """Nothing where it is no base64, and has a header of its own: whoever opens it will say so."""
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _rounds(raw: bytes) -> int:
    """How often a protected key in OpenSSH's format is derived; 0 = it is not protected, or cannot be read at all."""
    if not raw.startswith(_MAGIC):
        return 0
    cipher, rest = _string(raw[len(_MAGIC) :])
    _, rest = _string(rest)
    options, _ = _string(rest)
    if cipher == b"none":
        return 0
    _, number = _string(options)
    return int.from_bytes(number[:4]) if len(number) >= 4 else 0


def _string(raw: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(raw[:4])
    return raw[4 : 4 + length], raw[4 + length :]


def _integers(raw: bytes, start: int, end: int, depth: int = 0) -> Iterator[int]:
    """The whole numbers in a DER structure. Octet strings, the key itself among them, are passed over."""
    while start + 2 <= end and depth < 10:
        tag, at, length = raw[start], start + 2, raw[start + 1]
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(raw[at : at + size]), at + size
        stop = min(at + length, end)
        if tag == 0x02:
            yield int.from_bytes(raw[at:stop])
        elif tag & 0x20:
            yield from _integers(raw, at, stop, depth + 1)
        start = stop if stop > start else end

"""What a device signs to prove its key, and how an enrolment code carries the pin of the server's certificate.

Only byte strings and digests: no key is held and nothing is signed here.
"""

from __future__ import annotations

import base64
import hashlib
import re

from watchbill_wire.errors import WireError

_CODE = re.compile(r"[A-Za-z0-9_-]{4,128}")
_PIN = re.compile(r"[a-z2-7]{52}")
_HEX = re.compile(r"[0-9a-f]{64}")


def enrol_signing_bytes(code: str, hostname: str, public_key: str) -> bytes:
    """`public_key` is the base64url text exactly as it stands in the request."""
    return b"watchbill-enrol:v1\n" + f"{code}\n{hostname}\n{public_key}".encode()


def token_signing_bytes(device_id: str, challenge: str) -> bytes:
    return b"watchbill-token:v1\n" + f"{device_id}\n{challenge}".encode()


def pin_of(der: bytes) -> str:
    return _pin_text(hashlib.sha256(der).digest())


def _pin_text(digest: bytes) -> str:
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()


def split_code(text: str) -> tuple[str, str | None]:
    """`CODE` or `CODE.PIN`; the pin never leaves the device."""
    code, dot, pin = text.strip().partition(".")
    problems = []
    if _CODE.fullmatch(code) is None:
        problems.append(("code", "must be 4 to 128 letters, digits, hyphens and underscores"))
    if dot and _PIN.fullmatch(pin.lower()) is None:
        problems.append(("pin", "must be the 52 base32 characters after the dot of the enrolment code"))
    if problems:
        raise WireError(problems)
    return code, pin.lower() if dot else None


def pin_of_fingerprint(text: str) -> str:
    """`sha256:HEX`, with or without colons between the bytes, as browsers and openssl print it."""
    name, _, digits = text.strip().lower().partition(":")
    plain = digits.replace(":", "")
    if name != "sha256" or _HEX.fullmatch(plain) is None:
        raise WireError([("fingerprint", "must be sha256: and 64 hex digits")])
    return _pin_text(bytes.fromhex(plain))

"""Private keys and certificates as they are given: really read, so that a mistake is told when it is made and not at night.

Opening a protected key takes a noticeable part of a second, so it runs in a thread.
"""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from watchbill.core.credential_rules import SecretName
from watchbill.core.private_key_text import SUPPORTED, KeyText, read_key_text
from watchbill.core.problems import Problem

PrivateKey = Ed25519PrivateKey | RSAPrivateKey | EllipticCurvePrivateKey

_KEY: Final = SecretName.PRIVATE_KEY.value
_PASSPHRASE: Final = SecretName.PASSPHRASE.value
_LEAST_RSA_BITS: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What may be told of a private key. `fingerprint` as `ssh-keygen -l` writes it."""

    type: str
    bits: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ReadKey:
    """A key that can be opened: its text as it is to be stored, and what it is."""

    text: str
    key: PrivateKey
    facts: KeyFacts

    @property
    def pem(self) -> str:
        """The bare key as programs want it beside a certificate, in whatever form it was given."""
        pkcs8, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, pkcs8, none).decode()


@dataclass(frozen=True, slots=True)
class ReadCertificate:
    """A client's certificate: its text as it is to be stored, its SHA-256, its end."""

    text: str
    certificate: x509.Certificate
    fingerprint: str
    expires_at: datetime


async def read_key(given: str, passphrase: str | None) -> ReadKey | Problem:
    """The private key in a text, or what is wrong with it or its passphrase."""
    return await asyncio.to_thread(_read_key, given, passphrase)


def _read_key(given: str, passphrase: str | None) -> ReadKey | Problem:
    found = read_key_text(given)
    if isinstance(found, Problem):
        return found
    try:
        key = _opened(found, passphrase)
    except (UnsupportedAlgorithm, NotImplementedError):
        return _unsupported("is a key of a kind, or protected in a way, that is not supported")
    except ValueError:
        return Problem(_KEY, "unreadable", "cannot be read: it is damaged, or was not copied whole")
    return key if isinstance(key, Problem) else _judged(found.text, key)


def _opened(found: KeyText, passphrase: str | None) -> object:
    """The key; TypeError is how the library says that a passphrase is missing."""
    try:
        key = _load(found, None)
    except TypeError:
        return _unlocked(found, passphrase)
    if passphrase is not None:
        return Problem(_PASSPHRASE, "not_needed", "is not needed: this private key is not protected by one")
    return key


def _unlocked(found: KeyText, passphrase: str | None) -> object:
    if passphrase is None:
        return Problem(_PASSPHRASE, "required", "is required: this private key is protected by one")
    try:
        return _load(found, passphrase)
    except ValueError:
        return Problem(_PASSPHRASE, "wrong_passphrase", "does not open this private key")


def _load(found: KeyText, passphrase: str | None) -> object:
    load = serialization.load_ssh_private_key if found.is_openssh else serialization.load_pem_private_key
    return load(found.text.encode(), password=passphrase.encode() if passphrase is not None else None)


def _judged(text: str, key: object) -> ReadKey | Problem:
    match key:
        case Ed25519PrivateKey():
            return ReadKey(text, key, KeyFacts("ed25519", 256, _fingerprint(key)))
        case RSAPrivateKey() if key.key_size >= _LEAST_RSA_BITS:
            return ReadKey(text, key, KeyFacts("rsa", key.key_size, _fingerprint(key)))
        case RSAPrivateKey():
            return _unsupported(f"is an RSA key of {key.key_size} bits, which is too weak")
        case EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return ReadKey(text, key, KeyFacts("ecdsa", key.curve.key_size, _fingerprint(key)))
        case _:
            return _unsupported(f"is a key of a kind that is not supported ({type(key).__name__.strip('_')})")


def _unsupported(what: str) -> Problem:
    return Problem(_KEY, "unsupported_key", f"{what}: {SUPPORTED}")


def _fingerprint(key: PrivateKey) -> str:
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def read_certificate(given: str) -> ReadCertificate | Problem:
    """The one certificate in a text, or what is wrong with it."""
    if "PRIVATE KEY-----" in given:
        message = "holds a private key: that one belongs into private_key, where it is sealed"
        return Problem("certificate", "has_private_key", message)
    try:
        [certificate] = x509.load_pem_x509_certificates(given.encode())
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    except ValueError:
        message = "must be one certificate in PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
        return Problem("certificate", "not_a_certificate", message)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return ReadCertificate(text, certificate, fingerprint, certificate.not_valid_after_utc)


def pair_problems(certificate: ReadCertificate, key: ReadKey | None, now: datetime) -> list[Problem]:
    """Whether a certificate can be signed in with: by this key, now. `key` None = it is not at hand."""
    problems = []
    if key is not None and _public(key.key.public_key()) != _public(certificate.certificate.public_key()):
        problems.append(Problem(_KEY, "not_of_certificate", "is not the key of this certificate"))
    if certificate.expires_at <= now:
        message = f"expired on {certificate.expires_at:%Y-%m-%d}"
        problems.append(Problem("certificate", "expired", message))
    return problems


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

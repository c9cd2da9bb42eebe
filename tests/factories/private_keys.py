"""Private keys and certificates in the forms in which people have them."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PRIVATE = serialization.PrivateFormat
PASSPHRASE = "open sesame, please"


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def written(key: PrivateKey, passphrase: str | None = None, form: PRIVATE = PRIVATE.OpenSSH) -> str:
    """A private key as a file has it. A protected one is cheap to open: this tests no derivation."""
    algorithm: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        algorithm = serialization.BestAvailableEncryption(passphrase.encode())
        if form is PRIVATE.OpenSSH:
            algorithm = form.encryption_builder().kdf_rounds(1).build(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, form, algorithm).decode()


def public_line(key: PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{raw.decode()} ops@example.org\n"


def certificate(key: PrivateKey, now: datetime, days: int = 30) -> str:
    """A certificate of a client, signed by itself; with negative days it has expired."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "svc-fleet")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()

"""The Engine's TLS certificate: the configured one, or a self-signed one made once in the data directory and pinned by agents."""

import base64
import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import watchbill_wire as wire
from watchbill.kit.settings import Settings

_YEARS = 10


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate and its key, the pin by which agents know it, and the one of its public key, by which curl does."""

    certificate: Path
    key: Path
    pin: str
    public_key_pin: str

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


def ensure(settings: Settings) -> Certificate | None:
    """The certificate to serve, made when there is none; None when the Engine speaks plain HTTP on loopback."""
    if not settings.is_tls:
        return None
    folder = settings.data_dir / "tls"
    certificate = settings.tls_certificate or folder / "certificate.pem"
    key = settings.tls_key or folder / "key.pem"
    if settings.tls_certificate is None and not certificate.exists():
        _make(certificate, key, settings)
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return Certificate(
        certificate, key, wire.pin_of(found.public_bytes(serialization.Encoding.DER)), _public_key_pin(found)
    )


def _public_key_pin(certificate: x509.Certificate) -> str:
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def _make(certificate: Path, key_file: Path, settings: Settings) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Watchbill Engine")])
    now = datetime.now(UTC) - timedelta(days=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names(settings)), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key_file, private)
    _write(certificate, built.public_bytes(serialization.Encoding.PEM))


def _names(settings: Settings) -> list[x509.GeneralName]:
    hosts = {"localhost", settings.api_listen.host, settings.gateway_listen.host}
    return [_name(host) for host in sorted(hosts)]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.rename(path)

"""Whether the certificate that a server shows is one to be trusted, and of which name it is. Nothing is said on the connection.

The address that a server is reached at and the name its certificate is of may differ: several names are allowed, one is enough.
"""

import asyncio
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import certifi
from urllib3.util.ssl_match_hostname import CertificateError, match_hostname

#: Seconds for a connection with its handshake.
PATIENCE: Final = 15.0


class CertificateRefusedError(Exception):
    """The certificate is not trusted, or of another name. The text says which, and of whom."""


class NoTlsError(Exception):
    """What answers there has shown no certificate. The text says why."""


def trusted_by_system() -> Path:
    """Whose certificates this machine trusts."""
    paths = ssl.get_default_verify_paths()
    return Path(paths.cafile or paths.capath or certifi.where())


async def look(address: str, port: int, names: Sequence[str], trust: Path | None) -> str:
    """The first of `names`, or the address, that a trusted certificate is of. `trust` None: any certificate will do.

    Raises CertificateRefusedError and NoTlsError.
    """
    place = f"{address} port {port}"
    context = _trusting() if trust is None else _judging(trust)
    try:
        certificate = await _shown(address, port, names[0], context)
    except TimeoutError:
        raise NoTlsError(f"{place} does not answer.") from None
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefusedError(f"The certificate of {place} is not trusted: {error.verify_message}.") from None
    except ssl.SSLError as error:
        raise NoTlsError(f"{place} does not speak TLS: {error.reason or error}.") from None
    except OSError as error:
        raise NoTlsError(f"{place}: {_said(error)}.") from None
    return names[0] if trust is None else name_of(place, certificate, [*names, address])


def _said(error: OSError) -> str:
    """asyncio's own text of a refused connection is a tuple."""
    is_plain = type(error) is OSError or isinstance(error, ConnectionError)
    if is_plain:
        return os.strerror(error.errno) if error.errno else "the connection broke"
    return str(error).strip().rstrip(".") or type(error).__name__


def _judging(trust: Path) -> ssl.SSLContext:
    """Judges who signed a certificate; of which name it is is judged here."""
    folder, file = (trust, None) if trust.is_dir() else (None, trust)
    try:
        context = ssl.create_default_context(capath=folder, cafile=file)
    except (OSError, ssl.SSLError) as error:
        text = f"Whose certificates are trusted cannot be read from {trust}: {error.strerror or error}."
        raise CertificateRefusedError(text) from None
    context.check_hostname = False
    return context


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _shown(address: str, port: int, name: str, context: ssl.SSLContext) -> Any:
    """What a server shows, as `ssl` tells it; nothing where it is not validated."""
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        return writer.get_extra_info("peercert") or {}
    finally:
        writer.transport.abort()


def name_of(place: str, certificate: Any, names: Sequence[str]) -> str:
    """The first of `names` that a certificate, as `ssl` tells it, is of. Raises CertificateRefusedError."""
    for name in names:
        try:
            match_hostname(certificate, name)
        except CertificateError:
            continue
        return name
    shown = ", ".join(value for _, value in certificate.get("subjectAltName", ())) or "no name"
    raise CertificateRefusedError(f"The certificate of {place} is of {shown}, not of {' or '.join(names)}.")

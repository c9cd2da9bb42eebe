"""Which servers this device talks to: addresses that are allowed, and the one certificate it was told to trust.

With a pin, the certificate is fetched and compared before a single byte of ours is sent; from then on it alone is trusted.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from watchbill_agent.errors import EXIT_PIN_MISMATCH, EXIT_UNREACHABLE, EXIT_USAGE, AgentError
from watchbill_wire import pin_of

TIMEOUT_SECONDS = 15.0
# X509_V_FLAG_PARTIAL_CHAIN: a certificate that is not a root may be the anchor. Python names it from 3.10 on.
_PARTIAL_CHAIN = 0x80000
# Where systems keep the authorities that they trust: Debian and Ubuntu, Red Hat, SUSE, others.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_PLAIN = {"http": 80, "ws": 80}
_SECURE = {"https": 443, "wss": 443}


def check_url(url: str, name: str, schemes: tuple[str, str]) -> SplitResult:
    """`schemes` is (plain, secure); plain is allowed to this very machine only."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), None
    if parts.scheme not in schemes or not host or parts.username or parts.query or parts.fragment:
        raise AgentError(f"{name}: must be {schemes[1]}://HOST[:PORT]", EXIT_USAGE)
    if parts.scheme == schemes[0] and not _is_loopback(host):
        raise AgentError(f"{name}: {schemes[0]}:// is allowed to this machine only; use {schemes[1]}://", EXIT_USAGE)
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_secure(parts: SplitResult) -> bool:
    return parts.scheme in _SECURE


def port_of(parts: SplitResult) -> int:
    return parts.port or {**_PLAIN, **_SECURE}[parts.scheme]


def fetch_pinned(parts: SplitResult, pin: str) -> str:
    """The server's certificate as PEM, if it is the pinned one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only looked at: nothing is said on this connection
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, port_of(parts)), TIMEOUT_SECONDS) as plain:
            secure = context.wrap_socket(plain, server_hostname=host)
            der = secure.getpeercert(binary_form=True) or b""
            secure.close()
    except OSError as error:
        raise AgentError(f"--server: no TLS connection to {host}: {error}", EXIT_UNREACHABLE) from error
    if pin_of(der) != pin:
        message = f"{host} shows another certificate than the one that was pinned; nothing was sent to it"
        raise AgentError(message, EXIT_PIN_MISMATCH)
    return ssl.DER_cert_to_PEM_cert(der)


def context_for(certificate: str | None) -> ssl.SSLContext:
    if certificate is None:
        return _trusting_authorities()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is the identity
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(_PARTIAL_CHAIN)
    context.load_verify_locations(cadata=certificate)
    return context


def _trusting_authorities() -> ssl.SSLContext:
    """Those that this machine trusts. A package brings an OpenSSL that looks for them where the machine that built it has them."""
    context = ssl.create_default_context()
    usual = ssl.get_default_verify_paths()
    if not (usual.cafile or usual.capath):
        bundle = next((one for one in _BUNDLES if Path(one).exists()), None)
        if bundle is not None:
            context.load_verify_locations(cafile=bundle)
    return context

"""How the client knows that it talks to its Engine: the address it may use, and the certificate it accepts there.

With a pin, the certificate is fetched and compared before anything is sent; from then on it alone is trusted.
"""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import watchbill_wire as wire
from watchbill.apps.commands.exits import CliError, ExitCode

_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Trust:
    """A pinned certificate, a file with the authority to trust, or neither: then the system's authorities."""

    certificate: str | None = None
    ca: str | None = None

    def context(self) -> ssl.SSLContext:
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False  # the certificate itself is the identity
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=self.certificate)
            return context
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise CliError(f"--ca: {self.ca} cannot be used: {error}", ExitCode.USAGE) from None


def server_url(text: str) -> str:
    """A server's address as it is kept; plain HTTP only to this very machine, for a token goes with every request."""
    try:
        parts = urlsplit(text.strip())
        host, _port = parts.hostname, parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise CliError(f"--server: {text} must be a URL such as https://watchbill.example.org:8470", ExitCode.USAGE)
    if parts.scheme == "http" and not _is_loopback(host):
        raise CliError("--server: http:// is allowed to this machine only; use https://", ExitCode.USAGE)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def pin_text(text: str) -> str:
    """A pin as given: the 52 letters after the dot of an enrolment code, or `sha256:HEX`."""
    try:
        return wire.pin_of_fingerprint(text) if ":" in text else wire.split_code(f"none.{text}")[1] or ""
    except wire.WireError:
        allowed = "must be sha256: and 64 hex digits, or the 52 characters after the dot of an enrolment code"
        raise CliError(f"--pin: {allowed}", ExitCode.USAGE) from None


def fetch_pinned(server: str, pin: str) -> str:
    """The server's certificate as PEM, if it is the pinned one."""
    parts = urlsplit(server)
    if parts.scheme != "https":
        raise CliError("--pin: a certificate can only be pinned with an https:// server", ExitCode.USAGE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only looked at: nothing is said on this connection
    host = parts.hostname or ""
    try:
        with (
            socket.create_connection((host, parts.port or 443), _TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            der = secure.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise CliError(f"There is no TLS connection to {server}: {error}", ExitCode.UNREACHABLE) from None
    if wire.pin_of(der) != pin:
        raise CliError(f"{server} shows another certificate than the pinned one; nothing was sent to it.")
    return ssl.DER_cert_to_PEM_cert(der)

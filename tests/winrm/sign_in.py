"""How a WinRM server lets people in, and the encryption of messages that comes of it: Basic, NTLM and CredSSP as pyspnego verifies them."""

import base64
import struct
from dataclasses import dataclass
from typing import Any

import spnego
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

_BOUNDARY = b"--Encrypted Boundary"
_STREAM = b"\tContent-Type: application/octet-stream\r\n"


@dataclass(frozen=True)
class Reply:
    """What an Authorization header comes to: let in, refused, or a token to go on with."""

    is_in: bool
    token: str | None = None


class Basic:
    """Every message carries the account."""

    scheme = "Basic"

    def __init__(self, accounts: dict[str, str]) -> None:
        self._accounts = accounts

    def step(self, token: str) -> Reply:
        user, _, password = base64.b64decode(token).decode().partition(":")
        return Reply(self._accounts.get(user) == password)


class _Context:
    """A security context of one connection."""

    protocol = ""

    def __init__(self) -> None:
        self.context: Any = self.made()

    def made(self) -> Any:
        raise NotImplementedError

    def step(self, token: str) -> Reply:
        """Raises PermissionError where the account is not the right one."""
        try:
            out = self.context.step(base64.b64decode(token))
        except SpnegoError as error:
            raise PermissionError(str(error)) from error
        return Reply(self.context.complete, base64.b64encode(out).decode() if out else None)

    def opened(self, body: bytes) -> bytes:
        parts = body.removesuffix(_BOUNDARY + b"--\r\n").split(_BOUNDARY + b"\r\n")[1:]
        return b"".join(
            self.unwrapped(data.removeprefix(_STREAM), int(head.partition(b"Length=")[2]))
            for head, data in zip(parts[::2], parts[1::2], strict=True)
        )

    def unwrapped(self, data: bytes, length: int) -> bytes:
        size = struct.unpack("<i", data[:4])[0]
        found: bytes = self.context.unwrap_winrm(data[4 : 4 + size], data[4 + size :])
        assert len(found) == length
        return found

    def sealed(self, message: bytes) -> bytes:
        header, data, _ = self.context.wrap_winrm(message)
        kind = f"\tContent-Type: {self.protocol}\r\n".encode()
        original = f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(message)}\r\n".encode()
        begin = _BOUNDARY + b"\r\n" + kind + original + _BOUNDARY + b"\r\n" + _STREAM
        sealed: bytes = begin + struct.pack("<i", len(header)) + header + data + _BOUNDARY + b"--\r\n"
        return sealed


class Ntlm(_Context):
    """Over TLS it must have been meant for this server: as Windows is with `CbtHardeningLevel` strict."""

    scheme = "Negotiate"
    protocol = "application/HTTP-SPNEGO-session-encrypted"

    def __init__(self, certificate: x509.Certificate | None) -> None:
        self._certificate = certificate
        super().__init__()

    def made(self) -> Any:
        bindings = None
        if self._certificate is not None:
            mark = b"tls-server-end-point:" + self._certificate.fingerprint(SHA256())
            bindings = GssChannelBindings(application_data=mark)
        return spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm, channel_bindings=bindings)


class CredSsp(_Context):
    scheme = "CredSSP"
    protocol = "application/HTTP-CredSSP-session-encrypted"

    def made(self) -> Any:
        return spnego.server(protocol="credssp")

    def step(self, token: str) -> Reply:
        reply = super().step(token)
        if reply.token is None and not reply.is_in:
            raise PermissionError("refused")
        return reply

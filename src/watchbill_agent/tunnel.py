"""A device's end of the tunnel to its Engine: its key, and what each system's way of opening one has to offer."""

from __future__ import annotations

import base64
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from watchbill_wire import TunnelReported, TunnelWanted


class TunnelKey:
    """A WireGuard key pair in the texts that `wg` reads and writes. Prints as its public half."""

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public = base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")

    def private(self) -> str:
        return base64.b64encode(self._key.private_bytes_raw()).decode("ascii")

    def __repr__(self) -> str:
        return f"TunnelKey({self.public})"


class Tunnel(Protocol):
    def put(self, wanted: TunnelWanted | None) -> TunnelReported:
        """Make it so, None = there is to be none; how it is then."""

    def look(self) -> TunnelReported:
        """How it is."""


class NoTunnel:
    """Where there can be none: says why."""

    def __init__(self, key: TunnelKey, reason: str) -> None:
        self._reported = TunnelReported(key.public, "unavailable", None, reason)

    def put(self, wanted: TunnelWanted | None) -> TunnelReported:
        del wanted
        return self._reported

    def look(self) -> TunnelReported:
        return self._reported

"""The device's end of a tunnel in a lab where no agent runs: what an agent does with the tunnel that it is told to have."""

import base64
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.lab.host import Host
from watchbill.vpn import TunnelWanted


@dataclass
class Peer:
    """A host's tunnel, with a key of its own."""

    host: Host
    interface: str = "wb0"
    raw: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def public_key(self) -> str:
        key = X25519PrivateKey.from_private_bytes(self.raw).public_key()
        return base64.b64encode(key.public_bytes_raw()).decode()

    def up(self, wanted: TunnelWanted) -> None:
        """Open it as it is wanted."""
        self.host.run("mkdir", "-p", "/run/wireguard")
        self.host.run("wireguard-go", self.interface)
        lines = [
            "[Interface]",
            f"PrivateKey = {base64.b64encode(self.raw).decode()}",
            "[Peer]",
            f"PublicKey = {wanted.hub_public_key}",
            f"Endpoint = {wanted.hub_endpoint}",
            f"AllowedIPs = {','.join(wanted.hub_addresses)}",
            f"PersistentKeepalive = {wanted.keepalive_seconds}",
        ]
        self.host.run("wg", "setconf", self.interface, "/dev/stdin", given="\n".join(lines) + "\n")
        self.host.run("ip", "address", "add", wanted.address, "dev", self.interface)
        self.host.run("ip", "link", "set", self.interface, "up")
        for address in wanted.hub_addresses:
            self.host.run("ip", "route", "add", address, "dev", self.interface)

    def down(self) -> None:
        self.host.run("ip", "link", "delete", self.interface)

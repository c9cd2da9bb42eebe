"""The hub's network interface: made with the kernel's WireGuard, or by `wireguard-go` where the kernel has none.

It outlives the process that made it, so that a crash cuts no tunnel; the next one finds it by its key and goes on with it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from watchbill.apps.vpn import tools
from watchbill.apps.vpn.tools import ToolError
from watchbill.core.vpn_rules import hub_address
from watchbill.core.wireguard_text import (
    Difference,
    Dump,
    PeerConfig,
    interface_text,
    parse_dump,
    peers_text,
    quiet_text,
)
from watchbill.kit.secrets import Secret

#: What fits into a packet once WireGuard has wrapped it, on every usual network.
_MTU: Final = "1420"
#: Keys in one command line.
_REMOVED_AT_ONCE: Final = 200
_STDIN: Final = "/dev/stdin"
#: Said by `ip` where the kernel has no WireGuard.
_UNKNOWN: Final = ("Unknown device type", "Operation not supported", "not supported")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface by its name."""

    name: str

    async def ensure(self, private_key: Secret, public_key: str, listen_port: int, subnet: IPv4Network) -> bool:
        """Let it be there with this key, port and network; whether it had to be made. Peers of one that was there stay."""
        is_new = not await self._exists()
        if is_new:
            await self._make()
        there = await self.dump()
        if there.public_key is None:
            await self._give(interface_text(private_key.reveal(), listen_port), "setconf")
        elif there.public_key != public_key:
            hint = f"`ip link delete {self.name}` removes it, WATCHBILL_VPN_INTERFACE names another"
            raise ToolError(f"there is an interface {self.name} with another key than the hub's; {hint}")
        elif there.listen_port != listen_port:
            await tools.run("wg", "set", self.name, "listen-port", str(listen_port))
        await self._address(f"{hub_address(subnet)}", subnet.prefixlen)
        await tools.run("ip", "link", "set", "dev", self.name, "mtu", _MTU, "up")
        return is_new

    async def _exists(self) -> bool:
        return any(one.get("ifname") == self.name for one in await tools.run_json("ip", "-j", "link", "show"))

    async def _make(self) -> None:
        try:
            await tools.run("ip", "link", "add", "dev", self.name, "type", "wireguard")
        except ToolError as error:
            if "not permitted" in str(error):
                raise ToolError(
                    "this process may not make a network interface: it needs root or CAP_NET_ADMIN"
                ) from None
            if not any(one in str(error) for one in _UNKNOWN):
                raise
            if tools.found("wireguard-go") is None:
                hint = "and the program `wireguard-go` is missing (Debian package wireguard-go)"
                raise ToolError(f"this host's kernel has no WireGuard, {hint}") from None
            await tools.run("wireguard-go", self.name)

    async def _address(self, address: str, prefix: int) -> None:
        found = await tools.run_json("ip", "-j", "-4", "address", "show", "dev", self.name)
        there = [(one["local"], one["prefixlen"]) for link in found for one in link.get("addr_info", [])]
        if there != [(address, prefix)]:
            await tools.run("ip", "-4", "address", "flush", "dev", self.name)
            await tools.run("ip", "address", "add", f"{address}/{prefix}", "dev", self.name)

    async def dump(self) -> Dump:
        """How it is now."""
        text = await tools.run("wg", "show", self.name, "dump")
        try:
            return parse_dump(text)
        except ValueError as error:
            raise ToolError(f"`wg show` wrote what cannot be read: {error}") from None

    async def apply(self, change: Difference, *, knock_seconds: int) -> None:
        """Put and remove peers; all others stay as they are. Those that are put are knocked at where they were last, until hushed."""
        # First the old: an address that went from one peer to another is taken from whoever has it, not from its new owner.
        for begin in range(0, len(change.remove), _REMOVED_AT_ONCE):
            some = change.remove[begin : begin + _REMOVED_AT_ONCE]
            words = [word for key in some for word in ("peer", key, "remove")]
            await tools.run("wg", "set", self.name, *words)
        if change.put:
            await self._give(peers_text(change.put, knock_seconds=knock_seconds), "addconf")

    async def hush(self, peers: tuple[PeerConfig, ...]) -> None:
        """Send nothing to these peers by itself any more."""
        if peers:
            await self._give(quiet_text(peers), "addconf")

    async def _give(self, configuration: str, verb: str) -> None:
        await tools.run("wg", verb, self.name, _STDIN, given=configuration)

    async def remove(self) -> None:
        """Take it away, and all tunnels with it; nothing happens when it is not there."""
        if await self._exists():
            await tools.run("ip", "link", "delete", "dev", self.name)

"""The tunnel on Linux: one interface of our own, the hub as its only peer, and routes to the hub's addresses alone.

The kernel's WireGuard, else `wireguard-go`. An interface of the same name that the agent did not make is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from watchbill_agent import clock
from watchbill_agent.commands import CommandError, Commands, lacking
from watchbill_agent.tunnel import TunnelKey
from watchbill_wire import TunnelReported, TunnelWanted

INTERFACE = "wb0"
#: The longest alias that an interface can have.
_MARK_CHARACTERS = 255
#: What fits into a tunnel over IPv6 on Ethernet.
MTU = "1420"


class LinuxTunnel:
    """`mark` stands on the interface as its alias: it is this agent's, and no other one's on the same machine."""

    def __init__(self, key: TunnelKey, mark: str, commands: Commands, engine_time: Callable[[], datetime]) -> None:
        self._key = key
        self._mark = mark[-_MARK_CHARACTERS:]
        self._commands = commands
        self._engine_time = engine_time
        self._fault: str | None = None
        #: A handshake as `wg` tells it and as the Engine's clock has it: worked out once, so that it does not waver.
        self._handshake: tuple[int, datetime | None] = (0, None)

    def put(self, wanted: TunnelWanted | None) -> TunnelReported:
        self._fault = None
        try:
            if wanted is not None:
                self._open(wanted)
            elif self._commands.has("ip"):
                self._close()
        except CommandError as error:
            self._fault = str(error)
        return self.look()

    def look(self) -> TunnelReported:
        fault = self._fault or lacking(self._commands, "ip", "wg")
        if fault is not None:
            return TunnelReported(self._key.public, "unavailable", None, fault[:500])
        try:
            if not self._is_ours(self._interface()):
                return TunnelReported(self._key.public, "down")
            return TunnelReported(self._key.public, "up", self._handshake_at())
        except CommandError as error:
            return TunnelReported(self._key.public, "unavailable", None, str(error)[:500])

    # -- opening and closing -----------------------------------------------------------------------------------------

    def _open(self, wanted: TunnelWanted) -> None:
        missing = lacking(self._commands, "ip", "wg")
        if missing is not None:
            raise CommandError(missing)
        found = self._interface()
        if found is not None and not self._is_ours(found):
            raise CommandError(f"there is an interface {INTERFACE} that this agent did not make")
        if found is not None and self._addresses() - {wanted.address}:
            self._ip("link", "delete", "dev", INTERFACE)
            found = None
        if found is None:
            self._make()
        # Without its port `wg` would choose another one: the hub would send into the void until it hears from here again.
        port = self._commands.run("wg", "show", INTERFACE, "listen-port").strip() if found is not None else "0"
        given = self._configuration(wanted, port)
        self._commands.run("wg", "syncconf", INTERFACE, "/dev/stdin", given=given)
        self._ip("address", "replace", wanted.address, "dev", INTERFACE)
        self._ip("link", "set", "dev", INTERFACE, "mtu", MTU, "up")
        for address in wanted.hub_addresses:
            self._ip("route", "replace", address, "dev", INTERFACE)

    def _make(self) -> None:
        try:
            self._ip("link", "add", "dev", INTERFACE, "type", "wireguard")
        except CommandError:
            if not self._commands.has("wireguard-go"):
                raise
            self._commands.run("wireguard-go", INTERFACE)
        self._ip("link", "set", "dev", INTERFACE, "alias", self._mark)

    def _close(self) -> None:
        if self._is_ours(self._interface()):
            self._ip("link", "delete", "dev", INTERFACE)
        self._handshake = (0, None)

    def _configuration(self, wanted: TunnelWanted, port: str) -> str:
        lines = [
            "[Interface]",
            f"PrivateKey = {self._key.private()}",
            f"ListenPort = {port if port.isdigit() else '0'}",
            "[Peer]",
            f"PublicKey = {wanted.hub_public_key}",
            f"Endpoint = {wanted.hub_endpoint}",
            f"AllowedIPs = {', '.join(wanted.hub_addresses)}",
            f"PersistentKeepalive = {wanted.keepalive_seconds or 'off'}",
        ]
        return "\n".join(lines) + "\n"

    # -- looking -----------------------------------------------------------------------------------------------------

    def _interface(self) -> dict[str, Any] | None:
        return next((one for one in self._told("link", "show") if one.get("ifname") == INTERFACE), None)

    def _is_ours(self, found: dict[str, Any] | None) -> bool:
        return found is not None and found.get("ifalias") == self._mark

    def _addresses(self) -> set[str]:
        told = [one for each in self._told("address", "show", "dev", INTERFACE) for one in each.get("addr_info", [])]
        return {f"{one.get('local')}/{one.get('prefixlen')}" for one in told if one.get("scope") != "link"}

    def _told(self, *arguments: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = json.loads(self._ip("-json", *arguments) or "[]")
        except ValueError:
            raise CommandError("ip does not tell its interfaces as JSON: iproute2 is needed") from None
        return found

    def _handshake_at(self) -> datetime | None:
        told = self._commands.run("wg", "show", INTERFACE, "latest-handshakes").split()
        seconds = int(told[1]) if len(told) >= 2 and told[1].isdigit() else 0
        if seconds != self._handshake[0]:
            self._handshake = (seconds, self._by_the_engines_clock(seconds) if seconds else None)
        return self._handshake[1]

    def _by_the_engines_clock(self, seconds: int) -> datetime:
        age = clock.wall_now() - clock.wall_of_file(seconds)
        at = self._engine_time() - max(age, timedelta(0))
        return at.replace(microsecond=0)

    def _ip(self, *arguments: str) -> str:
        return self._commands.run("ip", *arguments)

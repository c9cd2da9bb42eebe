"""Asks one open port what it is, within a time: which service is looked for there, and what is said where it is another or too slow."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from watchbill.onboarding.base import Address, Ports
from watchbill.onboarding.discovery_limits import Limiter, SweepLimits
from watchbill.onboarding.discovery_services import (
    WINRM,
    WINRM_BY_TLS,
    Answer,
    look_for_smb,
    look_for_ssh,
    look_for_winrm,
    slow_ssh,
    tls_to_look,
    winrm_answer,
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _streams(sock: socket.socket, tls_for: str | None = None) -> AsyncIterator[Streams]:
    """An open connection as streams; closed at the end without waiting for what the other side does."""
    context = None if tls_for is None else tls_to_look()
    reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=tls_for)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


class Talker:
    """Asks ports by the services that are looked for on them; a port that the scope gave may be any."""

    def __init__(self, ports: Ports, limits: SweepLimits, limiter: Limiter) -> None:
        self._ports = ports
        self._limits = limits
        self._limiter = limiter

    async def ask(self, address: Address, port: int, sock: socket.socket) -> Answer:
        """What is at an open port. The socket is closed when it is known."""
        said = bytearray()
        try:
            async with asyncio.timeout(self._limits.banner_seconds):
                return await self._look(address, port, sock, said)
        except TimeoutError:
            return self._too_slow(port, bytes(said))
        except ssl.SSLError:
            return Answer("", "is not WinRM: it does not speak TLS")
        except OSError as error:
            return Answer("", f"is open, and the connection was lost: {error.strerror or error}")

    def _too_slow(self, port: int, said: bytes) -> Answer:
        seconds = self._limits.banner_seconds
        if said or port == self._ports.ssh:
            return slow_ssh(said, seconds)
        return Answer("", f"{self._not_what(port)}, or very slow: it had not answered after {seconds:g} s")

    def _not_what(self, port: int) -> str:
        if port in {self._ports.winrm, self._ports.winrm_tls}:
            return "is not WinRM"
        return "is not SMB" if port == self._ports.smb else "is neither SSH nor WinRM"

    async def _look(self, address: Address, port: int, sock: socket.socket, said: bytearray) -> Answer:
        is_tls = port == self._ports.winrm_tls
        if port not in {self._ports.ssh, self._ports.winrm, self._ports.winrm_tls, self._ports.smb}:
            return await self._look_for_any(address, port, sock, said)
        async with _streams(sock, str(address) if is_tls else None) as (reader, writer):
            if port == self._ports.ssh:
                return await look_for_ssh(reader, said)
            if port == self._ports.smb:
                return await look_for_smb(reader, writer)
            name = WINRM_BY_TLS if is_tls else WINRM
            return await look_for_winrm(reader, writer, _host(address, port), name)

    async def _look_for_any(self, address: Address, port: int, sock: socket.socket, said: bytearray) -> Answer:
        """SSH speaks first. What is silent is asked for WinRM, and then for WinRM by TLS."""
        async with _streams(sock) as (reader, writer):
            try:
                async with asyncio.timeout(self._limits.quiet_seconds):
                    return await look_for_ssh(reader, said)
            except TimeoutError:
                if said:
                    return await look_for_ssh(reader, said)
            answer = await _plain_winrm(reader, writer, _host(address, port))
        is_other_web_server = answer.banner.startswith("HTTP ") and not answer.banner.startswith("HTTP 400")
        if not answer.detail or is_other_web_server:
            return answer
        by_tls = await self._look_by_tls(address, port)
        return Answer(answer.banner, "is neither SSH nor WinRM") if by_tls is None or by_tls.detail else by_tls

    async def _look_by_tls(self, address: Address, port: int) -> Answer | None:
        """WinRM by TLS on a connection of its own; None = no TLS there."""
        await self._limiter.take(1)
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                return await self._winrm_by_tls(address, port)
        except OSError:  # a time-out too
            return None
        finally:
            self._limiter.give()

    @staticmethod
    async def _winrm_by_tls(address: Address, port: int) -> Answer:
        host = str(address)
        reader, writer = await asyncio.open_connection(host, port, ssl=tls_to_look(), server_hostname=host)
        try:
            return await look_for_winrm(reader, writer, _host(address, port), WINRM_BY_TLS)
        finally:
            writer.transport.abort()


async def _plain_winrm(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> Answer:
    """A server that speaks TLS alone may cut the connection."""
    try:
        return await look_for_winrm(reader, writer, host)
    except OSError:
        return winrm_answer(b"")


def _host(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"

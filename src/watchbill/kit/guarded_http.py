"""HTTP to addresses that somebody typed in: only to the public internet, to the very address that was checked, and never onwards.

A name is resolved once, at the connection itself: who answers differently a moment later changes nothing. Redirects are not followed,
and of an answer only so much is read as its asker wants.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from watchbill.core.public_address import is_public

#: What `request` raises for a request that was not answered, besides OSError and RefusedAddressError.
UNANSWERED = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


class RefusedAddressError(Exception):
    """A name leads to an address that may not be sent to."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`seconds`: of the whole attempt, from the first look-up to the last byte. `most_bytes` of a body are read, and no more."""

    seconds: float
    most_bytes: int
    connect_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_cut`: the body had more than was read."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    is_cut: bool = False


def is_tls_failure(error: BaseException) -> bool:
    """Whether TLS is what kept a connection from being made: as a cause, at whatever depth the libraries wrap it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, httpcore.ConnectError) and cause is not None


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        addresses = await _addresses(host, port)
        refused = [] if self._allows_private else [one for one in addresses if not is_public(one)]
        if refused:
            raise RefusedAddressError(f"{host} leads to {refused[0]}, which is not a public address")
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, *args, **options)

    async def connect_unix_socket(self, path: str, *_args: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        raise RefusedAddressError(f"{path} is not a public address")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _addresses(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be found") from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))


@cache
def _trust() -> ssl.SSLContext:
    """Made once: reading the authorities takes tens of milliseconds."""
    return ssl.create_default_context()


async def request(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, bounds: Bounds, allows_private: bool
) -> Answer:
    """One request on a connection of its own; its answer, whatever that is. Raises UNANSWERED, OSError (TimeoutError among them) or
    RefusedAddressError.
    """
    backend = _Guarded(allows_private=allows_private)
    rest = dict.fromkeys(("read", "write", "pool"), bounds.seconds)
    limits = {"timeout": {**rest, "connect": bounds.connect_seconds}}
    sent = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    async with (
        asyncio.timeout(bounds.seconds),
        httpcore.AsyncConnectionPool(ssl_context=_trust(), network_backend=backend) as pool,
        pool.stream(method, url, headers=sent, content=body, extensions=limits) as response,
    ):
        read, is_cut = await _read(response, bounds.most_bytes)
        told = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
        return Answer(response.status, told, read, is_cut)


async def _read(response: httpcore.Response, most: int) -> tuple[bytes, bool]:
    read = b""
    async for part in response.aiter_stream():
        read += part
        if len(read) > most:
            return read[:most], True
    return read, False

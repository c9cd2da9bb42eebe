"""Things that listen: each a small server of loopback, and what of the network they saw."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listener:
    """A server that runs. `open` and `seen` count its connections."""

    port: int = 0
    open: int = 0
    seen: int = 0


@asynccontextmanager
async def listening(serve: Serve, host: str = "127.0.0.1", port: int = 0, ssl=None) -> AsyncIterator[Listener]:
    made = Listener()
    running: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.seen += 1
        made.open += 1
        running.add(writer)
        try:
            with contextlib.suppress(ConnectionError, EOFError):
                await serve(reader, writer)
        finally:
            running.discard(writer)
            made.open -= 1
            writer.transport.abort()

    server = await asyncio.start_server(connected, host, port, ssl=ssl, backlog=1024)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in running:
            writer.transport.abort()
        await eventually(lambda: made.open == 0)


async def eventually(is_so: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what must come soon."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@contextmanager
def deaf(host: str = "127.0.0.1") -> Iterator[int]:
    """A port of loopback where a SYN is lost, as behind a firewall that drops: a queue of connections that is full."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind((host, 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def open_files(kind: str = "") -> int:
    """Files that this process has open; with `socket:` those alone."""
    number = 0
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            number += str(one.readlink()).startswith(kind)
    return number


def open_sockets() -> int:
    return open_files("socket:")


def says(*parts: bytes, pause: float = 0.0) -> Serve:
    """Sends that, and then waits for the other side to go."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        while await reader.read(4096):
            pass

    return serve


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A tarpit: a byte now and then, for ever."""
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"\x07" * 65536)
        await writer.drain()


def answers(reply: bytes, wanted: bytes = b"") -> Serve:
    """A web server: reads one request and sends one reply."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert wanted in head
        writer.write(reply)
        await is_silent(reader, writer)

    return serve


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def serves_smb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Negotiates as MS-SMB2 3.3.5.4 has it: checks the request field by field, and takes the highest dialect that it knows."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    request = await reader.readexactly(length)
    magic, size, _, _, command = struct.unpack_from("<4sHHIH", request)
    assert (magic, size, command) == (b"\xfeSMB", 64, 0)
    structure, count = struct.unpack_from("<HH", request, 64)
    assert structure == 36
    dialects = struct.unpack_from(f"<{count}H", request, 100)
    assert length == 100 + 2 * count
    assert 0x0311 not in dialects  # it would need negotiate contexts
    head = struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 0, 0, 0, 1, 1, 0, 0, 0xFEFF, 0, 0, bytes(16))
    body = struct.pack(
        "<HHHH16sIIIIQQHHI", 65, 3, max(dialects), 0, b"guid-of-a-server", 0, 1 << 16, 1 << 16, 1 << 16, 0, 0, 128, 0, 0
    )
    writer.write((len(head) + len(body)).to_bytes(4, "big") + head + body)
    await writer.drain()
    await reader.read(4096)

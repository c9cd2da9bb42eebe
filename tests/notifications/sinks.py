"""Receivers in this process that speak the real protocols on real sockets, and behave as a test tells them to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server. `answers` are given one after the other, the last one for ever; a number is a status, bytes go out as they are,
    None never answers."""

    answers: list[int | bytes | None] = field(default_factory=lambda: [204])
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await _request(reader))
            self.arrived.set()
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                await self.gone.wait()
                return
            if isinstance(answer, int):
                answer = b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % answer
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def http(*answers: int | bytes | None) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers) or [204])
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.gone.set()
        server.close()
        await server.wait_closed()


Refuse = Callable[[str], bool]


@dataclass
class Mail:
    sender: str
    recipients: list[str]
    raw: bytes
    was_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)


@dataclass
class Mailbox:
    """An SMTP server. `refuses`: recipients that it does not take; `greeting` None says nothing for ever."""

    greeting: bytes | None = b"220 sink ready\r\n"
    refuses: Refuse = lambda _: False
    after_data: bytes = b"250 kept\r\n"
    tls: ssl.SSLContext | None = None
    mails: list[Mail] = field(default_factory=list)
    signed_in: list[bytes] = field(default_factory=list)
    port: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.greeting is None:
                await self.gone.wait()
                return
            writer.write(self.greeting)
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients, encrypted = "", [], False
        while line := (await reader.readline()).rstrip(b"\r\n"):
            verb = line.split(b" ")[0].upper()
            if verb == b"EHLO":
                offers = [b"STARTTLS"] if self.tls and not encrypted else [b"AUTH PLAIN"]
                writer.write(b"250-sink\r\n" + b"".join(b"250-%s\r\n" % one for one in offers) + b"250 8BITMIME\r\n")
            elif verb == b"STARTTLS" and self.tls:
                writer.write(b"220 go on\r\n")
                await writer.drain()
                await writer.start_tls(self.tls)
                encrypted = True
            elif verb == b"AUTH":
                self.signed_in.append(line)
                writer.write(b"235 welcome\r\n")
            elif verb == b"MAIL":
                sender = line.split(b":", 1)[1].split(b">")[0].strip(b"<").decode()
                writer.write(b"250 ok\r\n")
            elif verb == b"RCPT":
                address = line.split(b":", 1)[1].split(b">")[0].strip(b"<").decode()
                refused = self.refuses(address)
                recipients += [] if refused else [address]
                writer.write(b"550 nobody here\r\n" if refused else b"250 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 say it\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(Mail(sender, recipients, raw[:-3], encrypted))
                writer.write(self.after_data)
            else:
                writer.write(b"250 ok\r\n")
            await writer.drain()
            if verb == b"QUIT":
                return


@asynccontextmanager
async def smtp(**how: object) -> AsyncIterator[Mailbox]:
    box = Mailbox(**how)  # type: ignore[arg-type]  # fields by name
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        box.gone.set()
        server.close()
        await server.wait_closed()

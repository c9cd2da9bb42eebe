"""One agent's socket: its frames are decoded, bounded and put in order; nothing here touches the database.

What a device may send without an answer is bounded, so a hostile one hurts only itself.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Iterable
from typing import Protocol, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

import watchbill_wire as wire
from watchbill.kit import log

#: The wire's window for output, with room for what is on its way when it is full.
MOST_UNANSWERED_BYTES = wire.MAX_IN_FLIGHT_BYTES * 2
MOST_UNANSWERED_MESSAGES = 4000
#: What a device may leave unread of what it is sent; the largest frame fits many times.
MOST_UNREAD_BYTES = 16 * wire.MAX_FRAME_BYTES
#: A socket is of no use to anybody before its hello.
HELLO_SECONDS = 15.0

_logger = log.get("gateway")

TOKEN_REFUSED, DEVICE_REFUSED, REPLACED, TOO_SLOW, TOO_FAST = 4401, 4403, 4409, 4408, 4429
PROTOCOL_ERROR, RESTART = 1002, 1012


class Owner(Protocol):
    """What a connection tells the gateway."""

    def arrived(self, connection: "Connection") -> None:
        """It said hello."""

    def has_news(self, connection: "Connection", number_of_bytes: int) -> None:
        """Its inbox holds something to store."""

    def asked(self, connection: "Connection", fetch: wire.Fetch) -> None:
        """It wants a piece of a file."""

    def is_alive(self, connection: "Connection") -> None:
        """It beat."""

    def left(self, connection: "Connection") -> None:
        """Its socket is closed."""


class Connection(WSListener):
    """A device's socket from upgrade to close. `inbox` keeps what is to be stored, in the order it came."""

    def __init__(self, owner: Owner, device_id: uuid.UUID) -> None:
        self.owner = owner
        self.device_id = device_id
        self.id = uuid.uuid4()
        self.hello: wire.Hello | None = None
        self.inbox: deque[tuple[wire.AgentMessage, int]] = deque()
        self.inbox_bytes = 0
        self.is_open = False
        #: The writer knows of its news, or is storing some.
        self.is_queued = False
        self.transport: WSTransport | None = None
        #: Where the socket comes from; behind a proxy, that one's address.
        self.peer: str | None = None
        self._reached: dict[tuple[str, str], int] = {}
        self._patience: asyncio.TimerHandle | None = None

    @property
    def sessions(self) -> tuple[wire.SignedIn, ...] | None:
        """Who was signed in when it said hello; None = its agent does not know."""
        return self.hello.sessions if self.hello is not None else None

    @property
    def fetches_files(self) -> bool:
        """Whether its agent fetches the files that an order names."""
        return self.hello is not None and bool(self.hello.fetches_files)

    def unread_bytes(self) -> int:
        """What it was sent and has not taken yet."""
        return 0 if self.transport is None else int(self.transport.underlying_transport.get_write_buffer_size())

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.peer = _address_in(transport.underlying_transport.get_extra_info("peername"))
        self.is_open = True
        self._patience = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._still_silent)

    def _still_silent(self) -> None:
        if self.hello is None:
            self.close(TOO_SLOW, "hello comes first")

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        was_open, self.is_open = self.is_open, False
        if self._patience is not None:
            self._patience.cancel()
        self.transport = None
        if was_open:
            self.owner.left(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT and frame.fin:
            self._hear(frame.get_payload_as_bytes())
        elif frame.msg_type not in (WSMsgType.PING, WSMsgType.PONG):
            self.close(PROTOCOL_ERROR, "whole text frames only")

    def _hear(self, raw: bytes) -> None:
        try:
            message = wire.decode_from_agent(raw.decode())
        except (wire.WireError, UnicodeDecodeError) as error:
            _logger.warning("frame.refused", device=str(self.device_id), error=str(error)[:200])
            self.close(PROTOCOL_ERROR, str(error)[:100])
            return
        if isinstance(message, wire.Hello):
            self._greet(message)
        elif self.hello is None:
            self.close(PROTOCOL_ERROR, "hello comes first")
        elif isinstance(message, wire.Heartbeat):
            self.owner.is_alive(self)
        elif isinstance(message, wire.Fetch):
            self.owner.asked(self, message)
        elif not isinstance(message, wire.Unknown):
            self._take(message, len(raw))

    def _greet(self, hello: wire.Hello) -> None:
        if self.hello is not None:
            self.close(PROTOCOL_ERROR, "hello comes once")
            return
        self.hello = hello
        self.owner.arrived(self)

    def _take(self, message: wire.AgentMessage, size: int) -> None:
        if self.inbox_bytes + size > MOST_UNANSWERED_BYTES or len(self.inbox) >= MOST_UNANSWERED_MESSAGES:
            self.close(TOO_FAST, "too much without an answer")
            return
        if isinstance(message, wire.Output):
            message = self._fresh_part(message)
        elif isinstance(message, wire.Result):
            self._forget_streams(message.execution_id)
        self.inbox.append((message, size))
        self.inbox_bytes += size
        self.owner.has_news(self, size)

    def resume_streams(self, reached: Iterable[tuple[str, wire.Stream, int]]) -> None:
        """How far the output of running executions is stored already, after a reconnect."""
        for execution_id, stream, offset in reached:
            self._reached[execution_id, stream] = offset

    def take_share(self, most_bytes: int, most_messages: int) -> tuple[list[wire.AgentMessage], int]:
        """The next messages to store and the bytes they came in."""
        messages: list[wire.AgentMessage] = []
        taken = 0
        while self.inbox and taken < most_bytes and len(messages) < most_messages:
            message, size = self.inbox.popleft()
            messages.append(message)
            taken += size
        self.inbox_bytes -= taken
        return messages, taken

    def _fresh_part(self, output: wire.Output) -> wire.Output:
        """What of `output` has not been seen on this stream; what was resent is cut off."""
        key = output.execution_id, output.stream
        reached = self._reached.get(key, output.offset)
        begins = max(reached, output.offset)
        self._reached[key] = max(reached, output.offset + len(output.data))
        return wire.Output(output.execution_id, output.stream, begins, output.data[begins - output.offset :])

    def _forget_streams(self, execution_id: str) -> None:
        self._reached.pop((execution_id, "stdout"), None)
        self._reached.pop((execution_id, "stderr"), None)

    def send(self, message: wire.EngineMessage) -> bool:
        """Queue a message for the device; False when it is gone."""
        return self.send_text(wire.encode(message))

    def send_text(self, text: str) -> bool:
        if self.transport is None or not self.is_open:
            return False
        if self.unread_bytes() > MOST_UNREAD_BYTES:
            # It does not read, so it will not read a farewell either.
            _logger.warning("device.does_not_read", device=str(self.device_id))
            self.transport.disconnect(graceful=False)
            return False
        self.transport.send(WSMsgType.TEXT, text)
        return True

    def close(self, code: int, why: str) -> None:
        if self.transport is None:
            return
        self.transport.send_close(cast(WSCloseCode, code), why.encode()[:120])
        self.transport.disconnect()


def _address_in(peername: object) -> str | None:
    """The host of a socket's other end: `(host, port, …)`."""
    return peername[0] if isinstance(peername, tuple) and peername and isinstance(peername[0], str) else None

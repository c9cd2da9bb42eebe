"""The one outward socket: gets a token, connects, carries frames both ways, and comes back after the pause the session names.

It understands no message. All waiting happens here, none in the session.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from watchbill_agent import api, clock, tls
from watchbill_agent import events as e
from watchbill_agent.datadir import DataDir
from watchbill_agent.errors import AgentError
from watchbill_agent.log import Log
from watchbill_wire import MAX_FRAME_BYTES, EngineKey

OPEN_SECONDS = 15.0
# The share of a token's life after which it is renewed before the next connection.
RENEW_AFTER = 0.7
_STATUS_CODES = {401: 4401, 403: 4403, 409: 4409, 429: 4429, 503: 1012}


class Tokens:
    """Short-lived proofs of who this device is, fetched with its key and renewed before they lapse."""

    def __init__(self, data: DataDir) -> None:
        self._identity = data.approved_identity()
        self._api = api.api_of(data, self._identity)
        self._key = data.load_key()
        self._sealing_key = data.load_or_make_sealing_key()
        self._token: api.Token | None = None
        self._renew_at = 0.0

    def drop(self) -> None:
        self._token = None

    async def get(self) -> api.Token:
        if self._token is None or clock.monotonic() >= self._renew_at:
            self._token = await self.fetch()
        return self._token

    async def fetch(self) -> api.Token:
        token = await asyncio.get_running_loop().run_in_executor(
            None, self._api.fetch_token, self._identity.device_id, self._key, self._sealing_key
        )
        self._renew_at = clock.monotonic() + token.expires_in_seconds * RENEW_AFTER
        return token


class Link:
    def __init__(self, data: DataDir, feed: Any, log: Log) -> None:
        self._tokens = Tokens(data)
        identity = data.approved_identity()
        certificate = data.load_certificate() if identity.is_pinned else None
        self._context = tls.context_for(certificate) if identity.server.startswith("https:") else None
        self._certificate = certificate
        self._feed = feed
        self._log = log
        self._outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        self._socket: ClientConnection | None = None
        self._pause = 0.0
        self._known_keys: tuple[EngineKey, ...] = ()

    # -- asked for by the session ------------------------------------------------------------------------------------

    def send(self, frame: str) -> None:
        self._outgoing.put_nowait(frame)

    def ping(self) -> None:
        self._outgoing.put_nowait(None)

    def abort(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()

    def come_back(self, after: float, *, needs_token: bool) -> None:
        self._pause = after
        if needs_token:
            self._tokens.drop()

    async def fresh_keys(self) -> tuple[EngineKey, ...]:
        """The Engine's keys as its own API tells them; those known so far when it cannot be asked."""
        try:
            self._known_keys = (await self._tokens.fetch()).engine_keys
        except (api.UnreachableError, api.RefusedError) as error:
            self._log("keys.unavailable", detail=str(error))
        return self._known_keys

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            code, wait = await self._one_connection()
            self._socket = None
            self._outgoing = asyncio.Queue()
            self._feed(e.Disconnected(code, wait))
            self._log("link.waiting", seconds=round(self._pause, 1), code=code)
            await asyncio.sleep(self._pause)

    async def _one_connection(self) -> tuple[int | None, float]:
        try:
            token = await self._tokens.get()
            if token.engine_keys != self._known_keys:
                self._known_keys = token.engine_keys
                self._feed(e.KeysLearned(token.engine_keys))
            async with self._connect(token) as socket:
                self._log("link.connected", gateway=token.gateway_url)
                return await self._talk(socket)
        except api.RefusedError as error:
            self._log("link.refused", detail=str(error), status=error.status)
            return _STATUS_CODES.get(error.status, 4403), error.retry_after
        except InvalidStatus as error:
            return _STATUS_CODES.get(error.response.status_code), 0.0
        except (api.UnreachableError, AgentError, OSError, asyncio.TimeoutError, WebSocketException) as error:
            self._log("link.unreachable", detail=str(error) or type(error).__name__)
        return None, 0.0

    def _connect(self, token: api.Token) -> connect:
        parts = tls.check_url(token.gateway_url, "gateway_url", ("ws", "wss"))
        context = None
        if tls.is_secure(parts):
            context = self._context or tls.context_for(self._certificate)
        return connect(
            token.gateway_url,
            additional_headers={"Authorization": f"Bearer {token.text}"},
            ssl=context,
            open_timeout=OPEN_SECONDS,
            close_timeout=2,
            ping_interval=None,  # the session pings with its heartbeat
            max_size=MAX_FRAME_BYTES,
            compression=None,
            proxy=None,
            user_agent_header=None,
        )

    async def _talk(self, socket: ClientConnection) -> tuple[int | None, float]:
        self._socket = socket
        self._feed(e.Connected())
        await first_of(self._receive(socket), self._transmit(socket))
        return socket.close_code, 0.0

    async def _receive(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._feed(await socket.recv())

    async def _transmit(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = await self._outgoing.get()
                if frame is not None:
                    await socket.send(frame)
                else:
                    pong = await socket.ping()
                    asyncio.ensure_future(pong).add_done_callback(self._on_pong)

    def _on_pong(self, pong: Any) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self._feed(e.Ponged())


async def first_of(*work: Awaitable[None]) -> None:
    """Run all until the first ends, then end the rest. (Task groups begin with Python 3.11.)"""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()

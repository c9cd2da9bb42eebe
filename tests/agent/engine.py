"""A small Engine for the agent's tests: the HTTP side and the socket of the wire protocol, with everything it heard kept."""

import asyncio
import contextlib
import hashlib
import json
import secrets
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import watchbill_wire as w

PATIENCE = 20.0


class Engine:
    def __init__(self, ssl_context=None) -> None:
        self.ssl_context = ssl_context
        self.key = Ed25519PrivateKey.generate()
        self.code = "SITE-1234"
        self.state = "approved"
        self.is_device_refused = False
        self.device_id = str(uuid.uuid4())
        self.device_key: Ed25519PublicKey | None = None
        self.enrol_requests: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.challenges: set[str] = set()
        self.sealing_keys: list[bytes] = []
        self.known_digest: str | None = None
        self.heartbeat_seconds = 5.0
        self.clock_ahead = timedelta(0)
        self.acks_output = True
        self.acks_results = True
        self.heard: list[w.AgentMessage] = []
        self.output: dict[tuple[str, str], bytearray] = {}
        self.gaps: list[tuple[str, str, int, int]] = []
        self.connection: ServerConnection | None = None
        self.connections = 0
        #: Contents by SHA-256, and how much of each is given out before the Engine falls silent.
        self.files: dict[str, bytes] = {}
        self.gives_bytes: dict[str, int] = {}
        self.peak_in_flight = 0
        self._sent_bytes: dict[tuple[str, str], int] = {}
        self._changed = asyncio.Condition()
        self._http: ThreadingHTTPServer | None = None
        self._server: Server | None = None
        self.gateway_port = 0

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> "Engine":
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        if self.ssl_context is not None:
            self._http.socket = self.ssl_context.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        await self.open_gateway()
        return self

    async def open_gateway(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.gateway_port,
            ssl=self.ssl_context,
            max_size=w.MAX_FRAME_BYTES,
            ping_interval=None,
        )
        self.gateway_port = next(iter(self._server.sockets)).getsockname()[1]

    async def close_gateway(self, code: int = 1012) -> None:
        assert self._server is not None
        if self.connection is not None:
            await self.connection.close(code)
        self._server.close()
        await self._server.wait_closed()

    async def stop(self) -> None:
        await self.close_gateway(1001)
        assert self._http is not None
        await asyncio.to_thread(self._http.shutdown)
        self._http.server_close()

    @property
    def url(self) -> str:
        assert self._http is not None
        return f"{'https' if self.ssl_context else 'http'}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def gateway_url(self) -> str:
        return f"{'wss' if self.ssl_context else 'ws'}://127.0.0.1:{self.gateway_port}"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    def engine_keys(self):
        public = w.base64url(self.key.public_key().public_bytes_raw())
        return [{"key_id": "k1", "public_key": public}]

    # -- the socket ----------------------------------------------------------------------------------------------------

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        token = connection.request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            await connection.close(4401)
            return
        self.connection, self.connections = connection, self.connections + 1
        keys = w.engine_keys_from_json(self.engine_keys())
        with contextlib.suppress(ConnectionClosed):
            hello = w.decode_from_agent(await connection.recv())
            assert isinstance(hello, w.Hello), hello
            await self._note(hello)
            await connection.send(w.encode(w.Welcome(self.now(), self.heartbeat_seconds, self.known_digest, keys)))
            await self._note(None)
            while True:
                await self._hear(w.decode_from_agent(await connection.recv()), connection)

    async def _hear(self, message: w.AgentMessage, connection: ServerConnection) -> None:
        if isinstance(message, w.Output):
            self._store(message)
            if self.acks_output:
                end = len(self.output[message.execution_id, message.stream])
                await connection.send(w.encode(w.OutputAck(message.execution_id, message.stream, end)))
        if isinstance(message, w.Result) and self.acks_results:
            await connection.send(w.encode(w.ResultAck(message.execution_id)))
        if isinstance(message, w.Fetch):
            await self._give(message, connection)
        await self._note(message)

    async def _give(self, asked: w.Fetch, connection: ServerConnection) -> None:
        content = self.files.get(asked.sha256)
        if content is None:
            await connection.send(w.encode(w.NoFile(asked.execution_id, asked.sha256, "it is not kept")))
        elif asked.offset < self.gives_bytes.get(asked.sha256, len(content)):
            data = content[asked.offset : asked.offset + w.MAX_PIECE_BYTES]
            await connection.send(w.encode(w.Piece(asked.execution_id, asked.sha256, asked.offset, data)))

    def with_files(self, **contents: bytes) -> dict[str, Any]:
        """What an order says of these files, which can be fetched from now on."""
        files = tuple(w.FileOf(name, len(one), hashlib.sha256(one).hexdigest()) for name, one in contents.items())
        self.files |= {one.sha256: contents[one.name] for one in files}
        return {"v": 2, "files": files, "fetch_seconds": 60.0}

    def _store(self, message: w.Output) -> None:
        stored = self.output.setdefault((message.execution_id, message.stream), bytearray())
        if message.offset > len(stored):
            self.gaps.append((message.execution_id, message.stream, len(stored), message.offset))
            stored.extend(b"\0" * (message.offset - len(stored)))
        stored.extend(message.data[len(stored) - message.offset :])

    async def _note(self, message: w.AgentMessage | None) -> None:
        async with self._changed:
            if message is not None:
                self.heard.append(message)
            self._changed.notify_all()

    async def send(self, message: w.EngineMessage) -> None:
        assert self.connection is not None
        await self.connection.send(w.encode(message))

    # -- orders --------------------------------------------------------------------------------------------------------

    def payload(self, content: str, **changes) -> w.EnvelopePayload:
        now = self.now()
        values = {
            "execution_id": str(uuid.uuid4()),
            "device_id": self.device_id,
            "issued_at": now,
            "start_by": now + timedelta(minutes=5),
            "interpreter": "bash",
            "content": content,
            "content_sha256": hashlib.sha256(content.encode()).hexdigest(),
            "time_limit_seconds": 60,
            "kill_grace_seconds": 1,
            "head_bytes": 1024 * 1024,
            "tail_bytes": 64 * 1024,
            "variables": {},
            "labels": {"job": "j1", "run": "r1"},
        }
        return w.EnvelopePayload(**{**values, **changes})

    def sign(self, payload: w.EnvelopePayload, key: Ed25519PrivateKey | None = None) -> w.Execute:
        text = payload.to_text()
        return w.Execute("k1", text, (key or self.key).sign(w.envelope_signing_bytes(text)))

    async def order(self, content: str, **changes) -> str:
        payload = self.payload(content, **changes)
        await self.send(self.sign(payload))
        return payload.execution_id

    # -- waiting -------------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(condition), patience)
            except TimeoutError:
                raise AssertionError(
                    f"waited in vain; heard {[m for m in self.heard if not isinstance(m, w.Inventory)]}"
                ) from None
            return condition()

    async def connected(self, times: int = 1) -> None:
        await self.until(lambda: self.count(w.Hello) >= times)

    def count(self, kind: type) -> int:
        return len(self.all(kind))

    def all(self, kind: type, execution_id: str | None = None) -> list[Any]:
        return [
            m
            for m in self.heard
            if isinstance(m, kind) and (execution_id is None or getattr(m, "execution_id", None) == execution_id)
        ]

    async def first(self, kind: type, execution_id: str | None = None) -> Any:
        return (await self.until(lambda: self.all(kind, execution_id)))[0]

    async def result(self, execution_id: str) -> w.Result:
        result: w.Result = await self.first(w.Result, execution_id)
        return result

    def text(self, execution_id: str, stream: str = "stdout") -> str:
        return self.output.get((execution_id, stream), bytearray()).decode()

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/api/agent/enrol":
            return self._enrol(body)
        if path.endswith("/poll"):
            is_in = self.state == "approved"
            return 200, {
                "state": self.state,
                "reason": "no such device here" if self.state == "denied" else None,
                "device_id": self.device_id if is_in else None,
                "engine_keys": self.engine_keys() if is_in else [],
                "gateway_url": self.gateway_url,
                "poll_after_seconds": 0.1,
            }
        if self.is_device_refused:
            return 403, {"code": "device_refused", "title": "disabled"}
        if path == "/api/agent/challenge":
            challenge = secrets.token_urlsafe()
            self.challenges.add(challenge)
            return 200, {"challenge": challenge, "expires_in_seconds": 60}
        return self._token(body)

    def _enrol(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.enrol_requests.append(body)
        if body["code"] != self.code:
            return 403, {"code": "enrolment_refused", "title": "the code is not valid"}
        self.device_key = Ed25519PublicKey.from_public_bytes(w.from_base64url(body["public_key"]))
        proof = w.enrol_signing_bytes(body["code"], body["hostname"], body["public_key"])
        self.device_key.verify(w.from_base64url(body["proof"]), proof)
        return 202, {
            "enrolment_id": str(uuid.uuid4()),
            "poll_token": "p" * 20,
            "state": "pending",
            "poll_after_seconds": 0.1,
        }

    def _token(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.challenges.remove(body["challenge"])
        assert self.device_key is not None
        proof = w.token_signing_bytes(body["device_id"], body["challenge"])
        self.device_key.verify(w.from_base64url(body["signature"]), proof)
        told = w.sealing_key_signing_bytes(body["device_id"], body["challenge"], body["sealing_key"])
        self.device_key.verify(w.from_base64url(body["sealing_signature"]), told)
        self.sealing_keys.append(w.from_base64url(body["sealing_key"]))
        token = secrets.token_urlsafe()
        self.tokens.add(token)
        return 200, {
            "token": token,
            "expires_in_seconds": 600,
            "gateway_url": self.gateway_url,
            "engine_keys": self.engine_keys(),
            "server_time": w.time_text(self.now()),
        }


def handler_for(engine: Engine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = engine.answer(self.path, body)
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_request(self, *_: object) -> None:
            return

    return Handler

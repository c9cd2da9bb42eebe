"""Running gateways, devices that a test dials them with, and the scene they belong to."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import watchbill_wire as wire
from tests.factories.ports import free_port
from tests.factories.scene import Scene
from tests.flows.fleet import until
from watchbill import agents
from watchbill.agents import tokens
from watchbill.apps.gateway import gateway
from watchbill.apps.gateway.hub import Hub
from watchbill.apps.wiring import Engine
from watchbill.core.states import TargetState as S
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.service import run_together
from watchbill.kit.settings import load


@dataclass
class Peer:
    """A device's end of the socket, in the test's hands."""

    socket: ClientConnection
    heard: list[wire.EngineMessage] = field(default_factory=list)

    async def say(self, message: wire.AgentMessage) -> None:
        await self.socket.send(wire.encode(message))

    async def hear(self, kind: type[Any], seconds: float = 10) -> Any:
        """The next message of a kind; others are kept in `heard`."""
        async with asyncio.timeout(seconds):
            while True:
                message = wire.decode_from_engine(str(await self.socket.recv()))
                self.heard.append(message)
                if isinstance(message, kind):
                    return message

    async def order(self) -> wire.EnvelopePayload:
        return wire.parse_payload((await self.hear(wire.Execute)).payload)

    async def closed(self) -> int:
        """The code it is closed with."""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        assert self.socket.close_code is not None
        return self.socket.close_code


@dataclass
class Harbour:
    """Running gateways, and the scene their devices belong to."""

    scene: Scene
    urls: list[str]
    keys: KeyRing
    db: Database
    hubs: list[Hub] = field(default_factory=list)

    def token(self, device: uuid.UUID) -> str:
        return token_for(self.keys, device, datetime.now(UTC) + timedelta(hours=1))

    @asynccontextmanager
    async def dial(
        self, device: uuid.UUID, *known: wire.Delivery, hello: bool = True, gateway: int = 0
    ) -> AsyncIterator[Peer]:
        headers = {"Authorization": f"Bearer {self.token(device)}"}
        async with connect(self.urls[gateway], additional_headers=headers, max_size=2**21) as socket:
            peer = Peer(socket)
            if hello:
                await peer.say(wire.Hello("0.1.0", "boot", tuple(known)))
                await peer.hear(wire.Welcome)
            yield peer

    async def device(self, name: str = "alpha") -> uuid.UUID:
        async with self.db.begin() as tx:
            return await self.scene.device(tx, name, online=False)

    async def job(self, *names: str) -> tuple[int, uuid.UUID]:
        async with self.db.begin() as tx:
            job = await self.scene.job(tx, *names)
            return job, await self.scene.open(tx, job)

    async def state(self, occurrence: uuid.UUID, name: str = "alpha") -> tuple[S, str | None]:
        async with self.db.begin() as tx:
            return (await self.scene.states(tx, occurrence))[name]

    async def becomes(self, occurrence: uuid.UUID, *state: object, name: str = "alpha") -> None:
        async def there() -> bool:
            return await self.state(occurrence, name) == state

        await until(there)


def token_for(keys: KeyRing, device: uuid.UUID, expires_at: datetime) -> str:
    """As the API hands it out for a proof of the device's key."""
    return tokens._sealed(keys, tokens._TOKEN, device, expires_at, "nonce")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@asynccontextmanager
async def opened(scene: Scene, db: Database, keys: KeyRing, folder: Path, number: int) -> AsyncIterator[Harbour]:
    """A harbour with that many gateways."""
    async with db.begin() as tx:
        await agents.ensure_signing_key(tx, keys, scene.now)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        urls, running = [], []
        for _ in range(number):
            port = free_port()
            values = {
                "WATCHBILL_DATA_DIR": str(folder),
                "WATCHBILL_DATABASE_URL": db.conninfo,
                "WATCHBILL_GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "WATCHBILL_HEARTBEAT_SECONDS": "5",
            }
            engine = Engine(load(values), Database(db.conninfo, pool_size=5), Clock(), keys)
            stack.push_async_callback(engine.db.close)
            running.append(gateway(engine, None))
            group.create_task(run_together(running[-1].services, stop))
            await until(partial(_listens, port))
            urls.append(f"ws://127.0.0.1:{port}/agent/ws")
        try:
            yield Harbour(scene, urls, keys, db, [one.hub for one in running])
        finally:
            stop.set()

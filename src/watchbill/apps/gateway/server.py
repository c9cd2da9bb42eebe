"""The gateway process: listens for agents' sockets and runs the hub. Only a device with a good token gets past the upgrade."""

import asyncio
import resource
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

import watchbill_wire as wire
from watchbill import agents, devices, runs
from watchbill.apps.gateway.connection import RESTART, Connection
from watchbill.apps.gateway.hub import Hub
from watchbill.apps.wiring import Engine
from watchbill.devices import presence
from watchbill.kit import log
from watchbill.kit.db import Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.service import Service, run_all

PATH = b"/agent/ws"

_logger = log.get("gateway")


@dataclass
class _EngineTime:
    """The database clock without asking it: read once, carried on by the monotonic clock."""

    at: datetime
    since: float

    def now(self) -> datetime:
        return self.at + timedelta(seconds=time.monotonic() - self.since)


@dataclass
class _Door:
    """A service that accepts sockets while it runs."""

    engine: Engine
    hub: Hub
    tls: ssl.SSLContext | None

    async def run(self, stop: asyncio.Event) -> None:
        async with self.engine.db.begin() as tx:
            self._time = _EngineTime(await self.engine.clock.now(tx), time.monotonic())
        listen = self.engine.settings.gateway_listen
        server = await ws_create_server(
            self._admit,
            listen.host,
            listen.port,
            ssl=self.tls,
            max_frame_size=wire.MAX_FRAME_BYTES + 1024,
            websocket_handshake_timeout=10,
            enable_auto_ping=True,
            auto_ping_idle_timeout=self.engine.settings.heartbeat_seconds * 2,
            auto_ping_reply_timeout=self.engine.settings.heartbeat_seconds,
            backlog=4096,
        )
        _logger.info("gateway.listening", address=str(listen), tls=self.tls is not None)
        async with server:
            await stop.wait()
            for connection in list(self.hub.held.values()):
                connection.send(wire.Bye("restart", 1.0))
                connection.close(RESTART, "the gateway restarts")

    def _admit(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
        if request.path.split(b"?")[0] == b"/healthz":
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(b"ok\n"), None)
        if request.path != PATH:
            return None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            device_id = agents.verify_token(self.engine.keys, token, self._time.now())
        except agents.AgentTokenError:
            response = WSUpgradeResponse.create_error_response(401, b"token not accepted\n")
            return WSUpgradeResponseWithListener(response, None)
        return Connection(self.hub, device_id)


@dataclass
class _Presence:
    hub: Hub

    async def run(self, stop: asyncio.Event) -> None:
        await self.hub.keep_presence(stop)


@dataclass
class Gateway:
    """Everything a gateway runs, and the heartbeat that says when it should end."""

    engine: Engine
    hub: Hub
    heartbeat: Heartbeat
    services: list[Service]

    async def leave(self) -> None:
        """After its services have ended: its devices are offline until they find another."""
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            await presence.gateway_gone(tx, self.hub.id, now)
            await runs.devices_went_offline(tx, None, now)


def gateway(engine: Engine, tls: ssl.SSLContext | None) -> Gateway:
    heartbeat = Heartbeat(engine.db, engine.clock, "gateway", address=str(engine.settings.gateway_listen))
    hub = Hub(engine, heartbeat.id)
    listener = Listener(engine.db.conninfo)
    listener.on(runs.gateway_channel(hub.id), hub.heard)
    listener.on(runs.GATEWAYS, hub.heard)
    listener.on(devices.REFUSED_CHANNEL, hub.device_changed)
    listener.on(agents.DESIRED_CHANNEL, hub.teller.heard)
    heartbeat.on_lost = _end(heartbeat)
    door = _Door(engine, hub, tls)
    services: list[Service] = [listener, heartbeat, hub.writer, hub.files, hub.teller, hub, _Presence(hub), door]
    return Gateway(engine, hub, heartbeat, services)


def _allow_many_sockets() -> None:
    """A gateway holds thousands of sockets; the usual soft limit of 1,024 files is not meant for it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def main(engine: Engine, tls: ssl.SSLContext | None) -> None:
    """Run a gateway until it is told to stop."""
    _allow_many_sockets()
    parts = gateway(engine, tls)
    await run_all(parts.services, parts.heartbeat.should_stop)
    await parts.leave()


def _end(heartbeat: Heartbeat) -> Callable[[], Awaitable[None]]:
    """Others took this gateway for dead and its devices for offline: it starts anew, and they come back."""

    async def end() -> None:
        heartbeat.should_stop.set()

    return end

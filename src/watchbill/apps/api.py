"""The API process: REST, live events and the pages, under one HTTP server. Runs no automation."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.api.events import Feed
from watchbill.apps.tls import Certificate
from watchbill.apps.wiring import Engine
from watchbill.kit import events, log
from watchbill.kit.db import Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.loading import loading
from watchbill.kit.service import Service, pause, run_all

_logger = log.get("api")


class _Server(uvicorn.Server):
    """Leaves signals to the process: all its services stop together. Idle, it wakes once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not self.stopping.is_set() and not await self.on_tick(0):
            await pause(self.stopping, 1.0)


@dataclass
class _Http:
    """A service that serves HTTP until stopped; open streams are ended first."""

    app: FastAPI
    engine: Engine
    certificate: Certificate | None
    feed: Feed
    deps: Deps

    async def run(self, stop: asyncio.Event) -> None:
        server = _Server(self._config())
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve())
            stopping = group.create_task(stop.wait())
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            server.stopping.set()
            self.feed.close()
            self.deps.closing.set()
            stopping.cancel()

    def _config(self) -> uvicorn.Config:
        listen = self.engine.settings.api_listen
        return uvicorn.Config(
            self.app,
            host=listen.host,
            port=listen.port,
            ssl_certfile=str(self.certificate.certificate) if self.certificate else None,
            ssl_keyfile=str(self.certificate.key) if self.certificate else None,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )


def services(engine: Engine, certificate: Certificate | None) -> tuple[list[Service], Heartbeat]:
    """Everything an API process runs, and the heartbeat that says when it should end."""
    deps = Deps(
        engine.db,
        engine.clock,
        engine.keys,
        engine.settings,
        certificate_pin=certificate.pin if certificate else None,
        public_key_pin=certificate.public_key_pin if certificate else None,
    )
    with loading():
        app = create_app(deps)
    feed = Feed(deps)
    app.state.feed = feed
    heartbeat = Heartbeat(
        engine.db,
        engine.clock,
        "api",
        address=str(engine.settings.api_listen),
        public_url=engine.settings.public_url,
        certificate_pin=deps.certificate_pin,
    )
    listener = Listener(engine.db.conninfo)
    listener.on(events.CHANNEL, feed.wake.ring)
    http = _Http(app, engine, certificate, feed, deps)
    _logger.info("api.starting", address=str(engine.settings.api_listen), tls=certificate is not None)
    return [listener, heartbeat, feed, http], heartbeat


async def main(engine: Engine, certificate: Certificate | None) -> None:
    """Run an API process until it is told to stop."""
    parts, heartbeat = services(engine, certificate)
    await run_all(parts, heartbeat.should_stop)

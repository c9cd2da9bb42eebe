"""A line between a browser and the Engine that can be cut: a browser that is told to be offline keeps the streams that it has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.factories.ports import free_port
from tests.flows.fleet import Fleet


@dataclass
class Wire:
    """Hands on bytes both ways. `url` is where the Engine is found through it."""

    to_port: int
    port: int = field(default_factory=free_port)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def cut(self) -> None:
        """Nothing that is open goes on, and nobody is answered."""
        if self._server is not None:
            self._server.close()
        for one in list(self._open):
            one.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._open |= {writer, back}
        with suppress(OSError):
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._open -= {writer, back}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def wire(fleet: Fleet) -> AsyncIterator[Wire]:
    made = Wire(fleet.http.base_url.port or 0)
    await made.mend()
    try:
        yield made
    finally:
        made.cut()

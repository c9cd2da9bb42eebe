"""Many devices in the test's process: the real wire protocol over real sockets, with nothing behind it that runs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from websockets.asyncio.client import ClientConnection, connect

import watchbill_wire as wire
from tests.factories import places
from tests.flows.fleet import Fleet
from tests.gateway.harbour import token_for


@dataclass
class Crowd:
    """What its devices were told to run, in order, and how many ran at the same time at most. `exit_codes` by host name."""

    exit_code: Callable[[str], int]
    ids: dict[str, uuid.UUID] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def live(self, name: str, socket: ClientConnection) -> None:
        await socket.send(wire.encode(wire.Hello("0.1.0", "boot", ())))
        async for text in socket:
            message = wire.decode_from_engine(str(text))
            if isinstance(message, wire.Execute):
                await self._run(name, socket, wire.parse_payload(message.payload).execution_id)

    async def _run(self, name: str, socket: ClientConnection, execution_id: str) -> None:
        now = datetime.now(UTC)
        self.ran.append(name)
        self.running += 1
        self.most = max(self.most, self.running)
        await socket.send(wire.encode(wire.Accepted(execution_id)))
        await socket.send(wire.encode(wire.Started(execution_id, now)))
        await asyncio.sleep(0.1)  # as long as its script takes
        self.running -= 1
        code = self.exit_code(name)
        result = wire.Result(
            execution_id, "exited", now, exit_code=code, started_at=now, stdout_bytes=0, last_line=None
        )
        await socket.send(wire.encode(result))


@asynccontextmanager
async def gathered(fleet: Fleet, number: int, exit_code: Callable[[str], int]) -> AsyncIterator[Crowd]:
    """So many devices `d01`, `d02`… of the fleet's site, at both gateways in turn."""
    crowd = Crowd(exit_code)
    async with fleet.db.begin() as tx:
        now = await fleet.clock.now(tx)
        for place in range(1, number + 1):
            name = f"d{place:02}"
            crowd.ids[name] = await places.make_device(tx, name, fleet.site["id"], now=now)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        lives = []
        for place, (name, device) in enumerate(crowd.ids.items()):
            token = token_for(fleet.keys, device, datetime.now(UTC) + timedelta(hours=1))
            url = fleet.gateways[place % len(fleet.gateways)]
            dialled = connect(url, additional_headers={"Authorization": f"Bearer {token}"})
            lives.append(group.create_task(crowd.live(name, await stack.enter_async_context(dialled))))
        yield crowd
        for life in lives:
            life.cancel()

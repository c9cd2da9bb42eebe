"""Many agents in one process: the real wire protocol over real sockets, with nothing behind it that runs.

Each greets, beats, takes orders and answers them as `watchbill-agent` does, with the same pauses before it comes back. They do not
check signatures and start no scripts: that is the devices' work, and the gateway is what is measured.

Orders come as JSON lines on standard input, what happened goes out as JSON lines; see `Crowd.obey` and `_tell`.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import uvloop
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

import watchbill_wire as wire
from watchbill_agent.backoff import Backoff

#: Connections that are being made at one time; a fleet does not come all at once either.
MOST_CONNECTING = 200
OUTPUT = b"all is well on this device\n"
#: As large as a usual result, for the bare round trips.
BARE_BYTES = 420


class Agent(WSListener):
    """One device. Its listener lives as long as the agent; the connections come and go."""

    def __init__(self, crowd: "Crowd", device_id: str, token: str) -> None:
        self.crowd = crowd
        self.device_id = device_id
        self.headers = {"Authorization": f"Bearer {token}"}
        self.backoff = Backoff(random.random)
        self.unfinished: dict[str, wire.Result] = {}
        self.transport: WSTransport | None = None
        self.is_welcome = False

    async def live(self) -> None:
        """Connect, and come back after each end."""
        while True:
            code = None
            try:
                async with self.crowd.connecting:
                    transport, _ = await ws_connect(
                        lambda: self, self.crowd.url, extra_headers=self.headers, websocket_handshake_timeout=15
                    )
                await transport.wait_disconnected()
            except WSError as error:
                code = getattr(getattr(error, "response", None), "status", None)
            except (OSError, TimeoutError):
                code = None
            await asyncio.sleep(self.backoff.after(4401 if code == 401 else None))

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.crowd.is_bare:
            self.crowd.welcomed(self)
            return
        deliveries = tuple(wire.Delivery(execution_id, "finished") for execution_id in self.unfinished)
        self.send(wire.Hello("0.1.0", "simulated", deliveries))

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        self.transport = None
        if self.is_welcome:
            self.is_welcome = False
            self.crowd.number_welcome -= 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        arrived = time.time()
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT and self.crowd.is_bare:
            self.crowd.bounced(self)
        elif frame.msg_type == WSMsgType.TEXT:
            self._hear(wire.decode_from_engine(frame.get_payload_as_utf8_text()), arrived)

    def _hear(self, message: wire.EngineMessage, arrived: float) -> None:
        match message:
            case wire.Welcome():
                self.backoff.succeeded()
                self.crowd.heartbeat_seconds = message.heartbeat_seconds
                for result in self.unfinished.values():
                    self.send(result)
                self.crowd.welcomed(self)
            case wire.Execute():
                self._execute(wire.parse_payload(message.payload).execution_id, arrived)
            case wire.ResultAck():
                if self.unfinished.pop(message.execution_id, None):
                    self.crowd.acknowledged(time.time())
            case _:
                return

    def _execute(self, execution_id: str, arrived: float) -> None:
        if execution_id in self.unfinished:
            return
        now = datetime.now(UTC)
        self.send(wire.Accepted(execution_id))
        self.send(wire.Started(execution_id, now))
        self.unfinished[execution_id] = wire.Result(
            execution_id, "exited", now, exit_code=0, started_at=now, stdout_bytes=len(OUTPUT), last_line=OUTPUT.decode().strip()
        )  # fmt: skip
        self.crowd.ordered(self, execution_id, arrived)

    def finish(self, execution_id: str) -> None:
        self.send(wire.Output(execution_id, "stdout", 0, OUTPUT))
        self.send(self.unfinished[execution_id])

    def send(self, message: wire.AgentMessage) -> None:
        self.send_text(wire.encode(message))

    def send_text(self, text: str) -> None:
        if self.transport is not None:
            self.transport.send(WSMsgType.TEXT, text)


class Crowd:
    """All agents of this process."""

    def __init__(self, url: str, devices: Sequence[tuple[str, str]], *, is_bare: bool) -> None:
        self.url = url
        self.is_bare = is_bare
        self.connecting = asyncio.Semaphore(MOST_CONNECTING)
        self.agents = [Agent(self, device_id, token) for device_id, token in devices]
        self.number_welcome = 0
        self.heartbeat_seconds = 20.0
        self._is_held = False
        self._expected = 0
        self._orders: list[tuple[Agent, str]] = []
        self._arrivals: list[float] = []
        self._acknowledged = 0
        self._bounces = 0
        self._bouncing_until = 0.0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(agent.live()) for agent in self.agents]
            beating = group.create_task(self._beat())
            await self._obey_until_the_end()
            for task in [*lives, beating]:
                task.cancel()

    async def _obey_until_the_end(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.obey(json.loads(line))

    def obey(self, order: dict[str, Any]) -> None:
        """`expect` N orders from now on, results `hold` back until `release`; `bounce` bare messages for so many seconds."""
        if "expect" in order:
            self._expected, self._is_held = order["expect"], order["hold"]
            self._orders, self._arrivals, self._acknowledged = [], [], 0
        elif "release" in order:
            _tell("released", at=time.time())
            for agent, execution_id in self._orders:
                agent.finish(execution_id)
        else:
            self._bounces, self._bouncing_until = 0, time.monotonic() + order["bounce"]
            for agent in self.agents:
                agent.send_text("x" * BARE_BYTES)
            asyncio.get_running_loop().call_later(order["bounce"] + 0.5, lambda: _tell("bounced", number=self._bounces))

    async def _beat(self) -> None:
        """Each agent's heartbeat at its own place within the interval, a tenth of a second at a time."""
        step = 0
        while True:
            await asyncio.sleep(0.1)
            slots = max(int(self.heartbeat_seconds * 10), 1)
            for agent in self.agents[step % slots :: slots]:
                if agent.is_welcome and not self.is_bare and agent.transport is not None:
                    agent.send(wire.Heartbeat())
                    agent.transport.send_ping()
            step += 1

    # What agents tell.

    def welcomed(self, agent: Agent) -> None:
        if not agent.is_welcome:
            agent.is_welcome = True
            self.number_welcome += 1
            if self.number_welcome == len(self.agents):
                _tell("welcomed", at=time.time(), number=self.number_welcome)

    def ordered(self, agent: Agent, execution_id: str, arrived: float) -> None:
        self._orders.append((agent, execution_id))
        self._arrivals.append(arrived)
        if not self._is_held:
            agent.finish(execution_id)
        elif len(self._orders) == self._expected:
            _tell("held", number=len(self._orders))

    def acknowledged(self, at: float) -> None:
        self._acknowledged += 1
        if self._acknowledged == self._expected:
            _tell("done", at=at, arrivals=self._arrivals)

    def bounced(self, agent: Agent) -> None:
        self._bounces += 1
        if time.monotonic() < self._bouncing_until:
            agent.send_text("x" * BARE_BYTES)


def _tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="the gateway's socket")
    parser.add_argument("devices", type=Path, help="JSON: a list of [device id, token]")
    parser.add_argument("--bare", action="store_true", help="no protocol: send and wait for an answer, again and again")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(options.url, json.loads(options.devices.read_text()), is_bare=options.bare)
    uvloop.run(crowd.run())


if __name__ == "__main__":
    main()

"""A flood of output from one device beside many quiet ones: how fast it is stored, what the others notice, and what the gateway holds.

Simulated agents speak the real protocol over real sockets (see `simulated_agent.py`), in the process of the bench: one floods within
the window that the protocol gives it, as fast as it is acknowledged; the others run a small job again and again meanwhile, and for
each it is measured how long its result takes from leaving the device until it is stored and acknowledged. The same without the flood
stands beside it.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from sqlalchemy import text

import watchbill_wire as wire
from bench import common, machine
from bench.gateway import enrol

MIB = 1024 * 1024
#: What a device may have sent without an acknowledgement.
WINDOW = wire.MAX_IN_FLIGHT_BYTES
LINE = b"2026-11-28T12:00:00Z build[4711]: compiled module in 0.42 s, nothing to report, going on with the next one\n"
CHUNK = (LINE * (wire.MAX_OUTPUT_BYTES // len(LINE)))[: wire.MAX_OUTPUT_BYTES]

_STORED = text("SELECT stored_bytes, stdout_bytes FROM executions WHERE id = :id")


@dataclass(eq=False)
class Device(WSListener):
    """A device's end of the socket. A quiet one answers an order with a line; the loud one with `total` bytes."""

    bench: "Bench"
    device_id: str
    token: str
    total: int = 0
    is_welcome: asyncio.Event = field(default_factory=asyncio.Event)
    transport: WSTransport | None = None
    execution_id: str = ""
    sent: int = 0
    acked: int = 0

    async def connect(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        await ws_connect(lambda: self, url, extra_headers=headers, websocket_handshake_timeout=15)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.send(wire.Hello("0.1.0", "simulated"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            self.hear(wire.decode_from_engine(frame.get_payload_as_utf8_text()))

    def send(self, message: wire.AgentMessage) -> None:
        if self.transport is not None:
            self.transport.send(WSMsgType.TEXT, wire.encode(message))

    def hear(self, message: wire.EngineMessage) -> None:
        match message:
            case wire.Welcome():
                self.is_welcome.set()
            case wire.Execute():
                self.begin(wire.parse_payload(message.payload).execution_id)
            case wire.OutputAck() if message.execution_id == self.execution_id:
                self.acked = message.offset
                self.flood()
            case wire.ResultAck():
                self.bench.ended(self, message.execution_id)
            case _:
                return

    def begin(self, execution_id: str) -> None:
        self.send(wire.Accepted(execution_id))
        self.send(wire.Started(execution_id, datetime.now(UTC)))
        self.execution_id, self.sent, self.acked = execution_id, 0, 0
        if self.total:
            self.bench.began(self)
            self.flood()
        else:
            self.send(wire.Output(execution_id, "stdout", 0, LINE))
            self.finish(len(LINE))

    def flood(self) -> None:
        """As much as the window has room for; the result once all of it is acknowledged."""
        while self.sent < self.total and self.sent - self.acked + len(CHUNK) <= WINDOW:
            part = CHUNK[: self.total - self.sent]
            self.send(wire.Output(self.execution_id, "stdout", self.sent, part))
            self.sent += len(part)
        if self.acked == self.total:
            self.finish(self.total)

    def finish(self, written: int) -> None:
        self.bench.leaving(self.execution_id)
        now = datetime.now(UTC)
        self.send(wire.Result(self.execution_id, "exited", now, exit_code=0, started_at=now, stdout_bytes=written))


@dataclass
class Bench:
    """What is going on, and what was measured of it."""

    stage: common.Stage
    gateway: common.Process
    script: UUID
    quiet: list[Device] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    expected: int = 0
    all_quiet: asyncio.Event = field(default_factory=asyncio.Event)
    is_flooding: asyncio.Event = field(default_factory=asyncio.Event)
    flood_over: asyncio.Event = field(default_factory=asyncio.Event)
    flood_at: list[float] = field(default_factory=list)
    peak: float = 0.0

    # What devices tell.

    def leaving(self, execution_id: str) -> None:
        self.left[execution_id] = time.monotonic()

    def began(self, _loud: Device) -> None:
        self.flood_at.append(time.monotonic())
        self.is_flooding.set()

    def ended(self, device: Device, execution_id: str) -> None:
        at = time.monotonic()
        if device.total:
            self.flood_at.append(at)
            self.flood_over.set()
            return
        self.waits.append(at - self.left.pop(execution_id))
        self.expected -= 1
        if self.expected == 0:
            self.all_quiet.set()

    # What is measured.

    async def round(self, patience: float) -> list[float]:
        """One job on all quiet devices: what each waited for its acknowledgement."""
        self.waits, self.expected = [], len(self.quiet)
        self.all_quiet.clear()
        due = await self.stage.now() + timedelta(seconds=1 + len(self.quiet) / 1500)
        await self.stage.job_due(self.script, [UUID(one.device_id) for one in self.quiet], due)
        async with asyncio.timeout(patience):
            await self.all_quiet.wait()
        return self.waits

    async def flood(self, loud: Device, patience: float) -> tuple[float, list[float]]:
        """MB a second, and what quiet devices waited meanwhile."""
        await self.stage.job_due(self.script, [UUID(loud.device_id)], await self.stage.now() + timedelta(seconds=1))
        waits: list[float] = []
        async with asyncio.timeout(patience), asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            await self.is_flooding.wait()
            # A round that the flood did not outlast counts all the same: else a short flood would have none.
            while not waits or not self.flood_over.is_set():
                waits += await self.round(patience)
            await self.flood_over.wait()
            watching.cancel()
        return loud.total / 1e6 / (self.flood_at[1] - self.flood_at[0]), waits

    async def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, machine.memory([self.gateway.pid]).rss)
            await asyncio.sleep(0.05)


async def measure(stage: common.Stage, options: argparse.Namespace) -> common.Figures:
    total = int(options.megabytes * 1e6)
    tokens = await enrol(stage, options.quiet + 1)
    # All of it is to be stored, none of it dropped at the Engine's limit.
    room = str(max(total, 4096))
    _, gateway = await stage.engines("scheduler", "gateway", WATCHBILL_OUTPUT_HEAD_BYTES=room)
    bench = Bench(stage, gateway, await stage.script("true"))
    made = [Device(bench, str(device), token) for device, token in tokens]
    loud, bench.quiet = made[0], made[1:]
    loud.total = total
    for device in made:
        await device.connect(stage.gateway_url)
    for device in made:
        await device.is_welcome.wait()
    await bench.round(options.patience)  # the first one starts a site worker and fills caches
    alone = await bench.round(options.patience)
    bench.peak = before = machine.memory([gateway.pid]).rss
    speed, waits = await bench.flood(loud, options.patience)
    await _all_is_stored(stage, loud)
    for device in made:
        if device.transport is not None:
            device.transport.disconnect()
    beside = common.milliseconds(waits)
    return {
        "megabytes": round(total / 1e6, 3),
        "quiet": len(bench.quiet),
        "mb_per_s": round(speed, 2),
        "quiet_p50_ms": beside["p50_ms"],
        "quiet_p99_ms": beside["p99_ms"],
        "quiet_results": len(waits),
        "quiet_alone_p99_ms": common.milliseconds(alone)["p99_ms"],
        "before_rss_mb": round(before, 1),
        "peak_rss_mb": round(bench.peak, 1),
    }


async def _all_is_stored(stage: common.Stage, loud: Device) -> None:
    async with stage.db.begin() as tx:
        row = (await tx.execute(_STORED, {"id": loud.execution_id})).one()
    assert tuple(row) == (loud.total, loud.total), f"{row.stored_bytes} of {loud.total} bytes are stored"


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--megabytes", type=float, default=1000, help="what the loud device writes")
    parser.add_argument("--quiet", type=int, default=500, help="devices beside it")
    parser.add_argument("--patience", type=float, default=900, help="seconds after which a round is given up")
    options = parser.parse_args()
    if options.megabytes <= 0 or options.megabytes > 1000 or options.quiet < 1:
        parser.error("--megabytes must be above 0 and at most 1000, --quiet at least 1")
    common.tell("output", f"{options.megabytes:g} MB of output from one device beside {options.quiet} quiet ones")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                figures = await measure(stage, options)
            common.table(["figure", "value"], [list(pair) for pair in figures.items()])
            common.finish(figures)

        common.run(bench)


if __name__ == "__main__":
    main()

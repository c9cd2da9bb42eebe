"""One gateway with many agents: what they cost, how fast one job reaches all and comes back, and how soon they are back.

Simulated agents speak the real protocol over real sockets, in processes of their own on the same machine (see
`simulated_agent.py`), so they take their share of its CPUs. Three rounds: one job to all, answered at once; the same with all
results held back and let go together, which is the rate at which results are stored and acknowledged; and, as the yardstick, bare
round trips between as many connections and a socket server that does nothing. Beside the rate stands what a result costs the gateway,
the database and the agents in processor time: that depends little on what else the machine does.
"""

import argparse
import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from bench import common, machine
from tests.factories.ports import free_port
from watchbill import agents
from watchbill.kit.processes import tied_to_parent
from watchbill_wire import token_signing_bytes

HERE = Path(__file__).resolve().parent
#: Targets of one job that is named device by device.
MOST_TARGETS = 10_000
FEW = 5
#: More agents than one process speaks for without being what is waited for.
OF_ONE_PROCESS = 1500
#: Files of the gateway that are no agent's socket.
FILES_BESIDE = 200

_CLOSED = text("SELECT count(*) FROM occurrences WHERE job_id = :job AND state = 'closed' AND outcome = 'success'")
_SUCCEEDED = text("SELECT count(*) FROM run_targets WHERE job_id = :job AND state = 'success'")

#: A socket server that does nothing but answer: the bound of what the gateway could do.
BARE_SERVER = """
import asyncio, sys, uvloop
from picows import WSListener, WSMsgType, ws_create_server
class Answer(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, b"x" * 80)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
async def main():
    async with await ws_create_server(lambda _: Answer(), "127.0.0.1", int(sys.argv[1]), backlog=4096) as server:
        await server.serve_forever()
uvloop.run(main())
"""


@dataclass
class Crowd:
    """A process of simulated agents: orders in, events out."""

    process: asyncio.subprocess.Process
    number: int
    events: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)

    def order(self, **words: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words).encode() + b"\n")

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.events.put_nowait(json.loads(line))

    async def event(self, name: str) -> dict[str, Any]:
        """The next event, which must be of that name."""
        event = await self.events.get()
        assert event["event"] == name, f"{event} where {name} was expected"
        return event


@dataclass
class Crowds:
    """All simulated agents, in one or more processes."""

    parts: list[Crowd]

    def expect(self, numbers: Sequence[int], *, hold: bool = False) -> None:
        for part, number in zip(self.parts, numbers, strict=True):
            part.order(expect=number, hold=hold)

    def order(self, **words: object) -> None:
        for part in self.parts:
            part.order(**words)

    async def events(self, name: str, patience: float) -> list[dict[str, Any]]:
        async with asyncio.timeout(patience):
            return [await part.event(name) for part in self.parts]

    async def stop(self) -> None:
        for part in self.parts:
            part.process.terminate()
            await part.process.wait()


async def crowds(
    group: asyncio.TaskGroup, folder: Path, url: str, devices: Sequence[tuple[str, str]], processes: int, *bare: str
) -> Crowds:
    parts = []
    for position in range(processes):
        share = devices[position::processes]
        path = folder / f"crowd-{position}.json"
        path.write_text(json.dumps(share))
        argv = [sys.executable, str(HERE / "simulated_agent.py"), url, str(path), *bare]
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(argv, signal.SIGTERM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=1 << 24,
        )
        parts.append(Crowd(process, len(share)))
        group.create_task(parts[-1].read())
    return Crowds(parts)


async def enrol(stage: common.Stage, number: int) -> list[tuple[UUID, str]]:
    """Devices with a token each, as if each had proved its key. (One key for all: the proof is not what is measured.)"""
    site = await stage.site()
    devices = await stage.devices(number, site.id)
    key = Ed25519PrivateKey.generate()
    await _give_keys(stage, key.public_key().public_bytes_raw(), devices)
    tokens = []
    async with stage.db.begin() as tx:
        now = await stage.clock.now(tx)
        for device in devices:
            challenge = agents.new_challenge(stage.keys, device, now)
            signature = key.sign(token_signing_bytes(str(device), challenge))
            token = await agents.exchange(
                tx, stage.keys, device_id=device, challenge=challenge, signature=signature, lifetime=timedelta(hours=1), now=now
            )  # fmt: skip
            tokens.append((device, token.text))
    return tokens


async def _give_keys(stage: common.Stage, public_key: bytes, devices: Sequence[UUID]) -> None:
    async with stage.db.begin() as tx:
        await tx.execute(text("DROP INDEX devices_public_key"))  # of this throwaway database
        values = {"key": public_key, "devices": list(devices)}
        await tx.execute(text("UPDATE devices SET public_key = :key WHERE id = ANY(:devices)"), values)


# --- the rounds ----------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """One gateway, its crowd, and what was found out so far."""

    stage: common.Stage
    options: argparse.Namespace
    devices: list[UUID]
    crowds: Crowds
    gateway: common.Process
    script: UUID
    figures: common.Figures = field(default_factory=dict)

    @property
    def patience(self) -> float:
        return 60 + len(self.devices) / 50

    async def connect(self, before: machine.Memory, began: float) -> None:
        told = await self.crowds.events("welcomed", self.patience)
        print(f"connected {len(self.devices)} agents in {max(one['at'] for one in told) - began:.1f} s", flush=True)
        await asyncio.sleep(2)
        grown = machine.memory([self.gateway.pid]).rss - before.rss
        self.figures["agents"] = len(self.devices)
        self.figures["kib_per_agent"] = round(grown * 1024 / len(self.devices), 1)

    async def idle(self) -> None:
        percent = await machine.cpu_percent(lambda: [self.gateway.pid], self.options.idle_seconds)
        self.figures["idle_cpu_percent"] = round(percent, 2)

    async def job(self, devices: Sequence[UUID]) -> tuple[int, datetime]:
        """Due in a moment, on these devices."""
        due = await self.stage.now() + timedelta(seconds=1 + len(devices) / 1500)
        job = await self.stage.job_due(self.script, devices, due)
        if await self.stage.now() > due:
            raise RuntimeError("saving the job took longer than planned: this machine is too busy to measure on")
        return job, due

    async def warm_up(self) -> None:
        """The first delivery starts a site worker and fills caches."""
        few = self.devices[: FEW * len(self.crowds.parts)]
        self.crowds.expect([len(few[position :: len(self.crowds.parts)]) for position in range(len(self.crowds.parts))])
        await self.job(few)
        await self.crowds.events("done", self.patience)

    async def one_job_to_all(self) -> None:
        self.crowds.expect([part.number for part in self.crowds.parts])
        job, due = await self.job(self.devices)
        done = await self.crowds.events("done", self.patience)
        finished = await self._closed(job, due)
        arrivals = [at - due.timestamp() for one in done for at in one["arrivals"]]
        span = max(one["at"] for one in done) - due.timestamp() - min(arrivals)
        shares = common.milliseconds(arrivals)
        self.figures |= {
            "first_byte_p50_ms": shares["p50_ms"],
            "first_byte_p99_ms": shares["p99_ms"],
            "finished_s": round(finished, 3),
            "end_to_end_per_s": round(len(arrivals) / span),
        }

    async def _closed(self, job: int, due: datetime) -> float:
        async def is_closed() -> bool:
            async with self.stage.db.begin() as tx:
                return bool((await tx.execute(_CLOSED, {"job": job})).scalar_one())

        await common.until(is_closed, "the occurrence to close")
        took = time.time() - due.timestamp()
        async with self.stage.db.begin() as tx:
            succeeded = (await tx.execute(_SUCCEEDED, {"job": job})).scalar_one()
        assert succeeded == len(self.devices), f"{succeeded} of {len(self.devices)} succeeded"
        return took

    async def all_results_at_once(self) -> None:
        self.crowds.expect([part.number for part in self.crowds.parts], hold=True)
        job, due = await self.job(self.devices)
        await self.crowds.events("held", self.patience)
        await asyncio.sleep(2)  # what was accepted and started is stored by then
        before = await self._spent()
        self.crowds.order(release=True)
        released = await self.crowds.events("released", self.patience)
        done = await self.crowds.events("done", self.patience)
        after = await self._spent()
        took = max(one["at"] for one in done) - min(one["at"] for one in released)
        await self._closed(job, due)
        self.figures["results_per_s"] = round(len(self.devices) / took)
        for who, seconds in after.items():
            self.figures[f"{who}_us_per_result"] = round((seconds - before[who]) / len(self.devices) * 1e6)

    async def _spent(self) -> dict[str, float]:
        """Processor seconds so far."""
        return {
            "gateway": machine.cpu_seconds(self.gateway.pid),
            "database": await _spent_by_database(self.stage),
            "agents": sum(machine.cpu_seconds(part.process.pid) for part in self.crowds.parts),
        }

    async def die_and_come_back(self) -> None:
        """Killed without a word, started again on the same port: until every agent is welcome again."""
        began = time.time()
        self.stage.stop(self.gateway, signal.SIGKILL)
        self.gateway = await self.stage.engine("gateway")
        restarted = time.time() - began
        told = await self.crowds.events("welcomed", self.patience + 60)
        print(f"gateway killed; listened again after {restarted:.1f} s", flush=True)
        self.figures["reconnect_s"] = round(max(one["at"] for one in told) - began, 2)


async def _spent_by_database(stage: common.Stage) -> float:
    """By the whole server: its processes, and those of before."""
    async with stage.db.begin() as tx:
        backend = int((await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one())
    server = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
    return sum(machine.cpu_seconds(pid) for pid in machine.descendants(server))


async def bare(folder: Path, options: argparse.Namespace) -> int:
    """Round trips a second between as many connections and a server that does nothing."""
    port = free_port()
    server = common.start("bare-server", [sys.executable, "-c", BARE_SERVER, str(port)], folder)
    try:
        await common.until(lambda: common.is_listening(port), "the bare server")
        devices = [("", "")] * options.agents
        async with asyncio.TaskGroup() as group:
            all_ = await crowds(group, folder, f"ws://127.0.0.1:{port}/", devices, options.processes, "--bare")
            try:
                await all_.events("welcomed", 120)
                all_.order(bounce=options.bare_seconds)
                bounced = await all_.events("bounced", 120)
            finally:
                await all_.stop()
        return int(sum(one["number"] for one in bounced) / options.bare_seconds)
    finally:
        server.stop()


async def measure(stage: common.Stage, options: argparse.Namespace) -> common.Figures:
    devices = await enrol(stage, options.agents)
    _, gateway = await stage.engines("scheduler", "gateway")
    script = await stage.script("true")
    before, began = machine.memory([gateway.pid]), time.time()
    async with asyncio.TaskGroup() as group:
        tokens = [(str(device), token) for device, token in devices]
        all_ = await crowds(group, stage.folder, stage.gateway_url, tokens, options.processes)
        try:
            bench = Bench(stage, options, [device for device, _ in devices], all_, gateway, script)
            await bench.connect(before, began)
            await bench.idle()
            await bench.warm_up()
            await bench.one_job_to_all()
            await bench.all_results_at_once()
            await bench.die_and_come_back()
        finally:
            await all_.stop()
    return bench.figures


def _lacks(agents: int) -> list[str]:
    """What this machine does not allow for that many connections from one address to one port."""
    lacks = []
    files, hard = agents + FILES_BESIDE, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < files:
        lacks.append(
            f"the gateway needs {files} open files, and the hard limit is {hard}: raise it (ulimit -Hn {files})"
        )
    first, last = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    # Those of the connections of before the kill are not free at once.
    if last - first < 2 * agents:
        lacks.append(
            f"{2 * agents} local ports are needed, and there are {last - first}: widen net.ipv4.ip_local_port_range"
        )
    return lacks


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--agents", type=int, default=5000, help=f"simulated agents, at most {MOST_TARGETS}")
    parser.add_argument("--processes", type=int, help=f"processes they are spread over; one for each {OF_ONE_PROCESS}")
    parser.add_argument("--idle-seconds", type=float, default=20, help="how long the idle gateway is watched")
    parser.add_argument("--bare-seconds", type=float, default=3, help="how long the bare server is measured")
    options = parser.parse_args()
    options.processes = options.processes or -(-options.agents // OF_ONE_PROCESS)
    if not FEW * options.processes <= options.agents <= MOST_TARGETS:
        parser.error(f"--agents must be {FEW * options.processes} to {MOST_TARGETS}")
    if lacks := _lacks(options.agents):
        parser.error("; ".join(lacks))
    common.tell("gateway", f"{options.agents} simulated agents on one gateway, one job to all")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                figures = await measure(stage, options)
            figures["bare_per_s"] = await bare(folder, options)
            common.table(["figure", "value"], [list(pair) for pair in figures.items()])
            common.finish(figures)

        common.run(bench)


if __name__ == "__main__":
    main()

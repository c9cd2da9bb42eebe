"""From the due instant to the committed occurrence: how late an idle Engine is.

Jobs fall due one by one on an idle Engine (api, gateway, scheduler, site worker; nobody else). Measured is the moment in which
another connection hears of the commit, by the NOTIFY that the tick's transaction sends; beside it when the tick read its clock.
"""

import asyncio
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import psycopg
from sqlalchemy import text

from bench import common
from watchbill import queue

_TICKS = text("SELECT created_at FROM occurrences ORDER BY created_at")
#: Not counted: connections, plans and caches of the first ticks.
WARM_UP = 3


@dataclass(frozen=True)
class Sample:
    due: datetime
    ticked: datetime
    heard: datetime


async def measure(stage: common.Stage, number: int) -> list[Sample]:
    await stage.engines("api", "gateway", "scheduler", WATCHBILL_LAUNCHER="none")
    site = await stage.site()
    await stage.engine("site-worker", "--site", str(site.id))
    devices = await stage.devices(1, site.id)
    script = await stage.script("true")
    heard: list[float] = []
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(_hear(stage, heard))
        due = await stage.jobs_due(script, devices, WARM_UP + number)
        patience = (due[-1] - await stage.now()).total_seconds() + 10
        await common.until(lambda: len(heard) >= len(due), "all jobs to fall due", patience=patience, rest=0.5)
        listening.cancel()
    async with stage.db.begin() as tx:
        ticks = list((await tx.execute(_TICKS)).scalars())
    samples = [Sample(at, tick, _first_after(heard, tick)) for at, tick in zip(due, ticks, strict=True)]
    return samples[WARM_UP:]


async def _hear(stage: common.Stage, heard: list[float]) -> None:
    """The moment each NOTIFY arrives on a connection of its own."""
    connection = await psycopg.AsyncConnection.connect(stage.db.conninfo, autocommit=True)
    async with connection:
        await connection.execute(f"LISTEN {queue.CHANNEL}".encode())
        async for _ in connection.notifies():
            heard += [time.time()]


def _first_after(heard: list[float], moment: datetime) -> datetime:
    return common.utc(heard[bisect_left(heard, moment.timestamp())])


def report(samples: list[Sample]) -> None:
    parts = {
        "due to tick's clock": [(one.ticked - one.due).total_seconds() for one in samples],
        "tick's clock to commit heard": [(one.heard - one.ticked).total_seconds() for one in samples],
        "due to commit heard": [(one.heard - one.due).total_seconds() for one in samples],
    }
    figures = {name: common.milliseconds(values) for name, values in parts.items()}
    common.table(["step", "p50 ms", "p99 ms", "max ms"], [[name, *values.values()] for name, values in figures.items()])
    common.finish({"jobs": len(samples), **figures["due to commit heard"]})


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=50, help="jobs, due one by one")
    options = parser.parse_args()
    common.tell("lateness", f"{options.jobs} jobs due one by one on an idle Engine")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                report(await measure(stage, options.jobs))

        common.run(bench)


if __name__ == "__main__":
    main()

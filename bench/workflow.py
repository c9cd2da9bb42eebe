"""A thousand runs of a workflow of ten nodes that do nothing: how many nodes begin and end in a second, and how soon the first one begins.

Measured is what a scheduler's `Mover` does against a durable PostgreSQL until no run is open: nodes, sets, runs, occurrences, counters and
events, committed. Beside it, in turns, bare statements that insert and update the same number of rows. Then launches come one by one at
a share of that rate, and each is timed from its launch to the commit that shows its first node begun.
"""

import asyncio
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import common
from watchbill import assemblies, workflows
from watchbill.apps.wiring import Engine
from watchbill.apps.workflows import Mover
from watchbill.core.assembly_check import check
from watchbill.identity import ENGINE
from watchbill.kit import settings
from watchbill.kit.clock import Clock
from watchbill.workflows import STEP_LIMIT, Launch

NODES = 10
#: Launches come at this share of the rate at which the runtime was seen to work them off.
SHARE = 0.6
_EMPTY = text(
    "TRUNCATE occurrences, occurrence_counts, runs, workflow_runs, workflow_nodes, workflow_wakes, events CASCADE"
)
_ENDED = text("SELECT count(*) FROM workflow_runs WHERE state = 'success'")
_STARTS = text("SELECT run_id, started_at FROM workflow_runs")
_OWNER = text("SELECT id FROM jobs WHERE workflow_id = :workflow AND job_kind = 'workflow'")
# What a run leaves behind, by nothing but SQL: as many rows, in transactions of as many runs.
_BARE_LAUNCH = text("""
WITH o AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, job_revision, created_at, opened_at)
  SELECT gen_random_uuid(), :owner, 'manual', :now, gen_random_uuid()::text, 'open', 1, :now, :now FROM generate_series(1, :number)
  RETURNING id
), r AS (
  INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, created_at)
  SELECT new_run_id(:now), id, :owner, 'workflow', 'none', '[]', 3600, :now FROM o RETURNING id, occurrence_id
), w AS (
  INSERT INTO workflow_runs (run_id, occurrence_id, workflow_id, revision, source, state, created_at)
  SELECT id, occurrence_id, :workflow, 1, 'manual', 'running', :now FROM r RETURNING run_id
)
INSERT INTO workflow_wakes (run_id, at) SELECT run_id, :now FROM w
""")
_BARE_TAKE = text("SELECT run_id FROM workflow_wakes ORDER BY at, run_id LIMIT :number FOR UPDATE SKIP LOCKED")
_BARE_STEP = (
    text("DELETE FROM workflow_wakes WHERE run_id = ANY(:runs)"),
    text("""INSERT INTO workflow_nodes (run_id, node_id, type, position, state, attempt, started_at, finished_at)
    SELECT r, 'n' || n, 'set_value', n, 'success', 1, :now, :now FROM unnest(CAST(:runs AS bigint[])) r, generate_series(1, :nodes) n"""),
    text("UPDATE workflow_runs SET state = 'success', started_at = :now, finished_at = :now WHERE run_id = ANY(:runs)"),
    text("""UPDATE occurrences SET state = 'closed', outcome = 'success', closed_at = :now
    WHERE id IN (SELECT occurrence_id FROM workflow_runs WHERE run_id = ANY(:runs))"""),
    text("""INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
    SELECT occurrence_id, 0, 1, 'success', :nodes FROM workflow_runs WHERE run_id = ANY(:runs)"""),
)


@dataclass(frozen=True, slots=True)
class Noting(Clock):
    """Remembers what it told last."""

    told: list[datetime] = field(default_factory=list)

    async def now(self, tx: AsyncConnection) -> datetime:
        now = await Clock.now(self, tx)
        self.told[:] = [now]
        return now


def document() -> dict[str, Any]:
    """A chain of values."""
    names = ["start", *(f"n{number}" for number in range(1, NODES))]
    nodes = [
        {
            "id": one,
            "type": "set_value" if one != "start" else "trigger_manual",
            "name": one,
            "settings": {"expression": "1"},
        }
        for one in names
    ]
    nodes[0]["settings"] = {}
    edges = [
        {"from": f"{source}.out", "to": f"{target}.in", "route_on": "success"} for source, target in pairwise(names)
    ]
    graph = {"nodes": nodes, "edges": edges, "concurrency": "allow"}
    return {"name": "Nothing", "kind": "workflow", "workflow": graph}


async def make(stage: common.Stage) -> uuid.UUID:
    content = document()
    verdicts = {assemblies.tree_digest(check(content).draft): ()}
    async with stage.db.begin() as tx:
        return (await assemblies.create(tx, ENGINE, content, now=await stage.now(), verdicts=verdicts)).id


async def launch(stage: common.Stage, workflow: uuid.UUID) -> int:
    async with stage.db.begin() as tx:
        return await workflows.launch(tx, Launch(workflow), await stage.clock.now(tx))


async def _empty(stage: common.Stage) -> None:
    async with stage.db.begin() as tx:
        await tx.execute(_EMPTY)


async def ours(stage: common.Stage, mover: Mover, workflow: uuid.UUID, number: int) -> float:
    """Seconds in which that many launched runs come to their end."""
    await _empty(stage)
    for _ in range(number):
        await launch(stage, workflow)
    began = time.perf_counter()
    while not await mover.step():
        continue
    took = time.perf_counter() - began
    async with stage.db.begin() as tx:
        ended = (await tx.execute(_ENDED)).scalar_one()
    assert ended == number, ended
    return took


async def bare(stage: common.Stage, workflow: uuid.UUID, number: int) -> float:
    await _empty(stage)
    async with stage.db.begin() as tx:
        owner = (await tx.execute(_OWNER, {"workflow": workflow})).scalar_one()
        values = {"owner": owner, "workflow": workflow, "number": number, "now": await stage.clock.now(tx)}
        await tx.execute(_BARE_LAUNCH, values)
    began = time.perf_counter()
    for _ in range(-(-number // STEP_LIMIT)):
        async with stage.db.begin() as tx:
            now = await stage.clock.now(tx)
            taken = list((await tx.execute(_BARE_TAKE, {"number": STEP_LIMIT})).scalars())
            for statement in _BARE_STEP:
                asked = {"runs": taken, "now": now, "nodes": NODES}
                await tx.execute(statement, {name: one for name, one in asked.items() if f":{name}" in statement.text})
    return time.perf_counter() - began


async def starts(
    stage: common.Stage, mover: Mover, clock: Noting, workflow: uuid.UUID, rate: float, number: int
) -> list[float]:
    """Seconds from each launch until the commit that shows its first node, at so many launches a second."""
    await _empty(stage)
    launched: dict[int, float] = {}
    committed: dict[datetime, float] = {}
    stop = asyncio.Event()

    async def moving() -> None:
        while not stop.is_set():
            rest = await mover.step()
            committed[clock.told[0]] = time.perf_counter()
            if rest:
                await mover.wake.wait(stop, rest)

    async with asyncio.TaskGroup() as group:
        group.create_task(moving())
        begin = time.perf_counter()
        for at in range(number):
            await asyncio.sleep(max(0.0, begin + at / rate - time.perf_counter()))
            before = time.perf_counter()
            launched[await launch(stage, workflow)] = before
            mover.wake.ring()
        await common.until(lambda: _all_ended(stage, number), "all runs to end")
        stop.set()
        mover.wake.ring()
    async with stage.db.begin() as tx:
        begun = {row.run_id: row.started_at for row in await tx.execute(_STARTS)}
    return [committed[begun[run]] - before for run, before in launched.items()]


async def _all_ended(stage: common.Stage, number: int) -> bool:
    async with stage.db.begin() as tx:
        return bool((await tx.execute(_ENDED)).scalar_one() == number)


async def measure(stage: common.Stage, number: int, rounds: int) -> None:
    workflow = await make(stage)
    clock = Noting()
    mover = Mover(Engine(settings.load(stage.environment()), stage.db, clock, stage.keys))
    await ours(stage, mover, workflow, min(number, STEP_LIMIT))
    pairs = [(await ours(stage, mover, workflow, number), await bare(stage, workflow, number)) for _ in range(rounds)]
    took, bare_took = (common.percentile(list(ones), 0.5) for ones in zip(*pairs, strict=True))
    rate = SHARE * number / took
    waits = await starts(stage, mover, clock, workflow, rate, number)
    shown = common.milliseconds(waits)
    common.table(["from launch to the first node", "p50 ms", "p99 ms", "max ms"], [["", *shown.values()]])
    common.finish(
        {
            "runs": number,
            "nodes_per_s": round(number * NODES / took),
            "bare_nodes_per_s": round(number * NODES / bare_took),
            "ratio": round(took / bare_took, 2),
            "launches_per_s": round(rate, 1),
            "start_p50_ms": shown["p50_ms"],
            "start_p99_ms": shown["p99_ms"],
        }
    )


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    common.tell("workflow", f"{options.runs} runs of a workflow of {NODES} nodes, {options.rounds} rounds")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                await measure(stage, options.runs, options.rounds)

        common.run(bench)


if __name__ == "__main__":
    main()

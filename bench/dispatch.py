"""From the due instant to the first byte that a connected real agent executes, and where the time goes on the way.

Scheduler, gateway, site worker and agent are processes of their own, warm and otherwise idle; jobs fall due one by one. The
script's first act is to write down the time; everything runs on one machine, so all clocks are the same. The steps between
come from what the Engine stores and the agent logs anyway; each begins where the one before ends.
"""

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from sqlalchemy import text

from bench import common

_DONE = text("SELECT count(*) FROM executions WHERE state = 'finished'")
_TRACES = text("""
SELECT e.id, o.created_at AS ticked, w.leased_at AS claimed, t.released_at AS released, e.dispatched_at AS taken,
  convert_from(c.data, 'UTF8') AS printed, e.received_at AS received
FROM occurrences o
JOIN runs r ON r.occurrence_id = o.id
JOIN work_items w ON w.run_id = r.id
JOIN run_targets t ON t.run_id = r.id
JOIN executions e ON e.target_id = t.id
JOIN output_chunks c ON c.execution_id = e.id AND c.stream = 1 AND c.at_offset = 0
ORDER BY o.created_at
""")
#: (from, to, what lies between)
_STEPS = (
    ("due", "ticked", "scheduler wakes up, tick reads the clock"),
    ("ticked", "claimed", "tick writes, commits; worker takes from the queue"),
    ("claimed", "released", "worker reads the run, begins the release"),
    ("released", "taken", "release commits; gateway begins to take"),
    ("taken", "starting", "take, sign, commit, socket; agent verifies, keeps"),
    ("starting", "executed", "agent starts supervisor, interpreter, first act"),
    ("due", "executed", "due to first byte executed"),
    ("executed", "received", "(afterwards: until the result is stored)"),
)
WARM_UP = 5
SCRIPT = "echo $EPOCHREALTIME\n"

Trace = dict[str, datetime]


async def measure(stage: common.Stage, number: int) -> list[Trace]:
    await stage.engines("api", "gateway", "scheduler")
    site = await stage.site(auto_approval=timedelta(hours=1))
    agent, device = await stage.agent(site)
    script = await stage.script(SCRIPT)
    due = await stage.jobs_due(script, [device], WARM_UP + number)
    patience = (due[-1] - await stage.now()).total_seconds() + 20

    async def are_done() -> bool:
        async with stage.db.begin() as tx:
            return bool((await tx.execute(_DONE)).scalar_one() >= len(due))

    await common.until(are_done, "all scripts to end", patience=patience, rest=1.0)
    async with stage.db.begin() as tx:
        rows = (await tx.execute(_TRACES)).all()
    starting = _starts(agent.log_file.read_text())
    traces = [
        {
            "due": at,
            **{name: getattr(row, name) for name in ("ticked", "claimed", "released", "taken", "received")},
            "starting": starting[str(row.id)],
            "executed": common.utc(float(row.printed)),
        }
        for at, row in zip(due, rows, strict=True)
    ]
    return traces[WARM_UP:]


def _starts(log: str) -> dict[str, datetime]:
    """When the agent went about to start each execution, to the millisecond."""
    lines = (line.split() for line in log.splitlines())
    told = [words for words in lines if words[1:2] == ["execution.starting"]]
    return {words[2].removeprefix("execution="): datetime.fromisoformat(words[0]) for words in told}


def report(traces: Sequence[Trace]) -> None:
    rows = []
    for first, last, what in _STEPS:
        rows.append((what, common.milliseconds([(one[last] - one[first]).total_seconds() for one in traces])))
    common.table(["step", "p50 ms", "p99 ms", "max ms"], [[what, *values.values()] for what, values in rows])
    total = dict(rows)["due to first byte executed"]
    common.finish({"executions": len(traces), **total})


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=120, help="jobs, due one by one")
    options = parser.parse_args()
    common.tell("dispatch", f"{options.jobs} jobs due one by one, each on one connected real agent")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                report(await measure(stage, options.jobs))

        common.run(bench)


if __name__ == "__main__":
    main()

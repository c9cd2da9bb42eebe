"""One tick with very many jobs: a thousand fall due in one second among a hundred thousand that do not.

Measured is what the scheduler's services that tick (`Ticker` and `Relief`) do against a durable PostgreSQL until nothing is due:
occurrences, runs, frozen targets, work items, next due times, committed. Beside it, in turns, a bare set-based tick in SQL alone on
the same jobs: claim, insert occurrences, runs and targets, advance. Last, what a scheduler process costs while nothing falls due.
"""

import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from sqlalchemy import text

from bench import common, machine
from watchbill.apps.scheduler import Ticker
from watchbill.apps.wiring import Engine
from watchbill.core.schedule import tzdata_version
from watchbill.kit import settings
from watchbill.kit.clock import rfc3339

#: Every kind of schedule; `start` and minute are set anew for what is to fall due.
SCHEDULES: tuple[dict[str, object], ...] = (
    {"type": "every_5_minutes"},
    {"type": "every_15_minutes"},
    {"type": "every_30_minutes"},
    {"type": "hourly"},
    {"type": "daily"},
    {"type": "weekly"},
    {"type": "monthly"},
    {"type": "yearly"},
    {"type": "cron", "expression": "0 * * * *", "start": None},
    {"type": "rrule", "rule": "FREQ=DAILY"},
)
ZONES = ("UTC", "Europe/Berlin", "America/Denver", "Asia/Kolkata")
DEVICES = 1000
WARM_UP = 2

# Jobs are saved through the feature's face once for each kind, and copied from there.
_COPY = (
    """INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, next_due_at,
      tzdata_version, created_at, updated_at)
    SELECT j.name || ' ' || n, job_kind, 1, definition, true, 'active', schedule_type, mark_at,
      CAST(:soon AS timestamptz) + (1 + n % 86400) * interval '1 second', tzdata_version, created_at, updated_at
    FROM jobs j, generate_series(1, :copies) n WHERE j.id = ANY(:templates)""",
    """INSERT INTO job_revisions (job_id, revision, definition, changed_at)
    SELECT id, 1, definition, created_at FROM jobs WHERE NOT id = ANY(:templates)""",
    """INSERT INTO job_components (job_id, position, assembly_id, variables)
    SELECT j.id, 0, c.assembly_id, '{}' FROM jobs j, job_components c
    WHERE NOT j.id = ANY(:templates) AND c.job_id = CAST(:one AS bigint)""",
    """INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id)
    SELECT id, p, 'device', false, (CAST(:devices AS uuid[]))[1 + (id * 7 + p) % :number] FROM jobs, generate_series(0, 1) p
    WHERE NOT id = ANY(:templates)""",
    "UPDATE jobs SET enabled = false, next_due_at = NULL WHERE id = ANY(:templates)",
)
_CHOOSE = text("SELECT id FROM jobs WHERE enabled ORDER BY (id * 2654435761) % 1000003 LIMIT :number")
_MAKE_DUE = text("""
UPDATE jobs SET mark_at = CAST(:minute AS timestamptz) - interval '1 second', next_due_at = :minute, state = 'active', definition =
  CASE schedule_type
    WHEN 'cron' THEN jsonb_set(definition, '{schedule,expression}', to_jsonb(CAST(:cron AS text)))
    ELSE jsonb_set(definition, '{schedule,start}', to_jsonb(CAST(:start AS text))) END
WHERE id = ANY(:due)
""")
_EMPTY = "TRUNCATE occurrences, occurrence_counts, runs, run_targets, executions, output_chunks, output_texts, work_items, pgqueuer, events CASCADE"
_OPENED = text(
    "SELECT count(*) AS occurrences, (SELECT count(*) FROM run_targets) AS targets FROM occurrences WHERE state = 'open'"
)
_CLAIM = text(
    "SELECT id FROM jobs WHERE next_due_at <= :now AND enabled ORDER BY next_due_at LIMIT 1000 FOR UPDATE SKIP LOCKED"
)
_BARE = text("""
WITH made AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, job_revision, created_at)
  SELECT gen_random_uuid(), id, 'schedule', next_due_at, 'open', revision, :now FROM jobs WHERE id = ANY(:claimed)
  RETURNING id, job_id
), run AS (
  INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, created_at)
  SELECT new_run_id(:now), id, job_id, 'script', 'system', '[]', 3600, :now FROM made RETURNING id, occurrence_id, job_id
)
INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, deadline_at, expires_at)
SELECT r.id, r.occurrence_id, r.job_id, d.id, d.site_id, d.hostname, 'pending', :later, :later
FROM run r JOIN job_targets t ON t.job_id = r.job_id JOIN devices d ON d.id = t.device_id
""")
_ADVANCE = text("UPDATE jobs SET mark_at = :now, next_due_at = :later WHERE id = ANY(:claimed)")


async def set_up(stage: common.Stage, number: int) -> None:
    site = await stage.site()
    devices = await stage.devices(DEVICES, site.id)
    script = await stage.script("true")
    tomorrow = (await stage.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    templates = [
        await stage.job(script, devices[:1], {"timezone": zone, "start": tomorrow, **schedule})
        for schedule in SCHEDULES
        for zone in ZONES
    ]
    values = {
        "copies": -(-number // len(templates)),
        "soon": await stage.now() + timedelta(days=1),
        "templates": templates,
        "one": templates[0],
        "devices": devices,
        "number": len(devices),
    }
    for statement in _COPY:
        async with stage.db.begin() as tx:
            await tx.execute(text(statement), {name: one for name, one in values.items() if f":{name}" in statement})
    await _run(stage, "ANALYZE")


async def _run(stage: common.Stage, statement: str) -> None:
    async with stage.db.begin() as tx:
        await tx.execute(text(statement))


async def make_due(stage: common.Stage, number: int) -> list[int]:
    """An empty history, and that many jobs due at the beginning of this minute."""
    await _run(stage, _EMPTY)
    minute = (await stage.now()).replace(second=0, microsecond=0)
    async with stage.db.begin() as tx:
        due = list((await tx.execute(_CHOOSE, {"number": number})).scalars())
        # Two minutes of the hour: in some zones the hours begin at half past.
        cron = f"{minute.minute},{(minute.minute + 30) % 60} * * * *"
        await tx.execute(_MAKE_DUE, {"due": due, "minute": minute, "start": rfc3339(minute), "cron": cron})
    return due


async def ours(stage: common.Stage, ticker: Ticker, number: int) -> float:
    due = await make_due(stage, number)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in ("Ticker", "Relief"):
            group.create_task(ticker.catch_up(asyncio.Event()))
    took = time.perf_counter() - began
    async with stage.db.begin() as tx:
        opened = (await tx.execute(_OPENED)).one()
    assert opened.occurrences == len(due) == number, opened
    assert opened.targets == 2 * number, opened
    return took


async def bare(stage: common.Stage, number: int) -> float:
    await make_due(stage, number)
    began = time.perf_counter()
    async with stage.db.begin() as tx:
        now = await stage.clock.now(tx)
        later = now + timedelta(days=1)
        claimed = list((await tx.execute(_CLAIM, {"now": now})).scalars())
        await tx.execute(_BARE, {"claimed": claimed, "now": now, "later": later})
        await tx.execute(_ADVANCE, {"claimed": claimed, "now": now, "later": later})
    assert len(claimed) == number
    return time.perf_counter() - began


async def measure(stage: common.Stage, number: int, due: int, rounds: int, idle_seconds: float) -> None:
    began = time.perf_counter()
    await set_up(stage, number)
    print(f"{number} jobs saved in {time.perf_counter() - began:.1f} s, zone rules {tzdata_version()}", flush=True)
    ticker = Ticker(Engine(settings.load(stage.environment()), stage.db, stage.clock, stage.keys))
    pairs = [(await ours(stage, ticker, due), await bare(stage, due)) for _ in range(WARM_UP + rounds)][WARM_UP:]
    await _run(stage, _EMPTY)
    idle = await _idle(stage, idle_seconds)
    figures = {"tick": [one for one, _ in pairs], "bare": [one for _, one in pairs]}
    shown = {name: common.milliseconds(values) for name, values in figures.items()}
    common.table(["step", "p50 ms", "p99 ms", "max ms"], [[name, *values.values()] for name, values in shown.items()])
    half, bare_half = (common.percentile(figures[name], 0.5) for name in ("tick", "bare"))
    print(f"idle scheduler: {idle:.2f} % of a core\n")
    common.finish(
        {
            "jobs": number,
            "due": due,
            "p50_ms": shown["tick"]["p50_ms"],
            "p99_ms": shown["tick"]["p99_ms"],
            "bare_p50_ms": shown["bare"]["p50_ms"],
            "ratio": round(half / bare_half, 2),
            "idle_cpu_percent": round(idle, 2),
        }
    )


async def _idle(stage: common.Stage, seconds: float) -> float:
    """What a scheduler of its own process needs with all these jobs and none of them due."""
    scheduler = await stage.engine("scheduler", WATCHBILL_LAUNCHER="none")
    await asyncio.sleep(min(seconds, 3))
    return await machine.cpu_percent(lambda: machine.descendants(scheduler.pid), seconds)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="saved jobs of all kinds of schedules")
    parser.add_argument("--due", type=int, default=1000, help="of these, due in one second")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--idle-seconds", type=float, default=20)
    options = parser.parse_args()
    common.tell("tick", f"{options.due} of {options.jobs} jobs due in one second, {options.rounds} rounds")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                await measure(stage, options.jobs, options.due, options.rounds, options.idle_seconds)

        common.run(bench)


if __name__ == "__main__":
    main()

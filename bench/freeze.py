"""Freezing the targets of one large occurrence, beside the bare insert of the same rows.

Measured is `runs.open_occurrences` and its commit: occurrence, run, every device judged and frozen with its reason, counters, work
items, event. Beside it, in turns, one `INSERT … SELECT` of the very rows that came of it, into the same table. Some devices are
left out: disabled, revoked, excluded, without the interpreter. The last figure opens the job again while all rows of the time
before still wait for their devices, so that each is superseded.
"""

import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from sqlalchemy import text

from bench import common
from watchbill import runs

#: The most targets that one job may name; beyond it they are added to the table, as filters will.
MOST_NAMED = 10_000
PREVIEWS = 40
WARM_UP = 3

_MORE_TARGETS = text("""
INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id)
SELECT :job, :first + row_number() OVER (), 'device', false, d FROM unnest(CAST(:devices AS uuid[])) AS d
""")
_LEAVE_OUT = (
    "UPDATE devices SET status = 'disabled' WHERE id = ANY(:devices) AND right(hostname, 2) = '17'",
    "UPDATE devices SET status = 'revoked' WHERE id = ANY(:devices) AND right(hostname, 2) = '34'",
    "UPDATE devices SET interpreters = '{powershell}' WHERE id = ANY(:devices) AND right(hostname, 2) IN ('51', '68')",
    """INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id)
    SELECT :job, row_number() OVER (), 'device', true, id FROM devices
    WHERE id = ANY(:devices) AND right(hostname, 2) = '85'""",
)
_COLUMNS = """run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, deadline_at, expires_at, finished_at"""
_KEEP = f"CREATE TABLE kept AS SELECT {_COLUMNS} FROM run_targets"
_BARE_ROOM = text("""
WITH occurrence AS (
  INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, request_id, state, job_revision, created_at)
  VALUES (:id, :job, 'manual', :now, :request, 'open', 1, :now) RETURNING id
)
INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at)
SELECT new_run_id(:now), id, :job, 'script', 'system', '[]', 60, 'device', :now FROM occurrence RETURNING id
""")
_BARE = text(f"""
INSERT INTO run_targets ({_COLUMNS})
SELECT :run, :occurrence, job_id, device_id, site_id, hostname, state, reason, deadline_at, expires_at, finished_at FROM kept
""")
_EMPTY = "TRUNCATE occurrences, occurrence_counts, occurrence_waves, runs, run_targets, executions, output_chunks, work_items, pgqueuer, events"


async def set_up(stage: common.Stage, number: int) -> tuple[int, list[uuid.UUID]]:
    site = await stage.site()
    devices = await stage.devices(number, site.id)
    named, more = devices[:MOST_NAMED], devices[MOST_NAMED:]
    script = await stage.script("true")
    tomorrow = (await stage.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ")
    job = await stage.job(script, named, {"type": "once", "start": tomorrow})
    async with stage.db.begin() as tx:
        await tx.execute(_MORE_TARGETS, {"job": job, "first": len(named), "devices": more})
        for statement in _LEAVE_OUT:
            values = {"devices": devices, **({"job": job} if ":job" in statement else {})}
            await tx.execute(text(statement), values)
    await _run(stage, "ANALYZE")
    return job, devices


async def _run(stage: common.Stage, statement: str) -> None:
    async with stage.db.begin() as tx:
        await tx.execute(text(statement))


async def freeze(stage: common.Stage, job: int) -> float:
    now = await stage.now()
    opening = runs.Opening(
        id=uuid.uuid4(),
        job_id=job,
        job_revision=1,
        kind="manual",
        scheduled_for=now.replace(microsecond=0),
        expires_at=now + timedelta(days=1),
        request_id=uuid.uuid4().hex,
    )
    began = time.monotonic()
    async with stage.db.begin() as tx:
        opened = await runs.open_occurrences(tx, [opening], now)
    took = time.monotonic() - began
    assert opened == {opening.id}
    return took


async def insert_bare(stage: common.Stage, job: int) -> float:
    occurrence = uuid.uuid4()
    now = await stage.now()
    async with stage.db.begin() as tx:
        room = {"id": occurrence, "job": job, "now": now, "request": occurrence.hex}
        run = (await tx.execute(_BARE_ROOM, room)).scalar_one()
    began = time.monotonic()
    async with stage.db.begin() as tx:
        await tx.execute(_BARE, {"run": run, "occurrence": occurrence})
    return time.monotonic() - began


async def preview(stage: common.Stage, job: int) -> list[float]:
    """As a person asks for it: through a real API process."""
    took = []
    await stage.engine("api")
    async with stage.signed_in() as http:
        for _ in range(WARM_UP + PREVIEWS):
            began = time.monotonic()
            reply = await http.get(f"/api/scheduled_jobs/{job}/preview")
            took.append(time.monotonic() - began)
            assert reply.status_code == 200, reply.text
    return took[WARM_UP:]


async def measure(stage: common.Stage, number: int, rounds: int) -> common.Figures:
    job, devices = await set_up(stage, number)
    await freeze(stage, job)
    await _run(stage, _KEEP)
    left_out = await _left_out(stage)
    whole: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        for times, measured in ((whole, freeze), (bare, insert_bare)):
            await _run(stage, _EMPTY)
            times.append(await measured(stage, job))
    await _run(stage, _EMPTY)
    await freeze(stage, job)
    superseding = await freeze(stage, job)
    previews = await preview(stage, job)
    seconds, bare_seconds = common.percentile(whole, 0.5), common.percentile(bare, 0.5)
    _tell(
        number, {"frozen with reasons": whole, "bare insert": bare, "frozen, superseding all": [superseding]}, left_out
    )
    return {
        "targets": len(devices),
        "seconds": round(seconds, 4),
        "bare_seconds": round(bare_seconds, 4),
        "ratio": round(seconds / bare_seconds, 2),
        "superseding_seconds": round(superseding, 4),
        "preview_p95_ms": round(common.percentile(previews, 0.95) * 1000, 1),
    }


async def _left_out(stage: common.Stage) -> dict[str, int]:
    async with stage.db.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT coalesce(reason, 'eligible') AS reason, count(*) AS number FROM kept GROUP BY 1 ORDER BY 2 DESC"
            )
        )
        return {row.reason: row.number for row in rows}


def _tell(number: int, rows: Mapping[str, Sequence[float]], left_out: dict[str, int]) -> None:
    print(f"{number} devices: {', '.join(f'{count} {reason}' for reason, count in left_out.items())}\n")
    shown = [
        [what, f"{min(times) * 1000:.1f}", f"{common.percentile(times, 0.5) * 1000:.1f}", f"{max(times) * 1000:.1f}"]
        for what, times in rows.items()
    ]
    common.table(["what", "best ms", "half ms", "worst ms"], shown)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--devices", type=int, default=1000, help="explicit devices of one job")
    parser.add_argument("--rounds", type=int, default=7, help="times each is measured, in turns")
    options = parser.parse_args()
    common.tell("freeze", f"{options.devices} devices of one job resolved, frozen, enqueued, committed")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                common.finish(await measure(stage, options.devices, options.rounds))

        common.run(bench)


if __name__ == "__main__":
    main()

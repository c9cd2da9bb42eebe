"""Freezing the targets of one large occurrence, beside the bare insert of the same rows.

The job is aimed at a filter of three conditions (host name, operating system, a version of installed software) and leaves out what
another one finds. Measured is `runs.open_occurrences` and its commit: the filters asked, occurrence, run, every device judged and
frozen with its reason, counters, work items, event. Beside it, in turns, one `INSERT … SELECT` of the very rows that came of it, into
the same table. Some devices are left out: disabled, excluded, without the interpreter. `superseding` opens the job again while all
rows of the time before still wait for their devices, so that each is superseded.
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
from watchbill import filters, runs
from watchbill.core.filter_version import version_key
from watchbill.identity import ENGINE

PREVIEWS = 40
WARM_UP = 3

#: What each device has installed besides; and the one package that the filter asks about, in one of ten versions.
_SOFTWARE = text("""
INSERT INTO device_software (device_id, name, name_key, version, version_key, source)
SELECT d.id, p.name, p.name, p.version, p.key, 'dpkg'
FROM devices d CROSS JOIN unnest(CAST(:names AS text[]), CAST(:versions AS text[]), CAST(:keys AS text[])) AS p(name, version, key)
""")
_ASKED_FOR = text("""
INSERT INTO device_software (device_id, name, name_key, version, version_key, source)
SELECT d.id, 'openssl', 'openssl', p.version, p.key, 'dpkg'
FROM devices d JOIN unnest(CAST(:versions AS text[]), CAST(:keys AS text[])) WITH ORDINALITY AS p(version, key, place)
  ON p.place - 1 = right(d.hostname, 1)::integer
""")
CRITERIA = {
    "all": [
        {"field": "hostname", "operator": "starts_with", "value": "HOST-"},
        {"field": "os_family", "operator": "is", "value": "linux"},
        {
            "field": "software",
            "operator": "installed",
            "value": {"name": "openssl", "version_operator": "lower", "version": "3.0.9"},
        },
    ]
}
SPARED = {"field": "hostname", "operator": "ends_with", "value": "85"}
_LEAVE_OUT = (
    "UPDATE devices SET status = 'disabled' WHERE right(hostname, 2) = '17'",
    "UPDATE devices SET interpreters = '{powershell}' WHERE right(hostname, 2) IN ('51', '68')",
)
_COLUMNS = """run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, deadline_at, expires_at, finished_at, via,
  inventory_revision"""
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
SELECT :run, :occurrence, job_id, device_id, site_id, hostname, state, reason, deadline_at, expires_at, finished_at, via,
  inventory_revision FROM kept
""")
_EMPTY = "TRUNCATE occurrences, occurrence_counts, occurrence_waves, runs, run_targets, executions, output_chunks, output_texts, work_items, pgqueuer, events CASCADE"


async def set_up(stage: common.Stage, number: int, software: int) -> int:
    """A fleet with its software, and the job; its number."""
    site = await stage.site()
    await stage.devices(number, site.id)
    await _install(stage, software)
    script = await stage.script("true")
    tomorrow = (await stage.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ")
    async with stage.db.begin() as tx:
        now = await stage.clock.now(tx)
        wanted = await filters.create(tx, ENGINE, {"name": "Old OpenSSL", "criteria": CRITERIA}, now=now)
        spared = await filters.create(tx, ENGINE, {"name": "Spared", "criteria": SPARED}, now=now)
    rules = [[{"kind": "filter", "filter_id": one.id}] for one in (wanted, spared)]
    job = await stage.job(script, [], {"type": "once", "start": tomorrow}, targets=rules[0], exclusions=rules[1])
    for statement in (*_LEAVE_OUT, "ANALYZE"):
        await _run(stage, statement)
    return job


async def _install(stage: common.Stage, software: int) -> None:
    others = [f"package-{n}" for n in range(software)]
    async with stage.db.begin() as tx:
        versions = ["1.0.2-1"] * software
        keys = [version_key(one) for one in versions]
        await tx.execute(_SOFTWARE, {"names": others, "versions": versions, "keys": keys})
        asked = [f"3.0.{n}-1" for n in range(10)]
        await tx.execute(_ASKED_FOR, {"versions": asked, "keys": [version_key(one) for one in asked]})


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


async def measure(stage: common.Stage, number: int, software: int, rounds: int) -> common.Figures:
    job = await set_up(stage, number, software)
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
        "targets": sum(left_out.values()),
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
    parser.add_argument("--devices", type=int, default=100_000, help="devices of the fleet")
    parser.add_argument("--software", type=int, default=20, help="packages on each, besides the one asked for")
    parser.add_argument("--rounds", type=int, default=7, help="times each is measured, in turns")
    options = parser.parse_args()
    common.tell("freeze", f"a filter over {options.devices} devices resolved, frozen, enqueued, committed")
    with common.database() as (folder, url):

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                common.finish(await measure(stage, options.devices, options.software, options.rounds))

        common.run(bench)


if __name__ == "__main__":
    main()

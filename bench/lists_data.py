"""What `bench/lists.py` reads: written straight into the tables, week by week, as the Engine would have written it.

A week's rows are written into a table of its own without indexes, which then becomes a partition: so each index is built once,
from sorted rows, and foreign keys are checked by one join.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import common
from watchbill import runs
from watchbill.runs.retention import FIRST_DAY, IDS_OF_A_DAY, WEEK, day_of

_KEEP = timedelta(days=3650)


@dataclass(frozen=True)
class Sizes:
    rows: int
    devices: int
    sites: int
    jobs: int
    #: Most devices of a job.
    widest: int = 10_000


@dataclass(frozen=True)
class Sample:
    """What is asked for: sites, jobs of each kind that have devices in them, some of their occurrences."""

    now: datetime
    middle: datetime
    sites: list[int]
    jobs: dict[str, list[int]]
    occurrences: dict[int, list[str]]
    rare_name: str
    rare_host: str


# Kinds of jobs: how many of a thousand, devices of each (at most), minutes between two occurrences.
_KINDS = (
    ("small", 840, 20, 1440),
    ("site", 127, 200, 1440),
    ("wide", 20, 1000, 2880),
    ("all", 3, None, 10_080),
    ("often", 10, 1, 15),
)

_SITES = """
INSERT INTO sites (name, description, timezone, enrolment_code_sealed, enrolment_code_hash, enrolment_code_rotated_at, created_at, updated_at)
SELECT 'Site ' || lpad(n::text, 4, '0'), '', 'UTC', 'none', decode(md5('site' || n), 'hex'), :now, :now, :now
FROM generate_series(1, CAST(:sites AS integer)) n
"""
_DEVICES = """
INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, os_name, os_version, arch, agent_version, interpreters,
  created_at, updated_at)
SELECT gen_random_uuid(), s.id, 'host-' || lpad(n::text, 6, '0'), CASE WHEN n % 200 = 0 THEN 'revoked' ELSE 'active' END,
  decode(md5('a' || n) || md5('b' || n), 'hex'), 'linux', 'Debian GNU/Linux', '12', 'x86_64', '0.1.0', '{bash,python}', :now, :now
FROM generate_series(1, CAST(:devices AS integer)) n
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM sites) s
  ON s.place = (n - 1)::bigint * CAST(:sites AS bigint) / CAST(:devices AS bigint)
"""
_PRESENCE = """
INSERT INTO device_presence (device_id, gateway_id, connection_id, connected_at, last_seen_at)
SELECT id, CASE WHEN r < 0.8 THEN CAST('00000000-0000-4000-8000-00000000000a' AS uuid) END, gen_random_uuid(),
  :now - r * interval '30 days', :now - r * r * interval '20 days'
FROM (SELECT id, random() AS r FROM devices) d WHERE r < 0.98
"""
# Devices by number: those of a small job lie in one site, those of a wide one anywhere.
_FLEET = "CREATE TABLE bench_fleet AS SELECT row_number() OVER (ORDER BY hostname) - 1 AS n, id, site_id, hostname FROM devices"
_FLEET_KEY = "CREATE UNIQUE INDEX ON bench_fleet (n)"
_JOBS = """
INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, next_due_at, tzdata_version, created_by,
  created_at, updated_at)
SELECT 'Job ' || n || ' of kind ' || k.kind, 'automation', 1, jsonb_build_object(
    'name', 'Job ' || n || ' of kind ' || k.kind, 'description', '', 'job_kind', 'automation', 'components', CAST(:components AS jsonb),
    'targets', '[]'::jsonb, 'exclusions', '[]'::jsonb,
    'schedule', jsonb_set(CAST(:schedule AS jsonb), '{start}', to_jsonb(to_char(j.due, '"2026-01-01T"HH24:MI"Z"'))), 'execution_context', 'system',
    'credential_id', NULL, 'use_service_account', false, 'duration', CAST(:duration AS jsonb), 'policies', CAST(:policies AS jsonb), 'enabled', n % 10 <> 0),
  n % 10 <> 0, CASE WHEN n % 10 = 0 THEN 'paused' ELSE 'active' END, 'daily', :now,
  CASE WHEN n % 10 <> 0 THEN due END, '2026a', NULL, :now, :now - n * interval '1 minute'
FROM (
  SELECT n, n * 1000 / CAST(:jobs AS integer) AS share,
    date_trunc('minute', CAST(:now AS timestamptz)) + (1 + n % 1440) * interval '1 minute' AS due
  FROM generate_series(0, CAST(:jobs AS integer) - 1) n
) j
JOIN bench_kinds k ON j.share >= k.low AND j.share < k.high ORDER BY md5(n::text)
"""
_REVISIONS = """
INSERT INTO job_revisions (job_id, revision, definition, changed_at)
SELECT id, 1, definition, created_at FROM jobs j WHERE NOT EXISTS (SELECT FROM job_revisions r WHERE r.job_id = j.id)
"""
_KINDS_TABLE = """
CREATE TABLE bench_kinds AS
SELECT kind, sum(share) OVER w - share AS low, sum(share) OVER w AS high, least(size, CAST(:devices AS integer)) AS size, minutes
FROM unnest(CAST(:kinds AS text[]), CAST(:shares AS integer[]), CAST(:sizes AS integer[]), CAST(:minutes AS integer[]))
  WITH ORDINALITY AS k(kind, share, size, minutes, place) WINDOW w AS (ORDER BY place)
"""
_WORK = """
CREATE TABLE bench_jobs AS
SELECT j.id AS job_id, k.kind, k.size, k.minutes, (j.id * 7919) % CAST(:devices AS bigint) AS first,
  CASE WHEN k.kind IN ('wide', 'all') THEN greatest(CAST(:devices AS bigint) / k.size, 1) ELSE 1 END AS stride
FROM jobs j JOIN bench_kinds k ON j.name LIKE '% of kind ' || k.kind
"""
_TARGETS = """
INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id)
SELECT w.job_id, p, 'device', false, f.id FROM bench_jobs w, generate_series(0, w.size - 1) p
JOIN bench_fleet f ON true WHERE f.n = (w.first + p * w.stride) % CAST(:devices AS bigint)
"""
_DAILY = "SELECT sum(size * 1440.0 / minutes) FROM bench_jobs"
# Whole minutes of the day, each job at its own. Some occurrences are late, some did not run.
_OCCURRENCES = """
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, reason, outcome, is_late, job_revision, created_at, opened_at, closed_at)
SELECT gen_random_uuid(), job_id, 'schedule', at, state, CASE state WHEN 'missed' THEN 'catch_up_window' WHEN 'skipped' THEN 'overlap' END,
  CASE WHEN state = 'closed' THEN CASE WHEN dice < 0.8 THEN 'success' WHEN dice < 0.92 THEN 'warning' ELSE 'failed' END END,
  dice > 0.49 AND dice < 0.5, 1, at + interval '1 second', CASE WHEN state = 'closed' THEN at + interval '1 second' END,
  CASE WHEN state = 'closed' THEN at + interval '5 minutes' END
FROM (
  SELECT w.job_id, at, random() AS dice,
    CASE WHEN spread < 0.01 THEN 'missed' WHEN spread < 0.02 THEN 'skipped' ELSE 'closed' END AS state
  FROM bench_jobs w, generate_series(
    date_trunc('day', CAST(:since AS timestamptz)) + (w.job_id * 37 % w.minutes) * interval '1 minute', CAST(:now AS timestamptz), w.minutes * interval '1 minute'
  ) at, LATERAL (SELECT random() + 0 * w.job_id AS spread WHERE at IS NOT NULL) s
) o
"""
_RUNS = """
INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at)
SELECT floor(extract(epoch FROM created_at - CAST(:first AS timestamptz)) / 86400)::bigint * 134217728 + row_number() OVER (ORDER BY created_at),
  id, job_id, 'script', 'system', CAST(:components AS jsonb), 3600, 'device', created_at
FROM occurrences WHERE state = 'closed'
"""
_WEEK = """
INSERT INTO {run_targets} (id, run_id, occurrence_id, job_id, device_id, site_id, hostname, state, reason, attempt, term, wave, is_awaited, released_at,
  expires_at, started_at, finished_at, exit_code, last_line)
SELECT nextval('run_targets_id_seq'), r.id, r.occurrence_id, r.job_id, t.device_id, f.site_id, f.hostname,
  CASE WHEN dice < 0.93 THEN 'success' WHEN dice < 0.95 THEN 'warning' WHEN dice < 0.97 THEN 'failed' WHEN dice < 0.99 THEN 'expired' ELSE 'skipped' END,
  CASE WHEN dice >= 0.99 THEN 'previous_run_active' WHEN dice >= 0.97 THEN 'offline' END, 1, 1, 1, false, r.created_at, r.created_at + interval '1 day',
  CASE WHEN dice < 0.97 THEN r.created_at END, r.created_at + interval '30 seconds', CASE WHEN dice < 0.97 THEN CASE WHEN dice < 0.95 THEN 0 ELSE 1 END END,
  CASE WHEN dice < 0.97 THEN 'removed 17 files' END
FROM runs r JOIN job_targets t ON t.job_id = r.job_id JOIN bench_fleet f ON f.id = t.device_id, LATERAL (SELECT random() + 0 * t.position AS dice WHERE r.id > 0) d
WHERE r.id >= :low AND r.id < :high
ORDER BY r.id, t.position
"""
_WEEK_EXECUTIONS = """
INSERT INTO {executions} (id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, exit_code, start_by_at, dispatched_at,
  started_at, finished_at, received_at, stdout_bytes, stderr_bytes, stored_bytes, truncated)
SELECT gen_random_uuid(), id, run_id, device_id, site_id, 0, 1, 1, 'finished', 'exited', exit_code, expires_at, started_at, started_at, finished_at,
  finished_at, 17, 0, 17, false
FROM {run_targets} WHERE started_at IS NOT NULL
"""
_COUNTS = """
INSERT INTO occurrence_counts (occurrence_id, site_id, wave, state, number)
SELECT occurrence_id, site_id, 1, state, count(*) FROM {run_targets} GROUP BY occurrence_id, site_id, state
ORDER BY min(id), site_id -- those of an occurrence lie together, as they are written
"""
_TABLES = ("run_targets", "executions")


async def load(stage: common.Stage, sizes: Sizes, more: Sequence[str] = ()) -> int:
    """Write everything; how many target rows there are. `more`: statements for the tables of a week before they are partitions."""
    now = await stage.now()
    script = await stage.script("true")
    site = await stage.site("Pattern")
    await stage.job(script, await stage.devices(1, site.id), {"type": "daily", "start": "2026-01-01T03:00Z"})
    async with stage.db.begin() as tx:
        await tx.execute(text("SET LOCAL work_mem = '128MB'"))
        values = await _catalogue(tx, sizes, script, now)
        daily = float((await tx.execute(text(_DAILY))).scalar_one())
        since = now - timedelta(days=max(sizes.rows / daily, 1))
        await _run(tx, _OCCURRENCES, {"since": since, "now": now})
        await _run(tx, _RUNS, {"first": FIRST_DAY, "components": values["frozen"]})
        # Without, the joins of each week are planned for tables of no rows, and take minutes.
        await _run(tx, "ANALYZE runs, occurrences, job_targets, bench_fleet, bench_jobs", {})
    for week in range(day_of(since) // WEEK, day_of(now) // WEEK + 1):
        await _load_week(stage, week, more)
    while await _retain(stage, now):
        pass
    return await _finish(stage)


async def _catalogue(tx: AsyncConnection, sizes: Sizes, script: UUID, now: datetime) -> dict[str, str]:
    kinds, shares, targets, minutes = zip(*_KINDS, strict=True)
    plain = {"now": now, "sites": sizes.sites, "devices": sizes.devices, "jobs": sizes.jobs}
    columns = {
        "kinds": list(kinds),
        "shares": list(shares),
        "sizes": [one or sizes.widest for one in targets],
        "minutes": list(minutes),
    }
    texts = {
        "components": f'[{{"assembly_id": "{script}", "kind": "script", "variables": {{}}, "revision": "latest"}}]',
        "frozen": (
            f'[{{"position": 0, "assembly_id": "{script}", "name": "Script", "revision": 1, "variables": {{}},'
            f' "content_sha256": "{"0" * 64}", "interpreter": "bash", "warning_exit_codes": []}}]'
        ),
    }
    await _run(tx, _SITES, plain)
    for statement in (_DEVICES, _PRESENCE, _FLEET, _FLEET_KEY, _KINDS_TABLE):
        await _run(tx, statement, {**plain, **columns})
    parts = await _parts_of_a_real_job(tx)
    await _run(tx, _JOBS, {**plain, **texts, **parts})
    await _run(tx, _REVISIONS, {})
    await _run(tx, _WORK, plain)
    await _run(tx, _TARGETS, plain)
    return texts


async def _parts_of_a_real_job(tx: AsyncConnection) -> dict[str, str]:
    """Schedule, durations and policies as a save writes them."""
    found = await tx.execute(
        text("""
        SELECT definition->'schedule' #>> '{}' AS schedule, definition->'duration' #>> '{}' AS duration,
          definition->'policies' #>> '{}' AS policies FROM jobs ORDER BY id LIMIT 1""")
    )
    return dict(found.mappings().one())


async def _load_week(stage: common.Stage, week: int, more: Sequence[str]) -> None:
    low, high = week * WEEK * IDS_OF_A_DAY, (week + 1) * WEEK * IDS_OF_A_DAY
    begins = FIRST_DAY + timedelta(days=week * WEEK)
    names = {table: f"{table}_{begins:%Y%m%d}" for table in (*_TABLES, "output_chunks", "output_texts")}
    async with stage.db.begin() as tx:
        await tx.execute(text("SET LOCAL work_mem = '128MB'"))
        await tx.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        for table, name in names.items():
            filled = " WITH (fillfactor = 80)" if table in _TABLES else ""
            await _run(tx, f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS){filled}", {})
        await _run(tx, _WEEK.format(**names), {"low": low, "high": high})
        for statement in (_WEEK_EXECUTIONS, *more, _COUNTS):
            await _run(tx, statement.format(**names), {})
        for table, name in names.items():
            await _run(tx, f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})", {})


async def _retain(stage: common.Stage, now: datetime) -> bool:
    async with stage.db.begin() as tx:
        return await runs.retain(tx, now, keep=_KEEP)


async def _finish(stage: common.Stage) -> int:
    async with stage.db.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("DROP TABLE bench_fleet, bench_kinds"))
        await plain.execute(text("VACUUM (ANALYZE)"))
        return int((await plain.execute(text("SELECT count(*) FROM run_targets"))).scalar_one())


async def _run(tx: AsyncConnection, statement: str, values: Mapping[str, object]) -> None:
    await tx.execute(text(statement), values)


async def sample(stage: common.Stage) -> Sample:
    """Things to ask for. The sites are those that the operator will see, and the jobs have devices there."""
    async with stage.db.begin() as tx:
        now = await stage.clock.now(tx)
        sites = list((await tx.execute(text("SELECT id FROM sites ORDER BY md5(id::text) LIMIT 3"))).scalars())
        kinds = await tx.execute(
            text("""
            SELECT w.kind, w.job_id FROM bench_jobs w WHERE EXISTS (SELECT FROM job_targets t JOIN devices d ON d.id = t.device_id
              WHERE t.job_id = w.job_id AND (d.site_id = ANY(:sites) OR w.kind = 'often')) ORDER BY md5(w.job_id::text)"""),
            {"sites": sites},
        )
        jobs: dict[str, list[int]] = {}
        for kind, job in kinds:
            jobs.setdefault(kind, []).append(job)
        chosen = [job for some in jobs.values() for job in some]
        earlier = await tx.execute(
            text("""
            SELECT o.job_id, o.id::text FROM unnest(CAST(:jobs AS bigint[])) j(id), LATERAL (SELECT job_id, id FROM occurrences
              WHERE job_id = j.id AND state = 'closed' ORDER BY scheduled_for_at LIMIT 5) o"""),
            {"jobs": chosen},
        )
        occurrences: dict[int, list[str]] = {}
        for job, occurrence in earlier:
            occurrences.setdefault(job, []).append(occurrence)
        first = (await tx.execute(text("SELECT min(scheduled_for_at) FROM occurrences"))).scalar_one()
        name = (
            await tx.execute(text("SELECT name FROM jobs WHERE name LIKE '%small' ORDER BY id LIMIT 1"))
        ).scalar_one()
        host = (await tx.execute(text("SELECT max(hostname) FROM devices"))).scalar_one()
    return Sample(now, first + (now - first) / 2, sites, jobs, occurrences, name, host)

"""The lists that grow are read in the order of an index: the plans of the very statements that are sent, on a few thousand rows."""

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene
from watchbill import devices, jobs, runs
from watchbill.devices import DeviceFilter, DeviceSort
from watchbill.identity import EVERY_SITE, SiteScope
from watchbill.jobs import JobFilter
from watchbill.kit.db import Database
from watchbill.runs import Ledger, ledger
from watchbill.runs.ledger import LedgerFilter

DEVICES = 6000

_SITES = """
INSERT INTO sites (name, timezone, enrolment_code_sealed, enrolment_code_hash, enrolment_code_rotated_at, created_at, updated_at)
SELECT 'Site ' || n, 'UTC', 'none', decode(md5(n::text), 'hex'), :now, :now, :now FROM generate_series(1, 40) n
"""
_DEVICES = """
INSERT INTO devices (id, site_id, hostname, status, public_key, os_family, created_at, updated_at)
SELECT gen_random_uuid(), (SELECT min(id) FROM sites) + n % 40, 'host-' || lpad(n::text, 5, '0'), 'active', decode(md5(n::text), 'hex'),
  'linux', :now, :now FROM generate_series(1, CAST(:number AS integer)) n
"""
_PRESENCE = """
INSERT INTO device_presence (device_id, last_seen_at)
SELECT id, :now - random() * interval '9 days' FROM devices WHERE right(hostname, 1) <> '0' ON CONFLICT DO NOTHING
"""
_JOBS = """
INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, tzdata_version, created_at, updated_at)
SELECT 'Job ' || n, 'automation', 1, j.definition, true, 'active', 'daily', :now, '', :now, :now
FROM generate_series(1, 800) n, (SELECT definition FROM jobs WHERE id = :job) j
"""
_TARGETS = """
INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id)
SELECT j.id, row_number() OVER (PARTITION BY j.id), 'device', false, d.id
FROM jobs j JOIN devices d ON hashint8(j.id) % 97 = hashtext(d.hostname) % 97 WHERE j.id <> :job
"""
_OCCURRENCES = """
INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, outcome, job_revision, created_at, opened_at)
SELECT gen_random_uuid(), j.id, 'schedule', :now - n * interval '1 hour', 'closed', 'success', 1, :now, :now
FROM generate_series(1, 25) n, jobs j WHERE j.id % 4 = 0 OR j.id = :job
"""
_RUN = """
INSERT INTO runs (id, occurrence_id, job_id, kind, execution_context, components, time_limit_seconds, exclusivity, created_at)
SELECT new_run_id(:now), id, job_id, 'script', 'system', '[]', 60, 'device', :now FROM occurrences
WHERE job_id = :job ORDER BY scheduled_for_at DESC LIMIT 3
"""
_ROWS = """
INSERT INTO run_targets (run_id, occurrence_id, job_id, device_id, site_id, hostname, state, expires_at)
SELECT r.id, r.occurrence_id, r.job_id, d.id, d.site_id, d.hostname, 'success', :now FROM runs r, devices d
"""


@dataclass(frozen=True)
class Fleet:
    """A full database: the job whose history is looked into, its newest occurrence, a reader of one site of forty."""

    job: int
    occurrence: uuid.UUID
    narrow: SiteScope


@pytest.fixture
async def fleet(db: Database, scene: Scene) -> Fleet:
    async with db.begin() as tx:
        await scene.device(tx, "crane")
        job = await scene.job(tx, "crane")
        values = {"now": scene.now, "number": DEVICES, "job": job}
        for statement in (_SITES, _DEVICES, _PRESENCE, _JOBS, _TARGETS, _OCCURRENCES, _RUN, _ROWS):
            await tx.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
        occurrence = (await scene.occurrence(tx, job, None)).id
        site = (await tx.execute(text("SELECT max(id) - 1 FROM sites"))).scalar_one()
    async with db.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))
    return Fleet(job, occurrence, SiteScope(frozenset({site})))


async def plans(db: Database, call: Callable[[AsyncConnection], Awaitable[Any]]) -> list[str]:
    """What the database does for each statement of `call`."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            sent.append((statement, parameters))

    async with db.begin() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", note)
        await call(tx)
        event.remove(tx.sync_connection, "before_cursor_execute", note)
        await tx.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        return ["\n".join((await tx.exec_driver_sql(f"EXPLAIN {one}", given)).scalars()) for one, given in sent]


async def listed(db: Database, scope: SiteScope, sort: DeviceSort, **wanted: Any) -> list[str]:
    async def call(tx: AsyncConnection) -> None:
        await devices.store.list_devices(tx, scope, DeviceFilter(**wanted), sort, after=None, limit=51)

    return await plans(db, call)


@pytest.mark.parametrize("sort", [DeviceSort.LAST_SEEN_DOWN, DeviceSort.HOSTNAME, DeviceSort.HOSTNAME_DOWN])
async def test_a_page_of_all_devices_is_read_in_order(db: Database, fleet: Fleet, sort: DeviceSort) -> None:
    (plan,) = await listed(db, EVERY_SITE, sort)
    assert ("device_presence_seen" if sort.is_by_time else "devices_hostname") in plan
    assert not re.search(r"Sort Key: .*(hostname|last_seen)", plan)


async def test_devices_are_searched_in_one_column(db: Database, fleet: Fleet) -> None:
    (plan,) = await listed(db, EVERY_SITE, DeviceSort.HOSTNAME, q="HOST-0")
    assert re.search(r"Filter:.*\bsearch ~~ '%host-0%'", plan)
    assert "~~*" not in plan


@pytest.mark.parametrize("wanted", [{}, {"site_id": True}])
async def test_the_jobs_of_a_few_sites_are_found_once_for_a_page(db: Database, fleet: Fleet, wanted: Any) -> None:
    (site,) = fleet.narrow.site_ids or frozenset[int]()
    scope = EVERY_SITE if wanted else fleet.narrow
    chosen = JobFilter(site_id=site) if wanted else JobFilter()

    async def call(tx: AsyncConnection) -> None:
        await jobs.listing.list_page(tx, scope, chosen, limit=50, cursor=None)

    page, summary, *_ = await plans(db, call)
    assert "hashed SubPlan" in page and "jobs_name" in page
    assert "Semi Join" not in page
    # By the sites that are kept with the targets, not by the devices themselves.
    assert "job_targets_at_site" in page and "devices" not in page.replace("all_devices", "")
    if scope is fleet.narrow:
        assert "job_targets_at_site" in summary and "Seq Scan on devices" not in summary


async def test_the_ledger_of_a_few_sites_finds_their_jobs_once(db: Database, fleet: Fleet, scene: Scene) -> None:
    async def call(tx: AsyncConnection) -> None:
        await ledger.list_ledger(tx, fleet.narrow, LedgerFilter(), now=scene.now, limit=50, cursor=None)

    page = (await plans(db, call))[0]
    assert "hashed SubPlan" in page and "job_targets_at_site" in page and "occurrences_time" in page
    assert "devices" not in page.replace("all_devices", "")


async def test_the_history_of_a_job_is_read_in_order(db: Database, fleet: Fleet) -> None:
    async def call(tx: AsyncConnection) -> None:
        await runs.list_occurrences(tx, fleet.narrow, Ledger(fleet.job), limit=10, cursor=None)

    page, counts = await plans(db, call)
    assert "occurrences_of_job" in page and "Sort" not in page
    assert "Seq Scan on runs" not in counts


async def test_device_rows_are_read_in_order(db: Database, fleet: Fleet) -> None:
    async def call(tx: AsyncConnection) -> None:
        await runs.device_rows(tx, EVERY_SITE, fleet.occurrence, limit=50)

    mine, page, *others = await plans(db, call)
    assert "runs" in mine and "run_targets" not in mine
    assert re.search(r"run_targets_rest_occurrence_id_lower_id_idx|run_targets_by_host|_lower_id", page)
    assert "Sort" not in page
    # Of all weeks' partitions those of the occurrence alone are planned for.
    assert not any("Append" in one for one in (page, *others))


async def test_a_page_of_history_asks_no_partition(db: Database, fleet: Fleet) -> None:
    async def call(tx: AsyncConnection) -> None:
        await runs.list_occurrences(tx, EVERY_SITE, Ledger(fleet.job), limit=50, cursor=None)

    assert not any("run_targets" in one for one in await plans(db, call))


async def test_that_a_job_is_there_is_no_count_of_its_devices(db: Database, fleet: Fleet, scene: Scene) -> None:
    (plan,) = await plans(db, lambda tx: jobs.require_visible(tx, scene.admin, fleet.job))
    assert "job_targets" not in plan

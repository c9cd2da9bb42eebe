"""What lists of jobs rest on: when a job ran last is noted by whatever opens an occurrence, and filters are answered by indexes."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from tests.factories.scene import Scene
from watchbill import jobs, runs
from watchbill.identity.actor import EVERY_SITE
from watchbill.jobs import JobFilter
from watchbill.jobs.listing import page_query
from watchbill.runs import Range


async def last_run(tx, job_id):
    return (await tx.execute(text("SELECT last_run_at FROM jobs WHERE id = :id"), {"id": job_id})).scalar_one()


async def test_a_due_instant_notes_when_the_job_ran_and_a_missed_one_does_not(db, scene: Scene):
    async with db.begin() as tx:
        await scene.device(tx, "web-1")
        ran, missed = await scene.job(tx, "web-1"), await scene.job(tx, "web-1", policies={"catch_up": "skip"})
        assert await last_run(tx, ran) is None
        due = (await jobs.get(tx, scene.admin, ran)).next_due_at
        assert due is not None
        late = due + timedelta(minutes=3)
        assert len(await scene.tick(tx, late)) == 1
        assert (await last_run(tx, ran), await last_run(tx, missed)) == (late, None)


async def test_whatever_a_person_starts_notes_it_too(db, scene: Scene):
    async with db.begin() as tx:
        await scene.device(tx, "web-1")
        again, past = [await scene.job(tx, "web-1") for _ in range(2)]
        await runs.rerun(tx, scene.admin, again, runs.Again(), now=scene.now)
        begin = scene.now - timedelta(days=1)
        schedule = {"type": "hourly", "start": begin.strftime("%Y-%m-%dT%H:%M"), "timezone": "UTC"}
        old = await scene.job(tx, "web-1", schedule=schedule)
        made = await runs.backfill(tx, scene.admin, old, Range(begin, begin + timedelta(hours=2), None), now=scene.now)
        assert made.opened
        assert [await last_run(tx, one) for one in (again, past, old)] == [scene.now, None, scene.now]


async def test_an_occurrence_that_was_held_counts_when_it_is_let_go(db, scene: Scene):
    async with db.begin() as tx:
        await scene.device(tx, "web-1")
        job_id = await scene.job(tx, "web-1", policies={"catch_up": "hold"})
        late = scene.now + timedelta(minutes=4)
        assert await scene.tick(tx, late) == set()
        [held] = [one for one in await scene.ledger(tx, job_id) if one.state == "held"]
        assert await last_run(tx, job_id) is None
        later = late + timedelta(seconds=5)
        assert await runs.release_held(tx, [held.id], later, actor=scene.admin, reason=None) == {held.id}
        assert await last_run(tx, job_id) == later


@pytest.mark.parametrize(
    ("health", "index"),
    [("missed", "occurrences_missed"), ("failing", "occurrences_of_job"), ("waiting", "occurrences_open")],
)
async def test_filters_by_health_are_answered_by_indexes(db, scene: Scene, health: runs.Health, index: str):
    async with db.begin() as tx:
        await scene.device(tx, "web-1")
        job_id = await scene.job(tx, "web-1")
        copy = text(
            "INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, tzdata_version,"
            " created_at, updated_at) SELECT name || n, job_kind, revision, definition, enabled, state, schedule_type,"
            " mark_at, tzdata_version, created_at, updated_at FROM jobs, generate_series(1, 1000) n WHERE id = :id"
        )
        await tx.execute(copy, {"id": job_id})
        ledger = text(
            "INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, reason, outcome, job_revision, created_at)"
            " SELECT gen_random_uuid(), j.id, 'schedule', CAST(:now AS timestamptz) - n * interval '1 hour',"
            " CASE WHEN j.id % 100 = 0 AND n = 1 THEN 'missed' WHEN j.id % 50 = 0 AND n = 2 THEN 'open' ELSE 'closed' END,"
            " NULL, CASE WHEN (j.id % 100 = 0 AND n = 1) OR (j.id % 50 = 0 AND n = 2) THEN NULL ELSE 'success' END, 1,"
            " CAST(:now AS timestamptz) FROM jobs j, generate_series(1, 30) n"
        )
        await tx.execute(ledger, {"now": scene.now})
        counts = (
            "INSERT INTO occurrence_counts (occurrence_id, site_id, state, number) SELECT id, 1,"
            " CASE WHEN outcome IS NULL THEN 'pending' ELSE 'success' END, 3 FROM occurrences"
        )
        await tx.execute(text(counts))
        await tx.execute(text("ANALYZE jobs, occurrences, occurrence_counts"))
        only = runs.with_health(EVERY_SITE, health, scene.now)
        query = page_query(EVERY_SITE, JobFilter(), limit=50, cursor=None, only=only)
        compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {compiled}".replace(":", "\\:")))).scalars())
        assert index in plan, plan
        assert "Seq Scan on occurrences" not in plan, plan

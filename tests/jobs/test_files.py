"""Files of jobs: what goes out comes back the same, whatever the job says; two who save one name make one job."""

import asyncio
import random

import pytest
from sqlalchemy import text

from tests.jobs.conftest import SECRET, World, device, make_world
from watchbill import filters, jobs
from watchbill.kit.errors import ConflictError, ForbiddenError

AWKWARD = [
    "yes",
    "007",
    "1e3",
    "- a: b",
    "#no",
    "Ünï \N{SNOWMAN}",
    "a'b\"c",
    "null",
    "{x}",
    "@home",
    "2026-05-04",
    "~",
    "x" * 200,
]
SCHEDULES = [
    {"type": "every_15_minutes"},
    {"type": "hourly", "start": "2030-01-31T07:00", "timezone": "Asia/Kathmandu", "count": 5},
    {"type": "daily", "start": "2030-01-31T02:30", "timezone": "Europe/Berlin", "end": "2031-01-31T02:30"},
    {"type": "monthly", "start": "2030-01-31T07:00", "timezone_source": "site"},
    {"type": "once", "start": "2030-01-31T07:00:00Z"},
    {"type": "cron", "expression": "0 3 * * 1-5", "timezone": "America/Denver"},
    {"type": "cron", "expression": "@daily", "timezone_source": "device"},
    {"type": "rrule", "rule": "FREQ=WEEKLY;BYDAY=MO,FR", "start": "2030-01-31T07:00", "exdate": ["2030-02-01T07:00"]},
    {"type": "immediately"},
]  # fmt: skip


def some_job(world: World, chance: random.Random):
    devices = [device(one) for one in (world.crane, world.pump, world.lamp, world.loner)]
    targets = chance.sample(devices, chance.randint(1, 4))
    variables = {
        "Token": SECRET,
        "Mode": chance.choice(["soft", "hard"]),
        "MaxAgeHours": chance.choice([0, 8, -1, 2.5]),
    }
    return world.job(
        name=f"{chance.choice(AWKWARD)[:180]} {chance.randint(0, 10**9)}",
        description=chance.choice(["", "two\nlines\n", " a\ttab", *AWKWARD]),
        components=[
            {"assembly_id": str(world.assembly), "variables": variables, "revision": chance.choice([1, "latest"])}
        ],
        targets=targets,
        exclusions=chance.sample(devices, chance.randint(0, 1)) if len(targets) > 1 else [],
        schedule=chance.choice(SCHEDULES),
        duration=chance.choice(
            [{}, {"time_limit_seconds": 60, "run_limit_seconds": 3600, "expires_after_seconds": 600}]
        ),
        policies={
            "overlap": chance.choice(["skip", "queue_one", "replace", "allow"]),
            "overlap_scope": chance.choice(["device", "job"]),
            "catch_up": chance.choice(["skip", "latest", "all"]),
            "catch_up_window_seconds": chance.choice([None, 600]),
            "splay_seconds": chance.choice([0, 60]),
            "splay_mode": chance.choice(["fixed", "per_occurrence"]),
            "failure_threshold_percent": chance.choice([0, 10]),
        },
        enabled=chance.choice([True, False]),
    )


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_a_job_says_its_file_plans_to_nothing(tx, world, keys, seed):
    chance = random.Random(seed)
    for _ in range(6):
        saved = (await jobs.create(tx, world.admin, some_job(world, chance), keys=keys, now=world.now)).job
        file = await jobs.export_file(tx, world.admin, saved)
        assert SECRET not in file
        planned = await jobs.plan_file(tx, world.admin, file, keys=keys, now=world.now)
        assert (planned.action, planned.job_id, planned.changes, planned.problems) == ("unchanged", saved.id, [], ())
        reading = await jobs.read_file(tx, world.admin, file, "update", now=world.now)
        again = await jobs.save_file(tx, world.admin, reading, keys=keys, now=world.now)
        assert (again.is_changed, again.job.revision) == (False, 1)
        assert await jobs.export_file(tx, world.admin, again.job) == file


async def test_a_secret_in_a_file_is_written_and_one_that_is_not_there_stays(tx, world, keys):
    saved = (await jobs.create(tx, world.admin, world.job(), keys=keys, now=world.now)).job
    file = await jobs.export_file(tx, world.admin, saved)
    given = file.replace("MaxAgeHours: 8", "MaxAgeHours: 8\n    Token: another")
    planned = await jobs.plan_file(tx, world.admin, given, keys=keys, now=world.now)
    assert [(one.field, one.before, one.after) for one in planned.changes] == [
        ("components.0.variables.Token", {"is_set": True}, {"is_set": True})
    ]
    reading = await jobs.read_file(tx, world.admin, given, "update", now=world.now)
    changed = (await jobs.save_file(tx, world.admin, reading, keys=keys, now=world.now)).job
    variables = changed.definition["components"][0]["variables"]
    assert jobs.open_variables(keys, saved.id, 0, variables) == {"Token": "another", "MaxAgeHours": 8}


async def test_two_who_make_a_job_of_one_name_at_once_make_one(db, clock, keys):
    async with db.begin() as tx:
        world = await make_world(tx, await clock.now(tx))
    file = f"""name: Nightly
components:
  - assembly: Clean up
    variables: {{Token: {SECRET}}}
targets:
  - {{kind: device, site: Harbour, hostname: crane}}
schedule: {{type: cron, expression: 0 3 * * *}}
"""

    async def save() -> int:
        async with db.begin() as tx:
            reading = await jobs.read_file(tx, world.admin, file, "update", now=world.now)
            return (await jobs.save_file(tx, world.admin, reading, keys=keys, now=world.now)).job.id

    assert len(set(await asyncio.gather(*(save() for _ in range(4))))) == 1
    async with db.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM jobs WHERE name = 'Nightly'"))).scalar_one() == 1
        with pytest.raises(ConflictError):
            await jobs.read_file(tx, world.admin, file, "refuse", now=world.now)


async def test_case_tells_names_apart(tx, world, keys):
    saved = (await jobs.create(tx, world.admin, world.job(name="Nightly"), keys=keys, now=world.now)).job
    file = (await jobs.export_file(tx, world.admin, saved)).replace("name: Nightly", "name: NIGHTLY")
    reading = await jobs.read_file(tx, world.admin, file, "update", now=world.now)
    assert reading.before is None


async def test_a_target_that_was_revoked_is_named_as_such(tx, world, keys):
    saved = (await jobs.create(tx, world.admin, world.job(), keys=keys, now=world.now)).job
    await tx.execute(text("UPDATE devices SET status = 'revoked' WHERE id = :id"), {"id": world.pump})
    file = await jobs.export_file(tx, world.admin, saved)
    planned = await jobs.plan_file(tx, world.admin, file, keys=keys, now=world.now)
    assert [(one.field, one.code) for one in planned.problems] == [("targets.1.hostname", "device_not_found")]


async def test_an_exclusion_in_a_site_one_does_not_see_is_neither_told_nor_lost(tx, world, keys):
    hidden = world.job(exclusions=[device(world.lamp)])
    number = (await jobs.create(tx, world.admin, hidden, keys=keys, now=world.now)).job.id
    seen = await jobs.get(tx, world.operator, number)
    with pytest.raises(ForbiddenError) as refused:
        await jobs.export_file(tx, world.operator, seen)
    assert refused.value.code == "job_spans_other_sites"
    file = await jobs.export_file(tx, world.admin, await jobs.get(tx, world.admin, number))
    own = file.split("exclusions:")[0] + "schedule:" + file.split("schedule:")[1]
    planned = await jobs.plan_file(tx, world.operator, own, keys=keys, now=world.now)
    assert "job_spans_other_sites" in [one.code for one in planned.problems]
    assert planned.changes == ()
    locked = await jobs.lock(tx, world.operator, number)
    with pytest.raises(ForbiddenError):
        await jobs.update(tx, world.operator, locked, hidden | {"exclusions": []}, keys=keys, now=world.now)
    [update] = [one for one in jobs.allowed_actions(world.operator, seen) if one.action == "update"]
    assert (update.allowed, update.reason) == (
        False,
        "This job leaves out, or begins with, devices in sites that you do not see.",
    )
    paused = await jobs.toggle(tx, world.operator, locked, {"enabled": False}, now=world.now)
    assert paused.job.definition["exclusions"] == [device(world.lamp)]


async def test_a_canary_in_a_site_one_does_not_see_is_neither_told_nor_lost(tx, world, keys):
    waves = {"sizes": [1], "canary": {"targets": [device(world.lamp), device(world.pump)]}}
    job = world.job(policies={"waves": waves})
    number = (await jobs.create(tx, world.admin, job, keys=keys, now=world.now)).job.id
    seen = await jobs.get(tx, world.operator, number)
    assert jobs.shown(seen.definition, seen.seen)["policies"]["waves"]["canary"]["targets"] == [device(world.pump)]
    wanted = jobs.JobFilter()
    [item] = (await jobs.list_jobs(tx, world.operator, wanted, limit=5, cursor=None)).items
    assert item.listed is not None
    assert item.listed.shown["policies"]["waves"]["canary"]["targets"] == [], "as a list names no targets"
    locked = await jobs.lock(tx, world.admin, number)
    changed = await jobs.update(tx, world.admin, locked, world.job(), keys=keys, now=world.now)
    assert changed.is_changed
    revisions = (await jobs.list_revisions(tx, world.operator, number, limit=5, cursor=None)).items
    assert str(world.lamp) not in repr(revisions)
    assert str(world.pump) in repr(revisions)
    back = await jobs.update(tx, world.admin, changed.job, job, keys=keys, now=world.now)
    with pytest.raises(ForbiddenError):
        await jobs.update(
            tx, world.operator, await jobs.lock(tx, world.operator, back.job.id), world.job(), keys=keys, now=world.now
        )


async def test_canaries_are_named_in_a_file_as_targets_are(tx, world, keys):
    spring = {"field": "hostname", "operator": "equals", "value": "pump"}
    body = {"name": "First ones", "criteria": {"all": [spring]}}
    first = await filters.create(tx, world.admin, body, now=world.now)
    waves = {"sizes": [1], "canary": {"targets": [{"kind": "filter", "filter_id": first.id}, device(world.crane)]}}
    saved = (await jobs.create(tx, world.admin, world.job(policies={"waves": waves}), keys=keys, now=world.now)).job
    file = await jobs.export_file(tx, world.admin, saved)
    assert "filter: First ones" in file
    assert str(world.crane) not in file
    planned = await jobs.plan_file(tx, world.admin, file, keys=keys, now=world.now)
    assert (planned.action, planned.changes, planned.problems) == ("unchanged", [], ())
    wrong = file.replace("filter: First ones", "filter: Nobody knows")
    [problem] = (await jobs.plan_file(tx, world.admin, wrong, keys=keys, now=world.now)).problems
    assert (problem.field, problem.code) == ("policies.waves.canary.targets.0.filter", "filter_not_found")

"""The scheduler's side: what is due is handed out once, in order, and one broken job touches no other."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.jobs.conftest import World, device, make_world
from watchbill import jobs
from watchbill.core.schedule import tzdata_version
from watchbill.identity import Permission
from watchbill.jobs import Advance
from watchbill.kit.errors import NotFoundError


async def create(tx, world, keys, **changes):
    return (await jobs.create(tx, world.admin, world.job(**changes), keys=keys, now=world.now)).job


def every(kind):
    return {"type": kind}


async def test_only_what_is_due_is_taken_the_most_overdue_first(tx, world: World, keys):
    slow = await create(tx, world, keys, schedule=every("hourly"))
    quick = await create(tx, world, keys, schedule=every("every_5_minutes"))
    assert await jobs.take_due(tx, world.now) == []
    later = world.now + timedelta(hours=2)
    await tx.execute(text("UPDATE jobs SET next_due_at = :at WHERE id = :id"), {"at": world.now, "id": slow.id})
    assert [one.id for one in await jobs.take_due(tx, later)] == [slow.id, quick.id]
    assert [one.id for one in await jobs.take_due(tx, later, limit=1)] == [slow.id]
    assert await jobs.earliest_due(tx) == world.now


async def test_a_due_job_says_what_opening_it_needs(tx, world, keys):
    policies = {"overlap": "allow", "catch_up": "all", "offline": "skip", "failure_threshold_percent": 10}
    job = await create(
        tx, world, keys, policies=policies, duration={"time_limit_seconds": 5, "expires_after_seconds": 600}
    )
    [due] = await jobs.take_due(tx, world.now + timedelta(hours=1))
    assert (due.id, due.revision, due.error, due.next_due_at) == (job.id, 1, None, job.next_due_at)
    assert (due.time_limit_seconds, due.expires_after_seconds, due.failure_threshold_percent) == (5, 600, 10)
    assert (due.policies.overlap, due.policies.catch_up, due.policies.offline) == ("allow", "all", "skip")
    assert due.allowed_site_ids is None
    assert due.schedule is not None
    assert await jobs.due_settings(tx, job.id) == due


async def test_paused_and_deleted_jobs_are_never_due(tx, world, keys):
    paused, gone = await create(tx, world, keys), await create(tx, world, keys)
    lock = [await jobs.lock(tx, world.admin, one.id, Permission.JOBS_WRITE) for one in (paused, gone)]
    await jobs.toggle(tx, world.admin, lock[0], {"enabled": False}, now=world.now)
    await jobs.delete(tx, world.admin, lock[1], now=world.now)
    assert await jobs.take_due(tx, world.now + timedelta(days=9)) == []
    assert await jobs.earliest_due(tx) is None
    assert (await jobs.due_settings(tx, paused.id)).id == paused.id, "a paused job can be started by hand"
    with pytest.raises(NotFoundError):
        await jobs.due_settings(tx, gone.id)


async def test_two_schedulers_never_take_the_same_job(db, clock, keys):
    async with db.begin() as tx:
        now = await clock.now(tx)
        world = await make_world(tx, now)
        for _ in range(4):
            await create(tx, world, keys)
    later = now + timedelta(hours=1)
    async with db.begin() as first, db.begin() as second:
        one = await jobs.take_due(first, later, limit=3)
        two = await jobs.take_due(second, later, limit=3)
    assert len(one) == 3
    assert len(two) == 1
    assert not {job.id for job in one} & {job.id for job in two}


async def test_a_job_goes_on_where_the_tick_says(tx, world, keys):
    active, over = await create(tx, world, keys), await create(tx, world, keys)
    mark, following, occurrence = world.now + timedelta(hours=1), world.now + timedelta(hours=2), uuid4()
    steps = [
        Advance(active.id, mark, following, "active", None, occurrence),
        Advance(over.id, mark, None, "completed", None, None),
    ]
    await jobs.advance(tx, steps, tzdata_version(), mark)
    rows = (
        await tx.execute(text("SELECT state, next_due_at, mark_at, last_occurrence_id FROM jobs ORDER BY id"))
    ).all()
    assert [tuple(row) for row in rows] == [("active", following, mark, occurrence), ("completed", None, mark, None)]
    await jobs.advance(tx, [Advance(active.id, mark, following, "active", None, None)], tzdata_version(), mark)
    kept = await tx.execute(text("SELECT last_occurrence_id FROM jobs WHERE id = :id"), {"id": active.id})
    assert kept.scalar_one() == occurrence
    await jobs.advance(tx, [], tzdata_version(), mark)


async def test_a_schedule_that_cannot_be_read_any_more_breaks_only_its_own_job(tx, world, keys):
    broken, whole = await create(tx, world, keys), await create(tx, world, keys)
    lost_zone = text(
        "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,timezone}', '\"Mars/Olympus\"') WHERE id = :id"
    )
    await tx.execute(lost_zone, {"id": broken.id})
    taken = {one.id: one for one in await jobs.take_due(tx, world.now + timedelta(hours=1))}
    assert taken[broken.id].schedule is None
    assert "Mars/Olympus" in (taken[broken.id].error or "")
    assert taken[whole.id].schedule is not None
    reason = taken[broken.id].error
    await jobs.advance(tx, [Advance(broken.id, world.now, None, "error", reason, None)], tzdata_version(), world.now)
    seen = await jobs.get(tx, world.admin, broken.id)
    assert (seen.state, seen.state_reason) == ("error", reason)


async def test_a_pause_ends_by_itself_and_owes_what_fell_due_since(tx, world, keys):
    job = await create(tx, world, keys)
    forever = await create(tx, world, keys)
    until = world.now + timedelta(hours=3)
    for one, body in ((job, {"enabled": False, "until": until.isoformat()}), (forever, {"enabled": False})):
        await jobs.toggle(tx, world.admin, await jobs.lock(tx, world.admin, one.id), body, now=world.now)
    assert await jobs.resume_paused(tx, until - timedelta(seconds=1)) == 0
    assert await jobs.resume_paused(tx, until + timedelta(hours=1)) == 1
    resumed = await jobs.get(tx, world.admin, job.id)
    assert (resumed.enabled, resumed.state, resumed.revision, resumed.mark_at) == (True, "active", 3, until)
    assert resumed.definition["enabled"] is True
    assert resumed.next_due_at is not None
    assert until < resumed.next_due_at <= until + timedelta(minutes=15)
    assert (await jobs.get(tx, world.admin, forever.id)).state == "paused"
    page = await jobs.list_revisions(tx, world.admin, job.id, limit=1, cursor=None)
    assert (page.items[0].revision, page.items[0].changed_by) == (3, None)
    assert await jobs.resume_paused(tx, until + timedelta(hours=2)) == 0


async def test_new_zone_rules_move_what_is_due_next_and_nothing_else(tx, world, keys):
    zoned = {"type": "daily", "start": "2027-01-04T07:00", "timezone": "Europe/Berlin"}
    stale, fresh = await create(tx, world, keys, schedule=zoned), await create(tx, world, keys, schedule=zoned)
    outdated = text(
        "UPDATE jobs SET tzdata_version = '2025b', next_due_at = next_due_at + interval '1 hour' WHERE id = :id"
    )
    await tx.execute(outdated, {"id": stale.id})
    assert await jobs.recompute_for_new_zone_rules(tx, world.now) == 1
    assert await jobs.recompute_for_new_zone_rules(tx, world.now) == 0
    moved = await jobs.get(tx, world.admin, stale.id)
    assert (moved.next_due_at, moved.mark_at, moved.revision) == (fresh.next_due_at, stale.mark_at, 1)


async def test_the_scheduler_wakes_for_the_end_of_a_pause_as_for_a_due_job(tx, world, keys):
    job = await create(tx, world, keys)
    until = world.now + timedelta(seconds=7)
    body = {"enabled": False, "until": until.isoformat()}
    await jobs.toggle(tx, world.admin, await jobs.lock(tx, world.admin, job.id), body, now=world.now)
    assert await jobs.earliest_due(tx) == until
    other = await create(tx, world, keys, schedule=every("every_5_minutes"))
    assert await jobs.earliest_due(tx) == min(until, other.next_due_at)
    assert await jobs.resume_paused(tx, until) == 1


async def test_zones_in_use_are_those_of_devices_and_sites_and_always_utc(tx, world, keys):
    assert await jobs.zones_in_use(tx) == {"UTC"}
    await places.make_site(tx, "Tokyo", now=world.now, timezone="Asia/Tokyo")
    for device_id, zone in ((world.crane, "Europe/Berlin"), (world.pump, "Europe/Berlin"), (world.lamp, "Mars/Base")):
        await move(tx, device_id, zone)
    assert await jobs.zones_in_use(tx) == {"UTC", "Asia/Tokyo", "Europe/Berlin"}


async def move(tx, device_id, zone):
    await tx.execute(text("UPDATE devices SET timezone = :zone WHERE id = :id"), {"zone": zone, "id": device_id})


async def test_a_job_that_follows_clocks_is_due_where_its_wall_clock_is_reached_first(tx, world, keys):
    following = {"type": "daily", "start": "2030-01-31T07:00", "timezone_source": "device"}
    job = await create(tx, world, keys, schedule=following)
    assert job.next_due_at == datetime(2030, 1, 31, 7, tzinfo=UTC)
    assert job.definition["schedule"].get("timezone") is None
    await move(tx, world.crane, "Asia/Tokyo")
    zones = await jobs.zones_in_use(tx)
    assert await jobs.recompute_following(tx, zones, world.now, limit=1) == 1
    assert await jobs.recompute_following(tx, zones, world.now) == 0, "what stands where it should is left alone"
    assert (await jobs.get(tx, world.admin, job.id)).next_due_at == datetime(2030, 1, 30, 22, tzinfo=UTC)
    [due] = await jobs.take_due(tx, datetime(2030, 1, 30, 22, tzinfo=UTC))
    assert (due.zone_source, due.run_limit_seconds) == ("device", None)


async def test_new_zones_move_only_the_jobs_that_follow_them(tx, world, keys):
    following = {"type": "cron", "expression": "0 7 * * *", "timezone_source": "site"}
    moved = [(await create(tx, world, keys, schedule=following)).id for _ in range(5)]
    fixed = await create(tx, world, keys, schedule={"type": "cron", "expression": "0 7 * * *"})
    for zones in (("UTC", "Pacific/Kiritimati"), ("UTC",)):
        assert await jobs.recompute_following(tx, zones, world.now, limit=2) == len(moved)
    assert await jobs.get(tx, world.admin, fixed.id) == fixed


async def test_a_job_stored_before_there_were_splays_is_read_with_their_defaults(tx, world, keys):
    job = await create(tx, world, keys)
    older = text(
        "UPDATE jobs SET definition = definition #- '{policies,splay_mode}' #- '{duration,run_limit_seconds}' WHERE id = :id"
    )
    await tx.execute(older, {"id": job.id})
    due = await jobs.due_settings(tx, job.id)
    assert (due.policies.splay_mode, due.run_limit_seconds) == ("fixed", None)
    before = await jobs.lock(tx, world.admin, job.id)
    shown = jobs.shown(before.definition)
    assert (shown["policies"]["splay_mode"], shown["duration"]["run_limit_seconds"]) == ("fixed", None)
    saved = await jobs.update(tx, world.admin, before, shown, keys=keys, now=world.now)
    assert not saved.is_changed, "what was added to jobs since then is no change of this one"
    renamed = await jobs.update(tx, world.admin, before, shown | {"name": "New"}, keys=keys, now=world.now)
    assert renamed.is_changed
    page = await jobs.list_revisions(tx, world.admin, job.id, limit=1, cursor=None)
    assert [one.field for one in page.items[0].changes] == ["name"]


async def test_sites_with_work_soon_are_named(tx, world, keys):
    await create(tx, world, keys, targets=[device(world.crane), device(world.loner)])
    assert await jobs.sites_due_within(tx, world.now - timedelta(days=1), 5) == []
    assert await jobs.sites_due_within(tx, world.now, 1000) == [0, world.harbour]


async def test_the_hot_queries_use_their_indexes(tx, world, keys):
    job = await create(tx, world, keys)
    copy = text(
        "INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, next_due_at,"
        " tzdata_version, created_at, updated_at) SELECT name || n, job_kind, revision, definition - 'targets', enabled, state,"
        " schedule_type, mark_at, next_due_at + n * interval '1 minute', tzdata_version, created_at, updated_at"
        " FROM jobs, generate_series(1, 5000) n WHERE id = :id"
    )
    await tx.execute(copy, {"id": job.id})
    await tx.execute(text("ANALYZE jobs"))
    explain = text(
        "EXPLAIN SELECT id FROM jobs WHERE next_due_at <= :now AND enabled AND deleted_at IS NULL"
        " ORDER BY next_due_at LIMIT 500 FOR UPDATE SKIP LOCKED"
    )
    plan = "\n".join((await tx.execute(explain, {"now": world.now + timedelta(hours=1)})).scalars())
    assert "jobs_due" in plan
    assert "Sort" not in plan
    ended = text(
        "EXPLAIN SELECT id FROM jobs WHERE paused_until <= :now AND deleted_at IS NULL"
        " ORDER BY paused_until LIMIT 500 FOR UPDATE SKIP LOCKED"
    )
    assert "jobs_resume" in "\n".join((await tx.execute(ended, {"now": world.now})).scalars())
    nearest = text(
        "EXPLAIN SELECT least((SELECT min(next_due_at) FROM jobs WHERE enabled AND deleted_at IS NULL),"
        " (SELECT min(paused_until) FROM jobs WHERE deleted_at IS NULL))"
    )
    plan = "\n".join((await tx.execute(nearest)).scalars())
    assert "Seq Scan" not in plan
    assert "jobs_resume" in plan
